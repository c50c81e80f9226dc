//! MVM601: the entry module is not in the source.

use super::modules::{self, Module};
use super::rule::{Check, Confidence, FixKind, Rule, bad, good};
use super::walk::{entrypoints, str_of};
use crate::context::{Findings, RuleContext};
use crate::finding::Severity;

/// The rule.
pub static RULE: Rule = Rule {
    id: "MVM601",
    name: "missing-module",
    severity: Severity::Error,
    confidence: Confidence::High,
    fix: FixKind::None,
    cwe: None,
    summary: "The entrypoint's module is not in the source",
    rationale: "The guest imports the module when the machine boots. A module that was never packaged only shows then, after \
the whole build.",
    remedy: "Name the module as it is imported from the source directory: `tool` for `tool.py`, `pkg.tool` for `pkg/tool.py`.",
    examples: &[
        bad("entrypoint=mvm.entrypoint_function(module=\"toool\", function=\"run\"),\n                                          ^^^^^^^"),
        bad("entrypoint=mvm.entrypoint_function(module=\"pkg.missing\", function=\"run\"),\n                                          ^^^^^^^^^^^^^").with(&[("pkg/__init__.py", "")]),
        bad("entrypoint=mvm.entrypoint_function(module=\"tool.py\", function=\"run\"),\n                                          ^^^^^^^^^"),
        bad("source=mvm.local_path(\"src\"),\nentrypoint=mvm.entrypoint_function(module=\"tool\", function=\"run\"),\n                                          ^^^^^^").with(&[("src/other.py", "")]),
        bad("entrypoint=mvm.entrypoint_function(module=\"pkg/tool\", function=\"run\"),\n                                          ^^^^^^^^^^").with(&[("pkg/tool.py", "def run(): ...\n")]),
        good("entrypoint=mvm.entrypoint_function(module=\"tool\", function=\"run\"),"),
        good("entrypoint=mvm.entrypoint_function(module=\"pkg.tool\", function=\"run\"),").with(&[("pkg/tool.py", "def run(): ...\n")]),
        good("entrypoint=mvm.entrypoint_function(module=\"pkg\", function=\"run\"),").with(&[("pkg/__init__.py", "def run(): ...\n")]),
        good("source=mvm.local_path(\"src\"),\nentrypoint=mvm.entrypoint_function(module=\"main\", function=\"run\"),").with(&[("src/main.py", "def run(): ...\n")]),
        good("entrypoint=mvm.entrypoint_function(module=\"app\", function=\"run\", language=\"node\"),"),
    ],
    also: &[],
    check: Check::Declaration(check),
};

fn check(ctx: &RuleContext<'_>, findings: &mut Findings) {
    let points = entrypoints(&ctx.declaration.call);
    if points.is_empty() {
        return;
    }
    let Some(source) = modules::source_dir(ctx.declaration.source(), ctx.file) else { return };
    for point in points {
        let Some(value) = point.get("module") else { continue };
        if point.get("language").and_then(str_of).is_some_and(|l| l != "python") {
            continue;
        }
        let Some(module) = str_of(value) else { continue };
        let shown = super::shown(module);
        let message = match modules::find(&source, module, ctx.facts()) {
            Module::Missing(tried) if tried.is_empty() => {
                format!(
                    "`module`: `{shown}` is no import path; write it with dots, as in `import {}`",
                    import_path(&shown)
                )
            }
            Module::Missing(tried) if module.ends_with(".py") => format!(
                "`module`: `{shown}` is a file's name and there is no `{}`; write the import path, `{}`",
                tried[0],
                import_path(&shown)
            ),
            Module::Missing(tried) => {
                format!(
                    "`module`: there is no `{}` in the source; name a module that is packaged",
                    tried.join("` or `")
                )
            }
            Module::Namespace => format!(
                "`module`: `{shown}` is a directory without `__init__.py`, so nothing can be defined in it; name a module in it"
            ),
            Module::File(..) | Module::Unknown => continue,
        };
        RULE.at_value(value, message).to(findings);
    }
}

fn import_path(text: &str) -> String {
    text.trim_end_matches(".py").trim_start_matches("./").replace(['/', '-'], ".")
}
