//! What a check found, file by file, with lines and columns; the input of every output format.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use mvm_compiler::{Finding, Severity, TextRange};
use sha2::{Digest, Sha256};

use super::mask;
use crate::lexical::Lexical;

/// One file's result.
#[derive(Debug)]
pub struct FileReport {
    /// The name shown: relative to the working directory where it lies below.
    pub name: String,
    /// Where it lies; `None` for standard input.
    pub path: Option<PathBuf>,
    /// The name's bytes, where they are no UTF-8.
    pub raw_name: Option<Vec<u8>>,
    /// The name below the project's root: what fingerprints know the file by, wherever it is checked from.
    pub identity: Option<String>,
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
    /// Findings that the baseline knows, left out.
    pub known: usize,
    /// Findings that got a suppression comment.
    pub ignored: usize,
    /// Standard input as it is after changes.
    pub text: Option<String>,
    fingerprints: OnceLock<Vec<String>>,
    literals: OnceLock<Vec<TextRange>>,
    covers: OnceLock<mask::Covers>,
}

/// Why a file was not checked.
#[derive(Debug, PartialEq, Eq)]
pub struct FileError {
    /// What and why.
    pub message: String,
    /// A defect of ours.
    pub internal: bool,
    /// The file could be read, and not be written.
    pub unwritten: bool,
    /// The line to blame, where one is.
    pub line: Option<usize>,
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
        FileReport {
            name,
            path,
            raw_name: None,
            identity: None,
            source,
            lines,
            findings,
            error: None,
            fixed: 0,
            diff: None,
            known: 0,
            ignored: 0,
            text: None,
            fingerprints: OnceLock::new(),
            literals: OnceLock::new(),
            covers: OnceLock::new(),
        }
    }

    /// A file that could not be checked.
    pub fn failed(name: String, path: Option<PathBuf>, message: String, internal: bool) -> Self {
        let mut report = FileReport::new(name, path, "".into(), Vec::new());
        report.error = Some(FileError { message, internal, unwritten: false, line: None });
        report
    }

    /// Nothing to say about the file but that it was checked.
    pub fn is_empty(&self) -> bool {
        let changed = self.fixed + self.ignored > 0 || self.diff.is_some() || self.text.is_some();
        self.findings.is_empty() && self.error.is_none() && !changed
    }

    /// The failure has a line.
    pub fn at_line(&mut self, line: Option<usize>) {
        if let Some(error) = &mut self.error {
            error.line = line;
        }
    }

    /// The failure was one of writing.
    pub fn unwritten(&mut self) {
        if let Some(error) = &mut self.error {
            error.unwritten = true;
        }
    }

    /// A fingerprint for each finding: the same when lines move or the file is checked from elsewhere. Made of the
    /// rule, the file, the text of the line (credentials covered) and which of equal ones it is.
    pub fn fingerprints(&self) -> &[String] {
        self.fingerprints.get_or_init(|| {
            let mut seen: HashMap<(&str, String), usize> = HashMap::new();
            let file = self.identity();
            let print = |f: &Finding| {
                let (offset, text) = self.line(self.place(f.range.start).line);
                let line = mask::line(self, offset, text).trim().to_owned();
                let nth = seen.entry((f.rule, line.clone())).or_default();
                *nth += 1;
                fingerprint(&[f.rule, file, &line, &nth.to_string()])
            };
            self.findings.iter().map(print).collect()
        })
    }

    /// The contents of the string literals.
    pub fn literals(&self) -> &[TextRange] {
        self.literals
            .get_or_init(|| Lexical::new(&self.source).strings.into_iter().map(|s| s.content).collect())
    }

    /// What is covered where lines are shown.
    pub fn covers(&self) -> &mask::Covers {
        self.covers.get_or_init(|| mask::Covers::of(self))
    }

    /// The name as a URI reference: relative where the name is.
    pub fn uri(&self) -> String {
        let bytes = self.raw_name.as_deref().unwrap_or(self.name.as_bytes());
        let mut out = String::with_capacity(bytes.len() + 8);
        if bytes.starts_with(b"/") {
            out.push_str("file://");
        }
        for b in bytes {
            if b.is_ascii_alphanumeric() || b"/-._~".contains(b) {
                out.push(char::from(*b));
            } else {
                out.push_str(&format!("%{b:02X}"));
            }
        }
        out
    }

    /// Leaves only the findings that `keep` wants.
    pub fn retain(&mut self, mut keep: impl FnMut(usize) -> bool) {
        let mut at = 0;
        let wanted: Vec<bool> = (0..self.findings.len()).map(&mut keep).collect();
        self.findings.retain(|_| {
            at += 1;
            wanted[at - 1]
        });
        // Which of equal findings one is must not change because others are left out.
        if let Some(prints) = self.fingerprints.take() {
            let kept = prints.into_iter().zip(wanted).filter(|(_, keep)| *keep).map(|(print, _)| print);
            self.fingerprints = OnceLock::from(kept.collect::<Vec<_>>());
        }
    }

    /// What fingerprints and the baseline know the file by.
    pub fn identity(&self) -> &str {
        self.identity.as_deref().unwrap_or(&self.name)
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
    /// Findings that the baseline knows.
    pub baseline: usize,
    /// Findings that got a suppression comment.
    pub ignored: usize,
}

impl Summary {
    /// Adds a file.
    pub fn add(&mut self, report: &FileReport) {
        self.files += 1;
        self.fixed += report.fixed;
        self.baseline += report.known;
        self.ignored += report.ignored;
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
            format!("Found {} in {} of {files}", found.join(", "), grouped(self.files_with_findings))
        };
        if self.fixed > 0 {
            let verb = if diff { "would be fixed" } else { "fixed" };
            line.push_str(&format!("; {} {verb}", self.fixed));
        } else if self.fixable > 0 {
            line.push_str(&format!("; {} fixable with --fix", grouped(self.fixable)));
        }
        if self.ignored > 0 {
            line.push_str(&format!("; {} ignored by new comments", grouped(self.ignored)));
        }
        if self.baseline > 0 {
            line.push_str(&format!("; {} known from the baseline", self.baseline));
        }
        if self.failed > 0 {
            line.push_str(&format!("; {} could not be checked", plural(self.failed, "file")));
        }
        line
    }
}

/// 128 bits that stand for some texts, in hexadecimal.
pub fn fingerprint(parts: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.finalize().iter().take(16).map(|b| format!("{b:02x}")).collect()
}

/// `1 file`, `2 files`
pub fn plural(n: usize, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{} {noun}s", grouped(n)) }
}

/// `12,345`
pub fn grouped(n: usize) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
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
