//! What `mvmctl doctor` says of KVM, and who may use it. Here it is whatever this host has; in the outer machine
//! (`cargo xtask test kvm`) it is hardware's, and only root may open it.

// A test ends where something is not as it should be, in its helpers too.
#![allow(clippy::unwrap_used)]

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;

use mvm_tests::world::{World, finish};
use serde_json::Value;

const NOBODY: u32 = 65_534;

fn kvm_of(report: &Value) -> Value {
    let checks = report["checks"].as_array().cloned().unwrap_or_default();
    checks.into_iter().find(|check| check["id"] == "kvm").unwrap_or_default()
}

#[test]
#[ignore = "needs the programs: cargo xtask test boot"]
fn doctor_tells_the_probes_figure_or_the_remedy() {
    let kvm = kvm_of(&World::new().mvmctl(&["--json", "doctor"]).json());
    let what = kvm["what"].as_str().unwrap();
    match kvm["status"].as_str() {
        Some("ok") => assert!(what.contains("hardware KVM") && what.contains("µs"), "{kvm}"),
        _ => assert!(what.contains("/dev/kvm") && kvm["remedy"].is_string(), "{kvm}"),
    }
    // The outer machine's is hardware's to everybody who asks.
    if std::env::var_os("MVM_TEST_LOCK").is_some() {
        assert_eq!(kvm["status"], "ok", "{kvm}");
    }
}

/// Who may not open the device is told its permissions and what to do. Only root can try to be somebody else, and only
/// where others may not open it: in the outer machine.
#[test]
#[ignore = "needs the programs: cargo xtask test boot"]
fn doctor_tells_who_may_not_open_it() {
    let closed = std::fs::metadata("/dev/kvm").is_ok_and(|meta| meta.permissions().mode() & 0o006 == 0);
    if std::env::var_os("MVM_TEST_LOCK").is_none() {
        eprintln!("not tried here: `cargo xtask test kvm` tries it");
        return;
    }
    assert!(closed, "the outer machine's /dev/kvm is root's");
    let world = World::new();
    let mut command = world.command(&["--json", "doctor"]);
    // A home of its own: the world's is root's.
    command.env("MVM_HOME", "/tmp/nobody").current_dir("/").uid(NOBODY).gid(NOBODY);
    let kvm = kvm_of(&finish(command, "").json());
    assert_eq!(kvm["status"], "warn", "{kvm}");
    assert!(kvm["what"].as_str().unwrap().contains("mode 600"), "{kvm}");
    assert!(kvm["remedy"].as_str().unwrap().contains("chmod 660 /dev/kvm"), "{kvm}");
}
