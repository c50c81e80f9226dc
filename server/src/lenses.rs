//! What is drawn around declarations: code lenses, document symbols, folding.

use mvm_compiler::AppDeclaration;
use serde_json::json;
use tower_lsp::jsonrpc::Result;
use tower_lsp::ls_types::*;

use crate::lexical::Lexical;
use crate::session::Session;
use crate::snapshot::Snapshot;

impl Session {
    /// `textDocument/codeLens`: *IR · Build · Run* above each declaration, *Stop* while a job runs, and how the last
    /// one ended.
    pub fn code_lens(&mut self, snapshot: &Snapshot, _: CodeLensParams) -> Result<Option<Vec<CodeLens>>> {
        if !self.settings.code_lens {
            return Ok(Some(Vec::new()));
        }
        let mut lenses = Vec::new();
        for declared in snapshot.analysis.declarations.iter() {
            let start = snapshot.text.position(declared.decorator.start);
            let range = Range::new(start, start);
            let arguments = || Some(vec![json!({ "uri": snapshot.uri, "name": declared.name })]);
            let mut lens = |title: String, command: &str| {
                let command = Command { title, command: command.into(), arguments: arguments() };
                lenses.push(CodeLens { range, command: Some(command), data: None });
            };
            lens("IR".into(), "mvm.showIr");
            if !self.settings.trusted {
                continue;
            }
            if let Some(job) = self.jobs.running_for(&snapshot.uri, &declared.name) {
                lens(format!("Stop {job}"), "mvm.stop");
            } else {
                lens("Build".into(), "mvm.build");
                lens("Run".into(), "mvm.run");
            }
            if let Some(last) = self.jobs.last_result(&snapshot.uri, &declared.name) {
                lens(last.to_owned(), "mvm.showIr");
            }
        }
        Ok(Some(lenses))
    }

    /// `textDocument/documentSymbol`
    pub fn document_symbol(
        &mut self,
        snapshot: &Snapshot,
        _: DocumentSymbolParams,
    ) -> Result<Option<DocumentSymbolResponse>> {
        let declared = &snapshot.analysis.declarations;
        if !self.client.symbol_tree {
            #[allow(deprecated)] // The field is deprecated, the type has no other constructor.
            let flat = declared.iter().map(|d| SymbolInformation {
                name: d.name.clone(),
                kind: SymbolKind::MODULE,
                tags: None,
                deprecated: None,
                location: Location::new(snapshot.uri.clone(), snapshot.text.range(&d.range)),
                container_name: snapshot.workload_id(d),
            });
            return Ok(Some(DocumentSymbolResponse::Flat(flat.collect())));
        }
        let nested = declared.iter().map(|d| symbol(snapshot, d)).collect();
        Ok(Some(DocumentSymbolResponse::Nested(nested)))
    }

    /// `textDocument/foldingRange`: brackets that span lines.
    pub fn folding_range(&mut self, params: FoldingRangeParams) -> Result<Option<Vec<FoldingRange>>> {
        let Some(doc) = self.docs.get(&params.text_document.uri) else { return Ok(None) };
        let source = doc.text.contents();
        let mut ranges: Vec<FoldingRange> = Vec::new();
        for bracket in Lexical::new(&source).brackets.iter().filter(|b| b.closed) {
            let (start, end) = (doc.text.position(bracket.open).line, doc.text.position(bracket.close).line);
            let known = ranges.iter().rev().take(8).any(|r| r.start_line == start);
            if end > start + 1 && !known {
                ranges.push(FoldingRange { start_line: start, end_line: end - 1, ..FoldingRange::default() });
            }
        }
        Ok(Some(ranges))
    }
}

#[allow(deprecated)] // `deprecated` is deprecated, the type has no other constructor.
fn symbol(snapshot: &Snapshot, declared: &AppDeclaration) -> DocumentSymbol {
    DocumentSymbol {
        name: declared.name.clone(),
        detail: snapshot.workload_id(declared).map(|id| format!("workload {id}")),
        kind: SymbolKind::MODULE,
        tags: None,
        deprecated: None,
        range: snapshot.text.range(&declared.range),
        selection_range: snapshot.text.range(&declared.function_name),
        children: None,
    }
}
