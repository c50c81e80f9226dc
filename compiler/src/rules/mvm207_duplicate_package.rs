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
    let mut seen = HashSet::new();
    for (index, value) in items(list).iter().enumerate() {
        let Some(name) = str_of(value) else { continue };
        if seen.insert(name) {
            continue;
        }
        let message = format!("`packages`: `{}` is listed already; remove this entry", super::shown(name));
        RULE.at_value(value, message)
            .safe("Remove the duplicate", remove_element(ctx, list, index).map(|e| [e]))
            .to(findings);
    }
}
