//! MVM007: a declaration stands where a static reader cannot vouch for it. The compiler finds it while it reads; this is what the rule says of itself.

use super::rule::{Check, Confidence, FixKind, Rule, bad, good};
use crate::finding::Severity;

/// The rule.
pub static RULE: Rule = Rule {
    id: "MVM007",
    name: "misplaced-decorator",
    severity: Severity::Error,
    confidence: Confidence::High,
    fix: FixKind::None,
    cwe: None,
    summary: "A declaration stands where a static reader cannot vouch for it",
    rationale: "What is declared inside a class, a function or a branch only exists if that code runs. What a static reader sees must be what runs.",
    remedy: "Move the decorated function to the top level of the module.",
    examples: &[
        bad(
            "import mvm\n\n\nif True:\n\n    @mvm.app(image=mvm.python_image(), resources=mvm.resources(), network=mvm.network())\n    ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^\n    def run() -> None: ...\n",
        ),
        good(
            "import mvm\n\n\n@mvm.app(image=mvm.python_image(), resources=mvm.resources(), network=mvm.network())\ndef run() -> None: ...\n",
        ),
        good(
            "import mvm\n\n\n@mvm.app(image=mvm.python_image(), resources=mvm.resources(), network=mvm.network())\nasync def run() -> None: ...\n",
        ),
    ],
    also: &[],
    check: Check::Compiler,
};
