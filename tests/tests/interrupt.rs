//! Interrupted at every stage, and killed: nothing is left, `ps` is right, and the next run works.

// A test ends where something is not as it should be, in its helpers too.
#![allow(clippy::unwrap_used)]

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use mvm_tests::world::{PATIENT, World, broken, eventually, files_below, send};
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

/// Interrupts a run in a stage, as soon as something holds.
#[track_caller]
fn interrupted(world: &World, stage: &'static str, reached: impl Fn() -> bool) {
    let started = world.start_until(&RUN, reaches(stage));
    assert!(eventually(reached), "{stage}");
    world.processes();
    started.signal("INT");
    let out = started.finish();
    assert_eq!(out.code, 130, "interrupted at {stage}: {}", out.stderr);
    assert_eq!(out.stdout, "", "{stage}");
    world.assert_nothing_left();
    let cache = world.place("cache/mvm");
    let is_temporary = |path: &PathBuf| {
        let below = path.strip_prefix(&cache).unwrap_or(path);
        below.starts_with("tmp")
            || below.components().any(|c| c.as_os_str().to_string_lossy().starts_with(".tmp"))
    };
    let half = files_below(&cache).into_iter().find(is_temporary);
    assert_eq!(half, None, "half-written at {stage}");
}

/// A cache of its own for a world: packages and a kernel, and nothing that was built from them.
fn packages_alone(world: &World) -> PathBuf {
    let script = "mkdir -p \"$2/mvm\"; for part in apt blobs kernels; do cp -a \"$1/mvm/$part\" \"$2/mvm/\"; done; \
        find \"$2\" -name '.tmp*' -delete";
    let cache = world.place("cache");
    let copied =
        Command::new("sh").args(["-euc", script, "sh"]).args([World::cache(), cache.clone()]).status();
    assert!(copied.unwrap().success());
    cache
}

#[test]
#[ignore = "boots a guest: cargo xtask test boot"]
fn ctrl_c_in_each_stage_of_a_first_build_leaves_nothing() {
    let world = World::with_app(PATIENT);
    world.mvmctl(&["build", "app.py", "--allow-substitute"]).expect(0);
    let lock = std::fs::read(world.data().join("mvm/builds/patient/mvm.lock")).unwrap();
    let lock: Value = serde_json::from_slice(&lock).unwrap();
    let digest = lock["apps"]["patient"]["packages"][0]["sha256"].as_str().unwrap();
    let package = format!("mvm/blobs/sha256/{digest}");
    // One package is missing, and the archive never answers.
    let cache = packages_alone(&world);
    std::fs::remove_file(cache.join(&package)).unwrap();
    let (stand_in, asked) = (world.place("bin/apt-get"), world.place("asked"));
    std::fs::create_dir_all(world.place("bin")).unwrap();
    let script = format!(
        "#!/bin/sh\nfor word; do case $word in download) : > '{}'; sleep 600;; esac; done\n\
         PATH=${{PATH#*:}}; exec apt-get \"$@\"\n",
        asked.display()
    );
    std::fs::write(&stand_in, script).unwrap();
    std::fs::set_permissions(&stand_in, std::fs::Permissions::from_mode(0o755)).unwrap();
    interrupted(&world, "image", || asked.exists());

    std::fs::remove_file(&stand_in).unwrap();
    std::fs::copy(World::cache().join(&package), cache.join(&package)).unwrap();
    for stage in ["image", "prepare", "source"] {
        interrupted(&world, stage, || true);
    }
    assert_eq!(world.run(&["--offline", "seconds:=0"]).expect(0).stdout, "\"done\"\n");
    world.assert_nothing_left();
}

#[test]
#[ignore = "boots a guest: cargo xtask test boot"]
fn an_interrupted_up_leaves_no_machine() {
    let world = World::with_app(PATIENT);
    world.mvmctl(&["build", "app.py", "--allow-substitute"]).expect(0);
    let started = world.start_until(&["up", "patient"], reaches("boot"));
    started.signal("INT");
    assert_eq!(started.finish().expect(130).stdout, "");
    world.assert_nothing_left();
    world.mvmctl(&["up", "patient"]).expect(0);
    assert_eq!(world.machines(), ["patient"]);
    world.mvmctl(&["down", "patient"]).expect(0);
    world.assert_nothing_left();
}

#[test]
#[ignore = "boots a guest: cargo xtask test boot"]
fn ctrl_c_while_it_stops_leaves_nothing() {
    let hook = r#"before_stop=[["/usr/bin/python3", "-c", "import time; time.sleep(600)"]]"#;
    let image = r#"image=mvm.nix_packages(["python3"])"#;
    let world = World::with_app(&PATIENT.replace(image, &format!("{image}, {hook}")));
    let stopping = || {
        let machines = world.mvmctl(&["--json", "ps"]).expect(0).json()["machines"].clone();
        // On a host that stalls it may be over already.
        machines.as_array().is_none_or(|m| m.is_empty() || m.iter().any(|m| m["state"] == "stopping"))
    };
    world.up(&[]);
    let mut command = world.command(&["down", "patient"]);
    let mut down = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    assert!(eventually(stopping));
    send("INT", down.id());
    let code = down.wait().unwrap().code();
    assert!(code == Some(130) || code == Some(0) && world.machines().is_empty(), "{code:?}");
    // Nobody waits for it, and it ends all the same.
    assert!(eventually(|| world.machines().is_empty()), "{:?}", world.machines());
    world.assert_nothing_left();

    // A second Ctrl-C does not wait for the end of a run's machine; that comes without.
    let run = world.start_until(&[&RUN[..], &["seconds:=0"]].concat(), prints("waiting"));
    assert!(eventually(stopping));
    world.processes();
    run.signal("INT");
    run.signal("TERM");
    let out = run.finish();
    assert!(out.code == 130 || out.code == 0 && out.stdout == "\"done\"\n", "{out:?}");
    assert!(eventually(|| world.machines().is_empty()), "{:?}", world.machines());
    world.assert_nothing_left();
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
