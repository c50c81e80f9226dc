//! What a check found, file by file, with lines and columns; the input of every output format.

use std::path::PathBuf;
use std::sync::Arc;

use mvm_compiler::{Finding, Severity, TextRange};

/// One file's result.
#[derive(Debug)]
pub struct FileReport {
    /// The name shown: relative to the working directory where it lies below.
    pub name: String,
    /// Where it lies; `None` for standard input.
    pub path: Option<PathBuf>,
    /// The text, where something was found in it.
    pub source: Arc<str>,
    /// Start of each line in bytes.
    lines: Vec<usize>,
    /// What was found, by range.
    pub findings: Vec<Finding>,
    /// Why it could not be checked.
    pub error: Option<FileError>,
    /// Fixes applied (or that would be, with `--diff`).
    pub fixed: usize,
    /// The difference that `--diff` shows.
    pub diff: Option<String>,
}

/// Why a file was not checked.
#[derive(Debug, PartialEq, Eq)]
pub struct FileError {
    /// What and why.
    pub message: String,
    /// A defect of ours.
    pub internal: bool,
}

/// A place in a file, counted from 1; columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Place {
    /// Line.
    pub line: usize,
    /// Column.
    pub column: usize,
    /// Byte offset, from 0.
    pub offset: usize,
}

impl FileReport {
    /// A file that was checked.
    pub fn new(name: String, path: Option<PathBuf>, source: Arc<str>, findings: Vec<Finding>) -> Self {
        let bytes = source.as_bytes();
        let mut lines = vec![0];
        if !findings.is_empty() {
            // As in Python: `\n`, `\r\n` and `\r` end a line.
            for (i, &b) in bytes.iter().enumerate() {
                if b == b'\n' || (b == b'\r' && bytes.get(i + 1) != Some(&b'\n')) {
                    lines.push(i + 1);
                }
            }
        }
        FileReport { name, path, source, lines, findings, error: None, fixed: 0, diff: None }
    }

    /// A file that could not be checked.
    pub fn failed(name: String, path: Option<PathBuf>, message: String, internal: bool) -> Self {
        let mut report = FileReport::new(name, path, "".into(), Vec::new());
        report.error = Some(FileError { message, internal });
        report
    }

    /// Line and column of an offset.
    pub fn place(&self, offset: usize) -> Place {
        let offset = offset.min(self.source.len());
        let line = self.lines.partition_point(|&start| start <= offset).max(1);
        let start = self.lines[line - 1];
        let text = self.source.get(start..offset).unwrap_or("");
        Place { line, column: text.chars().count() + 1, offset }
    }

    /// Start and end of a range.
    pub fn places(&self, range: &TextRange) -> (Place, Place) {
        (self.place(range.start), self.place(range.end.max(range.start)))
    }

    /// The text of a line (from 1) without its end, and its offset.
    pub fn line(&self, line: usize) -> (usize, &str) {
        let start = self.lines.get(line - 1).copied().unwrap_or(self.source.len());
        let end = self.lines.get(line).copied().unwrap_or(self.source.len());
        let text = self.source.get(start..end).unwrap_or("");
        (start, text.trim_end_matches(['\n', '\r']))
    }
}

/// Counts over all files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Summary {
    /// Files looked at.
    pub files: usize,
    /// Files with findings.
    pub files_with_findings: usize,
    /// Errors.
    pub errors: usize,
    /// Warnings.
    pub warnings: usize,
    /// Information.
    pub information: usize,
    /// Hints.
    pub hints: usize,
    /// Findings that `--fix` would remove.
    pub fixable: usize,
    /// Findings that were removed.
    pub fixed: usize,
    /// Files that could not be checked.
    pub failed: usize,
}

impl Summary {
    /// Adds a file.
    pub fn add(&mut self, report: &FileReport) {
        self.files += 1;
        self.fixed += report.fixed;
        self.failed += usize::from(report.error.is_some());
        self.files_with_findings += usize::from(!report.findings.is_empty());
        for finding in &report.findings {
            match finding.severity {
                Severity::Error => self.errors += 1,
                Severity::Warning => self.warnings += 1,
                Severity::Information => self.information += 1,
                Severity::Hint => self.hints += 1,
            }
            let safe = |f: &mvm_compiler::Fix| f.applicability == mvm_compiler::Applicability::Safe;
            self.fixable += usize::from(finding.fixes.iter().any(safe));
        }
    }

    /// One line for people.
    pub fn line(&self, diff: bool) -> String {
        let files = plural(self.files, "file");
        let counts = [
            (self.errors, "error"),
            (self.warnings, "warning"),
            (self.information, "note"),
            (self.hints, "hint"),
        ];
        let found: Vec<_> = counts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| plural(*n, what)).collect();
        let mut line = if found.is_empty() {
            format!("Checked {files}: nothing found")
        } else {
            format!("Found {} in {} of {files}", found.join(", "), self.files_with_findings)
        };
        if self.fixed > 0 {
            let verb = if diff { "would be fixed" } else { "fixed" };
            line.push_str(&format!("; {} {verb}", self.fixed));
        } else if self.fixable > 0 {
            line.push_str(&format!("; {} fixable with --fix", self.fixable));
        }
        if self.failed > 0 {
            line.push_str(&format!("; {} could not be checked", plural(self.failed, "file")));
        }
        line
    }
}

/// `1 file`, `2 files`
pub fn plural(n: usize, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}

/// A severity in a word.
pub fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Information => "note",
        Severity::Hint => "hint",
    }
}
