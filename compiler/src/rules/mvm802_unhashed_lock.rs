//! MVM802: entries of the lockfile without hashes.

use super::lockfile::{Lock, some_names};
use super::rule::{Check, Confidence, FixKind, Rule, bad, good};
use crate::context::{Findings, RuleContext};
use crate::finding::Severity;

/// The rule.
pub static RULE: Rule = Rule {
    id: "MVM802",
    name: "unhashed-lock",
    severity: Severity::Error,
    confidence: Confidence::High,
    fix: FixKind::None,
    cwe: Some(353),
    summary: "Entries of the lockfile have no hashes",
    rationale: "A version says what a package calls itself; a hash says which bytes were reviewed. Without it a registry, a \
mirror or whoever took over an account decides what runs, under the same version. The build installs nothing without a hash.",
    remedy: "Write the lock with hashes: `uv lock`, `pip-compile --generate-hashes`, `npm install --package-lock-only`.",
    examples: &[
        bad(r#"dependencies=mvm.python_deps(lockfile="requirements.txt", tool="pip-tools"),
                                      ^^^^^^^^^^^^^^^^^^"#)
        .with(&[("requirements.txt", "requests==2.32.0\n")]),
        good(r#"dependencies=mvm.python_deps(lockfile="requirements.txt", tool="pip-tools"),"#)
            .with(&[("requirements.txt", "requests==2.32.0 \\\n    --hash=sha256:00\n")]),
    ],
    also: &[],
    check: Check::Declaration(check),
};

fn check(ctx: &RuleContext<'_>, findings: &mut Findings) {
    let Some(lock) = Lock::of(ctx) else { return };
    let bare = lock.without_hash();
    if bare.is_empty() {
        return;
    }
    let message = format!(
        "`lockfile`: {} {} no hash; write the lock again with hashes",
        some_names(&bare),
        if bare.len() == 1 { "has" } else { "have" }
    );
    RULE.at_value(lock.value, message).to(findings);
}
