//! MVM012: an imperative `Sandbox` script runs on the host. The compiler finds it while it reads; this is what the rule says of itself.

use super::rule::{Check, Confidence, FixKind, Rule, good};
use crate::finding::Severity;

/// The rule.
pub static RULE: Rule = Rule {
    id: "MVM012",
    name: "imperative-sandbox",
    severity: Severity::Information,
    confidence: Confidence::High,
    fix: FixKind::None,
    cwe: None,
    summary: "An imperative `Sandbox` script runs on the host",
    rationale: "`Sandbox.create(…)` is called by the script itself, which runs on the host with the rights of whoever starts it. It cannot be compiled statically.",
    remedy: "Declare the workload with `@mvm.app`, or run the script knowingly; see record mode.",
    examples: &[good(
        "import mvm\n\n\n@mvm.app(image=mvm.python_image(), resources=mvm.resources(), network=mvm.network())\ndef run() -> None: ...\n",
    )],
    also: &[],
    check: Check::Compiler,
};
