//! MVM401: bridge mode without an allowlist.

use super::edit::{replace_string, set_argument};
use super::rule::{Check, Confidence, FixKind, Rule, bad, good};
use super::walk::{call, str_of};
use crate::context::{Findings, RuleContext};
use crate::finding::Severity;

/// The rule.
pub static RULE: Rule = Rule {
    id: "MVM401",
    name: "open-egress",
    severity: Severity::Warning,
    confidence: Confidence::High,
    fix: FixKind::Offer,
    cwe: Some(923),
    summary: "Any public address may be reached",
    rationale: "Bridge mode without `egress` lets the guest talk to every public address. Whatever takes over the workload \
can send out what it finds, and fetch what it likes.",
    remedy: "List what the workload needs with `allow_https=[…]` or `egress=mvm.egress([…])`; or use `mode=\"deny\"`.",
    examples: &[
        bad("network=mvm.network(mode=\"bridge\"),\n                         ^^^^^^^^"),
        bad("network=mvm.network(mode='bridge', dns=mvm.dns_system()),\n                         ^^^^^^^^"),
        bad("network=mvm.network(mode=\"bridge\", ports=[]),\n                         ^^^^^^^^"),
        bad("network=mvm.network(\n    mode=\"bridge\",\n         ^^^^^^^^\n),"),
        bad("network=mvm.network(mode=\"bri\" \"dge\"),\n                         ^^^^^^^^^^^"),
        good("network=mvm.network(mode=\"deny\"),"),
        good("network=mvm.network(),"),
        good("network=mvm.network(mode=\"bridge\", allow_https=[\"api.example.com\"]),"),
        good(
            "network=mvm.network(mode=\"bridge\", egress=mvm.egress([mvm.host_port(\"api.example.com\", 443)])),",
        ),
        good("network=mvm.network(mode=\"none\"),"),
    ],
    also: &[],
    check: Check::Declaration(check),
};

fn check(ctx: &RuleContext<'_>, findings: &mut Findings) {
    let Some(network) = call(&ctx.declaration.call, "network", "network") else { return };
    let Some(mode) = network.get("mode").filter(|m| str_of(m) == Some("bridge")) else { return };
    if network.get("egress").is_some() || network.get("allow_https").is_some() {
        return;
    }
    RULE.at_value(
        mode,
        "`network` allows every public address, since mode \"bridge\" has no allowlist; list the hosts with `allow_https=[…]`",
    )
    .offer("Deny by default", replace_string(ctx, mode, "deny").map(|e| [e]))
    .offer("Add an empty allowlist", set_argument(ctx, network, "allow_https", "[]").map(|e| [e]))
    .to(findings);
}
