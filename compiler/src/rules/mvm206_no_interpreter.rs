//! MVM206: the image has no interpreter for the entrypoint's language.

use super::edit::extend_list;
use super::rule::{Check, Confidence, FixKind, Rule, bad, good};
use super::walk::{call, entrypoints, items, str_of};
use crate::context::{Findings, RuleContext};
use crate::finding::Severity;

/// The rule.
pub static RULE: Rule = Rule {
    id: "MVM206",
    name: "no-interpreter",
    severity: Severity::Error,
    confidence: Confidence::High,
    fix: FixKind::Safe,
    cwe: None,
    summary: "The image has no interpreter for the entrypoint's language",
    rationale: "The function is called by an interpreter in the guest; without one the machine boots and can do nothing.",
    remedy: "Add the interpreter to the packages: `python312`, or `nodejs_22` for Node.",
    examples: &[
        bad("image=mvm.nix_packages([\"uv\"]),\n      ^^^^^^^^^^^^^^^^^^^^^^^^"),
        bad("image=mvm.nix_packages([]),\n      ^^^^^^^^^^^^^^^^^^^^"),
        bad(
            "image=mvm.nix_packages([\"nodejs_22\", \"git\"]),\n      ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^",
        ),
        good("image=mvm.nix_packages([\"python312\", \"uv\"]),"),
        good("image=mvm.nix_packages([\"python3\"]),"),
        good(
            "image=mvm.nix_packages([\"curl\"]),\nentrypoint=mvm.entrypoint(command=[\"curl\", \"--version\"]),",
        ),
        good("image=mvm.nix_packages([\"python312Packages.requests\"]),"),
    ],
    also: &[],
    check: Check::Declaration(check),
};

fn check(ctx: &RuleContext<'_>, findings: &mut Findings) {
    let app = &ctx.declaration.call;
    let (Some(image), Some(value)) = (call(app, "image", "nix_packages"), app.get("image")) else { return };
    let Some(list) = image.get("packages") else { return };
    if !matches!(list.kind, crate::value::ValueKind::List(_) | crate::value::ValueKind::Tuple(_)) {
        return;
    }
    let names: Option<Vec<&str>> = items(list).iter().map(str_of).collect();
    let Some(names) = names else { return };
    let points = entrypoints(app);
    let declared = app.get("entrypoint").is_some() || app.get("entrypoints").is_some();
    let functions: Vec<_> = points.iter().filter(|p| p.helper == "entrypoint_function").collect();
    if declared && functions.is_empty() {
        return;
    }
    let node = functions.iter().any(|f| f.get("language").and_then(str_of) == Some("node"));
    let (language, starts, package): (_, &[&str], _) = if node {
        ("Node", &["nodejs", "node", "bun"], "nodejs_22")
    } else {
        ("Python", &["python", "pypy"], "python312")
    };
    if names.iter().any(|n| starts.iter().any(|s| n.starts_with(s))) {
        return;
    }
    let edit = extend_list(ctx, image, "packages", &[package.to_owned()]).map(|e| [e]);
    let message = format!(
        "`image` has no {language}, which the entrypoint's function needs; add `{package}` to the packages"
    );
    RULE.at_value(value, message).safe(format!("Add {package}"), edit).to(findings);
}
