//! MVM010: `mvm` or one of its helpers is bound to something else. The compiler finds it while it reads; this is what the rule says of itself.

use super::rule::{Check, Confidence, FixKind, Rule, good};
use crate::finding::Severity;

/// The rule.
pub static RULE: Rule = Rule {
    id: "MVM010",
    name: "rebound-helper",
    severity: Severity::Error,
    confidence: Confidence::High,
    fix: FixKind::None,
    cwe: None,
    summary: "`mvm` or one of its helpers is bound to something else",
    rationale: "After the rebinding the name may mean anything. A reader that ignored it could show a declaration that is not what runs.",
    remedy: "Give the other thing another name.",
    examples: &[good(
        "import mvm\n\n\n@mvm.app(image=mvm.python_image(), resources=mvm.resources(), network=mvm.network())\ndef run() -> None:\n    mvm = 1\n    print(mvm)\n",
    )],
    also: &[],
    check: Check::Compiler,
};
