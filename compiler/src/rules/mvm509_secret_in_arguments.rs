//! MVM509: a secret among the arguments of a command.

use super::rule::{Check, Confidence, FixKind, Rule, bad, good};
use super::secret_use::{secret_variables, uses};
use super::shell::{Simple, flatten, parse, parse_argv};
use super::walk::{Form, commands};
use crate::context::{Findings, RuleContext};
use crate::finding::Severity;

/// The rule.
pub static RULE: Rule = Rule {
    id: "MVM509",
    name: "secret-in-arguments",
    severity: Severity::Warning,
    confidence: Confidence::High,
    fix: FixKind::None,
    cwe: Some(214),
    summary: "A secret is passed as an argument of a command",
    rationale: "The arguments of a process can be read by every other process of the machine (`/proc/*/cmdline`, `ps`), are \
copied into crash reports and logged by supervisors. The environment that the secret came in is not.",
    remedy: "Let the program read the variable itself, or give it on standard input: \
`printenv TOKEN | tool login --password-stdin`.",
    examples: &[
        bad(r#"env={"TOKEN": mvm.secret("token")},
before_start="tool login --token $TOKEN",
             ^^^^^^^^^^^^^^^^^^^^^^^^^^^"#),
        good(
            r#"env={"TOKEN": mvm.secret("token")},
before_start="tool login --token-env TOKEN","#,
        ),
    ],
    also: &["MVM606"],
    check: Check::Declaration(check),
};

fn check(ctx: &RuleContext<'_>, findings: &mut Findings) {
    let secrets = secret_variables(&ctx.declaration.call);
    if secrets.is_empty() {
        return;
    }
    for command in commands(&ctx.declaration.call) {
        let parsed = match &command.form {
            Form::Line(line) => parse(line),
            // Without a shell `$TOKEN` is a dollar sign and a word: only what `sh -c` is given counts.
            Form::Argv(words) => {
                let argv = parse_argv(&words.iter().map(|(w, _)| *w).collect::<Vec<_>>());
                argv.iter().filter_map(super::shell::script_of).flat_map(|script| parse(&script)).collect()
            }
        };
        let found = flatten(&parsed).iter().find_map(|(simple, _)| passed(simple, &secrets));
        if let Some((program, variable)) = found {
            let message = format!(
                "`{}` passes the secret `{}` to `{}` as an argument, which every process can read; let it read the variable, or \
                 standard input",
                command.place,
                super::shown(&variable),
                super::shown(&program)
            );
            RULE.at_value(command.value, message).to(findings);
        }
    }
}

/// What the shell does itself starts no process.
const BUILTINS: &[&str] = &[
    "echo", "printf", "export", "test", "[", "[[", "read", "set", "unset", "local", "declare", ":", "true",
    "false", "case", "for", "cd", "eval", ".", "source",
];

fn passed(command: &Simple, secrets: &[String]) -> Option<(String, String)> {
    let (program, arguments) = command.program()?;
    let shell = super::shell::script_of(command).is_some();
    if BUILTINS.contains(&program) || shell {
        return None;
    }
    let variable = secrets.iter().find(|name| arguments.iter().any(|a| uses(a, name)))?;
    Some((program.to_owned(), variable.clone()))
}
