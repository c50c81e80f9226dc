//! Output for programs: JSON, JSON lines, GitHub workflow commands. `docs/check.md` describes the JSON forms.

use mvm_compiler::{Finding, Severity};
use serde_json::{Value, json};

use super::report::{FileReport, Summary};
use super::terminal::safe;

/// Version of the JSON forms; raised when a field changes its meaning or goes.
const VERSION: u32 = 1;

/// One document.
pub fn json(reports: &[FileReport], summary: &Summary) -> String {
    let findings: Vec<Value> = reports.iter().flat_map(findings).collect();
    let errors: Vec<Value> = reports.iter().filter_map(failure).collect();
    let document = json!({
        "version": VERSION,
        "tool": { "name": "mvm-lsp", "version": env!("CARGO_PKG_VERSION") },
        "findings": findings,
        "errors": errors,
        "summary": summary,
    });
    pretty(&document)
}

/// One object a line; `type` tells them apart.
pub fn json_lines(reports: &[FileReport], summary: &Summary) -> String {
    let mut out = String::new();
    let mut line = |kind: &str, mut value: Value| {
        value["type"] = kind.into();
        out.push_str(&value.to_string());
        out.push('\n');
    };
    for report in reports {
        findings(report).for_each(|f| line("finding", f));
        failure(report).into_iter().for_each(|e| line("error", e));
    }
    let mut last = serde_json::to_value(summary).unwrap_or_default();
    last["version"] = VERSION.into();
    line("summary", last);
    out
}

fn findings(report: &FileReport) -> impl Iterator<Item = Value> + '_ {
    report.findings.iter().zip(report.fingerprints()).map(|(f, print)| finding(report, f, print))
}

fn finding(report: &FileReport, finding: &Finding, fingerprint: &str) -> Value {
    let range = |r: &std::ops::Range<usize>| {
        let (start, end) = report.places(r);
        json!({ "start": start, "end": end })
    };
    let related = finding.related.iter().map(|r| json!({ "range": range(&r.range), "message": r.message }));
    let fixes = finding.fixes.iter().map(|fix| {
        let edits = fix.edits.iter().map(|e| json!({ "range": range(&e.range), "text": e.text }));
        json!({ "title": fix.title, "applicability": fix.applicability, "edits": edits.collect::<Vec<_>>() })
    });
    json!({
        "rule": finding.rule,
        "severity": finding.severity,
        "message": finding.message,
        "path": report.name,
        "range": range(&finding.range),
        "related": related.collect::<Vec<_>>(),
        "fixes": fixes.collect::<Vec<_>>(),
        "fingerprint": fingerprint,
    })
}

fn failure(report: &FileReport) -> Option<Value> {
    let error = report.error.as_ref()?;
    Some(json!({ "path": report.name, "message": error.message, "internal": error.internal }))
}

/// GitHub workflow commands: annotations on the changed files.
pub fn github(reports: &[FileReport]) -> String {
    let mut out = String::new();
    for report in reports {
        let file = property(&report.name);
        if let Some(error) = &report.error {
            out.push_str(&format!("::error file={file},title=mvm::{}\n", data(&error.message)));
        }
        for finding in &report.findings {
            let kind = match finding.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
                Severity::Information | Severity::Hint => "notice",
            };
            let (start, end) = report.places(&finding.range);
            let place = if start.line == end.line {
                format!(
                    "line={},col={},endLine={},endColumn={}",
                    start.line, start.column, end.line, end.column
                )
            } else {
                format!("line={},endLine={}", start.line, end.line)
            };
            let title = property(finding.rule);
            out.push_str(&format!(
                "::{kind} file={file},{place},title={title}::{}\n",
                data(&finding.message)
            ));
        }
    }
    out
}

/// A log is read on terminals, too: nothing raw but what the format itself escapes.
fn data(text: &str) -> String {
    let lines: Vec<String> = text.split('\n').map(safe).collect();
    lines.join("\n").replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// Indented, with a line end.
pub fn pretty(value: &Value) -> String {
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    text
}
