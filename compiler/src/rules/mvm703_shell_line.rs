//! MVM703: a hook is a shell line that needs no shell.

use super::edit::{literal, own_place, quote_of, replace};
use super::rule::{Check, Confidence, FixKind, Rule, bad, good};
use super::shell::as_argv;
use super::walk::{Form, hooks};
use crate::context::{Findings, RuleContext};
use crate::finding::Severity;

/// The rule.
pub static RULE: Rule = Rule {
    id: "MVM703",
    name: "shell-line",
    severity: Severity::Hint,
    confidence: Confidence::High,
    fix: FixKind::Safe,
    cwe: Some(78),
    summary: "A hook is a shell line where a list of arguments would do",
    rationale: "A shell must be in the image for it, reads more out of the line than words, and goes on after a command that \
failed. A list of arguments is run as it stands.",
    remedy: "Write the words as a list: `[\"python\", \"-m\", \"compileall\", \".\"]`. Lines with pipes, variables, patterns or \
several commands need the shell and are left alone.",
    examples: &[
        bad(r#"before_build="python -m compileall .",
             ^^^^^^^^^^^^^^^^^^^^^^^^"#),
        good(r#"before_build=["python", "-m", "compileall", "."],"#),
    ],
    also: &[],
    check: Check::Declaration(check),
};

fn check(ctx: &RuleContext<'_>, findings: &mut Findings) {
    for hook in hooks(&ctx.declaration.call) {
        let Form::Line(line) = &hook.form else { continue };
        let Some(words) = as_argv(line) else { continue };
        let place = own_place(hook.value).filter(|_| hook.value.origin.is_none());
        let edit = place.map(|place| {
            let quote = quote_of(ctx.text(place));
            let list: Vec<String> = words.iter().map(|w| literal(w, quote)).collect();
            [replace(place, format!("[{}]", list.join(", ")))]
        });
        let message = format!("`{}` needs no shell: write it as a list of arguments", hook.place);
        RULE.at_value(hook.value, message).safe("Write it as a list", edit).to(findings);
    }
}
