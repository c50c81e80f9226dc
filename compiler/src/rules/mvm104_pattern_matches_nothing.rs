//! MVM104: a pattern of the source matches nothing.

use std::cell::OnceCell;

use workload_ir::pattern::Pattern;

use super::edit::replace_string;
use super::rule::{Check, Confidence, FixKind, Rule, bad, good};
use super::tree::{Directory, Tree};
use super::walk::{call, items, str_of};
use crate::context::{Findings, RuleContext};
use crate::facts::{DirectoryEntry, EntryKind};
use crate::finding::Severity;
use crate::value::Value;

/// The rule.
pub static RULE: Rule = Rule {
    id: "MVM104",
    name: "pattern-matches-nothing",
    severity: Severity::Warning,
    confidence: Confidence::Medium,
    fix: FixKind::Offer,
    cwe: None,
    summary: "A pattern of the source matches nothing",
    rationale: "An `include` that selects no file packages less than was meant, which shows when the guest cannot import it. \
An `exclude` one letter away from what is there packages what was to stay out. An `exclude` for files that may come \
later, such as `.env` or `*.log`, is good practice and is not reported.",
    remedy: "Correct the pattern or remove it. Patterns are relative to the source directory and read as in `.gitignore`.",
    examples: &[
        bad(r#"source=mvm.local_path(".", include=["tool.py", "srcs/**"]),
                                               ^^^^^^^^^"#)
        .with(&[("src/a.py", "")]),
        good(r#"source=mvm.local_path(".", include=["tool.py", "src/**"]),"#).with(&[("src/a.py", "")]),
    ],
    also: &["MVM604"],
    check: Check::Declaration(check),
};

fn check(ctx: &RuleContext<'_>, findings: &mut Findings) {
    let Some(source) = call(&ctx.declaration.call, "source", "local_path") else { return };
    let list = |name| source.get(name).map(items).unwrap_or_default();
    if list("include").is_empty() && list("exclude").is_empty() {
        return;
    }
    // What was not seen may match.
    let Some(tree) = ctx.tree().filter(|t| t.whole) else { return };
    if tree.entries().next().is_none() {
        return;
    }
    let known: OnceCell<Vec<(String, bool)>> = OnceCell::new();
    let path = |(dir, e): (&Directory, &DirectoryEntry)| (dir.path_of(e), e.kind == EntryKind::Directory);
    let entries = || known.get_or_init(|| tree.entries().map(path).collect());
    for value in list("include") {
        // Most includes are a name that is there.
        if str_of(value).is_some_and(|text| tree.has(text)) {
            continue;
        }
        let Some((text, pattern)) = read(value) else { continue };
        if entries().iter().any(|(path, directory)| pattern.covers(path, *directory)) {
            continue;
        }
        let near = nearest(text, entries(), &[]);
        let help =
            near.as_ref().map_or("correct or remove it".to_owned(), |n| format!("did you mean `{n}`?"));
        report(
            ctx,
            value,
            format!("`include`: nothing in the source matches `{}`; {help}", super::shown(text)),
            near,
        )
        .to(findings);
    }
    let excluded: Vec<&str> = list("exclude").iter().filter_map(str_of).collect();
    for value in list("exclude") {
        let Some((text, pattern)) = read(value) else { continue };
        if entries().iter().any(|(path, directory)| pattern.covers(path, *directory))
            || exists(ctx, tree, text)
        {
            continue;
        }
        if let Some(near) = nearest(text, entries(), &excluded) {
            let message = format!(
                "`exclude`: nothing in the source matches `{}`, and `{near}` is packaged; did you mean it?",
                super::shown(text)
            );
            report(ctx, value, message, Some(near)).to(findings);
        }
    }
}

fn report(ctx: &RuleContext<'_>, value: &Value, message: String, near: Option<String>) -> super::Report {
    let edit = near.as_ref().and_then(|n| replace_string(ctx, value, n));
    RULE.at_value(value, message).offer(format!("Write `{}`", near.unwrap_or_default()), edit.map(|e| [e]))
}

fn read(value: &Value) -> Option<(&str, Pattern)> {
    let text = str_of(value)?;
    Some((text, Pattern::parse(text).ok()?))
}

/// An excluded directory is not walked: it may well be there.
fn exists(ctx: &RuleContext<'_>, tree: &Tree, text: &str) -> bool {
    let name = text.trim_start_matches("./").trim_matches('/').trim_end_matches("/**").trim_end_matches("/*");
    let literal = !name.is_empty() && !name.contains(['*', '?', '[', '{']);
    literal && ctx.facts().kind(&tree.dir.join(name)).is_none_or(|kind| kind.is_some())
}

/// The entry whose path is a slip away from a pattern without wildcards (but for a trailing `/**`).
fn nearest(text: &str, entries: &[(String, bool)], taken: &[&str]) -> Option<String> {
    let ending = ["/**", "/*", "/"].into_iter().find(|e| text.ends_with(e)).unwrap_or("");
    let stem = text.strip_suffix(ending)?.trim_start_matches("./");
    if stem.len() < 3 || stem.contains(['*', '?', '[', '{']) {
        return None;
    }
    let depth = stem.matches('/').count();
    let of_kind = |(path, directory): &&(String, bool)| {
        (*directory || ending.is_empty()) && path.matches('/').count() == depth
    };
    let near = super::nearest(stem, entries.iter().filter(of_kind).map(|(path, _)| path.as_str()))?;
    let near = format!("{near}{ending}");
    (!taken.contains(&near.as_str())).then_some(near)
}
