//! One entry of a completion list, and where the import that it may need belongs.

use tower_lsp::ls_types::*;

/// One offer, in bytes.
pub struct Offer {
    /// What the user reads.
    pub label: String,
    /// What is written.
    pub insert: String,
    /// In place of these bytes.
    pub replace: std::ops::Range<usize>,
    /// Its symbol.
    pub kind: CompletionItemKind,
    /// Beside the label.
    pub detail: String,
    /// About it.
    pub documentation: String,
    /// Lower comes first.
    pub rank: u32,
    /// It has tab stops.
    pub snippet: bool,
    /// The client renders Markdown.
    pub markdown: bool,
    /// `import mvm` is missing.
    pub import: bool,
}

impl Offer {
    /// As the client takes it; `place` is where a missing import belongs.
    pub fn into_item(self, text: &crate::text::Text, place: &(usize, String)) -> CompletionItem {
        let range = text.range(&self.replace);
        let import =
            self.import.then(|| vec![TextEdit::new(text.range(&(place.0..place.0)), place.1.clone())]);
        // Without a word about formats the client takes text as it is.
        let documentation = match self.markdown {
            true => Documentation::MarkupContent(MarkupContent {
                kind: MarkupKind::Markdown,
                value: self.documentation.clone(),
            }),
            false => Documentation::String(self.documentation.clone()),
        };
        CompletionItem {
            sort_text: Some(format!("{:03}{}", self.rank, self.label)),
            filter_text: Some(self.label.clone()),
            label: self.label,
            kind: Some(self.kind),
            detail: Some(self.detail).filter(|d| !d.is_empty()),
            documentation: (!self.documentation.is_empty()).then_some(documentation),
            insert_text_format: Some(if self.snippet {
                InsertTextFormat::SNIPPET
            } else {
                InsertTextFormat::PLAIN_TEXT
            }),
            text_edit: Some(CompletionTextEdit::Edit(TextEdit::new(range, self.insert))),
            additional_text_edits: import,
            ..CompletionItem::default()
        }
    }
}

/// Where `import mvm` belongs: after what must come first, before the first statement of any other kind.
pub fn import_place(source: &str) -> (usize, String) {
    let items = mvm_compiler::items::split(source);
    let first = |item: &&mvm_compiler::items::Item| {
        let text = source[item.range()].trim_start_matches(['r', 'R', 'u', 'U']);
        !text.starts_with(['"', '\'']) && !text.starts_with("from __future__")
    };
    let ends = line_end(source);
    match items.iter().find(first) {
        Some(item) if item.kind == mvm_compiler::items::ItemKind::Import => {
            (item.start, format!("import mvm{ends}"))
        }
        Some(item) => (item.start, format!("import mvm{ends}{ends}")),
        None if source.is_empty() || source.ends_with('\n') => (source.len(), format!("import mvm{ends}")),
        None => (source.len(), format!("{ends}import mvm{ends}")),
    }
}

/// How lines end here.
pub fn line_end(source: &str) -> &'static str {
    if source.contains("\r\n") { "\r\n" } else { "\n" }
}
