//! Memory of a guest on our own VMM: taken when it is touched, given back when the guest has freed it. QEMU's machines
//! have no balloon, so this runs where KVM is hardware's: `cargo xtask test kvm`.

// A test ends where something is not as it should be, in its helpers too.
#![allow(clippy::unwrap_used)]

use mvm_tests::world::{World, eventually};

const APP: &str = r#"
import mvm

@mvm.app(
    name="hungry",
    image=mvm.nix_packages(["python3"]),
    resources=mvm.resources(cpu_cores=1, memory_mb=384),
    network=mvm.network(mode="none"),
)
def eat(megabytes: int = 96) -> int:
    # Written, page by page, and freed at the end of the call.
    return len(bytearray(b"x") * (megabytes << 20))
"#;

/// Resident memory of a process, MiB, from its count of pages.
fn resident(pid: u32) -> u64 {
    let statm = std::fs::read_to_string(format!("/proc/{pid}/statm")).unwrap();
    statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() / 256
}

/// The most that a process ever held, MiB.
fn peak(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() >> 10
}

#[test]
#[ignore = "boots a guest: cargo xtask test kvm"]
fn what_a_guest_has_freed_is_the_hosts_again() {
    let world = World::with_app(APP);
    world.up(&[]);
    let machines = world.mvmctl(&["--json", "ps"]).expect(0).json();
    assert_eq!(machines["machines"][0]["hypervisor"], "kvm", "{machines}");
    let vmm = world.processes().into_iter().find(|(_, command)| command.contains("mvm-vmm")).unwrap().0;
    let before = resident(vmm);
    assert!(before < 300, "{before} MiB of 384 before anything was done with it");
    let eaten = world.mvmctl(&["call", "hungry", "--timeout", "120s"]).expect(0).stdout;
    assert_eq!(eaten.trim(), (96u64 << 20).to_string());
    let most = peak(vmm);
    assert!(most >= before + 48, "{before} MiB before and {most} at the most: it was not the guest's memory");
    // The guest reports free ranges some seconds after they were freed.
    assert!(
        eventually(|| resident(vmm) + 48 <= most),
        "{before} MiB before, {most} at the most, {} after it was freed",
        resident(vmm)
    );
    world.mvmctl(&["down", "hungry"]).expect(0);
    world.assert_nothing_left();
}
