//! MVM702: a hook bypasses the machine's policy.

use super::rule::{Check, Confidence, FixKind, Rule, bad, good};
use super::shell::{Simple, flatten, parse, parse_argv};
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

/// What a command bypasses, fit to follow the hook's name.
fn bypass(command: &Simple) -> Option<&'static str> {
    let off = |(name, value): &(String, String)| match name.as_str() {
        "NODE_TLS_REJECT_UNAUTHORIZED" => value == "0",
        "PYTHONHTTPSVERIFY" => value == "0",
        "GIT_SSL_NO_VERIFY" => value != "0" && value != "false",
        "http_proxy" | "https_proxy" | "HTTP_PROXY" | "HTTPS_PROXY" | "ALL_PROXY" => false,
        _ => false,
    };
    if command.assignments.iter().any(off) {
        return Some("turns off the verification of TLS");
    }
    if command
        .words
        .iter()
        .take(1)
        .any(|w| matches!(w.rsplit('/').next(), Some("sudo" | "doas" | "su" | "pkexec")))
    {
        return Some("asks for more rights than the workload has");
    }
    let (name, arguments) = command.program()?;
    let has = |flags: &[&str]| arguments.iter().any(|a| flags.contains(&a.as_str()));
    let joined = || arguments.join(" ");
    Some(match name {
        "export" | "env"
            if arguments
                .iter()
                .filter_map(|a| a.split_once('='))
                .any(|(n, v)| off(&(n.to_owned(), v.to_owned()))) =>
        {
            "turns off the verification of TLS"
        }
        "curl" if has(&["-k", "--insecure", "--proxy-insecure"]) => "turns off the verification of TLS",
        "wget" if has(&["--no-check-certificate"]) => "turns off the verification of TLS",
        "git" if joined().contains("sslVerify false") || joined().contains("sslVerify=false") => {
            "turns off the verification of TLS"
        }
        "pip" | "pip3" | "uv" if has(&["--trusted-host", "--allow-insecure-host"]) => {
            "turns off the verification of TLS"
        }
        "npm" | "yarn" | "pnpm"
            if joined().contains("strict-ssl false") || joined().contains("strict-ssl=false") =>
        {
            "turns off the verification of TLS"
        }
        "iptables" | "ip6tables" | "nft" | "ufw" | "firewall-cmd" | "ebtables" => "changes the firewall",
        "insmod" | "modprobe" | "rmmod" => "loads or removes kernel modules",
        "mount" | "umount" | "pivot_root" | "chroot" | "unshare" | "nsenter" if !arguments.is_empty() => {
            "changes what is mounted or which namespace it is in"
        }
        "setcap" | "capsh" => "gives capabilities to a program",
        "chmod" if arguments.iter().any(|a| is_setuid(a)) => "makes a program run with its owner's rights",
        "sysctl" if has(&["-w"]) || joined().contains('=') => "changes the kernel's settings",
        "setenforce" | "aa-disable" | "apparmor_parser" => "turns off mandatory access control",
        "ngrok" | "cloudflared" | "chisel" | "frpc" | "localtunnel" | "bore" => {
            "opens a tunnel past the allowlist"
        }
        "ssh" if arguments.iter().any(|a| matches!(a.as_str(), "-R" | "-D" | "-w")) => {
            "opens a tunnel past the allowlist"
        }
        _ => return None,
    })
}

fn is_setuid(mode: &str) -> bool {
    let octal =
        mode.len() == 4 && mode.bytes().all(|b| (b'0'..=b'7').contains(&b)) && !mode.starts_with(['0', '1']);
    octal || ["u+s", "g+s", "+s", "ug+s", "a+s"].contains(&mode)
}
