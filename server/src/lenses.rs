//! What is drawn around declarations: code lenses and document symbols.

use mvm_compiler::AppDeclaration;
use serde_json::json;
use tower_lsp::jsonrpc::Result;
use tower_lsp::ls_types::*;

use crate::session::Session;
use crate::snapshot::Snapshot;

impl Session {
    /// `textDocument/codeLens`: *IR · Build · Run* above each declaration, *Stop* while a job runs, and how the last
    /// one ended.
    pub fn code_lens(&mut self, snapshot: &Snapshot, _: CodeLensParams) -> Result<Option<Vec<CodeLens>>> {
        if !self.settings.code_lens {
            return Ok(Some(Vec::new()));
        }
        self.look_for_machines();
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
            let workload = snapshot.workload_id(declared).unwrap_or_default();
            for machine in self.machines_of(&workload, &declared.name) {
                let argument = json!({ "uri": snapshot.uri, "name": declared.name, "machine": machine });
                let title = format!("Running as {machine}: stop");
                let command = Command { title, command: "mvm.stop".into(), arguments: Some(vec![argument]) };
                lenses.push(CodeLens { range, command: Some(command), data: None });
            }
            if let Some(last) = self.jobs.last_result(&snapshot.uri, &declared.name) {
                let command =
                    Command { title: last.to_owned(), command: "mvm.showIr".into(), arguments: arguments() };
                lenses.push(CodeLens { range, command: Some(command), data: None });
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
