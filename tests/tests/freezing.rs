//! Making snapshots when something is in the way: an interruption at any moment, a full disk; and what a pool of
//! workers is after it was frozen.

// A test ends where something is not as it should be, in its helpers too.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use mvm_tests::world::{PATIENT, World, eventually, files_below, in_namespace};
use serde_json::Value;

fn store() -> PathBuf {
    World::cache().join("mvm/snapshots")
}

/// Directories of the store that are being made by processes that are gone.
fn orphans() -> Vec<PathBuf> {
    let dirs = std::fs::read_dir(store()).into_iter().flatten().flatten().map(|entry| entry.path());
    let orphaned = |dir: &PathBuf| {
        let name = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
        name.strip_prefix(".new-").is_some_and(|pid| !Path::new("/proc").join(pid).exists())
    };
    dirs.filter(orphaned).collect()
}

/// The snapshots of a workload that are whole.
fn snapshots_of(workload: &str) -> Vec<PathBuf> {
    let manifests = files_below(&store()).into_iter().filter(|path| path.ends_with("manifest.json"));
    let of = |path: &PathBuf| {
        let text = std::fs::read(path).unwrap_or_default();
        let manifest: Value = serde_json::from_slice(&text).unwrap_or_default();
        manifest["subject"]["workload"] == workload
    };
    manifests.filter(of).filter_map(|path| path.parent().map(Path::to_path_buf)).collect()
}

#[test]
#[ignore = "boots guests: cargo xtask test boot"]
fn a_freeze_that_is_interrupted_leaves_nothing_and_the_next_one_is_whole() {
    let world = World::with_app(&PATIENT.replace("\"patient\"", "\"interrupted\""));
    let args = ["run", "app.py", "--allow-substitute", "--snapshot", "seconds:=0"];
    let boots = |event: &Value| event["event"] == "started" && event["stage"] == "boot";
    let frozen = |world: &World| world.processes().iter().any(|(_, line)| line.contains("qemu-system"));
    let packing = || {
        let name = |e: std::fs::DirEntry| e.file_name().to_string_lossy().starts_with(".new-");
        std::fs::read_dir(store()).into_iter().flatten().flatten().any(name)
    };
    // Of an earlier run of this test.
    snapshots_of("interrupted").iter().for_each(|dir| std::fs::remove_dir_all(dir).unwrap());
    for moment in ["as it begins", "in the guest", "while it is written"] {
        // Another source, so that there is no snapshot yet.
        world.file("data.txt", &format!("{moment} {}", std::process::id()));
        let started = world.start_until(&args, boots);
        match moment {
            "in the guest" => assert!(eventually(|| frozen(&world))),
            // By then it may be over: the run is then interrupted after it, or ends by itself.
            "while it is written" => {
                eventually(|| packing() || !snapshots_of("interrupted").is_empty());
            }
            _ => {}
        }
        started.signal("INT");
        let out = started.finish();
        assert!(out.code == 130 || moment == "while it is written" && out.code == 0, "{moment}: {out:?}");
        world.assert_nothing_left();
        assert_eq!(orphans(), Vec::<PathBuf>::new(), "{moment}: a half-written snapshot is left");
    }
    let out = world.mvmctl(&[&["--json"], &args[..]].concat()).expect(0);
    assert_eq!(out.json()["restored"], true, "{}", out.stderr);
    world.assert_nothing_left();
}

#[test]
#[ignore = "boots guests: cargo xtask test boot"]
fn a_full_disk_while_freezing_leaves_nothing_and_the_run_goes_on() {
    let world = World::with_app(&PATIENT.replace("\"patient\"", "\"cramped\""));
    world.mvmctl(&["build", "app.py", "--allow-substitute"]).expect(0);
    let script = format!(
        r#"
        mkdir -p {store}
        mount -t tmpfs -o size=4m tmpfs {store}
        code=0
        "$MVMCTL" --json run app.py --allow-substitute --snapshot seconds:=0 || code=$?
        find {store} -mindepth 1 | sed 's/^/LEFT /' >&2
        exit $code
        "#,
        store = store().display()
    );
    let out = in_namespace(&world, &script).expect(0);
    let report = out.json();
    assert_eq!(
        (&report["restored"], &report["outcome"]["value"]),
        (&false.into(), &"done".into()),
        "{report}"
    );
    assert!(out.stderr.contains("starting without a snapshot"), "{}", out.stderr);
    assert!(out.stderr.contains("space"), "the reason is not told: {}", out.stderr);
    assert!(!out.stderr.contains("LEFT "), "{}", out.stderr);
    assert_eq!(snapshots_of("cramped"), Vec::<PathBuf>::new());
    world.assert_nothing_left();
}

const POOL: &str = r#"
import mvm
import os, random, secrets, time

@mvm.app(
    name="frozenpool",
    image=mvm.nix_packages(["python3"]),
    entrypoint=mvm.entrypoint_function(
        module="app", function="work", concurrency=mvm.warm_process(pool_size=3, max_calls_per_worker=100, max_rss_mb=200)),
)
def work(seconds: float = 0) -> list:
    time.sleep(seconds)
    return [os.getpid(), random.random(), secrets.token_hex()]
"#;

#[test]
#[ignore = "boots guests: cargo xtask test boot"]
fn every_worker_of_a_pool_that_was_frozen_works_and_draws_numbers_of_its_own() {
    let world = World::with_app(POOL);
    world.mvmctl(&["build", "app.py", "--allow-substitute"]).expect(0);
    let up = world.mvmctl(&["--json", "up", "frozenpool", "--snapshot"]).expect(0);
    assert_eq!(up.json()["machines"][0]["restored"], true, "{}", up.stderr);
    // Calls at the same time are served by different workers; ever longer ones, until three have met.
    let mut answers = Vec::new();
    for seconds in [1, 4, 16, 40] {
        let argument = format!("seconds:={seconds}");
        let call = || world.mvmctl(&["call", "frozenpool", &argument, "--timeout", "150s"]).expect(0).json();
        answers = std::thread::scope(|scope| {
            let calls = [(); 3].map(|()| scope.spawn(call));
            calls.map(|call| call.join().unwrap()).to_vec()
        });
        if different(&answers, 0) == 3 {
            break;
        }
    }
    assert_eq!(different(&answers, 0), 3, "three calls at once met fewer workers: {answers:?}");
    assert_eq!((different(&answers, 1), different(&answers, 2)), (3, 3), "{answers:?}");
    world.mvmctl(&["down", "frozenpool"]).expect(0);
    world.assert_nothing_left();
}

/// How many different values there are at one place of the answers.
fn different(answers: &[Value], place: usize) -> usize {
    answers.iter().map(|answer| answer[place].to_string()).collect::<BTreeSet<_>>().len()
}
