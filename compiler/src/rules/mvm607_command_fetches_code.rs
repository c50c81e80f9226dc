//! MVM607: a command entrypoint fetches code when it starts.

use super::fetch::{in_argv, in_line};
use super::rule::{Check, Confidence, FixKind, Rule, bad, good};
use super::walk::{Form, commands};
use crate::context::{Findings, RuleContext};
use crate::finding::Severity;

/// The rule.
pub static RULE: Rule = Rule {
    id: "MVM607",
    name: "command-fetches-code",
    severity: Severity::Warning,
    confidence: Confidence::High,
    fix: FixKind::None,
    cwe: Some(494),
    summary: "A command entrypoint fetches code when it starts",
    rationale: "What runs is decided at every start by whoever owns the package or the page, not by what was reviewed and built.",
    remedy: "Declare it as a package or a locked dependency and start it from there.",
    examples: &[
        bad(
            "entrypoint=mvm.entrypoint(command=[\"npx\", \"server\"]),\n                                  ^^^^^^^^^^^^^^^^^",
        ),
        bad(
            "entrypoint=mvm.entrypoint(command=[\"uvx\", \"tool\"]),\n                                  ^^^^^^^^^^^^^^^",
        ),
        bad(
            "entrypoint=mvm.entrypoint(command=[\"pip\", \"install\", \"x\"]),\n                                  ^^^^^^^^^^^^^^^^^^^^^^^",
        ),
        good("entrypoint=mvm.entrypoint(command=[\"python\", \"-m\", \"tool\"]),"),
        good("entrypoint=mvm.entrypoint(command=[\"npx\", \"server@1.2.3\"]),"),
        good("entrypoint=mvm.entrypoint(command=[\"npm\", \"start\"]),"),
    ],
    also: &[],
    check: Check::Declaration(check),
};

fn check(ctx: &RuleContext<'_>, findings: &mut Findings) {
    for command in commands(&ctx.declaration.call).iter().filter(|c| c.place == "entrypoint") {
        let fetches = match &command.form {
            Form::Line(line) => in_line(line),
            Form::Argv(words) => in_argv(&words.iter().map(|(w, _)| *w).collect::<Vec<_>>()),
        };
        if let Some(fetch) = fetches.first() {
            RULE.at_value(command.value, format!("`command` {}; {}", fetch.what, fetch.remedy)).to(findings);
        }
    }
}
