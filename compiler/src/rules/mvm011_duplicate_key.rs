//! MVM011: a keyword or dictionary key is given twice. The compiler finds it while it reads; this is what the rule says of itself.

use super::rule::{Check, Confidence, FixKind, Rule, bad, good};
use crate::finding::Severity;

/// The rule.
pub static RULE: Rule = Rule {
    id: "MVM011",
    name: "duplicate-key",
    severity: Severity::Error,
    confidence: Confidence::High,
    fix: FixKind::None,
    cwe: None,
    summary: "A keyword or dictionary key is given twice",
    rationale: "Of two equal keys Python silently keeps the last one; of two equal keywords it refuses the file. Either way one of the two was meant to do something and does nothing.",
    remedy: "Remove one of them.",
    examples: &[
        bad("env={\"A\": \"1\", \"A\": \"2\"},\n               ^^^"),
        good("env={\"A\": \"1\", \"B\": \"2\"},"),
    ],
    also: &[],
    check: Check::Compiler,
};
