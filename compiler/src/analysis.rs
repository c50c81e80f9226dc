//! The one entry point: text, configuration and facts in; workloads, source map and findings out.

use std::path::PathBuf;

use workload_ir::Workload;

pub use crate::config::Config;
use crate::declaration::{DeclarationKind, Parameter};
use crate::deferred::Deferred;
use crate::document::Document;
use crate::facts::Facts;
use crate::finding::{Finding, TextRange};

/// Which file the text belongs to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FileContext {
    /// Absolute path; `None` for an untitled buffer.
    pub path: Option<PathBuf>,
    /// Absolute path of the project's root, if known.
    pub root: Option<PathBuf>,
}

/// A pointer, the use, and the definition when it is elsewhere.
pub type MapEntry = (String, TextRange, Option<TextRange>);

/// JSON pointer (RFC 6901) → where the value is written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SourceMap {
    /// Sorted by pointer. The first range is the use, the second the definition when it is elsewhere.
    pub entries: Vec<MapEntry>,
}

impl SourceMap {
    /// Where the value at a pointer is written: its use, and its definition when that is elsewhere. A value that is
    /// a default has the place of what contains it.
    pub fn range_of(&self, pointer: &str) -> Option<(&TextRange, Option<&TextRange>)> {
        let mut at = pointer;
        loop {
            if let Ok(i) = self.entries.binary_search_by(|(p, ..)| p.as_str().cmp(at)) {
                let (_, range, definition) = &self.entries[i];
                return Some((range, definition.as_ref()));
            }
            at = &at[..at.rfind('/')?];
        }
    }

    /// The pointer of the innermost value whose text holds the offset: its use, or else its definition.
    pub fn pointer_at(&self, offset: usize) -> Option<&str> {
        let innermost = |range: fn(&MapEntry) -> Option<&TextRange>| {
            self.entries
                .iter()
                .filter_map(|entry| range(entry).map(|r| (entry.0.as_str(), r)))
                .filter(|(_, r)| r.start <= offset && offset < r.end.max(r.start + 1))
                .min_by_key(|(pointer, r)| (r.len(), pointer.len()))
                .map(|(pointer, _)| pointer)
        };
        innermost(|e| Some(&e.1)).or_else(|| innermost(|e| e.2.as_ref()))
    }
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

/// A declaration as an editor shows it. Ranges are offsets in the file.
#[derive(Clone, Debug, PartialEq)]
pub struct AppDeclaration {
    /// `app` or `func`.
    pub kind: DeclarationKind,
    /// The app's name.
    pub name: String,
    /// The decorated function's name.
    pub function: String,
    /// The whole item: first decorator to the end of the body.
    pub range: TextRange,
    /// `@mvm.app(…)`
    pub decorator: TextRange,
    /// The function's name in its head.
    pub function_name: TextRange,
    /// Index in [`Analysis::workloads`].
    pub workload: usize,
    /// Index in that workload's `apps`.
    pub app: usize,
    /// The function's parameters, with their defaults.
    pub parameters: Vec<Parameter>,
    /// `async def`
    pub is_async: bool,
}

/// The result of an analysis.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Analysis {
    /// Workloads of the file, made when they are first looked at.
    pub workloads: Deferred<Vec<LoweredWorkload>>,
    /// Findings, by range.
    pub findings: Vec<Finding>,
    /// Declarations in source order, made when they are first looked at.
    pub declarations: Deferred<Vec<AppDeclaration>>,
}

/// Analyses one file from nothing. [`Finding`]s are values; this never fails.
pub fn analyze(text: &str, file: &FileContext, config: &Config, facts: &dyn Facts) -> Analysis {
    // A file that never mentions the product costs this search and nothing else.
    if memchr::memmem::find(text.as_bytes(), b"mvm").is_none() {
        return Analysis::default();
    }
    Document::new(text).analyze_once(file, config, facts)
}
