//! MVM301: a machine size that no machine has.

use workload_ir::limits;

use super::mvm303_unit_slip::slip;
use super::rule::{Check, Confidence, FixKind, Rule, bad, good};
use super::walk::{call, int_of};
use crate::context::{Findings, RuleContext};
use crate::finding::Severity;

/// The rule.
pub static RULE: Rule = Rule {
    id: "MVM301",
    name: "resource-out-of-bounds",
    severity: Severity::Error,
    confidence: Confidence::High,
    fix: FixKind::None,
    cwe: Some(770),
    summary: "A resource is out of bounds",
    rationale: "Too little and the guest's kernel does not come up; too much and one workload takes the host from all \
others. The bounds are those of the Workload IR: 1 to 64 cores, at least 64 MiB of memory and of disk.",
    remedy: "Take a value within the bounds that the message names.",
    examples: &[
        bad("resources=mvm.resources(cpu_cores=0, memory_mb=512),\n                                  ^"),
        bad("resources=mvm.resources(cpu_cores=65),\n                                  ^^"),
        bad("resources=mvm.resources(memory_mb=48),\n                                  ^^"),
        bad(
            "resources=mvm.resources(rootfs_size_mb=10 + 20),\n                                       ^^^^^^^",
        ),
        bad("resources=mvm.resources(cpu_cores=-1),\n                                  ^^"),
        good("resources=mvm.resources(),"),
        good("resources=mvm.resources(cpu_cores=1, memory_mb=64, rootfs_size_mb=64),"),
        good("resources=mvm.resources(cpu_cores=64, memory_mb=4 * 1024),"),
    ],
    also: &[],
    check: Check::Declaration(check),
};

/// The parameters, their bounds and their unit.
const BOUNDS: &[(&str, (u32, u32), &str)] = &[
    ("cpu_cores", limits::CPU_CORES, ""),
    ("memory_mb", limits::MEMORY_MB, " MiB"),
    ("rootfs_size_mb", limits::ROOTFS_SIZE_MB, " MiB"),
];

/// Has this parameter bounds, and does the number lie outside of them?
pub(super) fn is_out_of_bounds(name: &str, n: i128) -> bool {
    let bounds = BOUNDS.iter().find(|(known, ..)| *known == name).map(|(_, bounds, _)| *bounds);
    bounds.is_some_and(|(low, high)| !(i128::from(low)..=i128::from(high)).contains(&n))
}

fn check(ctx: &RuleContext<'_>, findings: &mut Findings) {
    let Some(resources) = call(&ctx.declaration.call, "resources", "resources") else { return };
    for (name, (low, high), unit) in BOUNDS {
        let Some(value) = resources.get(name) else { continue };
        let Some(n) = int_of(value).filter(|n| is_out_of_bounds(name, *n)) else { continue };
        // One mistake, one finding: the one that knows what was meant.
        if slip(name, n).is_some() {
            continue;
        }
        RULE.at_value(
            value,
            format!("`{name}` is {n}, out of bounds; take a value from {low} to {high}{unit}"),
        )
        .to(findings);
    }
}
