//! The one entry point: text, configuration and facts in; workloads, source map and findings out.

use std::path::PathBuf;

use workload_ir::Workload;

use crate::facts::Facts;
use crate::finding::{Finding, TextRange};

/// What is checked and how.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {}

/// Which file the text belongs to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FileContext {
    /// Absolute path; `None` for an untitled buffer.
    pub path: Option<PathBuf>,
    /// Absolute path of the project's root, if known.
    pub root: Option<PathBuf>,
}

/// JSON pointer (RFC 6901) → where the value is written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SourceMap {
    /// Sorted by pointer. The first range is the use, the second the definition when it is elsewhere.
    pub entries: Vec<(String, TextRange, Option<TextRange>)>,
}

/// A workload and where its parts come from.
#[derive(Clone, Debug, PartialEq)]
pub struct LoweredWorkload {
    /// The IR: as much of it as could be had.
    pub workload: Workload,
    /// Where each value comes from.
    pub source_map: SourceMap,
    /// `false` when an error-level finding says that something is missing or wrong: not to be built.
    pub complete: bool,
}

/// The result of an analysis.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Analysis {
    /// Workloads of the file.
    pub workloads: Vec<LoweredWorkload>,
    /// Findings, by range.
    pub findings: Vec<Finding>,
}

/// Analyses one file from nothing. [`Finding`]s are values; this never fails.
pub fn analyze(_text: &str, _file: &FileContext, _config: &Config, _facts: &dyn Facts) -> Analysis {
    Analysis::default()
}
