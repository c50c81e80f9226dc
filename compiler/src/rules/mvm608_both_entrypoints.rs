//! MVM608: both `entrypoint` and `entrypoints` are given.

use super::rule::{Check, Confidence, FixKind, Rule, bad, good};
use crate::context::{Findings, RuleContext};
use crate::finding::Severity;
use crate::value::ValueKind;

/// The rule.
pub static RULE: Rule = Rule {
    id: "MVM608",
    name: "both-entrypoints",
    severity: Severity::Error,
    confidence: Confidence::High,
    fix: FixKind::None,
    cwe: None,
    summary: "Both `entrypoint` and `entrypoints` are given",
    rationale: "Which of them counts cannot be told; one of them would be dropped.",
    remedy: "Put all entrypoints into `entrypoints`.",
    examples: &[
        bad(
            "entrypoint=mvm.entrypoint_function(module=\"tool\", function=\"run\"),\nentrypoints=[],\n            ^^",
        ),
        bad("entrypoints=[],\n            ^^\nentrypoint=mvm.entrypoint(command=[\"tool\"]),"),
        bad("entrypoint=mvm.entrypoint(command=[\"tool\"]),\nentrypoints=(),\n            ^^"),
        good("entrypoint=mvm.entrypoint_function(module=\"tool\", function=\"run\"),"),
        good("entrypoints=[mvm.entrypoint_function(module=\"tool\", function=\"run\")],"),
        good("name=\"a\","),
        good("entrypoint=mvm.entrypoint_function(module=\"tool\", function=\"run\"),\nentrypoints=None,"),
    ],
    also: &[],
    check: Check::Declaration(check),
};

fn check(ctx: &RuleContext<'_>, findings: &mut Findings) {
    let given = |name| ctx.declaration.call.get(name).filter(|value| value.kind != ValueKind::None);
    if let (Some(_), Some(several)) = (given("entrypoint"), given("entrypoints")) {
        RULE.at_value(several, "`entrypoints` stands beside `entrypoint`, and only one of them can count; put all into `entrypoints`").to(findings);
    }
}
