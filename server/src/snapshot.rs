//! An immutable view of one document at one version: text, analysis, and what is derived from them.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use mvm_compiler::{Analysis, AppDeclaration, Finding};
use serde_json::value::RawValue;
use tower_lsp::ls_types::Uri;

use crate::protocol::{Mapped, Problem, WorkloadIr, WorkloadView};
use crate::text::{Lines, Text};

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
    /// The text with its positions.
    pub text: Text,
    /// Workloads and findings.
    pub analysis: Arc<Analysis>,
    source: OnceLock<String>,
}

impl Snapshot {
    /// A document at a version, analysed.
    pub fn new(
        uri: Uri,
        path: Option<PathBuf>,
        version: Option<i32>,
        revision: u64,
        text: Text,
        analysis: Arc<Analysis>,
    ) -> Self {
        Snapshot { uri, path, version, revision, text, analysis, source: OnceLock::new() }
    }

    /// The text as one string, made when it is first asked for.
    pub fn source(&self) -> &str {
        self.source.get_or_init(|| self.text.contents())
    }

    /// The findings whose range touches a byte range.
    pub fn findings_at(&self, range: &std::ops::Range<usize>) -> impl Iterator<Item = &Finding> {
        let range = range.clone();
        self.analysis
            .findings
            .iter()
            .filter(move |f| f.range.start <= range.end && range.start <= f.range.end)
    }

    /// The id of the workload that a declaration belongs to.
    pub fn workload_id(&self, declared: &AppDeclaration) -> Option<String> {
        self.analysis.workloads.get(declared.workload).map(|w| w.workload.id.clone())
    }

    /// What the preview shows.
    pub fn workload_ir(&self) -> WorkloadIr {
        let lines = Lines::new(self.source(), self.text.encoding());
        let workloads = self.analysis.workloads.iter().filter_map(|lowered| {
            // The canonical bytes are made once, for the hash and for the wire.
            let canonical = lowered.workload.canonical();
            Some(WorkloadView {
                id: lowered.workload.id.clone(),
                ir_hash: workload_ir::canonical::sha256_hex(&canonical),
                complete: lowered.complete,
                ir: RawValue::from_string(String::from_utf8(canonical).ok()?).ok()?,
                source_map: mapped(&lowered.source_map, &lines),
            })
        });
        let errors = self.analysis.findings.iter().filter(|f| f.severity == mvm_compiler::Severity::Error);
        let problems = errors.map(|f| Problem {
            code: f.rule.into(),
            message: f.message.clone(),
            range: self.text.range(&f.range),
        });
        WorkloadIr { version: self.version, workloads: workloads.collect(), problems: problems.collect() }
    }
}

fn mapped(map: &mvm_compiler::SourceMap, lines: &Lines<'_>) -> Vec<Mapped> {
    map.entries
        .iter()
        .map(|(pointer, range, definition)| Mapped {
            pointer: pointer.clone(),
            range: lines.range(range),
            definition: definition.as_ref().map(|d| lines.range(d)),
        })
        .collect()
}
