//! MVM008: `@mvm.app` is not called. The compiler finds it while it reads; this is what the rule says of itself.

use super::rule::{Check, Confidence, FixKind, Rule, good};
use crate::finding::Severity;

/// The rule.
pub static RULE: Rule = Rule {
    id: "MVM008",
    name: "bare-decorator",
    severity: Severity::Error,
    confidence: Confidence::High,
    fix: FixKind::Safe,
    cwe: None,
    summary: "`@mvm.app` is not called",
    rationale: "Without parentheses the decorator is the function `app` itself: nothing is declared.",
    remedy: "Write `@mvm.app(…)` with the arguments of the declaration.",
    examples: &[good(
        "import mvm\n\n\n@mvm.app(image=mvm.python_image(), resources=mvm.resources(), network=mvm.network())\ndef run() -> None: ...\n",
    )],
    also: &["MVM004"],
    check: Check::Compiler,
};
