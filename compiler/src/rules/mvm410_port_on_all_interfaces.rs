//! MVM410: a port is published on all interfaces of the host.

use super::edit::replace_string;
use super::rule::{Check, Confidence, FixKind, Rule, bad, good};
use super::walk::{call, entries, items, str_of};
use crate::context::{Findings, RuleContext};
use crate::finding::Severity;

/// The rule.
pub static RULE: Rule = Rule {
    id: "MVM410",
    name: "port-on-all-interfaces",
    severity: Severity::Warning,
    confidence: Confidence::High,
    fix: FixKind::Safe,
    cwe: Some(1327),
    summary: "A port is published on all interfaces of the host",
    rationale: "Everybody who can reach the host can reach the workload: the office network, the café's, the cloud's.",
    remedy: "Publish it on loopback, `\"127.0.0.1\"`, and put a proxy that authenticates in front of it if others need it.",
    examples: &[
        bad(
            "network=mvm.network(ports=[{\"guest\": 80, \"host\": 8080, \"host_addr\": \"0.0.0.0\"}]),\n                                                                    ^^^^^^^^^",
        ),
        bad(
            "network=mvm.network(ports=[{'guest': 80, 'host_addr': '::'}]),\n                                                      ^^^^",
        ),
        bad(
            "network=mvm.network(ports=[{\"guest\": 80, \"host_addr\": \"\"}]),\n                                                      ^^",
        ),
        good("network=mvm.network(ports=[{\"guest\": 80, \"host_addr\": \"127.0.0.1\"}]),"),
        good("network=mvm.network(ports=[{\"guest\": 80, \"host\": 8080}]),"),
        good("network=mvm.network(ports=[]),"),
    ],
    also: &[],
    check: Check::Declaration(check),
};

fn check(ctx: &RuleContext<'_>, findings: &mut Findings) {
    let Some(ports) = call(&ctx.declaration.call, "network", "network").and_then(|n| n.get("ports")) else {
        return;
    };
    for port in items(ports) {
        let address =
            entries(port).iter().find(|(key, _)| str_of(key) == Some("host_addr")).map(|(_, value)| value);
        let Some(value) =
            address.filter(|v| matches!(str_of(v), Some("0.0.0.0" | "::" | "" | "*" | "[::]" | "0")))
        else {
            continue;
        };
        RULE.at_value(
            value,
            "`ports`: the port is published on all interfaces of the host; publish it on \"127.0.0.1\"",
        )
        .safe("Publish it on loopback", replace_string(ctx, value, "127.0.0.1").map(|e| [e]))
        .to(findings);
    }
}
