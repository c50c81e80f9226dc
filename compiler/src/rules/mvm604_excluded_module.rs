//! MVM604: the entry module's file is left out by the source patterns.

use workload_ir::Source;
use workload_ir::pattern::{Pattern, Selection};

use super::edit::{extend_list, remove_element};
use super::modules::{self, Module};
use super::rule::{Check, Confidence, FixKind, Rule, bad, good};
use super::walk::{call, entrypoints, items, str_of};
use crate::context::{Findings, RuleContext};
use crate::finding::{Edit, Severity};

/// The rule.
pub static RULE: Rule = Rule {
    id: "MVM604",
    name: "excluded-module",
    severity: Severity::Error,
    confidence: Confidence::High,
    fix: FixKind::Safe,
    cwe: None,
    summary: "The source patterns leave out the entrypoint's module",
    rationale: "The module's file exists, but `include` and `exclude` keep it out of the image; the guest could not import it.",
    remedy: "Add the file to `include`, or remove the pattern of `exclude` that covers it.",
    examples: &[
        bad("source=mvm.local_path(\".\", exclude=[\"tool.py\"]),\n                      ^^^\nentrypoint=mvm.entrypoint_function(module=\"tool\", function=\"run\"),"),
        bad("source=mvm.local_path(\".\", exclude=[\"*.md\", \"*.py\"]),\n                      ^^^\nentrypoint=mvm.entrypoint_function(module=\"tool\", function=\"run\"),"),
        bad("source=mvm.local_path(\".\", include=[\"src/**\"]),\n                      ^^^\nentrypoint=mvm.entrypoint_function(module=\"tool\", function=\"run\"),").with(&[("src/a.py", "")]),
        bad("source=mvm.local_path(\".\", include=[\"*.txt\"]),\n                      ^^^\nentrypoint=mvm.entrypoint_function(module=\"pkg.tool\", function=\"run\"),").with(&[("pkg/tool.py", "def run(): ...\n"), ("a.txt", "a")]),
        bad("source=mvm.local_path(\".\", exclude=[\"tool.py\"]),\n                      ^^^"),
        good("source=mvm.local_path(\".\", exclude=[\"*.md\"]),\nentrypoint=mvm.entrypoint_function(module=\"tool\", function=\"run\"),"),
        good("source=mvm.local_path(\".\", include=[\"tool.py\"]),\nentrypoint=mvm.entrypoint_function(module=\"tool\", function=\"run\"),"),
        good("source=mvm.local_path(\".\", include=[\"pkg\"]),\nentrypoint=mvm.entrypoint_function(module=\"pkg.tool\", function=\"run\"),").with(&[("pkg/tool.py", "def run(): ...\n")]),
        good("entrypoint=mvm.entrypoint_function(module=\"tool\", function=\"run\"),"),
    ],
    also: &[],
    check: Check::Declaration(check),
};

fn check(ctx: &RuleContext<'_>, findings: &mut Findings) {
    let Some(source_call) = call(&ctx.declaration.call, "source", "local_path") else { return };
    let Source::LocalPath { include, exclude, .. } = &ctx.declaration.app.source;
    let Ok(selection) = Selection::new(include, exclude) else { return };
    let Some(source) = modules::source_dir(ctx.declaration.source(), ctx.file) else { return };
    for relative in entry_files(ctx, &source) {
        if selection.selects(&relative, false) {
            continue;
        }
        let covering: Vec<usize> = (0..exclude.len()).filter(|i| covers(&exclude[*i], &relative)).collect();
        let place = source_call.get("path").map_or(&source_call.callee, |p| &p.range);
        let (why, remedy) = match covering.first() {
            Some(at) => (
                format!("`exclude` pattern `{}` covers it", super::shown(&exclude[*at])),
                "remove that pattern",
            ),
            None => ("no `include` pattern selects it".to_owned(), "add it to `include`"),
        };
        let message = format!(
            "`source` leaves out `{}`, which an entrypoint needs: {why}; {remedy}",
            super::shown(&relative)
        );
        let edits = fix(ctx, source_call, &covering, include, &relative);
        RULE.at(place, message).safe("Package the entrypoint's module", edits).to(findings);
    }
}

fn covers(pattern: &str, path: &str) -> bool {
    Pattern::parse(pattern).is_ok_and(|p| p.covers(path, false))
}

/// The files of the entry modules, relative to the source.
fn entry_files(ctx: &RuleContext<'_>, source: &std::path::Path) -> Vec<String> {
    let points = entrypoints(&ctx.declaration.call);
    if points.is_empty()
        && ctx.declaration.call.get("entrypoint").is_none()
        && ctx.declaration.call.get("entrypoints").is_none()
    {
        // The decorated function itself.
        let own = ctx.file.path.as_ref().and_then(|p| p.strip_prefix(source).ok());
        return own.map(|p| p.to_string_lossy().replace('\\', "/")).into_iter().collect();
    }
    let mut files = Vec::new();
    for point in points {
        let Some(module) = point.get("module").and_then(str_of) else { continue };
        if let Module::File(_, relative) = modules::find(source, module, ctx.facts())
            && !files.contains(&relative)
        {
            files.push(relative);
        }
    }
    files
}

fn fix(
    ctx: &RuleContext<'_>,
    source: &crate::value::HelperCall,
    covering: &[usize],
    include: &[String],
    relative: &str,
) -> Option<Vec<Edit>> {
    let mut edits = Vec::new();
    match covering {
        [] => {}
        [one] => {
            let list = source.get("exclude")?;
            (items(list).len() > *one).then_some(())?;
            edits.push(remove_element(ctx, list, *one)?);
        }
        _ => return None,
    }
    if !include.iter().any(|p| covers(p, relative)) {
        edits.push(extend_list(ctx, source, "include", &[relative.to_owned()])?);
    }
    edits.sort_by_key(|e| e.range.start);
    Some(edits)
}
