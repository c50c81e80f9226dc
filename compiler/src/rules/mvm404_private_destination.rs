//! MVM404: a destination that is not public.

use super::net::{Verdict, destinations, judge_allowed};
use super::rule::{Check, Confidence, FixKind, Rule, bad, good};
use crate::context::{Findings, RuleContext};
use crate::finding::Severity;

/// The rule.
pub static RULE: Rule = Rule {
    id: "MVM404",
    name: "private-destination",
    severity: Severity::Error,
    confidence: Confidence::High,
    fix: FixKind::None,
    cwe: Some(918),
    summary: "The allowlist holds a loopback, private, link-local or metadata address",
    rationale: "The proxy that carries the guest's connections runs on the host. A private destination would let the guest \
reach the host's own services, its neighbours, or the cloud's metadata service, which hands out the host's credentials. \
The proxy refuses such addresses, whatever name leads to them.",
    remedy: "Remove the destination. A private service that the workload really needs is allowed by name under \
`allowed-hosts` in the configuration, where a reviewer sees it.",
    examples: &[
        bad(
            "network=mvm.network(allow_https=[\"169.254.169.254\"]),\n                                 ^^^^^^^^^^^^^^^^^",
        ),
        bad(
            "network=mvm.network(allow_https=[\"localhost\"]),\n                                 ^^^^^^^^^^^",
        ),
        bad(
            "network=mvm.network(egress=mvm.egress([mvm.host_port(\"10.0.0.5\", 5432)])),\n                                                     ^^^^^^^^^^",
        ),
        bad(
            "network=mvm.network(egress=mvm.egress([mvm.host_port(\"2130706433\", 80)])),\n                                                     ^^^^^^^^^^^^",
        ),
        bad(
            "network=mvm.network(egress=mvm.egress([mvm.host_port(\"::ffff:127.0.0.1\", 443)])),\n                                                     ^^^^^^^^^^^^^^^^^^",
        ),
        bad(
            "network=mvm.network(allow_https=[\"metadata.google.internal\"]),\n                                 ^^^^^^^^^^^^^^^^^^^^^^^^^^",
        ),
        good("network=mvm.network(allow_https=[\"api.example.com\"]),"),
        good("network=mvm.network(allow_https=[\"8.8.8.8\"]),"),
        good("network=mvm.network(dns=mvm.dns_resolver(\"10.0.0.53\")),"),
        good("env={\"BIND\": \"127.0.0.1\"},"),
        good("network=mvm.network(allow_https=[\"localhost.example.com\"]),"),
    ],
    also: &[],
    check: Check::Declaration(check),
};

fn check(ctx: &RuleContext<'_>, findings: &mut Findings) {
    for destination in destinations(&ctx.declaration.call) {
        let Verdict::Private(why) = judge_allowed(destination.host, &ctx.config.allowed_hosts) else {
            continue;
        };
        let (field, host) = (destination.field, super::shown(destination.host));
        let message =
            format!("`{field}`: `{host}` cannot be allowed, because {why}; remove it or name a public host");
        RULE.at_value(destination.value, message).to(findings);
    }
}
