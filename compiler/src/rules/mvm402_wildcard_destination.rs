//! MVM402: a wildcard or an address range in the allowlist.

use super::net::{Verdict, destinations, judge};
use super::rule::{Check, Confidence, FixKind, Rule, bad, good};
use crate::context::{Findings, RuleContext};
use crate::finding::Severity;

/// The rule.
pub static RULE: Rule = Rule {
    id: "MVM402",
    name: "wildcard-destination",
    severity: Severity::Error,
    confidence: Confidence::High,
    fix: FixKind::None,
    cwe: Some(183),
    summary: "The allowlist holds a wildcard or an address range",
    rationale: "An allowlist names hosts one by one. Under a wildcard anybody who can get a name in that domain (a bucket, a \
tunnel, a user page) is allowed too, and an address range says nothing of who answers there.",
    remedy: "List each host by its full name.",
    examples: &[
        bad(
            "network=mvm.network(allow_https=[\"*.example.com\"]),\n                                 ^^^^^^^^^^^^^^^",
        ),
        bad("network=mvm.network(allow_https=[\"*\"]),\n                                 ^^^"),
        bad(
            "network=mvm.network(allow_https=[\"api.example.com\", \"8.8.8.0/24\"]),\n                                                    ^^^^^^^^^^^^",
        ),
        bad(
            "network=mvm.network(egress=mvm.egress([mvm.host_port(\"0.0.0.0/0\", 443)])),\n                                                     ^^^^^^^^^^^",
        ),
        bad(
            "network=mvm.network(egress=mvm.egress([mvm.host_port(\"api-*.example.com\", 443)])),\n                                                     ^^^^^^^^^^^^^^^^^^^",
        ),
        good("network=mvm.network(allow_https=[\"api.example.com\"]),"),
        good("network=mvm.network(egress=mvm.egress([mvm.host_port(\"8.8.8.8\", 53)])),"),
        good("network=mvm.network(allow_https=[]),"),
        good("env={\"PATTERN\": \"*.example.com\"},"),
        good("source=mvm.local_path(\".\", include=[\"*.py\"]),"),
    ],
    also: &[],
    check: Check::Declaration(check),
};

fn check(ctx: &RuleContext<'_>, findings: &mut Findings) {
    for destination in destinations(&ctx.declaration.call) {
        let (what, field) = match judge(destination.host) {
            Verdict::Wildcard => ("a wildcard", destination.field),
            Verdict::Cidr => ("an address range", destination.field),
            _ => continue,
        };
        let host = super::shown(destination.host);
        let message = format!(
            "`{field}`: `{host}` is {what}, which allows hosts that nobody has named; list each host by its full name"
        );
        RULE.at_value(destination.value, message).to(findings);
    }
}
