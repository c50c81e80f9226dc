//! Completion: helpers, arguments still missing, values. It reads the text alone, so that it works while the file is
//! broken; what is offered comes from the compiler's table.

use mvm_compiler::table::{self, Helper, Param, Place, Type};
use tower_lsp::jsonrpc::Result;
use tower_lsp::ls_types::*;

use crate::lexical::{Bracket, Item, Lexical};
use crate::session::Session;

impl Session {
    /// `textDocument/completion`
    pub fn completion(&mut self, params: CompletionParams) -> Result<Option<CompletionResponse>> {
        let place = params.text_document_position;
        let Some(doc) = self.docs.get(&place.text_document.uri) else { return Ok(None) };
        let source = doc.text.contents();
        let offset = doc.text.offset(place.position);
        let lexical = Lexical::new(&source);
        let mut found = Offers::new(&source, &lexical, offset, self.client.snippets, self.client.markdown);
        found.collect();
        let items = found.items.into_iter().map(|o| o.into_item(&doc.text)).collect();
        Ok(Some(CompletionResponse::Array(items)))
    }
}

/// One offer, in bytes.
struct Offer {
    label: String,
    insert: String,
    replace: std::ops::Range<usize>,
    kind: CompletionItemKind,
    detail: String,
    documentation: String,
    rank: u32,
    snippet: bool,
    markdown: bool,
    import: bool,
    again: bool,
}

impl Offer {
    fn into_item(self, text: &crate::text::Text) -> CompletionItem {
        let range = text.range(&self.replace);
        let import = self.import.then(|| {
            let top = Range::default();
            vec![TextEdit::new(top, "import mvm\n".into())]
        });
        let kind = if self.markdown { MarkupKind::Markdown } else { MarkupKind::PlainText };
        CompletionItem {
            sort_text: Some(format!("{:03}{}", self.rank, self.label)),
            filter_text: Some(self.label.clone()),
            label: self.label,
            kind: Some(self.kind),
            detail: Some(self.detail).filter(|d| !d.is_empty()),
            documentation: (!self.documentation.is_empty())
                .then_some(Documentation::MarkupContent(MarkupContent { kind, value: self.documentation })),
            insert_text_format: Some(if self.snippet {
                InsertTextFormat::SNIPPET
            } else {
                InsertTextFormat::PLAIN_TEXT
            }),
            text_edit: Some(CompletionTextEdit::Edit(TextEdit::new(range, self.insert))),
            additional_text_edits: import,
            command: self.again.then(|| Command {
                title: "suggest".into(),
                command: "editor.action.triggerSuggest".into(),
                arguments: None,
            }),
            ..CompletionItem::default()
        }
    }
}

struct Offers<'a> {
    source: &'a str,
    lexical: &'a Lexical<'a>,
    offset: usize,
    snippets: bool,
    markdown: bool,
    items: Vec<Offer>,
}

impl<'a> Offers<'a> {
    fn new(source: &'a str, lexical: &'a Lexical<'a>, offset: usize, snippets: bool, markdown: bool) -> Self {
        Offers { source, lexical, offset, snippets, markdown, items: Vec::new() }
    }

    fn collect(&mut self) {
        if self.lexical.in_comment(self.offset) {
            return;
        }
        let word = self.lexical.name_at(self.offset);
        let call = self.lexical.call_at(self.offset);
        let string = self.lexical.string_at(self.offset).map(|s| s.content.clone());
        let Some((bracket, helper)) = call else {
            if string.is_none() {
                self.outside(word);
            }
            return;
        };
        let (index, item) = bracket.item_at(self.offset);
        let param = param_of(helper, self.source, item, index);
        if let Some(content) = string {
            if let Some(param) = param {
                self.inside_string(content, helper, param);
            }
            return;
        }
        let before = &self.source[word.start..self.offset.max(word.start)];
        if before.contains('.') {
            return self.helpers(word, param.map(|p| p.ty.allowed_helpers()), Place::Argument);
        }
        // Below the call's own level (in a list, a dictionary) only values make sense.
        let direct = self
            .lexical
            .bracket_at(self.offset)
            .is_some_and(|i| self.lexical.brackets[i].open == bracket.open);
        let has_keyword = item.is_some_and(|i| i.keyword.as_ref().is_some_and(|k| self.offset > k.end));
        if direct && !has_keyword {
            self.arguments(word.clone(), bracket, helper, item);
        }
        if let Some(param) = param.filter(|p| has_keyword || !direct || p.positional) {
            self.values(word, helper, param);
        }
    }

