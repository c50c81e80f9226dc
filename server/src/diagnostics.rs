//! Findings as diagnostics: pulled where the client can, else pushed, never both.

use std::hash::{DefaultHasher, Hash, Hasher};

use mvm_compiler::{Finding, Severity};
use serde_json::json;
use tower_lsp::jsonrpc::Result;
use tower_lsp::ls_types::*;

use crate::outbox::Key;
use crate::session::Session;
use crate::snapshot::Snapshot;

impl Session {
    /// `textDocument/diagnostic`
    pub fn diagnostic(
        &mut self,
        snapshot: &Snapshot,
        params: DocumentDiagnosticParams,
    ) -> Result<DocumentDiagnosticReportResult> {
        let items = self.diagnostics(snapshot);
        let id = result_id(&items);
        let report = if params.previous_result_id.as_ref() == Some(&id) {
            DocumentDiagnosticReport::Unchanged(RelatedUnchangedDocumentDiagnosticReport {
                related_documents: None,
                unchanged_document_diagnostic_report: UnchangedDocumentDiagnosticReport { result_id: id },
            })
        } else {
            DocumentDiagnosticReport::Full(RelatedFullDocumentDiagnosticReport {
                related_documents: None,
                full_document_diagnostic_report: FullDocumentDiagnosticReport { result_id: Some(id), items },
            })
        };
        Ok(DocumentDiagnosticReportResult::Report(report))
    }

    /// The diagnostics of a snapshot.
    pub(crate) fn diagnostics(&mut self, snapshot: &Snapshot) -> Vec<Diagnostic> {
        snapshot.analysis.findings.iter().map(|f| self.diagnostic_of(snapshot, f)).collect()
    }

    pub(crate) fn diagnostic_of(&mut self, snapshot: &Snapshot, finding: &Finding) -> Diagnostic {
        let related = finding.related.iter().map(|r| DiagnosticRelatedInformation {
            location: Location::new(snapshot.uri.clone(), snapshot.text.range(&r.range)),
            message: r.message.clone(),
        });
        let related: Vec<_> = related.collect();
        let link = if self.client.code_description { self.pages.link(finding.rule) } else { None };
        Diagnostic {
            range: snapshot.text.range(&finding.range),
            severity: Some(severity(finding.severity)),
            code: Some(NumberOrString::String(finding.rule.into())),
            code_description: link.map(|href| CodeDescription { href }),
            source: Some("mvm".into()),
            message: finding.message.clone(),
            related_information: (self.client.related && !related.is_empty()).then_some(related),
            tags: (finding.rule == "MVM013").then(|| vec![DiagnosticTag::UNNECESSARY]),
            data: self
                .client
                .diagnostic_data
                .then(|| json!({ "rule": finding.rule, "fixes": finding.fixes.len() })),
        }
    }

    /// `textDocument/publishDiagnostics`; one that was not written yet is replaced.
    pub(crate) fn publish(&self, uri: &Uri, version: Option<i32>, items: Vec<Diagnostic>) {
        let params = PublishDiagnosticsParams::new(uri.clone(), items, version);
        let key = Key::Diagnostics(uri.as_str().to_owned());
        self.notify("textDocument/publishDiagnostics", &params, Some(key));
    }
}

fn severity(severity: Severity) -> DiagnosticSeverity {
    match severity {
        Severity::Error => DiagnosticSeverity::ERROR,
        Severity::Warning => DiagnosticSeverity::WARNING,
        Severity::Information => DiagnosticSeverity::INFORMATION,
        Severity::Hint => DiagnosticSeverity::HINT,
    }
}

/// Equal diagnostics have equal ids, whatever happened in between.
pub(crate) fn result_id(items: &[Diagnostic]) -> String {
    let mut hasher = DefaultHasher::new();
    serde_json::to_string(items).unwrap_or_default().hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}
