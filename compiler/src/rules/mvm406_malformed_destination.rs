//! MVM406: a malformed host or port.

use super::net::{Verdict, destinations, judge};
use super::rule::{Check, Confidence, FixKind, Rule, bad, good};
use super::walk::{call, calls, int_of, str_of};
use crate::context::{Findings, RuleContext};
use crate::finding::Severity;
use crate::value::Value;

/// The rule.
pub static RULE: Rule = Rule {
    id: "MVM406",
    name: "malformed-destination",
    severity: Severity::Error,
    confidence: Confidence::High,
    fix: FixKind::None,
    cwe: None,
    summary: "A host or port is malformed",
    rationale: "No connection could ever match the entry, so something that the workload needs would fail at run time.",
    remedy: "Write a full host name or a public address, and a port from 1 to 65535.",
    examples: &[
        bad(
            "network=mvm.network(allow_https=[\"api example.com\"]),\n                                 ^^^^^^^^^^^^^^^^^",
        ),
        bad("network=mvm.network(allow_https=[\"\"]),\n                                 ^^"),
        bad(
            "network=mvm.network(egress=mvm.egress([mvm.host_port(\"api.example.com\", 0)])),\n                                                                        ^",
        ),
        bad(
            "network=mvm.network(egress=mvm.egress([mvm.host_port(\"api.example.com\", 70000)])),\n                                                                        ^^^^^",
        ),
        bad(
            "network=mvm.network(allow_https=[\"api..example.com\"]),\n                                 ^^^^^^^^^^^^^^^^^^",
        ),
        bad("network=mvm.network(allow_https=[\"example\"]),\n                                 ^^^^^^^^^"),
        bad(
            "network=mvm.network(dns=mvm.dns_resolver(\"not an address\")),\n                                         ^^^^^^^^^^^^^^^^",
        ),
        good("network=mvm.network(allow_https=[\"api.example.com\"]),"),
        good("network=mvm.network(allow_https=[\"xn--bcher-kva.example\"]),"),
        good("network=mvm.network(egress=mvm.egress([mvm.host_port(\"db_1.example.com\", 65535)])),"),
        good("network=mvm.network(dns=mvm.dns_resolver(\"9.9.9.9\", port=5353)),"),
    ],
    also: &[],
    check: Check::Declaration(check),
};

fn check(ctx: &RuleContext<'_>, findings: &mut Findings) {
    for destination in destinations(&ctx.declaration.call) {
        let allowed = ctx.config.allowed_hosts.iter().any(|a| a.eq_ignore_ascii_case(destination.host));
        let Verdict::Malformed(why) = judge(destination.host) else { continue };
        if !allowed || destination.host.is_empty() {
            let (field, host) = (destination.field, super::shown(destination.host));
            let message = format!("`{field}`: `{host}` is no host, because {why}; write a full host name");
            RULE.at_value(destination.value, message).to(findings);
        }
    }
    let mut ports: Vec<(&'static str, &Value)> = Vec::new();
    calls(&ctx.declaration.call, &mut |c| {
        if matches!(c.helper, "host_port" | "dns_resolver") {
            ports.extend(c.get("port").map(|port| ("port", port)));
        }
    });
    for (name, value) in ports {
        if let Some(n) = int_of(value).filter(|n| !(1..=65535).contains(n)) {
            let message = format!("`{name}` is {n}, which is no port; take one from 1 to 65535");
            RULE.at_value(value, message).to(findings);
        }
    }
    let resolver =
        call(&ctx.declaration.call, "network", "network").and_then(|n| call(n, "dns", "dns_resolver"));
    if let Some(host) = resolver.and_then(|r| r.get("host"))
        && let Some(text) = str_of(host)
        && matches!(
            judge(text),
            Verdict::Malformed(_) | Verdict::Wildcard | Verdict::Cidr | Verdict::Decorated { .. }
        )
    {
        let message =
            format!("`dns`: `{}` is no address of a resolver; write its IP address", super::shown(text));
        RULE.at_value(host, message).to(findings);
    }
}
