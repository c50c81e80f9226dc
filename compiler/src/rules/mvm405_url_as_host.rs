//! MVM405: a URL, path or port where a host is meant.

use super::edit::replace_string;
use super::net::{Verdict, destinations, judge};
use super::rule::{Check, Confidence, FixKind, Rule, bad, good};
use crate::context::{Findings, RuleContext};
use crate::finding::Severity;

/// The rule.
pub static RULE: Rule = Rule {
    id: "MVM405",
    name: "url-as-host",
    severity: Severity::Error,
    confidence: Confidence::High,
    fix: FixKind::Safe,
    cwe: None,
    summary: "A URL, path or port stands where a host is meant",
    rationale: "The proxy compares host names. A URL equals none, so the entry would allow nothing; and a path in an \
allowlist suggests a restriction that a connection to the host does not have.",
    remedy: "Write the host alone; another port than 443 goes into `mvm.host_port(host, port)`.",
    examples: &[
        bad(
            "network=mvm.network(allow_https=[\"https://api.example.com/v1\"]),\n                                 ^^^^^^^^^^^^^^^^^^^^^^^^^^^^",
        ),
        bad(
            "network=mvm.network(allow_https=['api.example.com:443']),\n                                 ^^^^^^^^^^^^^^^^^^^^^",
        ),
        bad(
            "network=mvm.network(egress=mvm.egress([mvm.host_port(\"https://api.example.com\", 443)])),\n                                                     ^^^^^^^^^^^^^^^^^^^^^^^^^",
        ),
        bad(
            "network=mvm.network(egress=mvm.egress([mvm.host_port(\"db.example.com:5432\", 5432)])),\n                                                     ^^^^^^^^^^^^^^^^^^^^^",
        ),
        bad(
            "network=mvm.network(allow_https=[\"api.example.com/v1/\"]),\n                                 ^^^^^^^^^^^^^^^^^^^^^",
        ),
        bad(
            "network=mvm.network(allow_https=[\"http://api.example.com\"]),\n                                 ^^^^^^^^^^^^^^^^^^^^^^^^",
        ),
        good("network=mvm.network(allow_https=[\"api.example.com\"]),"),
        good("network=mvm.network(egress=mvm.egress([mvm.host_port(\"db.example.com\", 5432)])),"),
        good("network=mvm.network(egress=mvm.egress([mvm.host_port(\"2606:4700::1111\", 443)])),"),
        good("env={\"BASE_URL\": \"https://api.example.com/v1\"},"),
    ],
    also: &[],
    check: Check::Declaration(check),
};

fn check(ctx: &RuleContext<'_>, findings: &mut Findings) {
    for destination in destinations(&ctx.declaration.call) {
        let Verdict::Decorated { host, port, extra } = judge(destination.host) else { continue };
        // The host alone means the same only if the ports agree.
        let same = port.is_none() || port == destination.port_number();
        let clean = judge(&host) == Verdict::Fine;
        let edit = replace_string(ctx, destination.value, &host).filter(|_| same && clean).map(|e| [e]);
        let remedy = match port.filter(|_| !same && clean) {
            Some(port) => format!("use `mvm.host_port(\"{}\", {port})`", super::shown(&host)),
            None => format!("write the host alone, \"{}\"", super::shown(&host)),
        };
        let (field, text) = (destination.field, super::shown(destination.host));
        RULE.at_value(
            destination.value,
            format!("`{field}`: `{text}` is no host, because {extra}; {remedy}"),
        )
        .safe("Write the host alone", edit)
        .to(findings);
    }
}
