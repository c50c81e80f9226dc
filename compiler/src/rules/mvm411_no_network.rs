//! MVM411: no explicit network.

use super::edit::{helper, insert_argument};
use super::rule::{Check, Confidence, FixKind, Rule, bad, good};
use crate::context::{Findings, RuleContext};
use crate::finding::Severity;

/// The rule.
pub static RULE: Rule = Rule {
    id: "MVM411",
    name: "no-network",
    severity: Severity::Hint,
    confidence: Confidence::High,
    fix: FixKind::Offer,
    cwe: None,
    summary: "What the workload may reach is not said",
    rationale: "Everything is denied then, which is the safe default. A reader who does not know that cannot tell a decision \
from an omission, and the first failing connection is a surprise.",
    remedy: "Say it: `network=mvm.network(mode=\"deny\")`, with `allow_https=[…]` for what the workload needs.",
    examples: &[
        bad(
            "import mvm\n\n\n@mvm.app(image=mvm.python_image(), resources=mvm.resources())\n ^^^^^^^\ndef run() -> None: ...\n",
        ),
        good("network=mvm.network(mode=\"deny\"),"),
    ],
    also: &[],
    check: Check::Declaration(check),
};

fn check(ctx: &RuleContext<'_>, findings: &mut Findings) {
    let app = &ctx.declaration.call;
    if app.get("network").is_some() || ctx.declaration.incomplete {
        return;
    }
    let edit = helper(ctx, "network")
        .and_then(|h| insert_argument(ctx, app, &format!("network={h}(mode=\"deny\")")));
    RULE.at(&app.callee, "`network` is not given: nothing may be reached, which is the default; say so")
        .offer("Deny by default, explicitly", edit.map(|e| [e]))
        .to(findings);
}
