//! MVM408: a destination is reached in clear text.

use super::net::{Verdict, destinations, judge};
use super::rule::{Check, Confidence, FixKind, Rule, bad, good};
use crate::context::{Findings, RuleContext};
use crate::finding::Severity;

/// The rule.
pub static RULE: Rule = Rule {
    id: "MVM408",
    name: "clear-text-port",
    severity: Severity::Warning,
    confidence: Confidence::Medium,
    fix: FixKind::None,
    cwe: Some(319),
    summary: "A destination is reached in clear text",
    rationale: "What goes over port 80 can be read and changed on its way, tokens and downloaded code included; public services have offered TLS for years.",
    remedy: "Use port 443, or the service's port with TLS.",
    examples: &[
        bad(
            "network=mvm.network(egress=mvm.egress([mvm.host_port(\"api.example.com\", 80)])),\n                                                                        ^^",
        ),
        bad(
            "network=mvm.network(egress=mvm.egress([mvm.host_port(\"ftp.example.com\", 21)])),\n                                                                        ^^",
        ),
        bad(
            "network=mvm.network(egress=mvm.egress([mvm.host_port(\"mail.example.com\", 25)])),\n                                                                         ^^",
        ),
        good("network=mvm.network(egress=mvm.egress([mvm.host_port(\"api.example.com\", 443)])),"),
        good("network=mvm.network(allow_https=[\"api.example.com\"]),"),
        good("network=mvm.network(egress=mvm.egress([mvm.host_port(\"db.example.com\", 5432)])),"),
    ],
    also: &[],
    check: Check::Declaration(check),
};

/// Port, protocol, and the port that has TLS.
const CLEAR: &[(u16, &str, u16)] = &[
    (80, "HTTP", 443),
    (8080, "HTTP", 443),
    (21, "FTP", 990),
    (23, "Telnet", 22),
    (25, "SMTP", 465),
    (110, "POP3", 995),
    (143, "IMAP", 993),
    (389, "LDAP", 636),
    (1883, "MQTT", 8883),
];

fn check(ctx: &RuleContext<'_>, findings: &mut Findings) {
    for destination in destinations(&ctx.declaration.call) {
        let (Some(value), Some(port)) = (destination.port, destination.port_number()) else { continue };
        let Some((_, protocol, better)) = CLEAR.iter().find(|(clear, ..)| *clear == port) else { continue };
        if judge(destination.host) != Verdict::Fine {
            continue;
        }
        let host = super::shown(destination.host);
        let message = format!(
            "`egress`: `{host}` is reached on port {port}, {protocol} in clear text; use port {better}"
        );
        RULE.at_value(value, message).to(findings);
    }
}
