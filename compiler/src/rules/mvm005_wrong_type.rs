//! MVM005: an argument has the wrong type or a value that is not allowed. The compiler finds it while it reads; this is what the rule says of itself.

use super::rule::{Check, Confidence, FixKind, Rule, bad, good};
use crate::finding::Severity;

/// The rule.
pub static RULE: Rule = Rule {
    id: "MVM005",
    name: "wrong-type",
    severity: Severity::Error,
    confidence: Confidence::High,
    fix: FixKind::Safe,
    cwe: None,
    summary: "An argument has the wrong type or a value that is not allowed",
    rationale: "The IR is typed. A value of another type would be refused later, far from the line that wrote it.",
    remedy: "Write a value of the type that the message names.",
    examples: &[
        bad("threat_tier=3,\n            ^"),
        bad("image=mvm.nix_packages(\"python312\"),\n                       ^^^^^^^^^^^"),
        bad("env={\"A\": 1},\n          ^"),
        good("name=\"a\","),
        good("image=mvm.nix_packages([\"python312\"]),"),
        good("env={\"A\": \"1\"},"),
    ],
    also: &[],
    check: Check::Compiler,
};
