//! `workspace/diagnostic` as a long poll: answered when there is news, kept open while there is none, streamed where the
//! client takes partial results.

use std::collections::HashMap;

use serde_json::json;
use tower_lsp::jsonrpc::{Error, ErrorCode};
use tower_lsp::ls_types::*;

use crate::diagnostics::result_id;
use crate::edge::Reply;
use crate::session::Session;

/// A request that waits for news.
pub struct Held {
    reply: Reply<WorkspaceDiagnosticReportResult>,
    token: Option<ProgressToken>,
    /// What the client has.
    known: HashMap<Uri, String>,
    streamed: bool,
}

impl Session {
    /// `workspace/diagnostic`
    pub fn workspace_diagnostic(
        &mut self,
        params: WorkspaceDiagnosticParams,
        reply: Reply<WorkspaceDiagnosticReportResult>,
    ) {
        if let Some(older) = self.held.take() {
            older.reply.send(Ok(report(Vec::new())));
        }
        let known = params.previous_result_ids.into_iter().map(|p| (p.uri, p.value)).collect();
        let token = params.partial_result_params.partial_result_token;
        self.held = Some(Held { reply, token, known, streamed: false });
        if self.workspace.is_scanned() {
            self.answer_workspace();
        } else {
            self.scan_workspace();
        }
    }

    /// Sends the reports of these files that are news, where the client takes them one by one.
    pub(crate) fn stream_workspace(&mut self, changed: &[Uri]) {
        let Some(held) = &self.held else { return };
        let Some(token) = held.token.clone() else { return };
        let of_these = |uri: &Uri| changed.contains(uri);
        let items = self.news(&held.known, &of_these);
        if items.is_empty() {
            return;
        }
        if let Some(held) = &mut self.held {
            held.streamed = true;
            remember(&mut held.known, &items);
        }
        self.notify("$/progress", &json!({ "token": token, "value": { "items": items } }), None);
    }

    /// Answers the request that waits, if there is news for it.
    pub(crate) fn answer_workspace(&mut self) {
        let Some(held) = &self.held else { return };
        let news = self.news(&held.known, &|_| true);
        if news.is_empty() && !held.streamed {
            return;
        }
        let Some(held) = self.held.take() else { return };
        if let Some(token) = &held.token {
            if !news.is_empty() {
                self.notify("$/progress", &json!({ "token": token, "value": { "items": news } }), None);
            }
            return held.reply.send(Ok(report(Vec::new())));
        }
        let mut items = news;
        let fresh = |r: &&crate::workspace::Report| held.known.get(&r.uri) == Some(&r.result_id);
        items.extend(self.workspace.reports().filter(fresh).filter(|r| self.docs.get(&r.uri).is_none()).map(
            |r| {
                let unchanged = UnchangedDocumentDiagnosticReport { result_id: r.result_id.clone() };
                WorkspaceDocumentDiagnosticReport::Unchanged(WorkspaceUnchangedDocumentDiagnosticReport {
                    uri: r.uri.clone(),
                    version: None,
                    unchanged_document_diagnostic_report: unchanged,
                })
            },
        ));
        held.reply.send(Ok(report(items)));
    }

    /// Reports that differ from what the client has. Open documents have their own request.
    fn news(
        &self,
        known: &HashMap<Uri, String>,
        wanted: &dyn Fn(&Uri) -> bool,
    ) -> Vec<WorkspaceDocumentDiagnosticReport> {
        let nothing = result_id(&[]);
        let differs = |r: &&crate::workspace::Report| match known.get(&r.uri) {
            Some(id) => *id != r.result_id,
            None => !r.items.is_empty(),
        };
        let closed = |uri: &Uri| self.docs.get(uri).is_none();
        let mut items: Vec<_> = self
            .workspace
            .reports()
            .filter(differs)
            .filter(|r| wanted(&r.uri) && closed(&r.uri))
            .map(|r| full(&r.uri, r.result_id.clone(), r.items.clone()))
            .collect();
        if self.workspace.is_scanned() {
            let there: std::collections::HashSet<&Uri> = self.workspace.reports().map(|r| &r.uri).collect();
            let gone =
                known.iter().filter(|(uri, id)| !there.contains(uri) && **id != nothing && closed(uri));
            items.extend(
                gone.filter(|(uri, _)| wanted(uri)).map(|(uri, _)| full(uri, nothing.clone(), Vec::new())),
            );
        }
        items
    }

    /// A request that waits is answered when the session ends or its client gave up.
    pub(crate) fn release_workspace(&mut self, ending: bool) {
        let over = |h: &mut Held| ending || h.reply.is_cancelled();
        if let Some(held) = self.held.take_if(over) {
            let data = Some(json!({ "retriggerRequest": false }));
            let code = ErrorCode::ServerError(-32802);
            held.reply.send(Err(Error { code, message: "the session ends".into(), data }));
        }
    }
}

fn remember(known: &mut HashMap<Uri, String>, items: &[WorkspaceDocumentDiagnosticReport]) {
    for item in items {
        if let WorkspaceDocumentDiagnosticReport::Full(full) = item {
            let id = full.full_document_diagnostic_report.result_id.clone().unwrap_or_default();
            known.insert(full.uri.clone(), id);
        }
    }
}

fn report(items: Vec<WorkspaceDocumentDiagnosticReport>) -> WorkspaceDiagnosticReportResult {
    WorkspaceDiagnosticReportResult::Report(WorkspaceDiagnosticReport { items })
}

fn full(uri: &Uri, id: String, items: Vec<Diagnostic>) -> WorkspaceDocumentDiagnosticReport {
    WorkspaceDocumentDiagnosticReport::Full(WorkspaceFullDocumentDiagnosticReport {
        uri: uri.clone(),
        version: None,
        full_document_diagnostic_report: FullDocumentDiagnosticReport { result_id: Some(id), items },
    })
}
