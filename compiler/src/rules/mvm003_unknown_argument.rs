//! MVM003: an argument or helper does not exist. The compiler finds it while it reads; this is what the rule says of itself.

use super::rule::{Check, Confidence, FixKind, Rule, bad, good};
use crate::finding::Severity;

/// The rule.
pub static RULE: Rule = Rule {
    id: "MVM003",
    name: "unknown-argument",
    severity: Severity::Error,
    confidence: Confidence::High,
    fix: FixKind::Safe,
    cwe: None,
    summary: "An argument or helper does not exist",
    rationale: "An argument that is not known would be dropped, and with it what it was meant to restrict. So nothing is ever dropped in silence.",
    remedy: "Use the nearest name, which the message offers, or remove the argument.",
    examples: &[
        bad("nmae=\"a\",\n^^^^"),
        bad("source=mvm.local_path(\".\", exlude=[\"x\"]),\n                           ^^^^^^"),
        bad("image=mvm.nix_package([\"python312\"]),\n          ^^^^^^^^^^^"),
        good("name=\"a\","),
        good("source=mvm.local_path(\".\", exclude=[\"x\"]),"),
        good("image=mvm.nix_packages([\"python312\"]),"),
    ],
    also: &[],
    check: Check::Compiler,
};
