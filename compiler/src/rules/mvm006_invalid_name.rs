//! MVM006: a name is invalid or used twice. The compiler finds it while it reads; this is what the rule says of itself.

use super::rule::{Check, Confidence, FixKind, Rule, bad, good};
use crate::finding::Severity;

/// The rule.
pub static RULE: Rule = Rule {
    id: "MVM006",
    name: "invalid-name",
    severity: Severity::Error,
    confidence: Confidence::High,
    fix: FixKind::Safe,
    cwe: None,
    summary: "A name is invalid or used twice",
    rationale: "Names become file names, host names and identifiers in the registry of machines: lower-case letters, digits and hyphens, beginning with a letter, 63 characters at most. Two apps of one name could not be told apart.",
    remedy: "Take the name that the fix offers, or another one.",
    examples: &[
        bad("name=\"Agent Tool\",\n     ^^^^^^^^^^^^"),
        bad("name=\"1st\",\n     ^^^^^"),
        bad("name=\"\",\n     ^^"),
        good("name=\"agent-tool\","),
        good("name=\"a1\","),
        good("name=\"agent\" \"-tool\","),
    ],
    also: &[],
    check: Check::Compiler,
};
