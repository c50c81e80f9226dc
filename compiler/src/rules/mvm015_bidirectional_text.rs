//! MVM015: a character changes the order in which the declaration is shown. The compiler finds it while it reads; this is what the rule says of itself.

use super::rule::{Check, Confidence, FixKind, Rule, bad, good};
use crate::finding::Severity;

/// The rule.
pub static RULE: Rule = Rule {
    id: "MVM015",
    name: "bidirectional-text",
    severity: Severity::Error,
    confidence: Confidence::High,
    fix: FixKind::Offer,
    cwe: Some(1007),
    summary: "A character changes the order in which the declaration is shown",
    rationale: "Embeddings, overrides and isolates of Unicode's bidirectional algorithm (UAX #9) make an editor show other text than Python reads: an allowed host or a comment may look like what it is not. What a reviewer sees must be what is read.",
    remedy: "Remove the character; where a value really needs it, write it as an escape, `\\u202e`.",
    examples: &[
        bad("env={\"USER_ROLE\": \"admin{{U+202E}}\"},\n                        ^^^^^^^^^^"),
        good("env={\"USER_ROLE\": \"admin\\u202e\"},"),
    ],
    also: &[],
    check: Check::Compiler,
};
