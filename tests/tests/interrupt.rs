//! Interrupted at every stage, and killed: nothing is left, `ps` is right, and the next run works.

use mvm_tests::world::{PATIENT, World, broken, eventually, send};
use serde_json::Value;

fn reaches(stage: &'static str) -> impl Fn(&Value) -> bool {
    move |event| event["event"] == "started" && event["stage"] == stage
}

fn prints(text: &'static str) -> impl Fn(&Value) -> bool {
    move |event| event["event"] == "output" && event["text"].as_str().is_some_and(|t| t.contains(text))
}

const RUN: [&str; 3] = ["run", "app.py", "--allow-substitute"];

#[test]
#[ignore = "boots a guest: cargo xtask test boot"]
fn ctrl_c_in_each_stage_leaves_nothing() {
    let world = World::with_app(PATIENT);
    // The shared cache may hold all or nothing of this; each stage that is started can be interrupted.
    for stage in ["collect", "resolve", "kernel", "boot", "call"] {
        // A changed source, so that there is something to collect.
        world.file("data.txt", stage);
        let started = world.start_until(&RUN, reaches(stage));
        started.signal("INT");
        let out = started.finish();
        assert_eq!(out.code, 130, "interrupted at {stage}: {}", out.stderr);
        assert_eq!(out.stdout, "", "{stage}");
        world.assert_nothing_left();
    }
    let started = world.start_until(&RUN, prints("waiting"));
    started.signal("TERM");
    assert_eq!(started.finish().code, 130, "in the middle of a call");
    world.assert_nothing_left();
    assert_eq!(world.run(&["seconds:=0"]).expect(0).stdout, "\"done\"\n");
}

#[test]
#[ignore = "boots a guest: cargo xtask test boot"]
fn a_killed_run_takes_its_machine_with_it() {
    let world = World::with_app(PATIENT);
    let started = world.start_until(&RUN, prints("waiting"));
    assert!(!world.processes().is_empty());
    started.signal("KILL");
    assert_eq!(started.finish().code, -1);
    world.assert_nothing_left();
}

#[test]
#[ignore = "boots a guest: cargo xtask test boot"]
fn an_interrupted_call_ends_the_call_and_not_the_machine() {
    let world = World::with_app(PATIENT);
    world.up(&[]);
    let call = world.start_until(&["call", "patient"], prints("waiting"));
    call.signal("INT");
    assert_eq!(call.finish().code, 130);
    assert_eq!(world.machines(), ["patient"]);
    assert_eq!(
        world.mvmctl(&["call", "patient", "seconds:=0", "--timeout", "120s"]).expect(0).stdout,
        "\"done\"\n"
    );
    world.mvmctl(&["down", "--all"]).expect(0);
    world.assert_nothing_left();
}

#[test]
#[ignore = "boots a guest: cargo xtask test boot"]
fn a_killed_supervisor_leaves_no_vmm() {
    kill_half("supervisor");
}

#[test]
#[ignore = "boots a guest: cargo xtask test boot"]
fn a_killed_vmm_leaves_no_supervisor() {
    kill_half("vmm");
}

fn kill_half(half: &str) {
    let world = World::with_app(PATIENT);
    world.up(&[]);
    let processes = world.processes();
    let (pid, command) = processes
        .iter()
        .find(|(_, command)| command.contains("mvm-supervisor") == (half == "supervisor"))
        .unwrap_or_else(|| broken(&format!("no {half} among {processes:?}")));
    send("KILL", *pid);
    let gone = eventually(|| world.processes().is_empty());
    assert!(gone, "{half} ({command}) was killed, and this is left: {:?}", world.processes());
    // A process that is ending shows no arguments any more and may still hold its lock for a moment.
    let list = || world.mvmctl(&["--json", "ps"]).expect(0).json();
    let ready = || list()["machines"].as_array().is_some_and(|m| m.iter().any(|m| m["state"] == "ready"));
    assert!(eventually(|| !ready()), "{half}: {}", list());
    let late = world.mvmctl(&["call", "patient", "seconds:=0"]);
    assert_eq!(late.code, 1, "{half}: {}", late.stderr);
    assert!(late.stderr.contains("has ended") && late.stderr.contains("help:"), "{half}: {}", late.stderr);
    // Its name is free again.
    let _ = world.mvmctl(&["down", "patient"]);
    world.mvmctl(&["up", "patient"]).expect(0);
    assert!(world.processes().len() >= 2, "a machine is two processes: {:?}", world.processes());
    world.mvmctl(&["down", "patient"]).expect(0);
    world.assert_nothing_left();
}
