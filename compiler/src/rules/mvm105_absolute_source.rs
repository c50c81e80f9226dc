//! MVM105: the source is an absolute path.

use std::path::Path;

use super::edit::replace_string;
use super::mvm101_broad_source::normal;
use super::rule::{Check, Confidence, FixKind, Rule, bad, good};
use super::walk::{call, str_of};
use crate::context::{Findings, RuleContext};
use crate::finding::Severity;

/// The rule.
pub static RULE: Rule = Rule {
    id: "MVM105",
    name: "absolute-source",
    severity: Severity::Warning,
    confidence: Confidence::High,
    fix: FixKind::Safe,
    cwe: None,
    summary: "The source is an absolute path",
    rationale: "Another machine, or another user of this one, has no such directory; the declaration cannot be built there.",
    remedy: "Write the path relative to the declaring file.",
    examples: &[
        bad("source=mvm.local_path(\"/work/app\"),\n                      ^^^^^^^^^^^"),
        bad("source=mvm.local_path(\"/srv/project/src\"),\n                      ^^^^^^^^^^^^^^^^^^"),
        bad("source=mvm.local_path(path=\"/opt/tool\"),\n                           ^^^^^^^^^^^"),
        good("source=mvm.local_path(\".\"),"),
        good("source=mvm.local_path(\"src\"),").with(&[("src/a.py", "")]),
        good("source=mvm.local_path(\"./src\"),").with(&[("src/a.py", "")]),
    ],
    also: &["MVM102"],
    check: Check::Declaration(check),
};

fn check(ctx: &RuleContext<'_>, findings: &mut Findings) {
    let Some(path) = call(&ctx.declaration.call, "source", "local_path").and_then(|c| c.get("path")) else {
        return;
    };
    let Some(text) = str_of(path).filter(|t| t.starts_with('/')) else { return };
    if super::mvm101_broad_source::is_broad(text) {
        return;
    }
    let message = format!(
        "`source`: `{}` is absolute and exists on this machine alone; write it relative to this file",
        super::shown(text)
    );
    let base = ctx.file.path.as_ref().and_then(|p| p.parent());
    let below = base.and_then(|base| normal(Path::new(text)).strip_prefix(base).ok().map(Path::to_owned));
    let relative =
        below.and_then(|p| p.to_str().map(|p| if p.is_empty() { ".".to_owned() } else { p.to_owned() }));
    let edit = relative.and_then(|relative| replace_string(ctx, path, &relative));
    RULE.at_value(path, message).safe("Write it relative to this file", edit.map(|e| [e])).to(findings);
}
