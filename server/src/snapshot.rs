//! An immutable view of one document at one version: text, analysis, and what is derived from them.

use std::path::PathBuf;
use std::sync::Arc;

use mvm_compiler::{Analysis, Finding};
use tower_lsp::ls_types::Uri;

use crate::protocol::{Mapped, Problem, WorkloadIr, WorkloadView};
use crate::text::Text;

/// A document at a version, analysed.
pub struct Snapshot {
    /// As the client names it.
    pub uri: Uri,
    /// On disk, if it is a file.
    pub path: Option<PathBuf>,
    /// The client's version; `None` for a file that is not open.
    pub version: Option<i32>,
    /// Counts every change of text, settings or surroundings.
    pub revision: u64,
    /// The text as a string.
    pub source: Arc<str>,
    /// The text with its positions.
    pub text: Text,
    /// Workloads and findings.
    pub analysis: Arc<Analysis>,
}

impl Snapshot {
    /// The findings whose range touches a byte range.
    pub fn findings_at(&self, range: &std::ops::Range<usize>) -> impl Iterator<Item = &Finding> {
        let range = range.clone();
        self.analysis
            .findings
            .iter()
            .filter(move |f| f.range.start <= range.end && range.start <= f.range.end)
    }

    /// What the preview shows.
    pub fn workload_ir(&self) -> WorkloadIr {
        let workloads = self.analysis.workloads.iter().map(|lowered| WorkloadView {
            id: lowered.workload.id.clone(),
            ir_hash: lowered.workload.hash(),
            complete: lowered.complete,
            ir: serde_json::to_value(&lowered.workload).unwrap_or_default(),
            source_map: self.mapped(&lowered.source_map),
        });
        let errors = self.analysis.findings.iter().filter(|f| f.severity == mvm_compiler::Severity::Error);
        let problems = errors.map(|f| Problem {
            code: f.rule.into(),
            message: f.message.clone(),
            range: self.text.range(&f.range),
        });
        WorkloadIr { version: self.version, workloads: workloads.collect(), problems: problems.collect() }
    }

    fn mapped(&self, map: &mvm_compiler::SourceMap) -> Vec<Mapped> {
        map.entries
            .iter()
            .map(|(pointer, range, definition)| Mapped {
                pointer: pointer.clone(),
                range: self.text.range(range),
                definition: definition.as_ref().map(|d| self.text.range(d)),
            })
            .collect()
    }
}
