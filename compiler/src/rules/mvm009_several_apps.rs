//! MVM009: several apps in a file without `mvm.workload`. The compiler finds it while it reads; this is what the rule says of itself.

use super::rule::{Check, Confidence, FixKind, Rule, good};
use crate::finding::Severity;

/// The rule.
pub static RULE: Rule = Rule {
    id: "MVM009",
    name: "several-apps",
    severity: Severity::Error,
    confidence: Confidence::High,
    fix: FixKind::Safe,
    cwe: None,
    summary: "Several apps in a file without `mvm.workload`",
    rationale: "Each app runs in a machine of its own; which workload they form together must be said, since its id names the artifact.",
    remedy: "Add `mvm.workload(id=\"…\")` once at module level.",
    examples: &[good(
        "import mvm\n\n\nmvm.workload(id=\"both\")\n\n\n@mvm.app(name=\"a\", image=mvm.python_image(), resources=mvm.resources(), network=mvm.network())\ndef a() -> None: ...\n\n\n@mvm.app(name=\"b\", image=mvm.python_image(), resources=mvm.resources(), network=mvm.network())\ndef b() -> None: ...\n",
    )],
    also: &[],
    check: Check::Compiler,
};
