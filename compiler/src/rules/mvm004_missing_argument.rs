//! MVM004: a required argument is missing. The compiler finds it while it reads; this is what the rule says of itself.

use super::rule::{Check, Confidence, FixKind, Rule, good};
use crate::finding::Severity;

/// The rule.
pub static RULE: Rule = Rule {
    id: "MVM004",
    name: "missing-argument",
    severity: Severity::Error,
    confidence: Confidence::High,
    fix: FixKind::Offer,
    cwe: None,
    summary: "A required argument is missing",
    rationale: "What has no sensible default must be said: a machine cannot be built without an image, nor a secret be fetched without a name.",
    remedy: "Add the argument.",
    examples: &[good("name=\"a\","), good("env={\"A\": mvm.secret(\"a\")},")],
    also: &["MVM602", "MVM005"],
    check: Check::Compiler,
};
