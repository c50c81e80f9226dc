//! MVM606: a command entrypoint is a shell line.

use super::edit::{literal, own_place, quote_of, replace};
use super::rule::{Check, Confidence, FixKind, Rule, bad, good};
use super::shell::{SHELLS, as_argv, parse_argv, script_of};
use super::walk::{entrypoints, items, str_of};
use crate::context::{Findings, RuleContext};
use crate::finding::Severity;

/// The rule.
pub static RULE: Rule = Rule {
    id: "MVM606",
    name: "shell-entrypoint",
    severity: Severity::Warning,
    confidence: Confidence::High,
    fix: FixKind::Offer,
    cwe: Some(78),
    summary: "A command entrypoint is a shell line",
    rationale: "A shell reads quotes, variables and substitutions out of the line, becomes the process that signals reach, and must be in the image at all.",
    remedy: "Write the program and its arguments as a list; put a longer script into a file of the source.",
    examples: &[
        bad(
            "entrypoint=mvm.entrypoint(command=[\"sh\", \"-c\", \"python -m tool\"]),\n                                  ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^",
        ),
        bad(
            "entrypoint=mvm.entrypoint(command=[\"/bin/bash\", \"-lc\", \"exec tool\"]),\n                                  ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^",
        ),
        bad(
            "entrypoint=mvm.entrypoint(command=[\"zsh\", \"-c\", \"tool\"]),\n                                  ^^^^^^^^^^^^^^^^^^^^^",
        ),
        bad(
            "entrypoint=mvm.entrypoint(command=[\"env\", \"A=b\", \"bash\", \"-ec\", \"tool\"]),\n                                  ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^",
        ),
        good("entrypoint=mvm.entrypoint(command=[\"python\", \"-m\", \"tool\"]),"),
        good("entrypoint=mvm.entrypoint(command=[\"sh\", \"run.sh\"]),"),
        good("entrypoint=mvm.entrypoint_function(module=\"tool\", function=\"run\"),"),
    ],
    also: &[],
    check: Check::Declaration(check),
};

fn check(ctx: &RuleContext<'_>, findings: &mut Findings) {
    for point in entrypoints(&ctx.declaration.call) {
        let Some(command) = point.get("command") else { continue };
        let words: Vec<&str> = items(command).iter().filter_map(str_of).collect();
        // `env`, `tini` and others may stand before the shell.
        let Some(simple) = parse_argv(&words).into_iter().next() else { continue };
        let Some(name) = simple.program().map(|(name, _)| name).filter(|n| SHELLS.contains(n)) else {
            continue;
        };
        if script_of(&simple).is_some() {
            let message = format!(
                "`command` gives a line to `{name}`, which reads more out of it than words; list the program and its arguments"
            );
            let script = words.last().filter(|_| words.len() == 3 && items(command).len() == 3);
            let argv = script.and_then(|s| as_argv(s.strip_prefix("exec ").unwrap_or(s)));
            let place = own_place(command).filter(|_| command.origin.is_none());
            let edit = argv.zip(place).map(|(argv, place)| {
                let quote = quote_of(ctx.text(place));
                let list: Vec<String> = argv.iter().map(|w| literal(w, quote)).collect();
                [replace(place, format!("[{}]", list.join(", ")))]
            });
            RULE.at_value(command, message).offer("Start the program itself", edit).to(findings);
        }
    }
}
