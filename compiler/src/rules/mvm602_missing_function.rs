//! MVM602: the entry function is not at the top level of its module.

use super::modules::{self, Module};
use super::rule::{Check, Confidence, FixKind, Rule, bad, good};
use super::walk::{entrypoints, str_of};
use crate::address::is_own;
use crate::context::{FileRuleContext, Findings};
use crate::finding::{Edit, Severity};

/// The rule.
pub static RULE: Rule = Rule {
    id: "MVM602",
    name: "missing-function",
    severity: Severity::Error,
    confidence: Confidence::High,
    fix: FixKind::Safe,
    cwe: None,
    summary: "The entrypoint's function is not at the top level of its module",
    rationale: "The guest looks the function up by name after importing the module. A name that is not there only shows when \
the machine is called.",
    remedy: "Name a function that is defined at the top level of the module; the fix offers the nearest name.",
    examples: &[
        bad("entrypoint=mvm.entrypoint_function(module=\"tool\", function=\"rum\"),\n                                                           ^^^^^"),
        bad("entrypoint=mvm.entrypoint_function(module=\"pkg.tool\", function='rn'),\n                                                               ^^^^").with(&[("pkg/tool.py", "def run(): ...\n")]),
        bad("entrypoint=mvm.entrypoint_function(module=\"other\", function=\"handle\"),\n                                                            ^^^^^^^^").with(&[("other.py", "class A:\n    def handle(self): ...\n")]),
        bad("entrypoint=mvm.entrypoint_function(module=\"empty\", function=\"run\"),\n                                                            ^^^^^").with(&[("empty.py", "# nothing\n")]),
        bad("entrypoint=mvm.entrypoint_function(module=\"tool\", function=\"Run\"),\n                                                           ^^^^^"),
        good("entrypoint=mvm.entrypoint_function(module=\"tool\", function=\"run\"),"),
        good("entrypoint=mvm.entrypoint_function(module=\"other\", function=\"run\"),").with(&[("other.py", "from impl import go as run\n")]),
        good("entrypoint=mvm.entrypoint_function(module=\"other\", function=\"run\"),").with(&[("other.py", "from impl import *\n")]),
        good("entrypoint=mvm.entrypoint_function(module=\"other\", function=\"run\"),").with(&[("other.py", "try:\n    import x\nexcept ImportError:\n    def run(): ...\nelse:\n    run = x.run\n")]),
        good("entrypoint=mvm.entrypoint_function(module=\"other\", function=\"run\"),").with(&[("other.py", "run = lambda: 1\n")]),
    ],
    also: &[],
    check: Check::File(check),
};

fn check(ctx: &FileRuleContext<'_>, findings: &mut Findings) {
    for placed in ctx.declarations {
        let Some(source) = modules::source_dir(&placed.declaration.source, ctx.file) else { continue };
        for point in entrypoints(placed.declaration.call()) {
            let (Some(module), Some(value)) = (point.get("module").and_then(str_of), point.get("function"))
            else {
                continue;
            };
            if point.get("language").and_then(str_of).is_some_and(|l| l != "python") {
                continue;
            }
            let Some(function) = str_of(value) else { continue };
            let Module::File(path, relative) = modules::find(&source, module, ctx.facts) else { continue };
            let own = ctx.file.path.as_ref().is_some_and(|own| *own == path);
            let read = if own { None } else { ctx.facts.read(&path, 1 << 20) };
            let text = match &read {
                None if own => ctx.text,
                Some(bytes) => match std::str::from_utf8(bytes) {
                    Ok(text) => text,
                    Err(_) => continue,
                },
                None => continue,
            };
            if modules::defines(text, function) {
                continue;
            }
            let Some(names) = modules::top_level(text) else { continue };
            if names.contains(&function) {
                continue;
            }
            let near = super::nearest(function, names.iter().copied().filter(|n| defines(text, n)));
            let shown = super::shown(function);
            let message = match near {
                Some(near) => format!(
                    "`function`: `{relative}` defines no `{shown}` at its top level; did you mean `{near}`?"
                ),
                None => format!(
                    "`function`: `{relative}` defines no `{shown}` at its top level; name a function that it defines"
                ),
            };
            let place = value.origin.as_ref().unwrap_or(&value.range);
            let range = placed.place(place);
            let literal = ctx.text.get(range.clone()).filter(|t| t.len() > 1 && is_own(place));
            let quote = literal.and_then(|t| t.chars().next()).filter(|c| matches!(c, '"' | '\''));
            let edit = near
                .zip(quote)
                .map(|(near, q)| [Edit { range: range.clone(), text: format!("{q}{near}{q}") }]);
            RULE.at(&placed.place(&value.range), message).safe("Take the nearest name", edit).to(findings);
        }
    }
}

/// Is it a function there, not an import?
fn defines(text: &str, name: &str) -> bool {
    text.contains(&format!("def {name}("))
}
