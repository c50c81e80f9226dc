//! The KVM back end on real hardware semantics: QEMU emulates machines with AMD's SVM, Debian's stock `kvm_amd` runs in
//! them, and the suites of guests, policy and walls run there. No line of them knows it.

use mvm_tests::outer::{Contents, Outer};
use mvm_tests::world::broken;

/// A test program of this build in one of the outer machines, the seconds that each of its tests may take there, and
/// which of them are run, if not all: those with this in their names.
struct Suite(usize, &'static str, u32, &'static str);

/// Two outer machines run beside each other, since each has one processor; the shares take about the same time.
const SUITES: &[Suite] = &[
    Suite(1, "walls", 600, ""),
    Suite(1, "tiny_guests", 600, ""),
    Suite(1, "frozen_guests", 600, ""),
    Suite(1, "stock_kernels", 600, ""),
    Suite(1, "auto", 600, ""),
    Suite(1, "balloon", 600, ""),
    Suite(2, "outcomes", 600, ""),
    Suite(2, "policy", 600, ""),
    Suite(1, "interrupt", 600, "killed_vmm"),
    Suite(2, "snapshots", 600, ""),
];
/// What takes long and runs elsewhere as well: not here, unless it is named. What the supervisor does whatever runs the
/// guest is in the suite `boot`, snapshots of Linux guests on QEMU among it; the row of machines runs on the `/dev/kvm` of
/// whoever runs `cargo xtask test unit`.
const LONG: &[&str] = &[
    "a_guest_that_stops_answering",
    "a_guest_that_is_not_ready_in_time",
    "a_module_that_fails_at_import",
    "a_module_that_ends_the_process",
    "two_hundred_machines",
    "a_secret_is_in_no_snapshot",
    "what_is_damaged_is_thrown_away",
    "a_restored_machine",
    "a_module_that_connects_when_it_is_imported",
];
/// The sources of those that declare apps.
const DECLARING: &[&str] = &[
    include_str!("outcomes.rs"),
    include_str!("policy.rs"),
    include_str!("balloon.rs"),
    include_str!("snapshots.rs"),
    include_str!("../src/world.rs"),
];

#[test]
#[ignore = "boots guests in a guest: cargo xtask test kvm"]
fn guests_policy_and_walls_hold_on_hardware_kvm() {
    let programs: Vec<&str> = SUITES.iter().map(|suite| suite.1).collect();
    let plan = plan();
    let contents = Contents { tests: &programs, declaring: DECLARING, plan: &plan, ..Contents::default() };
    let outer = Outer::new(&contents);
    let outputs = std::thread::scope(|scope| {
        let machines = [1, 2].map(|number| {
            scope.spawn({
                let outer = &outer;
                move || outer.run(number)
            })
        });
        machines.map(|machine| {
            machine.join().unwrap_or_else(|_| broken("see above: an outer machine has failed"))
        })
    });
    assert!(outputs.concat().contains("OUTER-TEST ok "), "no test has this in its name");
}

/// One line for each suite. `MVM_KVM_ONLY` takes those tests alone that have one of its parts, between commas, in their
/// names (`_` takes all, those that take long included), `MVM_KVM_TIMES` runs all so many times: for who looks for a rare failure.
fn plan() -> String {
    let only = std::env::var("MVM_KVM_ONLY").unwrap_or_default();
    let times = std::env::var("MVM_KVM_TIMES").ok().and_then(|times| times.parse().ok()).unwrap_or(1);
    let without = if only.is_empty() { LONG.join(",") } else { String::new() };
    let lines = SUITES.iter().map(|Suite(machine, name, seconds, part)| {
        let part = if only.is_empty() { part } else { only.as_str() };
        format!("{machine} /outer/{name} {seconds} +{part} -{without}\n")
    });
    lines.collect::<String>().repeat(times)
}
