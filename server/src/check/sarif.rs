//! SARIF 2.1.0: rules, results with fingerprints and fixes, and what could not be checked as notifications.

use mvm_compiler::Severity;
use serde_json::{Value, json};

use super::machine::pretty;
use super::report::{FileReport, word};

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
    let results = reports.iter().flat_map(|report| {
        let all = report.findings.iter().zip(report.fingerprints());
        all.map(move |(f, print)| (report, f, print))
    });
    let results = results.map(|(report, f, print)| {
        let mut result = json!({
            "ruleId": f.rule,
            "level": level(f.severity),
            "message": { "text": f.message },
            "locations": [location(report, &f.range, None)],
            "partialFingerprints": { "mvm/v1": print },
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
            "locations": [{ "physicalLocation": { "artifactLocation": { "uri": r.uri() } } }] })
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
        "artifactChanges": [{ "artifactLocation": { "uri": report.uri() },
            "replacements": replacements.collect::<Vec<_>>() }],
    })
}

fn location(report: &FileReport, range: &std::ops::Range<usize>, message: Option<&str>) -> Value {
    let mut value = json!({ "physicalLocation": {
        "artifactLocation": { "uri": report.uri() },
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
