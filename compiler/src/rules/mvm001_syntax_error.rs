//! MVM001: the file is not valid Python here. The compiler finds it while it reads; this is what the rule says of itself.

use super::rule::{Check, Confidence, FixKind, Rule, good};
use crate::finding::Severity;

/// The rule.
pub static RULE: Rule = Rule {
    id: "MVM001",
    name: "syntax-error",
    severity: Severity::Error,
    confidence: Confidence::High,
    fix: FixKind::None,
    cwe: None,
    summary: "The file is not valid Python here",
    rationale: "A declaration is read the way Python reads it. Where the text is not Python, nothing can be said about what it declares, and nothing is built from it.",
    remedy: "Correct the syntax. The rest of the file is read all the same, so other findings stay visible.",
    examples: &[
        good("name=\"a\","),
        good("name=(\n    \"a\"\n),"),
        good("env={\"A\": \"1\", \"B\": \"2\",},"),
    ],
    also: &[],
    check: Check::Compiler,
};
