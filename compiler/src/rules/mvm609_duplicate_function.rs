//! MVM609: a function is an entrypoint twice.

use std::collections::HashSet;

use super::edit::remove_element;
use super::rule::{Check, Confidence, FixKind, Rule, bad, good};
use super::walk::{entrypoints, items, str_of};
use crate::context::{Findings, RuleContext};
use crate::finding::Severity;
use crate::value::ValueKind;

/// The rule.
pub static RULE: Rule = Rule {
    id: "MVM609",
    name: "duplicate-function",
    severity: Severity::Error,
    confidence: Confidence::High,
    fix: FixKind::Safe,
    cwe: None,
    summary: "A function is an entrypoint twice",
    rationale: "A call by name could reach either of the two, whose settings may differ.",
    remedy: "Remove one of them.",
    examples: &[
        bad("entrypoints=[\n    mvm.entrypoint_function(module=\"tool\", function=\"run\", primary=True),\n    mvm.entrypoint_function(module=\"tool\", function=\"run\"),\n                                                    ^^^^^\n],"),
        bad("entrypoints=[mvm.entrypoint_function(module=\"tool\", function=\"run\", primary=True), mvm.entrypoint_function(module=\"tool\", function=\"run\")],\n                                                                                                                                   ^^^^^"),
        bad("entrypoints=[\n    mvm.entrypoint_function(module=\"tool\", function=\"run\", primary=True),\n    mvm.entrypoint_function(function=\"run\", module=\"tool\", format=\"msgpack\"),\n                                     ^^^^^\n],"),
        good("entrypoints=[mvm.entrypoint_function(module=\"tool\", function=\"run\")],"),
        good("entrypoint=mvm.entrypoint_function(module=\"tool\", function=\"run\"),"),
        good("entrypoints=[\n    mvm.entrypoint_function(module=\"other\", function=\"a\", primary=True),\n    mvm.entrypoint_function(module=\"other\", function=\"b\"),\n],").with(&[("other.py", "def a(): ...\ndef b(): ...\n")]),
    ],
    also: &["MVM603", "MVM006"],
    check: Check::Declaration(check),
};

fn check(ctx: &RuleContext<'_>, findings: &mut Findings) {
    let mut seen = HashSet::new();
    for point in entrypoints(&ctx.declaration.call) {
        let Some(value) = point.get("function") else { continue };
        let Some(name) = str_of(value) else { continue };
        if seen.insert(name) {
            continue;
        }
        let edit = ctx.declaration.call.get("entrypoints").and_then(|list| {
            let same =
                |v: &crate::value::Value| matches!(&v.kind, ValueKind::Call(c) if std::ptr::eq(&**c, point));
            Some([remove_element(ctx, list, items(list).iter().position(same)?)?])
        });
        let message = format!(
            "`entrypoints`: the function `{}` is an entrypoint already; remove this one",
            super::shown(name)
        );
        RULE.at_value(value, message).safe("Remove the duplicate", edit).to(findings);
    }
}
