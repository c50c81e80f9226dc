//! MVM302: the machine is larger than this host.

use super::rule::{Check, Confidence, FixKind, Rule, bad, good};
use super::walk::{call, int_of};
use crate::context::{Findings, RuleContext};
use crate::finding::Severity;

/// The rule.
pub static RULE: Rule = Rule {
    id: "MVM302",
    name: "more-than-host",
    severity: Severity::Warning,
    confidence: Confidence::High,
    fix: FixKind::None,
    cwe: None,
    summary: "The machine is larger than this host",
    rationale: "The machine would not start here, or would push the host into swapping.",
    remedy: "Take less, or start it on a larger host.",
    examples: &[
        bad("resources=mvm.resources(cpu_cores=9),\n                                  ^"),
        bad("resources=mvm.resources(memory_mb=16385),\n                                  ^^^^^"),
        bad(
            "resources=mvm.resources(cpu_cores=2, memory_mb=32 * 1024),\n                                               ^^^^^^^^^",
        ),
        good("resources=mvm.resources(cpu_cores=8, memory_mb=16384),"),
        good("resources=mvm.resources(),"),
        good("resources=mvm.resources(rootfs_size_mb=100000),"),
    ],
    also: &[],
    check: Check::Declaration(check),
};

fn check(ctx: &RuleContext<'_>, findings: &mut Findings) {
    let Some(resources) = call(&ctx.declaration.call, "resources", "resources") else { return };
    let asked = |name: &str| resources.get(name).and_then(|v| int_of(v).map(|n| (v, n)));
    // What is out of bounds anywhere is MVM301's.
    let (cpus, memory) =
        (asked("cpu_cores").filter(|(_, n)| *n <= 64), asked("memory_mb").filter(|(_, n)| *n <= 1 << 20));
    if cpus.is_none() && memory.is_none() {
        return;
    }
    let Some((host_cpus, host_memory)) = ctx.facts().host_limits() else { return };
    if let Some((value, n)) = cpus.filter(|(_, n)| *n > i128::from(host_cpus)) {
        let message = format!("`cpu_cores` is {n} and this host has {host_cpus}; take no more than that");
        RULE.at_value(value, message).to(findings);
    }
    if let Some((value, n)) = memory.filter(|(_, n)| *n > i128::from(host_memory)) {
        let message = format!("`memory_mb` is {n} and this host has {host_memory}; take less than that");
        RULE.at_value(value, message).to(findings);
    }
}
