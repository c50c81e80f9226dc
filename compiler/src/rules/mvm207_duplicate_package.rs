//! MVM207: a package is listed twice.

use std::collections::HashSet;

use super::edit::remove_element;
use super::rule::{Check, Confidence, FixKind, Rule, bad, good};
use super::walk::{items, str_of};
use crate::context::{Findings, RuleContext};
use crate::finding::Severity;
use crate::value::ValueKind;

/// The rule.
pub static RULE: Rule = Rule {
    id: "MVM207",
    name: "duplicate-package",
    severity: Severity::Warning,
    confidence: Confidence::High,
    fix: FixKind::Safe,
    cwe: None,
    summary: "A package is listed twice",
    rationale: "The second entry does nothing; who removes one of the two believes the package to be gone, and it is not.",
    remedy: "Remove one of them.",
    examples: &[
        bad(
            "image=mvm.nix_packages([\"python312\", \"uv\", \"uv\"]),\n                                           ^^^^",
        ),
        bad(
            "image=mvm.python_image(packages=[\"git\", \"git\"]),\n                                        ^^^^^",
        ),
        bad(
            "image=mvm.nix_packages([\n    'python312',\n    'curl',\n    'python312',\n    ^^^^^^^^^^^\n]),",
        ),
        bad(
            "image=mvm.python_image(packages=[\"git\", \"python312\"]),\n                                        ^^^^^^^^^^^",
        ),
        good("image=mvm.python_image(python=\"3.11\", packages=[\"python312\"]),"),
        good("image=mvm.nix_packages([\"python312\", \"uv\"]),"),
        good("image=mvm.python_image(),"),
        good("image=mvm.python_image(packages=[\"git\", \"curl\"]),"),
    ],
    also: &[],
    check: Check::Declaration(check),
};

fn check(ctx: &RuleContext<'_>, findings: &mut Findings) {
    let Some(ValueKind::Call(image)) = ctx.declaration.call.get("image").map(|v| &v.kind) else { return };
    let Some(list) = image.get("packages") else { return };
    // The helper brings one by itself.
    let version = |parameter, default| image.get(parameter).map_or(Some(default), str_of);
    let brought = match image.helper {
        "python_image" => version("python", "3.12").map(|v| format!("python{}", v.replace('.', ""))),
        "node_image" => version("node", "22").map(|v| format!("nodejs_{v}")),
        _ => None,
    };
    let mut seen: HashSet<&str> = brought.as_deref().into_iter().collect();
    for (index, value) in items(list).iter().enumerate() {
        let Some(name) = str_of(value) else { continue };
        if seen.insert(name) {
            continue;
        }
        let why = if brought.as_deref() == Some(name) { "comes with the image" } else { "is listed already" };
        let message = format!("`packages`: `{}` {why}; remove this entry", super::shown(name));
        RULE.at_value(value, message)
            .safe("Remove the duplicate", remove_element(ctx, list, index).map(|e| [e]))
            .to(findings);
    }
}
