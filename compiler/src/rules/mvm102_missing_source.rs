//! MVM102: the source does not exist or is not a directory.

use std::path::Path;

use super::mvm101_broad_source::normal;
use super::rule::{Check, Confidence, FixKind, Rule, bad, good};
use super::walk::{call, str_of};
use crate::context::{Findings, RuleContext};
use crate::facts::FileKind;
use crate::finding::Severity;

/// The rule.
pub static RULE: Rule = Rule {
    id: "MVM102",
    name: "missing-source",
    severity: Severity::Error,
    confidence: Confidence::High,
    fix: FixKind::None,
    cwe: None,
    summary: "The source does not exist or is not a directory",
    rationale: "The build would stop at the first step, or package a file where a directory is meant.",
    remedy: "Name a directory, relative to the declaring file's. To package a single file, name its directory and `include` \
the file.",
    examples: &[
        bad("source=mvm.local_path(\"sorce\"),\n                      ^^^^^^^"),
        bad("source=mvm.local_path(\"tool.txt\"),\n                      ^^^^^^^^^^")
            .with(&[("tool.txt", "text\n")]),
        bad("source=mvm.local_path(\"src/missing\"),\n                      ^^^^^^^^^^^^^")
            .with(&[("src/tool.py", "\n")]),
        bad("source=mvm.local_path(path=\"./lib\"),\n                           ^^^^^^^"),
        bad("source=mvm.local_path(\"loop\"),\n                      ^^^^^^").with(&[("loop", "-> loop")]),
        good("source=mvm.local_path(\".\"),"),
        good("source=mvm.local_path(\"src\"),").with(&[("src/tool.py", "\n")]),
        good("source=mvm.local_path(\"src/\"),").with(&[("src/tool.py", "\n")]),
        good("source=mvm.local_path(\"link\"),").with(&[("src/tool.py", "\n"), ("link", "-> src")]),
        good("source=mvm.local_path(\"./src/../src\"),").with(&[("src/tool.py", "\n")]),
    ],
    also: &[],
    check: Check::Declaration(check),
};

fn check(ctx: &RuleContext<'_>, findings: &mut Findings) {
    let Some(path) = call(&ctx.declaration.call, "source", "local_path").and_then(|c| c.get("path")) else {
        return;
    };
    let Some(text) = str_of(path) else { return };
    let Some(base) = ctx.file.path.as_ref().and_then(|p| p.parent()) else { return };
    if text.starts_with('~') || text.contains('$') {
        return;
    }
    let resolved = normal(&base.join(text));
    let what = match kind_followed(ctx, &resolved, 8) {
        Some(None) => "does not exist",
        Some(Some(FileKind::Directory)) | None => return,
        Some(Some(FileKind::File(_))) => "is a file, not a directory",
        Some(Some(FileKind::Symlink(_))) => "is a symbolic link that leads in a circle",
        Some(Some(FileKind::Other)) => "is neither a file nor a directory",
    };
    let remedy = "name a directory relative to this file";
    RULE.at_value(path, format!("`source`: `{}` {what}; {remedy}", super::shown(text))).to(findings);
}

/// What a path leads to, links followed.
fn kind_followed(ctx: &RuleContext<'_>, path: &Path, hops: usize) -> Option<Option<FileKind>> {
    match ctx.facts().kind(path) {
        Some(Some(FileKind::Symlink(target))) if hops > 0 => {
            let parent = path.parent().unwrap_or(path);
            kind_followed(ctx, &normal(&parent.join(target)), hops - 1)
        }
        other => other,
    }
}
