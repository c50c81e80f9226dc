//! MVM603: no primary entrypoint, or several.

use super::edit::{remove_argument, replace, set_argument};
use super::rule::{Check, Confidence, FixKind, Rule, bad, good};
use super::walk::entrypoints;
use crate::context::{Findings, RuleContext};
use crate::declaration::DeclarationKind;
use crate::finding::Severity;
use crate::value::{HelperCall, ValueKind};

/// The rule.
pub static RULE: Rule = Rule {
    id: "MVM603",
    name: "primary-entrypoint",
    severity: Severity::Error,
    confidence: Confidence::High,
    fix: FixKind::Safe,
    cwe: None,
    summary: "None or several of the entrypoints are primary",
    rationale: "The primary entrypoint is the one that a call without a function's name reaches. With none such a call has no \
target; with several it could reach either.",
    remedy: "Mark exactly one function entrypoint with `primary=True`. A single one is primary by itself.",
    examples: &[
        bad("entrypoints=[\n    mvm.entrypoint_function(module=\"other\", function=\"run\"),\n    ^^^^^^^^^^^^^^^^^^^^^^^\n    mvm.entrypoint_function(module=\"other\", function=\"main\"),\n],").with(&[("other.py", "def run(): ...\ndef main(): ...\n")]),
        bad("entrypoints=[\n    mvm.entrypoint_function(module=\"other\", function=\"run\", primary=True),\n    mvm.entrypoint_function(module=\"other\", function=\"main\", primary=True),\n                                                                     ^^^^\n],").with(&[("other.py", "def run(): ...\ndef main(): ...\n")]),
        bad("entrypoint=mvm.entrypoint_function(module=\"tool\", function=\"run\", primary=False),\n                                                                          ^^^^^"),
        good("entrypoint=mvm.entrypoint_function(module=\"tool\", function=\"run\"),"),
        good("entrypoint=mvm.entrypoint_function(module=\"tool\", function=\"run\", primary=True),"),
        good("entrypoints=[\n    mvm.entrypoint_function(module=\"other\", function=\"run\", primary=True),\n    mvm.entrypoint_function(module=\"other\", function=\"main\"),\n],").with(&[("other.py", "def run(): ...\ndef main(): ...\n")]),
        good("entrypoint=mvm.entrypoint(command=[\"python\", \"-m\", \"tool\"]),"),
        good("name=\"a\","),
    ],
    also: &[],
    check: Check::Declaration(check),
};

fn check(ctx: &RuleContext<'_>, findings: &mut Findings) {
    if ctx.declaration.kind == DeclarationKind::Func {
        return;
    }
    let all = entrypoints(&ctx.declaration.call);
    let functions: Vec<&HelperCall> = all.into_iter().filter(|e| e.helper == "entrypoint_function").collect();
    let primaries: Vec<&HelperCall> = functions.iter().copied().filter(|f| flag(f) == Some(true)).collect();
    if functions.iter().any(|f| f.get("primary").is_some() && flag(f).is_none()) {
        return;
    }
    match (functions.as_slice(), primaries.as_slice()) {
        ([], _) | (_, [_]) => {}
        ([only], []) => {
            if let Some(value) = only.get("primary") {
                let edit = crate::address::is_own(&value.range).then(|| [replace(&value.range, "True")]);
                RULE.at_value(value, "`primary` is False on the only entrypoint, so a call would reach none; remove it or set it to True")
                    .safe("Make it primary", edit)
                    .to(findings);
            }
        }
        ([first, ..], []) => {
            let message = "`entrypoints`: none of the functions is primary, so a call without a name would reach none; mark one \
                 with `primary=True`";
            RULE.at(&first.callee, message)
                .safe("Make the first one primary", set_argument(ctx, first, "primary", "True").map(|e| [e]))
                .to(findings);
        }
        (_, [_, more @ ..]) => {
            for extra in more {
                let Some(value) = extra.get("primary") else { continue };
                let message = "`entrypoints`: another function is primary already, so a call without a name would be ambiguous; keep one";
                RULE.at_value(value, message)
                    .safe("Keep the first one primary", remove_argument(ctx, extra, "primary").map(|e| [e]))
                    .to(findings);
            }
        }
    }
}

fn flag(point: &HelperCall) -> Option<bool> {
    match point.get("primary")?.kind {
        ValueKind::Bool(primary) => Some(primary),
        _ => None,
    }
}
