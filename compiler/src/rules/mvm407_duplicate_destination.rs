//! MVM407: a destination that is listed twice.

use std::collections::HashSet;

use super::edit::remove_element;
use super::net::destinations;
use super::rule::{Check, Confidence, FixKind, Rule, bad, good};
use super::walk::call;
use crate::context::{Findings, RuleContext};
use crate::finding::Severity;

/// The rule.
pub static RULE: Rule = Rule {
    id: "MVM407",
    name: "duplicate-destination",
    severity: Severity::Warning,
    confidence: Confidence::High,
    fix: FixKind::Safe,
    cwe: None,
    summary: "A destination is listed twice",
    rationale: "Who removes one of the two entries believes the host to be blocked, and it is not.",
    remedy: "Remove one of them.",
    examples: &[
        bad(
            "network=mvm.network(allow_https=[\"api.example.com\", \"api.example.com\"]),\n                                                    ^^^^^^^^^^^^^^^^^",
        ),
        bad(
            "network=mvm.network(allow_https=[\n    \"api.example.com\",\n    'API.example.com',\n    ^^^^^^^^^^^^^^^^^\n]),",
        ),
        bad(
            "network=mvm.network(egress=mvm.egress([mvm.host_port(\"a.example.com\", 1), mvm.host_port(\"a.example.com\", 1)])),\n                                                                                        ^^^^^^^^^^^^^^^",
        ),
        bad(
            "network=mvm.network(allow_https=[\"a.example.com\"], egress=mvm.egress([mvm.host_port(\"a.example.com\", 443)])),\n                                                                                    ^^^^^^^^^^^^^^^",
        ),
        bad(
            "network=mvm.network(allow_https=[\"a.example.com\", \"b.example.com\", \"a.example.com.\"]),\n                                                                   ^^^^^^^^^^^^^^^^",
        ),
        good("network=mvm.network(allow_https=[\"a.example.com\", \"b.example.com\"]),"),
        good(
            "network=mvm.network(egress=mvm.egress([mvm.host_port(\"a.example.com\", 1), mvm.host_port(\"a.example.com\", 2)])),",
        ),
        good("network=mvm.network(allow_https=[]),"),
    ],
    also: &[],
    check: Check::Declaration(check),
};

fn check(ctx: &RuleContext<'_>, findings: &mut Findings) {
    let mut seen = HashSet::new();
    for destination in destinations(&ctx.declaration.call) {
        let Some(port) = destination.port_number() else { continue };
        let key = (destination.host.trim_end_matches('.').to_ascii_lowercase(), port);
        if seen.insert(key) {
            continue;
        }
        let network = call(&ctx.declaration.call, "network", "network");
        let list = network.and_then(|n| match destination.field {
            "allow_https" => n.get("allow_https"),
            _ => call(n, "egress", "egress").and_then(|e| e.get("allowlist")),
        });
        let edit = list.and_then(|list| Some([remove_element(ctx, list, destination.index)?]));
        let (field, host) = (destination.field, super::shown(destination.host));
        RULE.at_value(
            destination.value,
            format!("`{field}`: `{host}` on port {port} is allowed already; remove this entry"),
        )
        .safe("Remove the duplicate", edit)
        .to(findings);
    }
}
