//! What `mvmctl doctor` says of KVM, and who may use it. Here it is whatever this host has; in the outer machine
//! (`cargo xtask test kvm`) it is hardware's, and only root may open it.

// A test ends where something is not as it should be, in its helpers too.
#![allow(clippy::unwrap_used)]

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;

use mvm_tests::world::{PATIENT, World, finish, programs};
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

/// A KVM that passes for hardware's and still refuses what a machine takes, as our own VMM then says it.
const REFUSES: &str =
    "#!/bin/sh\necho 'mvm-vmm: cannot create the timer: No such device (os error 19)' >&2\nexit 3\n";

/// `auto` then has QEMU run the guest, and says why. The outer machine has no QEMU: there, and in a snapshot's place, the
/// refusal is told beside what is missing.
#[test]
#[ignore = "needs hardware's KVM: cargo xtask test kvm"]
fn a_vmm_that_cannot_start_gives_way_to_qemu_and_the_reason_is_told() {
    if std::env::var_os("MVM_TEST_LOCK").is_none() {
        eprintln!("not tried here: `cargo xtask test kvm` tries it");
        return;
    }
    let world = World::with_app(PATIENT);
    // Beside the supervisor, which may run no program of elsewhere.
    let vmm = programs().join("refusing-vmm");
    std::fs::write(&vmm, REFUSES).unwrap();
    std::fs::set_permissions(&vmm, std::fs::Permissions::from_mode(0o755)).unwrap();
    let run = |more: &[&str]| {
        let args = [&["run", "app.py", "--allow-substitute", "seconds:=0"], more].concat();
        let mut command = world.command(&args);
        command.env("MVM_VMM", &vmm);
        finish(command, "").expect(3).stderr
    };
    let auto = run(&[]);
    for said in ["/dev/kvm is of no use", "cannot create the timer: No such device", "QEMU", "not installed"]
    {
        assert!(auto.contains(said), "{said}: {auto}");
    }
    let named = run(&["--hypervisor", "kvm"]);
    assert!(named.contains("No such device") && !named.contains("not installed"), "{named}");
    world.assert_nothing_left();
}
