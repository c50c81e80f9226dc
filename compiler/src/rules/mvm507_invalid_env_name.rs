//! MVM507: a name that no environment variable can have.

use super::rule::{Check, Confidence, FixKind, Rule, bad, good};
use super::walk::{calls, entries, str_of};
use crate::context::{Findings, RuleContext};
use crate::finding::Severity;

/// The rule.
pub static RULE: Rule = Rule {
    id: "MVM507",
    name: "invalid-env-name",
    severity: Severity::Error,
    confidence: Confidence::High,
    fix: FixKind::None,
    cwe: None,
    summary: "A name is not one of an environment variable",
    rationale: "Shells and many programs only see variables whose names are letters, digits and `_` and do not begin with a \
digit; an `=` or a NUL would make another variable of it.",
    remedy: "Rename the variable.",
    examples: &[
        bad("env={\"1ST\": \"first\"},\n     ^^^^^"),
        bad("env={\"MY-VAR\": \"x\"},\n     ^^^^^^^^"),
        bad("env={\"\": \"x\"},\n     ^^"),
        bad("env={\"A=B\": \"x\"},\n     ^^^^^"),
        bad("env={\"OK\": \"x\", \"NOT OK\": \"y\"},\n                ^^^^^^^^"),
        good("env={\"FIRST\": \"1\"},"),
        good("env={\"_private1\": \"1\"},"),
        good("env={},"),
        good("env={\"lower_case\": \"1-2\"},"),
    ],
    also: &[],
    check: Check::Declaration(check),
};

fn check(ctx: &RuleContext<'_>, findings: &mut Findings) {
    calls(&ctx.declaration.call, &mut |c| {
        let Some(env) = c.get("env") else { return };
        for (key, _) in entries(env) {
            if let Some(name) = str_of(key).filter(|name| !workload_ir::limits::is_env_name(name)) {
                let shown = super::shown(name);
                let message = format!(
                    "`env`: `{shown}` is no name of an environment variable; use letters, digits and `_`, not beginning with a digit"
                );
                RULE.at_value(key, message).to(findings);
            }
        }
    });
}