    fn push(&mut self, offer: Offer) {
        self.items.push(Offer { markdown: self.markdown, ..offer });
    }

    /// At the level of statements: `@mvm.app(…)`, `mvm.…`.
    fn outside(&mut self, word: std::ops::Range<usize>) {
        let line = self.source[..word.start].rfind(['\n', '\r']).map_or(0, |i| i + 1);
        let before = self.source[line..word.start].trim();
        let module = self.lexical.module().to_owned();
        let typed = &self.source[word.start..self.offset.max(word.start)];
        if typed.contains('.') {
            let place = if before == "@" { Place::Decorator } else { Place::Statement };
            return self.helpers(word, None, place);
        }
        if before == "@" {
            for name in ["app", "func"] {
                let Some(helper) = table::helper(name) else { continue };
                let offer = self.call(helper, word.clone(), &module, 0);
                self.push(Offer { import: !self.lexical.imports_mvm(), ..offer });
            }
        }
    }

    /// After `mvm.`: those that fit first, the rest of the same kind after them.
    fn helpers(&mut self, word: std::ops::Range<usize>, fitting: Option<Vec<&'static str>>, place: Place) {
        let typed = &self.source[word.start..self.offset.max(word.start)];
        let (module, _) = typed.rsplit_once('.').unwrap_or((typed, ""));
        if module != self.lexical.module()
            && !self.lexical.resolve(&format!("{module}.app")).is_some_and(|_| true)
        {
            return;
        }
        let module = module.to_owned();
        for helper in table::helpers().iter().filter(|h| h.place == place) {
            let fits = fitting.as_ref().is_none_or(|f| f.contains(&helper.name));
            if fitting.as_ref().is_some_and(|f| !f.is_empty()) && !fits {
                continue;
            }
            let offer = self.call(helper, word.clone(), &module, 1);
            let import = !self.lexical.imports_mvm();
            self.push(Offer { import, ..offer });
        }
    }

    /// A call of a helper, with its required arguments as a snippet.
    fn call(
        &self,
        helper: &'static Helper,
        replace: std::ops::Range<usize>,
        module: &str,
        rank: u32,
    ) -> Offer {
        let name = format!("{module}.{}", helper.name);
        let required = helper.params.iter().filter(|p| p.is_required());
        let insert = if self.snippets {
            let stops = required.enumerate().map(|(i, p)| stop(p, i + 1)).collect::<Vec<_>>().join(", ");
            format!("{name}({stops})$0")
        } else {
            format!("{name}(")
        };
        Offer {
            label: name,
            insert,
            replace,
            kind: CompletionItemKind::FUNCTION,
            detail: helper.signature(),
            documentation: helper.doc.to_owned(),
            rank,
            snippet: self.snippets,
            markdown: self.markdown,
            import: false,
            again: false,
        }
    }

    fn arguments(
        &mut self,
        word: std::ops::Range<usize>,
        bracket: &Bracket,
        helper: &'static Helper,
        current: Option<&Item>,
    ) {
        let here = current.and_then(|i| i.keyword.clone());
        let given: Vec<&str> = bracket
            .items
            .iter()
            .filter_map(|i| i.keyword.clone())
            .filter(|k| Some(k) != here.as_ref())
            .map(|k| &self.source[k])
            .collect();
        let positional = bracket.items.iter().filter(|i| i.keyword.is_none() && !i.range.is_empty());
        let positional = positional.filter(|i| i.range.end < word.start || i.range.start > word.end).count();
        let missing = helper.params.iter().enumerate().filter(|(i, p)| {
            let by_place = p.positional && *i < positional;
            p.legacy.is_none() && !by_place && !given.contains(&p.name)
        });
        for (_, param) in missing.collect::<Vec<_>>() {
            let has_equals = self.source[word.end..].trim_start().starts_with('=');
            let insert = if has_equals { param.name.to_owned() } else { format!("{}=", param.name) };
            self.push(Offer {
                label: format!("{}=", param.name),
                insert,
                replace: word.clone(),
                kind: CompletionItemKind::FIELD,
                detail: param.signature(),
                documentation: param.doc.to_owned(),
                rank: if param.is_required() { 2 } else { 3 },
                snippet: false,
                markdown: self.markdown,
                import: false,
                again: false,
            });
        }
    }

