//! MVM506: a secret is bound to a host that the network does not allow.

use super::edit::extend_list;
use super::net::destinations;
use super::rule::{Check, Confidence, FixKind, Rule, bad, good};
use super::walk::{call, calls, items, str_of};
use crate::context::{Findings, RuleContext};
use crate::finding::Severity;
use crate::value::Value;

/// The rule.
pub static RULE: Rule = Rule {
    id: "MVM506",
    name: "secret-host-not-allowed",
    severity: Severity::Warning,
    confidence: Confidence::High,
    fix: FixKind::Safe,
    cwe: None,
    summary: "A secret is bound to a host that the network does not allow",
    rationale: "The secret may only be sent to that host, and the guest cannot reach it: either the binding or the allowlist is not what was meant.",
    remedy: "Allow the host with `allow_https=[…]`, or correct `hosts`.",
    examples: &[
        bad(
            "network=mvm.network(allow_https=[\"a.example.com\"]),\nenv={\"A\": mvm.secret(\"a\", hosts=[\"b.example.com\"])},\n                                 ^^^^^^^^^^^^^^^",
        ),
        bad(
            "network=mvm.network(mode=\"deny\"),\nenv={\"A\": mvm.secret(\"a\", hosts=[\"api.example.com\"])},\n                                 ^^^^^^^^^^^^^^^^^",
        ),
        bad(
            "network=mvm.network(allow_https=[\"a.example.com\"]),\nenv={\"A\": mvm.secret(\"a\", type=\"bearer\", hosts=[\"a.example.com\", \"c.example.com\"])},\n                                                                 ^^^^^^^^^^^^^^^",
        ),
        good(
            "network=mvm.network(allow_https=[\"a.example.com\"]),\nenv={\"A\": mvm.secret(\"a\", hosts=[\"A.example.com\"])},",
        ),
        good("env={\"A\": mvm.secret(\"a\")},"),
        good(
            "network=mvm.network(mode=\"bridge\", allow_https=[\"a.example.com\"]),\nenv={\"A\": mvm.secret(\"a\", hosts=[\"a.example.com\"])},",
        ),
    ],
    also: &[],
    check: Check::Declaration(check),
};

fn check(ctx: &RuleContext<'_>, findings: &mut Findings) {
    let app = &ctx.declaration.call;
    let network = call(app, "network", "network");
    let mode = network.and_then(|n| n.get("mode")).and_then(str_of).unwrap_or("deny");
    let open = mode == "bridge"
        && network.is_some_and(|n| n.get("egress").is_none() && n.get("allow_https").is_none());
    if open || mode == "host" {
        return;
    }
    let same = |host: &str| host.trim_end_matches('.').to_ascii_lowercase();
    let allowed: Vec<String> = destinations(app).iter().map(|d| same(d.host)).collect();
    let mut bound: Vec<&Value> = Vec::new();
    calls(app, &mut |c| {
        if c.helper == "secret" {
            bound.extend(c.get("hosts").map(items).unwrap_or_default());
        }
    });
    for value in bound {
        let Some(host) = str_of(value).filter(|host| !allowed.contains(&same(host))) else { continue };
        let fine = super::net::judge(host) == super::net::Verdict::Fine && mode == "deny";
        let edit =
            network.filter(|_| fine).and_then(|n| extend_list(ctx, n, "allow_https", &[host.to_owned()]));
        let shown = super::shown(host);
        let message = format!(
            "`hosts`: the secret may be sent to `{shown}`, which the network does not allow; allow it or correct `hosts`"
        );
        RULE.at_value(value, message)
            .safe(format!("Allow {shown} on port 443"), edit.map(|e| [e]))
            .to(findings);
    }
}
