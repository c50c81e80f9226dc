//! MVM803: the lockfile is older than its manifest.

use serde_json::Value as Json;
use toml::de::{DeTable, DeValue};

use super::lockfile::{Lock, logical_lines, normalize, requirement_name, some_names};
use super::rule::{Check, Confidence, FixKind, Rule, bad, good};
use crate::context::{Findings, RuleContext};
use crate::finding::Severity;

/// The rule.
pub static RULE: Rule = Rule {
    id: "MVM803",
    name: "stale-lock",
    severity: Severity::Warning,
    confidence: Confidence::High,
    fix: FixKind::None,
    cwe: None,
    summary: "The lockfile is older than its manifest",
    rationale: "A dependency that the manifest names and the lock does not have is missing in the guest, and shows when it is \
imported. Times of files say nothing after a checkout, so the contents are compared.",
    remedy: "Write the lock again: `uv lock`, `pip-compile --generate-hashes`, `npm install --package-lock-only`.",
    examples: &[
        bad(r#"dependencies=mvm.python_deps(lockfile="uv.lock"),
                                      ^^^^^^^^^"#)
        .with(&[
            ("uv.lock", "version = 1\n"),
            ("pyproject.toml", "[project]\nname = \"a\"\ndependencies = [\"requests>=2\"]\n"),
        ]),
        good(r#"dependencies=mvm.python_deps(lockfile="uv.lock"),"#).with(&[
            ("uv.lock", "version = 1\n[[package]]\nname = \"requests\"\n"),
            ("pyproject.toml", "[project]\nname = \"a\"\ndependencies = [\"requests>=2\"]\n"),
        ]),
    ],
    also: &[],
    check: Check::Declaration(check),
};

/// Largest manifest that is read.
const MAX_MANIFEST: usize = 1 << 20;

fn check(ctx: &RuleContext<'_>, findings: &mut Findings) {
    let Some(lock) = Lock::of(ctx) else { return };
    let (manifest, wanted) = match lock.name() {
        "uv.lock" => ("pyproject.toml".to_owned(), pyproject as fn(&str) -> Vec<String>),
        "package-lock.json" | "npm-shrinkwrap.json" => {
            ("package.json".to_owned(), package_json as fn(&str) -> _)
        }
        name if name.ends_with(".txt") => (name.replace(".txt", ".in"), requirements_in as fn(&str) -> _),
        _ => return,
    };
    let text = ctx.facts().read(&lock.path.with_file_name(&manifest), MAX_MANIFEST);
    let Some(text) = text.and_then(|bytes| String::from_utf8(bytes).ok()) else { return };
    let has = match lock.names() {
        Some(names) => names,
        // A lock of nothing at all.
        None if lock.name() == "uv.lock" && DeTable::parse(&lock.text).is_ok() => Vec::new(),
        None => return,
    };
    let missing: Vec<String> = wanted(&text).into_iter().filter(|name| !has.contains(name)).collect();
    if missing.is_empty() {
        return;
    }
    let message = format!(
        "`lockfile`: `{manifest}` names {}, which the lock does not have; write it again",
        some_names(&missing)
    );
    RULE.at_value(lock.value, message).to(findings);
}

/// `[project] dependencies`; those with a marker may rightly be missing.
fn pyproject(text: &str) -> Vec<String> {
    let Ok(root) = DeTable::parse(text) else { return Vec::new() };
    let list =
        root.get_ref().get("project").and_then(|p| p.get_ref().get("dependencies")?.get_ref().as_array());
    let texts = list.into_iter().flatten().filter_map(|d| match d.get_ref() {
        DeValue::String(text) => Some(text.to_string()),
        _ => None,
    });
    texts.filter(|t| !t.contains(';')).filter_map(|t| requirement_name(&t)).map(|n| normalize(&n)).collect()
}

fn package_json(text: &str) -> Vec<String> {
    let Ok(json) = serde_json::from_str::<Json>(text) else { return Vec::new() };
    let names = json.get("dependencies").and_then(Json::as_object);
    let local = |v: &Json| v.as_str().is_some_and(|v| v.starts_with("workspace:"));
    names.into_iter().flatten().filter(|(_, v)| !local(v)).map(|(k, _)| k.clone()).collect()
}

fn requirements_in(text: &str) -> Vec<String> {
    let lines = logical_lines(text);
    lines
        .iter()
        .filter(|l| !l.starts_with(['-', '.']) && !l.contains(';'))
        .filter_map(|l| requirement_name(l))
        .collect()
}