    fn values(&mut self, word: std::ops::Range<usize>, helper: &'static Helper, param: &'static Param) {
        for value in literals(param) {
            self.value(word.clone(), format!("\"{value}\""), param);
        }
        for value in self.known(helper, param) {
            self.value(word.clone(), format!("\"{value}\""), param);
        }
        if accepts_bool(&param.ty) {
            for value in ["True", "False"] {
                self.value(word.clone(), value.into(), param);
            }
        }
        let module = self.lexical.module().to_owned();
        for name in param.ty.allowed_helpers() {
            if let Some(helper) = table::helper(name) {
                let offer = self.call(helper, word.clone(), &module, 1);
                self.push(offer);
            }
        }
    }

    fn inside_string(
        &mut self,
        content: std::ops::Range<usize>,
        helper: &'static Helper,
        param: &'static Param,
    ) {
        for value in literals(param) {
            self.value(content.clone(), (*value).to_owned(), param);
        }
        for value in self.known(helper, param) {
            self.value(content.clone(), value, param);
        }
    }

    fn value(&mut self, replace: std::ops::Range<usize>, text: String, param: &'static Param) {
        if self.items.iter().any(|i| i.label == text) {
            return;
        }
        self.push(Offer {
            label: text.clone(),
            insert: text,
            replace,
            kind: CompletionItemKind::VALUE,
            detail: param.name.to_owned(),
            documentation: param.doc.to_owned(),
            rank: 1,
            snippet: false,
            markdown: self.markdown,
            import: false,
            again: false,
        });
    }

    /// Values that the file itself suggests: its functions, its module, hosts used elsewhere in it.
    fn known(&self, helper: &Helper, param: &Param) -> Vec<String> {
        match (helper.name, param.name) {
            ("entrypoint_function", "function") => functions(self.source),
            ("network", "allow_https") | ("secret", "hosts") | ("host_port", "host") => self.hosts(),
            _ => Vec::new(),
        }
    }

    fn hosts(&self) -> Vec<String> {
        let mut hosts: Vec<String> = Vec::new();
        for literal in &self.lexical.strings {
            if literal.content.start <= self.offset && self.offset <= literal.content.end {
                continue;
            }
            let Some((call, helper)) = self.lexical.call_at(literal.range.start) else { continue };
            let (index, item) = call.item_at(literal.range.start);
            let param = param_of(helper, self.source, item, index);
            let is_host = param.is_some_and(|p| ["allow_https", "hosts", "host"].contains(&p.name));
            let text = &self.source[literal.content.clone()];
            if is_host && text.contains('.') && !hosts.iter().any(|h| h == text) {
                hosts.push(text.to_owned());
            }
        }
        hosts
    }
}

/// The parameter that an argument at this place goes to.
pub fn param_of(
    helper: &'static Helper,
    source: &str,
    item: Option<&Item>,
    index: usize,
) -> Option<&'static Param> {
    match item.and_then(|i| i.keyword.clone()) {
        Some(keyword) => helper.param(&source[keyword]),
        None => helper.params.get(index).filter(|p| p.positional),
    }
}

fn literals(param: &'static Param) -> &'static [&'static str] {
    param.ty.allowed_values()
}

fn accepts_bool(ty: &Type) -> bool {
    match ty {
        Type::Bool => true,
        Type::Any(types) => types.iter().any(accepts_bool),
        _ => false,
    }
}

/// A required argument as a tab stop with the quotes or brackets its type wants.
fn stop(param: &Param, n: usize) -> String {
    let value = match &param.ty {
        Type::Str => format!("\"${{{n}}}\""),
        Type::List(Type::Str) => format!("[\"${{{n}}}\"]"),
        Type::List(_) => format!("[${{{n}}}]"),
        _ => format!("${{{n}}}"),
    };
    if param.positional { value } else { format!("{}={value}", param.name) }
}

/// Names of the functions at the top level.
fn functions(source: &str) -> Vec<String> {
    let heads = source.lines().filter_map(|line| {
        let rest = line.strip_prefix("async def ").or_else(|| line.strip_prefix("def "))?;
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_')?;
        (end > 0).then(|| rest[..end].to_owned())
    });
    heads.collect()
}
