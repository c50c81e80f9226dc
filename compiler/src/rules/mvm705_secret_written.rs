//! MVM705: a hook writes a secret to disk or to its output.

use super::rule::{Check, Confidence, FixKind, Rule, bad, good};
use super::secret_use::{secret_variables, uses};
use super::shell::{Simple, flatten, parse, parse_argv};
use super::walk::{Form, hooks};
use crate::context::{Findings, RuleContext};
use crate::finding::Severity;

/// The rule.
pub static RULE: Rule = Rule {
    id: "MVM705",
    name: "secret-written",
    severity: Severity::Warning,
    confidence: Confidence::High,
    fix: FixKind::None,
    cwe: Some(312),
    summary: "A hook writes a secret to disk or to its output",
    rationale: "Output of hooks is logged and shown, and files stay: after `before_build` in the image itself. The secret was \
handed over in memory so that it would be in neither.",
    remedy: "Let the program read the variable. What takes a password on standard input can have it through a pipe: \
`printenv TOKEN | tool login --password-stdin`.",
    examples: &[
        bad(r#"env={"TOKEN": mvm.secret("token")},
before_start="echo $TOKEN > /app/token",
             ^^^^^^^^^^^^^^^^^^^^^^^^^^"#),
        good(
            r#"env={"TOKEN": mvm.secret("token")},
before_start="printenv TOKEN | tool login --password-stdin","#,
        ),
    ],
    also: &["MVM509"],
    check: Check::Declaration(check),
};

fn check(ctx: &RuleContext<'_>, findings: &mut Findings) {
    let secrets = secret_variables(&ctx.declaration.call);
    if secrets.is_empty() {
        return;
    }
    for hook in hooks(&ctx.declaration.call) {
        let parsed = match &hook.form {
            Form::Line(line) => parse(line),
            Form::Argv(words) => parse_argv(&words.iter().map(|(w, _)| *w).collect::<Vec<_>>()),
        };
        let argv = matches!(hook.form, Form::Argv(_));
        let found = flatten(&parsed).iter().enumerate().find_map(|(i, (command, into))| {
            // The vector itself is not read by a shell.
            written(command, into, &secrets, argv && i == 0)
        });
        if let Some(what) = found {
            let message = format!(
                "`{}` {what}; let the program read the variable, or standard input through a pipe",
                hook.place
            );
            RULE.at_value(hook.value, message).to(findings);
        }
    }
}

fn written(command: &Simple, into: &[Simple], secrets: &[String], literal: bool) -> Option<String> {
    let (program, arguments) = command.program().or_else(|| {
        // `env` alone is no wrapper.
        let only = command.words.first()?;
        Some((only.as_str(), &[][..]))
    })?;
    let expanded = || secrets.iter().find(|n| !literal && arguments.iter().any(|a| uses(a, n)));
    // A here-document that `cat` copies.
    let copied = || {
        secrets
            .iter()
            .find(|n| command.input.as_deref().filter(|_| !command.raw).is_some_and(|text| uses(text, n)))
    };
    let named = || secrets.iter().find(|n| arguments.iter().any(|a| a == *n));
    let (what, secret) = match program {
        "echo" | "printf" | "print" => ("prints", expanded()?),
        "printenv" if !arguments.is_empty() => ("prints", named()?),
        "env" | "printenv" | "export" | "declare" | "set"
            if arguments.iter().all(|a| matches!(a.as_str(), "-0" | "-p" | "--null")) =>
        {
            ("prints", secrets.first()?)
        }
        "cat" | "tee" => ("writes", expanded().or_else(copied)?),
        _ => return None,
    };
    let secret = super::shown(secret);
    if let Some(file) = command.outputs.iter().find(|f| !is_nowhere(f)) {
        return Some(format!("writes the secret `{secret}` to `{}`", super::shown(file)));
    }
    if !command.outputs.is_empty() {
        return None;
    }
    if into.is_empty() {
        return Some(format!("{what} the secret `{secret}`, and its output is logged"));
    }
    // What a pipe is read by is another matter, unless that writes it.
    for next in into {
        let (name, arguments) = next.program()?;
        if !matches!(name, "tee" | "cat" | "base64" | "tr" | "sed" | "grep" | "sort" | "head" | "cut") {
            return None;
        }
        let file =
            next.outputs.iter().find(|f| !is_nowhere(f)).or_else(|| {
                arguments.iter().find(|a| name == "tee" && !a.starts_with('-') && !is_nowhere(a))
            });
        if let Some(file) = file {
            return Some(format!("writes the secret `{secret}` to `{}`", super::shown(file)));
        }
    }
    None
}

fn is_nowhere(file: &str) -> bool {
    matches!(file, "/dev/null" | "/dev/stdin")
}
