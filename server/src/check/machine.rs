//! Output for programs: JSON, JSON lines, SARIF 2.1.0, GitHub workflow commands.

use std::hash::{DefaultHasher, Hash, Hasher};

use mvm_compiler::{Finding, Severity};
use serde_json::{Value, json};

use super::report::{FileReport, Summary, word};

/// Version of the JSON forms; raised when a field changes its meaning or goes.
const VERSION: u32 = 1;

/// One document.
pub fn json(reports: &[FileReport], summary: &Summary) -> String {
    let findings: Vec<Value> =
        reports.iter().flat_map(|r| r.findings.iter().map(|f| finding(r, f))).collect();
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
        report.findings.iter().for_each(|f| line("finding", finding(report, f)));
        failure(report).into_iter().for_each(|e| line("error", e));
    }
    let mut last = serde_json::to_value(summary).unwrap_or_default();
    last["version"] = VERSION.into();
    line("summary", last);
    out
}

fn finding(report: &FileReport, finding: &Finding) -> Value {
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
        "fingerprint": fingerprint(report, finding),
    })
}

fn failure(report: &FileReport) -> Option<Value> {
    let error = report.error.as_ref()?;
    Some(json!({ "path": report.name, "message": error.message, "internal": error.internal }))
}

/// The same for the same finding when lines move: rule, file, the text of its line, and which of equal ones it is.
fn fingerprint(report: &FileReport, finding: &Finding) -> String {
    let line_of = |f: &Finding| report.line(report.place(f.range.start).line).1.trim().to_owned();
    let line = line_of(finding);
    let before = report.findings.iter().take_while(|f| !std::ptr::eq(*f, finding));
    let nth = before.filter(|f| f.rule == finding.rule && line_of(f) == line).count();
    let mut hasher = DefaultHasher::new();
    (finding.rule, &report.name, line, nth).hash(&mut hasher);
    format!("{:016x}", hasher.finish())
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

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// SARIF 2.1.0.
pub fn sarif(reports: &[FileReport]) -> String {
    let rules = crate::rule_docs::all();
    let index = |id: &str| rules.iter().position(|r| r.id == id);
    let descriptors = rules.iter().map(|r| {
        json!({
            "id": r.id,
            "name": r.name,
            "shortDescription": { "text": r.title },
            "fullDescription": { "text": r.why },
            "help": { "text": r.page, "markdown": r.page },
            "defaultConfiguration": { "level": level(r.severity) },
            "properties": { "tags": r.cwe.iter().map(|n| format!("external/cwe/cwe-{n:03}")).collect::<Vec<_>>() },
        })
    });
    let results = reports.iter().flat_map(|report| report.findings.iter().map(move |f| (report, f)));
    let results = results.map(|(report, f)| {
        let mut result = json!({
            "ruleId": f.rule,
            "level": level(f.severity),
            "message": { "text": f.message },
            "locations": [location(report, &f.range, None)],
            "partialFingerprints": { "mvm/v1": fingerprint(report, f) },
        });
        if let Some(i) = index(f.rule) {
            result["ruleIndex"] = i.into();
        }
        if !f.related.is_empty() {
            let related = f.related.iter().map(|r| location(report, &r.range, Some(&r.message)));
            result["relatedLocations"] = related.collect();
        }
        if !f.fixes.is_empty() {
            result["fixes"] = f.fixes.iter().map(|fix| sarif_fix(report, fix)).collect();
        }
        result
    });
    let failures = reports.iter().filter_map(|r| r.error.as_ref().map(|e| (r, e))).map(|(r, e)| {
        json!({ "level": "error", "message": { "text": format!("{} {}", r.name, e.message) },
            "locations": [{ "physicalLocation": { "artifactLocation": { "uri": relative_uri(&r.name) } } }] })
    });
    let failures: Vec<Value> = failures.collect();
    let document = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "mvm-lsp", "version": env!("CARGO_PKG_VERSION"),
                "rules": descriptors.collect::<Vec<_>>() } },
            "columnKind": "unicodeCodePoints",
            "results": results.collect::<Vec<_>>(),
            "invocations": [{ "executionSuccessful": failures.is_empty(), "toolExecutionNotifications": failures }],
        }],
    });
    pretty(&document)
}

fn sarif_fix(report: &FileReport, fix: &mvm_compiler::Fix) -> Value {
    let replacements = fix
        .edits
        .iter()
        .map(|e| json!({ "deletedRegion": region(report, &e.range), "insertedContent": { "text": e.text } }));
    json!({
        "description": { "text": fix.title },
        "artifactChanges": [{ "artifactLocation": { "uri": relative_uri(&report.name) },
            "replacements": replacements.collect::<Vec<_>>() }],
    })
}

fn location(report: &FileReport, range: &std::ops::Range<usize>, message: Option<&str>) -> Value {
    let mut value = json!({ "physicalLocation": {
        "artifactLocation": { "uri": relative_uri(&report.name) },
        "region": region(report, range),
    } });
    if let Some(message) = message {
        value["message"] = json!({ "text": message });
    }
    value
}

fn region(report: &FileReport, range: &std::ops::Range<usize>) -> Value {
    let (start, end) = report.places(range);
    json!({ "startLine": start.line, "startColumn": start.column, "endLine": end.line, "endColumn": end.column })
}

fn level(severity: Severity) -> &'static str {
    match word(severity) {
        "error" => "error",
        "warning" => "warning",
        _ => "note",
    }
}

/// A path as a URI reference.
fn relative_uri(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for b in name.replace('\\', "/").bytes() {
        if b.is_ascii_alphanumeric() || b"/-._~".contains(&b) {
            out.push(char::from(b));
        } else {
            out.push_str(&format!("%{b:02X}"));
        }
    }
    out
}

fn pretty(value: &Value) -> String {
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    text
}
