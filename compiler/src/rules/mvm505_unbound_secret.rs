//! MVM505: a secret that is not bound to a destination.

use super::edit::{insert_argument, literal, quote_of};
use super::net::{Verdict, destinations, judge};
use super::rule::{Check, Confidence, FixKind, Rule, bad, good};
use super::walk::calls;
use crate::context::{Findings, RuleContext};
use crate::finding::Severity;
use crate::value::HelperCall;

/// The rule.
pub static RULE: Rule = Rule {
    id: "MVM505",
    name: "unbound-secret",
    severity: Severity::Warning,
    confidence: Confidence::Low,
    fix: FixKind::Offer,
    cwe: Some(668),
    summary: "A secret may be sent to every host that the network allows",
    rationale: "With `hosts`, a secret is meant for those hosts alone, and a reviewer sees which. Without it, it may go wherever \
the network lets the workload go. Where the network allows one destination, or none, the allowlist has bound the secret \
already, and nothing is said: that is the SDK's own documented example. Where it allows several, nobody can tell which of \
them may have it, and one mistake sends it to any. Which one it is for, only its owner knows: the hosts are offered, the \
likeliest first.",
    remedy: "Name the hosts: `mvm.secret(\"openai-api-key\", hosts=[\"api.openai.com\"])`.",
    examples: &[
        bad(r#"network=mvm.network(allow_https=["api.openai.com", "example.com"]),
env={"OPENAI_API_KEY": mvm.secret("openai-api-key")},
                       ^^^^^^^^^^"#),
        good(
            r#"network=mvm.network(allow_https=["api.openai.com"]),
env={"OPENAI_API_KEY": mvm.secret("openai-api-key")},"#,
        ),
        good(
            r#"network=mvm.network(allow_https=["api.openai.com", "example.com"]),
env={"OPENAI_API_KEY": mvm.secret("openai-api-key", hosts=["api.openai.com"])},"#,
        ),
    ],
    also: &[],
    check: Check::Declaration(check),
};

fn check(ctx: &RuleContext<'_>, findings: &mut Findings) {
    let app = &ctx.declaration.call;
    let mut hosts: Vec<&str> =
        destinations(app).iter().map(|d| d.host).filter(|h| judge(h) == Verdict::Fine).collect();
    hosts.sort_unstable();
    hosts.dedup();
    if hosts.len() < 2 {
        return;
    }
    let mut unbound: Vec<&HelperCall> = Vec::new();
    calls(app, &mut |c| {
        if c.helper == "secret" && c.get("hosts").is_none() && c.get("name").is_some() {
            unbound.push(c);
        }
    });
    for secret in unbound {
        let mut report = RULE.at(
            &secret.callee,
            format!(
                "the secret may be sent to all {} hosts that the network allows; bind it with `hosts=[…]`",
                hosts.len()
            ),
        );
        let quote = quote_of(ctx.text(&secret.arguments_range));
        for host in guess(secret, &hosts).into_iter().take(3) {
            let edit = insert_argument(ctx, secret, &format!("hosts=[{}]", literal(host, quote)));
            report = report.offer(format!("Bind it to {}", super::shown(host)), edit.map(|e| [e]));
        }
        report.to(findings);
    }
}

/// The hosts, best first: one that shares a word with the secret's name.
fn guess<'a>(secret: &HelperCall, hosts: &[&'a str]) -> Vec<&'a str> {
    let name = secret.get("name").and_then(super::walk::str_of).unwrap_or_default().to_ascii_lowercase();
    let shares = |host: &str| {
        host.split(['.', '-'])
            .any(|part| part.len() > 3 && name.split(['-', '_', '.', '/']).any(|word| word == part))
    };
    let mut ranked: Vec<&str> = hosts.to_vec();
    ranked.sort_by_key(|host| !shares(host));
    ranked
}
