//! MVM108: a pattern of the source is no pattern.

use workload_ir::pattern::Pattern;

use super::rule::{Check, Confidence, FixKind, Rule, bad, good};
use super::walk::{call, items, str_of};
use crate::context::{Findings, RuleContext};
use crate::finding::Severity;

/// The rule.
pub static RULE: Rule = Rule {
    id: "MVM108",
    name: "invalid-pattern",
    severity: Severity::Error,
    confidence: Confidence::High,
    fix: FixKind::None,
    cwe: None,
    summary: "A pattern of the source is no pattern",
    rationale: "A pattern that cannot be read selects nothing, so what it was meant to keep out would be packaged, or what it was meant to take would be missing.",
    remedy: "Correct the pattern: `*` and `?` stay within a name, `**` spans directories, `[a-z]` and `{a,b}` choose, and no pattern leads out of the source with `..`.",
    examples: &[
        bad("source=mvm.local_path(\".\", exclude=[\"[abc\"]),\n                                    ^^^^^^"),
        bad("source=mvm.local_path(\".\", exclude=[\"../x\"]),\n                                    ^^^^^^"),
        bad(
            "source=mvm.local_path(\".\", exclude=[\"*.md\", \"{a,b\"]),\n                                            ^^^^^^",
        ),
        bad(
            "source=mvm.local_path(\".\", exclude=[\"!keep\"]),\n                                    ^^^^^^^",
        ),
        good("source=mvm.local_path(\".\", exclude=[\"*.md\", \"docs/\"]),"),
        good("source=mvm.local_path(\".\", include=[\"**/*.{py,txt}\"]),"),
        good("source=mvm.local_path(\".\", exclude=[\"[!a]*.csv\"]),"),
    ],
    also: &[],
    check: Check::Declaration(check),
};

fn check(ctx: &RuleContext<'_>, findings: &mut Findings) {
    let Some(source) = call(&ctx.declaration.call, "source", "local_path") else { return };
    for name in ["include", "exclude"] {
        for value in source.get(name).map(items).unwrap_or_default() {
            if let Some(text) = str_of(value)
                && let Err(error) = Pattern::parse(text)
            {
                let message =
                    format!("`{name}`: `{}` is no pattern: {}; correct it", super::shown(text), error.reason);
                RULE.at_value(value, message).to(findings);
            }
        }
    }
}
