//! MVM014: a spelling that is read for compatibility has a better one. The compiler finds it while it reads; this is what the rule says of itself.

use super::rule::{Check, Confidence, FixKind, Rule, good};
use crate::finding::Severity;

/// The rule.
pub static RULE: Rule = Rule {
    id: "MVM014",
    name: "outdated-spelling",
    severity: Severity::Hint,
    confidence: Confidence::High,
    fix: FixKind::Safe,
    cwe: None,
    summary: "A spelling that is read for compatibility has a better one",
    rationale: "Files of the public project use older spellings. They are read with the same meaning; one spelling for one thing makes declarations easier to review.",
    remedy: "Apply the fix.",
    examples: &[good("resources=mvm.resources(cpu_cores=2, memory_mb=512),")],
    also: &[],
    check: Check::Compiler,
};
