//! Output for code review: GitLab's code quality report and reviewdog's diagnostic format.

use std::ops::Range;

use mvm_compiler::{Applicability, Severity};
use serde_json::{Value, json};

use super::machine::pretty;
use super::report::{FileReport, fingerprint};

/// GitLab code quality: an array of issues, each with a fingerprint of its own.
pub fn gitlab(reports: &[FileReport]) -> String {
    let mut issues = Vec::new();
    for report in reports {
        for (finding, print) in report.findings.iter().zip(report.fingerprints()) {
            let (start, end) = report.places(&finding.range);
            issues.push(json!({
                "description": format!("{}: {}", finding.rule, finding.message),
                "check_name": finding.rule,
                "fingerprint": print,
                "severity": match finding.severity {
                    Severity::Error => "critical",
                    Severity::Warning => "major",
                    Severity::Information => "minor",
                    Severity::Hint => "info",
                },
                "location": { "path": report.name, "lines": { "begin": start.line, "end": end.line } },
            }));
        }
        if let Some(error) = &report.error {
            issues.push(json!({
                "description": format!("{} {}", report.name, error.message),
                "check_name": "mvm-unchecked",
                "fingerprint": fingerprint(&["unchecked", &report.name]),
                "severity": "blocker",
                "location": { "path": report.name, "lines": { "begin": 1 } },
            }));
        }
    }
    pretty(&Value::Array(issues))
}

/// Reviewdog Diagnostic Format. Its columns count bytes.
pub fn rdjson(reports: &[FileReport]) -> String {
    let mut diagnostics = Vec::new();
    for report in reports {
        let range = |r: &Range<usize>| {
            let at = |offset: usize| {
                let place = report.place(offset);
                let (start, _) = report.line(place.line);
                json!({ "line": place.line, "column": place.offset.saturating_sub(start) + 1 })
            };
            json!({ "start": at(r.start), "end": at(r.end.max(r.start)) })
        };
        for finding in &report.findings {
            // Only what may be applied without a thought, and in one piece.
            let safe = finding.fixes.iter().find(|f| f.applicability == Applicability::Safe);
            let suggestions: Vec<Value> = match safe.map(|f| &f.edits[..]) {
                Some([edit]) => vec![json!({ "range": range(&edit.range), "text": edit.text })],
                _ => Vec::new(),
            };
            diagnostics.push(json!({
                "message": finding.message,
                "severity": severity(finding.severity),
                "code": { "value": finding.rule },
                "location": { "path": report.name, "range": range(&finding.range) },
                "suggestions": suggestions,
            }));
        }
        if let Some(error) = &report.error {
            diagnostics.push(json!({
                "message": format!("{} {}", report.name, error.message),
                "severity": "ERROR",
                "location": { "path": report.name },
            }));
        }
    }
    pretty(&json!({ "source": { "name": "mvm-lsp" }, "diagnostics": diagnostics }))
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "ERROR",
        Severity::Warning => "WARNING",
        Severity::Information | Severity::Hint => "INFO",
    }
}
