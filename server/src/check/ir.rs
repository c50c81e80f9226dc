//! IR files: read strictly, validated, and looked at by the rules as the declaration they could have come from. What
//! rules ask of the file system is about a source tree, which IR need not lie beside; those answer nothing here.

use std::collections::HashSet;
use std::sync::Arc;

use mvm_compiler::{Config, FileContext, Finding, NoFacts, Severity, TextRange};
use workload_ir::{ReadError, Workload};

use super::json_places::places;
use super::rendered::render;

/// What is wrong with an IR file: its text and the findings, in it.
pub fn check(bytes: &[u8], file: &FileContext, config: &Config) -> (Arc<str>, Vec<Finding>) {
    let text: Arc<str> = String::from_utf8_lossy(bytes).into();
    let mut findings = match Workload::from_json(text.as_bytes()) {
        Ok(workload) => checked(&workload, &text, file, config),
        Err(error) => vec![unreadable(&error, &text)],
    };
    findings.retain_mut(|f| match config.severity_of(f.rule, f.severity, file) {
        Some(severity) => {
            f.severity = severity;
            true
        }
        None => false,
    });
    (text, findings)
}

fn unreadable(error: &ReadError, text: &str) -> Finding {
    match error {
        ReadError::Json { line, column, reason } => {
            let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(i, _)| i + 1));
            let start = starts.take(*line).last().unwrap_or(0) + column.saturating_sub(1);
            let mut start = start.min(text.len());
            while !text.is_char_boundary(start) {
                start -= 1;
            }
            let end = text[start..].chars().next().map_or(start, |c| start + c.len_utf8());
            Finding::error("MVM001", start..end, format!("this is no JSON: {reason}"))
        }
        ReadError::Version { .. } => {
            let message = error.to_string().replace("reading Workload IR: ", "");
            Finding::error("MVM005", place(text, "/schema_version"), message)
        }
        ReadError::Shape { pointer, reason } => {
            let name = if pointer.is_empty() { "the document" } else { pointer };
            Finding::error("MVM005", place(text, pointer), format!("{name} {reason}"))
        }
    }
}

/// The place of a value, or of the nearest one around it; of a large one only its first line.
fn place(text: &str, pointer: &str) -> TextRange {
    let places = places(text);
    let mut at = pointer;
    loop {
        if let Some(range) = places.get(at) {
            let line = text[range.clone()].find('\n').map_or(range.end, |n| range.start + n);
            return range.start..line;
        }
        match at.rfind('/') {
            Some(cut) => at = &at[..cut],
            None => return 0..0,
        }
    }
}

fn checked(workload: &Workload, text: &str, file: &FileContext, config: &Config) -> Vec<Finding> {
    let rendered = render(workload);
    let analysis = mvm_compiler::analyze(&rendered.text, file, config, &NoFacts);
    let mut seen = HashSet::new();
    let mut findings = Vec::new();
    // MVM0xx are about how a declaration is written; for IR the strict reader and validation have said that.
    for mut finding in analysis.findings.into_iter().filter(|f| !f.rule.starts_with("MVM0")) {
        let Some(pointer) = rendered.pointer_at(finding.range.start) else { continue };
        seen.insert(pointer.to_owned());
        finding.range = place(text, pointer);
        finding.related.clear();
        finding.fixes.clear();
        findings.push(finding);
    }
    for problem in workload.validate() {
        if !seen.contains(&problem.pointer) {
            let message = format!("{} {} [{}]", problem.pointer, problem.message, problem.code.as_str());
            let range = place(text, &problem.pointer);
            findings.push(Finding::new("MVM005", Severity::Error, range, message));
        }
    }
    findings
}
