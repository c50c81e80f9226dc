//! MVM409: mode `none` with an allowlist or ports.

use super::edit::replace_string;
use super::rule::{Check, Confidence, FixKind, Rule, bad, good};
use super::walk::{call, items, str_of};
use crate::context::{Findings, RuleContext};
use crate::finding::Severity;

/// The rule.
pub static RULE: Rule = Rule {
    id: "MVM409",
    name: "allowlist-without-network",
    severity: Severity::Error,
    confidence: Confidence::High,
    fix: FixKind::Safe,
    cwe: None,
    summary: "Mode `none` with an allowlist or ports",
    rationale: "Mode `none` lets nothing pass, so the list would do nothing: one of the two is not what was meant.",
    remedy: "Use `mode=\"deny\"`, which lets the listed destinations pass and nothing else; or remove the list.",
    examples: &[
        bad(
            "network=mvm.network(mode=\"none\", allow_https=[\"api.example.com\"]),\n                         ^^^^^^",
        ),
        bad(
            "network=mvm.network(mode=\"none\", egress=mvm.egress([mvm.host_port(\"a.example.com\", 443)])),\n                         ^^^^^^",
        ),
        bad("network=mvm.network(mode=\"none\", ports=[{\"guest\": 80}]),\n                         ^^^^^^"),
        good("network=mvm.network(mode=\"none\"),"),
        good("network=mvm.network(mode=\"deny\", allow_https=[\"api.example.com\"]),"),
        good("network=mvm.network(mode=\"none\", allow_https=[]),"),
    ],
    also: &[],
    check: Check::Declaration(check),
};

fn check(ctx: &RuleContext<'_>, findings: &mut Findings) {
    let Some(network) = call(&ctx.declaration.call, "network", "network") else { return };
    let Some(mode) = network.get("mode").filter(|m| str_of(m) == Some("none")) else { return };
    let listed = |name: &str| network.get(name).is_some_and(|v| !items(v).is_empty());
    let egress = call(network, "egress", "egress")
        .and_then(|e| e.get("allowlist"))
        .is_some_and(|v| !items(v).is_empty());
    let what = match () {
        () if listed("allow_https") => "allow_https",
        () if egress => "egress",
        () if listed("ports") => "ports",
        () => return,
    };
    RULE.at_value(mode, format!("`network` mode \"none\" lets nothing pass, so `{what}` would do nothing; use \"deny\" or remove the list"))
        .safe("Deny all but the list", replace_string(ctx, mode, "deny").map(|e| [e]))
        .to(findings);
}
