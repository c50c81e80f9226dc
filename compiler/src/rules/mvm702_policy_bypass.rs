//! MVM702: a hook bypasses the machine's policy.

use super::bypass::bypass;
use super::rule::{Check, Confidence, FixKind, Rule, bad, good};
use super::shell::{flatten, parse, parse_argv};
use super::walk::{Form, hooks};
use crate::context::{Findings, RuleContext};
use crate::finding::Severity;

/// The rule.
pub static RULE: Rule = Rule {
    id: "MVM702",
    name: "policy-bypass",
    severity: Severity::Error,
    confidence: Confidence::High,
    fix: FixKind::None,
    cwe: Some(693),
    summary: "A hook bypasses the machine's policy",
    rationale: "What a hook turns off stays off for the code that runs after it: verification of TLS, the proxy that holds the allowlist, the unprivileged user. A hook runs under the workload's own policy and must not change it.",
    remedy: "Remove the command. What the workload may reach belongs into `network`, what it needs into `image` and `dependencies`.",
    examples: &[
        bad(
            "before_start=\"curl -k https://example.com/health\",\n             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^",
        ),
        bad(
            "before_build=\"git config --global http.sslVerify false\",\n             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^",
        ),
        bad("before_start=[\"sudo\", \"tool\"],\n             ^^^^^^^^^^^^^^^^"),
        bad("before_start=\"iptables -F\",\n             ^^^^^^^^^^^^^"),
        bad("before_build=\"chmod u+s /app/tool\",\n             ^^^^^^^^^^^^^^^^^^^^^"),
        bad(
            "before_start=\"NODE_TLS_REJECT_UNAUTHORIZED=0 node a.js\",\n             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^",
        ),
        bad(
            "before_start=\"curl -fsSLk https://example.com/health\",\n             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^",
        ),
        bad("before_start=\"unset HTTPS_PROXY\",\n             ^^^^^^^^^^^^^^^^^^^"),
        bad(
            "before_start=\"echo '192.0.2.1 db' >> /etc/hosts\",\n             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^",
        ),
        good("before_start=\"curl -fsS https://example.com/health\","),
        good("before_build=[\"python\", \"-m\", \"compileall\", \".\"],"),
        good("before_start=\"chmod 755 tool && ./tool --insert\","),
        good("before_start=\"echo sudo\","),
        good("before_start=\"grep -k x\","),
    ],
    also: &["MVM704"],
    check: Check::Declaration(check),
};

fn check(ctx: &RuleContext<'_>, findings: &mut Findings) {
    for hook in hooks(&ctx.declaration.call) {
        let commands = match &hook.form {
            Form::Line(line) => parse(line),
            Form::Argv(words) => parse_argv(&words.iter().map(|(w, _)| *w).collect::<Vec<_>>()),
        };
        let Some(what) = flatten(&commands).iter().find_map(|(command, _)| bypass(command)) else { continue };
        let message = format!("`{}` {what}, which bypasses the machine's policy; remove it", hook.place);
        RULE.at_value(hook.value, message).to(findings);
    }
}
