//! A rule's page, made from the rule: `docs/rules/MVM201.md`, and what `mvm-lsp explain` prints.

use std::fmt::Write;

use super::rule::{Check, Confidence, Example, FixKind, Rule};
use crate::finding::Severity;

/// The page of a rule, as Markdown.
pub fn page(rule: &Rule) -> String {
    let mut out = format!("# {} {}\n\n{}.\n\n", rule.id, rule.name, rule.summary);
    let _ = writeln!(out, "| | |\n| --- | --- |");
    let _ = writeln!(out, "| Severity | {} |", severity(rule.severity));
    let _ = writeln!(out, "| Confidence | {} |", confidence(rule.confidence));
    let _ = writeln!(out, "| Fix | {} |", fix(rule.fix));
    if let Some(cwe) = rule.cwe {
        let _ = writeln!(out, "| Weakness | CWE-{cwe} |");
    }
    let _ = writeln!(out, "\n## Why it matters\n\n{}\n\n## How to fix it\n\n{}", rule.rationale, rule.remedy);
    for (title, bad) in [("Found", true), ("Not found", false)] {
        let examples: Vec<&Example> = rule.examples.iter().filter(|e| e.bad == bad).collect();
        if examples.is_empty() {
            continue;
        }
        let _ = writeln!(out, "\n## {title}");
        for example in examples {
            let _ = write!(out, "\n```python\n{}\n```\n", example_text(example));
            if !example.files.is_empty() {
                let names: Vec<String> = example.files.iter().map(|(path, _)| format!("`{path}`")).collect();
                let _ = writeln!(out, "\nbeside {}", names.join(", "));
            }
        }
    }
    if !matches!(rule.check, Check::Finish) {
        let _ = writeln!(
            out,
            "\n## Turning it off\n\n`# mvm: ignore[{0}] -- reason` on the line, `# mvm: ignore-file[{0}]` for a file, or \
             `ignore = [\"{0}\"]` under `[tool.mvm.check]` in `pyproject.toml`.",
            rule.id
        );
    }
    out
}

/// The table of all rules.
pub fn index(rules: &[&Rule]) -> String {
    let mut out = "# Rules\n\nGenerated from the rules themselves; see `compiler/src/rules/`.\n\n\
        | Rule | Name | Severity | Fix | Summary |\n| --- | --- | --- | --- | --- |\n"
        .to_owned();
    for rule in rules {
        let short = match rule.fix {
            FixKind::None => "",
            FixKind::Safe => "safe",
            FixKind::Offer => "offered",
        };
        let _ = writeln!(
            out,
            "| [{0}]({0}.md) | `{1}` | {2} | {short} | {3} |",
            rule.id,
            rule.name,
            severity(rule.severity),
            rule.summary
        );
    }
    out
}

/// An example without its marker lines, credentials only mentioned.
fn example_text(example: &Example) -> String {
    let lines: Vec<&str> = example.code.lines().filter(|l| !is_marker(l)).collect();
    let text = lines.join("\n");
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some(at) = rest.find("{{") {
        let Some(end) = rest[at..].find("}}") else { break };
        out.push_str(&rest[..at]);
        let id = &rest[at + 2..at + end];
        if id.starts_with("U+") {
            let _ = write!(out, "<{id}>");
        } else {
            let name = crate::secrets::PROVIDERS.iter().find(|p| p.id == id).map_or("credential", |p| p.name);
            let _ = write!(out, "<a {name}>");
        }
        rest = &rest[at + end + 2..];
    }
    out.push_str(rest);
    out
}

/// A line of nothing but `^`.
pub(crate) fn is_marker(line: &str) -> bool {
    let line = line.trim();
    !line.is_empty() && line.bytes().all(|b| b == b'^')
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Information => "information",
        Severity::Hint => "hint",
    }
}

fn confidence(confidence: Confidence) -> &'static str {
    match confidence {
        Confidence::High => "high",
        Confidence::Medium => "medium",
        Confidence::Low => "low",
    }
}

fn fix(fix: FixKind) -> &'static str {
    match fix {
        FixKind::None => "none",
        FixKind::Safe => "safe: `--fix` applies it",
        FixKind::Offer => "offered: the user chooses",
    }
}
