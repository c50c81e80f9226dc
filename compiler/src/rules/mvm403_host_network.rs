//! MVM403: host networking.

use super::edit::replace_string;
use super::rule::{Check, Confidence, FixKind, Rule, bad, good};
use super::walk::{call, str_of};
use crate::context::{Findings, RuleContext};
use crate::finding::Severity;

/// The rule.
pub static RULE: Rule = Rule {
    id: "MVM403",
    name: "host-network",
    severity: Severity::Error,
    confidence: Confidence::High,
    fix: FixKind::Safe,
    cwe: Some(653),
    summary: "The network mode is `host`",
    rationale: "Host networking would put the guest beside the host's own services, loopback and metadata included. A guest \
has no network device at all, so there is no such mode; the declaration is refused.",
    remedy: "Use `mode=\"deny\"` and list what the workload needs.",
    examples: &[
        bad("network=mvm.network(mode=\"host\"),\n                         ^^^^^^"),
        bad(
            "network=mvm.network(mode='host', allow_https=[\"api.example.com\"]),\n                         ^^^^^^",
        ),
        bad("network=mvm.network(\n    mode=\"host\",\n         ^^^^^^\n    ports=[],\n),"),
        good("network=mvm.network(mode=\"deny\"),"),
        good("network=mvm.network(mode=\"none\"),"),
        good("env={\"MODE\": \"host\"},"),
    ],
    also: &[],
    check: Check::Declaration(check),
};

fn check(ctx: &RuleContext<'_>, findings: &mut Findings) {
    let Some(network) = call(&ctx.declaration.call, "network", "network") else { return };
    let Some(mode) = network.get("mode").filter(|m| str_of(m) == Some("host")) else { return };
    RULE.at_value(
        mode,
        "`network` mode \"host\" would expose the host's own services to the guest and is refused; use \"deny\" and an allowlist",
    )
    .safe("Deny by default", replace_string(ctx, mode, "deny").map(|e| [e]))
    .to(findings);
}
