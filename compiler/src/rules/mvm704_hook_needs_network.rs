//! MVM704: a hook needs the network that the declaration denies.

use super::net::destinations;
use super::rule::{Check, Confidence, FixKind, Rule, bad, good};
use super::shell::{Simple, flatten, parse, parse_argv};
use super::walk::{Form, call, hooks, str_of};
use crate::context::{Findings, RuleContext};
use crate::finding::Severity;

/// The rule.
pub static RULE: Rule = Rule {
    id: "MVM704",
    name: "hook-needs-network",
    severity: Severity::Warning,
    confidence: Confidence::Medium,
    fix: FixKind::None,
    cwe: None,
    summary: "A hook needs the network that the declaration denies",
    rationale: "Hooks run in the machine, under the workload's own policy: what the allowlist does not name, they cannot reach \
either. A hook that fetches would fail at every build or start.",
    remedy: "Declare what the hook fetches as packages or locked dependencies, which the host fetches and verifies; or allow the \
host with `allow_https=[…]`, for the workload as well.",
    examples: &[
        bad(r#"network=mvm.network(mode="deny"),
after_start="curl -fsS https://example.com/ready",
            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^"#),
        good(
            r#"network=mvm.network(mode="deny", allow_https=["example.com"]),
after_start="curl -fsS https://example.com/ready","#,
        ),
    ],
    also: &["MVM701"],
    check: Check::Declaration(check),
};

fn check(ctx: &RuleContext<'_>, findings: &mut Findings) {
    let app = &ctx.declaration.call;
    let network = call(app, "network", "network");
    if app.get("network").is_some() && network.is_none() {
        return;
    }
    let mode = network.map_or(Some("deny"), |n| n.get("mode").map_or(Some("deny"), str_of));
    let listed = |n: &&crate::value::HelperCall| n.get("egress").is_some() || n.get("allow_https").is_some();
    let open = mode == Some("bridge") && network.as_ref().is_some_and(|n| !listed(n));
    if open || !matches!(mode, Some("deny" | "none" | "bridge")) {
        return;
    }
    let same = |host: &str| host.trim_end_matches('.').to_ascii_lowercase();
    let all = destinations(app);
    // An entry that could not be read may be the one.
    let unread = network.is_some_and(|n| listed(&n)) && all.is_empty() && ctx.declaration.incomplete;
    if unread {
        return;
    }
    let allowed: Vec<String> =
        if mode == Some("none") { Vec::new() } else { all.iter().map(|d| same(d.host)).collect() };
    for hook in hooks(app) {
        let commands = match &hook.form {
            Form::Line(line) => parse(line),
            Form::Argv(words) => parse_argv(&words.iter().map(|(w, _)| *w).collect::<Vec<_>>()),
        };
        let denied = flatten(&commands).iter().find_map(|(command, _)| denied(command, &allowed));
        if let Some(what) = denied {
            let message = format!(
                "`{}` {what}, which the network does not allow; declare what it fetches as packages or dependencies, or allow \
                 the host",
                hook.place
            );
            RULE.at_value(hook.value, message).to(findings);
        }
    }
}

/// What the command cannot reach, fit to follow the hook's name.
fn denied(command: &Simple, allowed: &[String]) -> Option<String> {
    let (program, arguments) = command.program()?;
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let hosts: Vec<String> = words.iter().filter_map(|w| host_of(w)).collect();
    let fetches = fetches(program, &words);
    if !fetches && !matches!(program, "curl" | "wget" | "http" | "https" | "xh" | "aria2c" | "git") {
        return None;
    }
    if let Some(host) = hosts.iter().find(|h| !is_local(h) && !allowed.contains(h)) {
        return Some(format!("connects to `{}`", super::shown(host)));
    }
    // Where to is not said: somewhere, and nothing is allowed.
    (fetches && hosts.is_empty() && allowed.is_empty())
        .then(|| format!("fetches with `{}`", super::shown(program)))
}

fn is_local(host: &str) -> bool {
    host == "localhost" || host.starts_with("127.") || host == "[::1]" || host == "0.0.0.0"
}

/// Package managers that ask a registry.
fn fetches(program: &str, words: &[&str]) -> bool {
    let has = |flag: &str| words.contains(&flag);
    let first = words.iter().find(|w| !w.starts_with('-')).copied().unwrap_or_default();
    let offline = has("--no-index") || has("--offline") || has("--no-network") || has("--frozen-offline");
    if offline {
        return false;
    }
    // `pip install .` needs no registry by itself, and what it needs may be there.
    let remote = |verb: &str| {
        words.iter().skip_while(|w| **w != verb).skip(1).any(|w| !w.starts_with(['-', '.', '/']))
    };
    match program {
        "pip" | "pip3" => has("install") && remote("install") || has("download"),
        "uv" if first == "pip" => has("install") && remote("install"),
        _ if super::programs::is_python(program) => {
            words.windows(2).any(|pair| pair == ["-m", "pip"]) && has("install") && remote("install")
        }
        "npm" => matches!(first, "ci" | "install" | "i" | "add"),
        "yarn" | "pnpm" | "bun" => matches!(first, "install" | "add" | "i"),
        "npx" | "uvx" | "bunx" | "pipx" => !first.is_empty(),
        "apt-get" | "apt" | "apk" | "dnf" | "yum" => {
            matches!(first, "install" | "update" | "add" | "upgrade")
        }
        "gem" | "cargo" | "go" => first == "install" && !has("--path"),
        "docker" | "podman" => first == "pull",
        _ => false,
    }
}

/// The host of a URL or of `git@host:path`.
fn host_of(word: &str) -> Option<String> {
    let at = word.find("://").filter(|at| word[..*at].chars().rev().take(5).any(|c| c.is_ascii_alphabetic()));
    let authority = match at {
        Some(at) => &word[at + 3..],
        None => word.strip_prefix("git@")?.split(':').next()?,
    };
    if word.starts_with("file:") {
        return None;
    }
    let authority = authority.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?;
    let host = host
        .rsplit_once(':')
        .filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()))
        .map_or(host, |(h, _)| h);
    // `$HOST` is anybody's guess.
    (!host.is_empty() && !host.contains(['$', '{', '<']))
        .then(|| host.trim_end_matches('.').to_ascii_lowercase())
}
