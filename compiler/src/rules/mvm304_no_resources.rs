//! MVM304: no explicit resources.

use super::edit::{helper, insert_argument};
use super::rule::{Check, Confidence, FixKind, Rule, bad, good};
use crate::context::{Findings, RuleContext};
use crate::finding::Severity;

/// The rule.
pub static RULE: Rule = Rule {
    id: "MVM304",
    name: "no-resources",
    severity: Severity::Hint,
    confidence: Confidence::High,
    fix: FixKind::Offer,
    cwe: None,
    summary: "The size of the machine is not said",
    rationale: "The machine has one CPU, 256 MiB of memory and 512 MiB of disk then. Who reads the declaration should not have \
to know that, and what a workload may take of its host is part of what is reviewed.",
    remedy: "Say it: `resources=mvm.resources(cpu_cores=1, memory_mb=256)`.",
    examples: &[
        bad(
            "import mvm\n\n\n@mvm.app(image=mvm.python_image(), network=mvm.network())\n ^^^^^^^\ndef run() -> None: ...\n",
        ),
        good("resources=mvm.resources(memory_mb=512),"),
    ],
    also: &[],
    check: Check::Declaration(check),
};

fn check(ctx: &RuleContext<'_>, findings: &mut Findings) {
    let app = &ctx.declaration.call;
    if app.get("resources").is_some() || ctx.declaration.incomplete {
        return;
    }
    let edit = helper(ctx, "resources")
        .and_then(|h| insert_argument(ctx, app, &format!("resources={h}(cpu_cores=1, memory_mb=256)")));
    RULE.at(
        &app.callee,
        "`resources` is not given: the machine has 1 CPU, 256 MiB of memory and 512 MiB of disk; say what it needs",
    )
    .offer("Say the size of the machine", edit.map(|e| [e]))
    .to(findings);
}
