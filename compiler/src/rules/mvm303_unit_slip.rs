//! MVM303: a size looks like gigabytes or bytes where mebibytes are meant.

use super::edit::{own_place, replace};
use super::mvm301_resource_bounds as mvm301;
use super::rule::{Check, Confidence, FixKind, Rule, bad, good};
use super::walk::{call, int_of};
use crate::context::{Findings, RuleContext};
use crate::finding::Severity;

/// The rule.
pub static RULE: Rule = Rule {
    id: "MVM303",
    name: "unit-slip",
    severity: Severity::Warning,
    confidence: Confidence::Medium,
    fix: FixKind::Safe,
    cwe: None,
    summary: "A size looks like gigabytes or bytes where mebibytes are meant",
    rationale: "`memory_mb` and `rootfs_size_mb` count mebibytes. A value of 2 is a guest that cannot boot, and one of 2147483648 more memory than any host has.",
    remedy: "Write the size in mebibytes: 2 GiB are 2048.",
    examples: &[
        bad("resources=mvm.resources(memory_mb=2),\n                                  ^"),
        bad("resources=mvm.resources(memory_mb=536870912),\n                                  ^^^^^^^^^"),
        bad(
            "resources=mvm.resources(memory_mb=512, rootfs_size_mb=4),\n                                                      ^",
        ),
        good("resources=mvm.resources(memory_mb=2048),"),
        good("resources=mvm.resources(memory_mb=512, rootfs_size_mb=4 * 1024),"),
        good("resources=mvm.resources(memory_mb=64),"),
    ],
    also: &["MVM301"],
    check: Check::Declaration(check),
};

/// What a number that counts mebibytes most likely counts instead, and what it should be.
pub(super) fn slip(name: &str, n: i128) -> Option<(&'static str, i128)> {
    if !matches!(name, "memory_mb" | "rootfs_size_mb") {
        return None;
    }
    match n {
        1..=16 => Some(("gibibytes", n * 1024)),
        n if n >= 1 << 26 && n % (1 << 20) == 0 => Some(("bytes", n >> 20)),
        _ => None,
    }
}

fn check(ctx: &RuleContext<'_>, findings: &mut Findings) {
    let Some(resources) = call(&ctx.declaration.call, "resources", "resources") else { return };
    for name in ["memory_mb", "rootfs_size_mb"] {
        let Some(value) = resources.get(name) else { continue };
        let Some(n) = int_of(value) else { continue };
        let Some((unit, meant)) = slip(name, n) else { continue };
        let edit = own_place(value)
            .filter(|_| value.origin.is_none())
            .map(|place| [replace(place, meant.to_string())]);
        let message = format!("`{name}` counts mebibytes and {n} looks like {unit}; write {meant}");
        let mut report = RULE.at_value(value, message);
        // Nothing can be made of it: MVM301 leaves the word to this rule.
        if mvm301::is_out_of_bounds(name, n) {
            report = report.severity(Severity::Error);
        }
        report.safe(format!("Write {meant}"), edit).to(findings);
    }
}
