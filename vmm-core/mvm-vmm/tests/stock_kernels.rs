//! A distribution's kernel on hardware KVM, without the product around it: it finds its processors, memory and clocks,
//! reaches user space, and each way in which it ends is told. `cargo xtask test kvm` runs these on an outer machine.
#![allow(clippy::unwrap_used, clippy::panic)] // a test program

mod guest;
#[path = "guest/program.rs"]
mod program;

use std::io::Write;

use guest::{Setup, boot_with};
use program::program;

/// What `reboot(2)` is asked for.
const POWER_OFF: u32 = 0x4321_fedc;
const RESTART: u32 = 0x0123_4567;

/// The first process: `reboot(MAGIC, MAGIC2, command)`, then a jump to itself.
fn reboots(command: u32) -> Vec<u8> {
    let mut code = Vec::new();
    for (register, value) in [(0xbf, 0xfee1_dead), (0xbe, 0x2812_1969), (0xba, command), (0xb8, 169)] {
        code.push(register);
        code.extend(u32::to_le_bytes(value));
    }
    code.extend([0x0f, 0x05, 0xeb, 0xfe]);
    code
}

/// `exit(7)`
const EXITS: [u8; 12] = [0xbf, 7, 0, 0, 0, 0xb8, 60, 0, 0, 0, 0x0f, 0x05];

/// An initial RAM disk with a console and the first process (cpio, "newc").
fn initrd(code: &[u8]) -> std::fs::File {
    let mut archive = Vec::new();
    let mut entry = |name: &str, mode: u32, device: (u32, u32), data: &[u8]| {
        let fields =
            [1, mode, 0, 0, 1, 0, data.len() as u32, 0, 0, device.0, device.1, name.len() as u32 + 1, 0];
        archive.extend(b"070701");
        for field in fields {
            archive.extend(format!("{field:08x}").bytes());
        }
        archive.extend(name.bytes().chain([0]));
        archive.resize(archive.len().next_multiple_of(4), 0);
        archive.extend(data);
        archive.resize(archive.len().next_multiple_of(4), 0);
    };
    entry("dev", 0o040_755, (0, 0), &[]);
    entry("dev/console", 0o020_600, (5, 1), &[]);
    entry("init", 0o100_755, (0, 0), &program(code));
    entry("TRAILER!!!", 0, (0, 0), &[]);
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&archive).unwrap();
    file
}

/// Boots to the end; gives exit code, console and how the machine ended.
fn run(vcpus: u8, memory_mb: u32, code: &[u8], options: &str) -> (Option<i32>, String, serde_json::Value) {
    let kernel = std::env::var_os("MVM_TEST_KERNEL").unwrap_or_else(|| {
        panic!("MVM_TEST_KERNEL names no kernel; `cargo xtask test kvm` sets it");
    });
    let cmdline = format!("console=ttyS0 panic=-1 nokaslr mitigations=off pci=off no_timer_check {options}");
    boot_with(Setup { vcpus, memory_mb, kernel: kernel.into(), initrd: initrd(code), cmdline }).end()
}

/// Memory as the kernel counts it: `Memory: 20620K/65144K available`.
fn memory_kib(console: &str) -> u64 {
    let line = console.lines().find(|line| line.contains("Memory: ")).unwrap_or_default();
    let number = line.split('/').nth(1).and_then(|rest| rest.split('K').next());
    number.and_then(|n| n.parse().ok()).unwrap_or_else(|| panic!("no memory in {console}"))
}

/// Boots to user space, where the guest powers itself off; gives the console.
fn powers_off(vcpus: u8, memory_mb: u32, options: &str) -> String {
    let (code, console, end) = run(vcpus, memory_mb, &reboots(POWER_OFF), options);
    let machine = format!("{vcpus} CPUs, {memory_mb} MiB");
    assert_eq!((code, &end["reason"]), (Some(0), &"power_off".into()), "{machine}: {end}: {console}");
    console
}

#[test]
#[ignore = "boots a stock kernel on hardware KVM: cargo xtask test kvm"]
fn a_small_machine_reaches_user_space_and_powers_off() {
    // 80 MiB: the kernel takes 46 of them, and what it needs to start; with 64 it runs out of memory on any VMM.
    powers_off(1, 80, "quiet reboot=t");
}

#[test]
#[ignore = "boots a stock kernel on hardware KVM: cargo xtask test kvm"]
fn four_cpus_a_gibibyte_and_the_clocks_are_found() {
    // With all its messages, each byte of which leaves the guest: one machine is enough.
    let console = powers_off(4, 1024, "reboot=t");
    let kib = memory_kib(&console);
    assert!(kib <= 1 << 20 && kib > (1 << 20) - 1024, "{kib} KiB");
    for fact in ["Brought up 1 node, 4 CPUs", "kvm-clock: Using msrs", "TSC deadline timer available"] {
        assert!(console.contains(fact), "{fact}: {console}");
    }
    assert!(console.contains("Run /init as init process"), "{console}");
}

#[test]
#[ignore = "boots a stock kernel on hardware KVM: cargo xtask test kvm"]
fn a_reset_is_told_as_one() {
    let (code, console, end) = run(2, 256, &reboots(RESTART), "quiet reboot=k");
    assert_eq!((code, &end["reason"]), (Some(0), &"reset".into()), "{end}: {console}");
}

/// With the command line of the product: a panic ends the machine at once, by a triple fault.
#[test]
#[ignore = "boots a stock kernel on hardware KVM: cargo xtask test kvm"]
fn a_panic_ends_the_machine_and_its_words_are_on_the_console() {
    let (code, console, end) = run(1, 128, &EXITS, "quiet reboot=t");
    assert!(
        console.contains("Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000700"),
        "{console}"
    );
    assert_eq!((code, &end["reason"]), (Some(1), &"failed".into()));
    assert!(end["detail"].as_str().unwrap().contains("triple fault"), "{end}");
}
