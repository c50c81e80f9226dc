//! MVM801: the lockfile does not exist.

use super::modules::source_dir;
use super::mvm101_broad_source::normal;
use super::rule::{Check, Confidence, FixKind, Rule, bad, good};
use super::walk::str_of;
use crate::context::{Findings, RuleContext};
use crate::finding::Severity;
use crate::value::ValueKind;

/// The rule.
pub static RULE: Rule = Rule {
    id: "MVM801",
    name: "missing-lockfile",
    severity: Severity::Error,
    confidence: Confidence::High,
    fix: FixKind::None,
    cwe: None,
    summary: "The lockfile does not exist",
    rationale: "Without the lockfile there is nothing that says which versions, and which bytes of them, belong into the image; the build would stop there.",
    remedy: "Write it (`uv lock`, `pip-compile --generate-hashes`, `pnpm install --lockfile-only`) and commit it, or correct its path, which is relative to the source.",
    examples: &[
        bad("dependencies=mvm.python_deps(lockfile=\"uv.lock\"),\n                                      ^^^^^^^^^"),
        bad("dependencies=mvm.node_deps(lockfile=\"pnpm-lock.yaml\"),\n                                    ^^^^^^^^^^^^^^^^"),
        bad("source=mvm.local_path(\"src\"),\ndependencies=mvm.python_deps(lockfile=\"uv.lock\"),\n                                      ^^^^^^^^^").with(&[("src/a.py", ""), ("uv.lock", "")]),
        good("dependencies=mvm.no_deps(),"),
        good("dependencies=mvm.python_deps(lockfile=\"uv.lock\"),").with(&[("uv.lock", "version = 1\n")]),
        good("dependencies=mvm.python_deps(lockfile=\"locks/requirements.txt\", tool=\"pip-tools\"),").with(&[("locks/requirements.txt", "# none\n")]),
    ],
    also: &[],
    check: Check::Declaration(check),
};

fn check(ctx: &RuleContext<'_>, findings: &mut Findings) {
    let Some(ValueKind::Call(deps)) = ctx.declaration.call.get("dependencies").map(|v| &v.kind) else {
        return;
    };
    let Some(value) = deps.get("lockfile") else { return };
    let (Some(text), Some(source)) = (str_of(value), source_dir(ctx.declaration.source(), ctx.file)) else {
        return;
    };
    if ctx.facts().kind(&normal(&source.join(text))) == Some(None) {
        let message = format!(
            "`lockfile`: there is no `{}` in the source; write and commit it, or correct the path",
            super::shown(text)
        );
        RULE.at_value(value, message).to(findings);
    }
}
