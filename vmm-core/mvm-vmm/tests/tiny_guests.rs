//! The whole program on whatever `/dev/kvm` there is: guests of a few instructions that print, power off, reset,
//! spin, fault. A host without one cannot try them, and each says so; `cargo xtask test kvm` runs all of them on an outer
//! machine that has one.
#![allow(clippy::unwrap_used, clippy::panic)] // a test program

mod guest;

use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use guest::{Guest, PATIENCE, Setup, boot, boot_by, boot_with, kvm, out, say, vmm};

#[test]
fn a_guest_prints_and_powers_off() {
    if !kvm() {
        return;
    }
    let (code, console, status) = boot(&[say("hi"), out(0x600, 0x34)].concat(), 1).end();
    assert_eq!((code, console.as_str()), (Some(0), "hi"));
    assert_eq!(status["reason"], "power_off");
}

#[test]
fn resets_end_the_machine() {
    if !kvm() {
        return;
    }
    for code in [out(0x64, 0xfe), out(0x602, 1)] {
        let (code, _, status) = boot(&code, 2).end();
        assert_eq!((code, &status["reason"]), (Some(0), &"reset".into()));
    }
}

#[test]
fn the_guest_finds_its_start_info() {
    if !kvm() {
        return;
    }
    // cmp dword [ebx], magic; jne $; say "ok"; power off
    let mut code = vec![0x81, 0x3b, 0x78, 0xc5, 0x6e, 0x33, 0x75, 0xfe];
    code.extend(say("ok"));
    code.extend(out(0x600, 0x34));
    assert_eq!(boot(&code, 1).end().1, "ok");
}

#[test]
fn unknown_ports_and_addresses_read_as_ones() {
    if !kvm() {
        return;
    }
    // mov eax, [0xd00ff000]; inc eax; jne $; in al, 0x99; inc al; jne $; power off
    let mut code = vec![0xa1, 0x00, 0xf0, 0x0f, 0xd0, 0x40, 0x75, 0xfe, 0xe4, 0x99, 0xfe, 0xc0, 0x75, 0xfe];
    code.extend(out(0x600, 0x34));
    assert_eq!(boot(&code, 1).end().0, Some(0));
}

#[test]
fn a_triple_fault_is_a_failure_with_a_reason() {
    if !kvm() {
        return;
    }
    // lidt with a zero limit, then an undefined instruction.
    let (code, _, status) = boot(&[0x0f, 0x01, 0x1d, 0x20, 0x00, 0x10, 0x00, 0x0f, 0x0b], 1).end();
    assert_eq!((code, &status["reason"]), (Some(1), &"failed".into()));
    assert!(status["detail"].as_str().unwrap().len() > 10, "{status}");
}

#[test]
fn a_guest_that_spins_ends_when_the_supervisor_lets_go() {
    if !kvm() {
        return;
    }
    let mut guest = boot(&[&say("spinning")[..], &[0xeb, 0xfe]].concat(), 2);
    let mut said = [0; 8];
    guest.console.read_exact(&mut said).unwrap();
    guest.channel = None;
    let (code, _, status) = guest.end();
    assert_eq!((code, &status["reason"]), (Some(0), &"stopped".into()));
}

#[test]
fn a_halted_guest_costs_nothing_and_ends_when_told() {
    if !kvm() {
        return;
    }
    let mut guest = boot(&[&say("h")[..], &[0xf4, 0xeb, 0xfd]].concat(), 1);
    guest.console.read_exact(&mut [0]).unwrap();
    let ticks = |pid: u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    };
    let before = ticks(guest.child.id());
    // Not a wait for something to happen: the measured span in which nothing should.
    std::thread::sleep(Duration::from_secs(1));
    // Of a hundred; what it still does of its start is in them, and one that spins gets most of them.
    assert!(ticks(guest.child.id()) - before <= 15, "a halted guest keeps a core busy");
    guest.channel = None;
    assert_eq!(guest.end().0, Some(0));
}

#[test]
fn a_configuration_that_is_none_is_refused() {
    let output = Command::new(vmm()).arg("{\"vcpus\": 1").stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&output.stderr).contains("machine configuration"));
}

/// Pages of memory that a process holds.
fn resident(pid: u32) -> usize {
    let statm = std::fs::read_to_string(format!("/proc/{pid}/statm")).unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

/// `hlt; jmp` back to it, with interrupts off.
const SLEEP: [u8; 4] = [0xfa, 0xf4, 0xeb, 0xfd];

/// A guest that has said one letter and sleeps, with so much memory.
fn sleeping(vcpus: u8, memory_mb: u32) -> (Guest, tempfile::NamedTempFile) {
    let (mut setup, kernel) = Setup::tiny(&[&say("z")[..], &SLEEP].concat(), vcpus);
    setup.memory_mb = memory_mb;
    let mut guest = boot_with(setup);
    guest.console.read_exact(&mut [0]).unwrap();
    (guest, kernel)
}

/// The most that the VMM may hold beside its guest's memory (`docs/specification.md`). The code of a program that is not
/// optimized is larger, and a file system in memory has all of it mapped.
const OVERHEAD: usize = if cfg!(debug_assertions) { 6 << 20 } else { 5 << 20 };
/// What a guest of a few instructions has touched: all of it lies in one huge page, where the host gives such.
const TOUCHED: usize = 2 << 20;

#[test]
fn memory_is_committed_when_it_is_touched_and_the_vmm_takes_little() {
    if !kvm() {
        return;
    }
    // All else that is resident is the VMM's own, its code included.
    let (guest, _kernel) = sleeping(1, 4096);
    let held = resident(guest.child.id());
    assert!(held < OVERHEAD + TOUCHED, "{} KiB for a guest that sleeps", held >> 10);
    stop(guest);
}

#[test]
fn a_machine_has_up_to_64_cpus() {
    if !kvm() {
        return;
    }
    let (guest, _kernel) = sleeping(64, 64);
    // One for each CPU, and one for the devices; some kernels add their own. The first CPU may run before the last has
    // its thread.
    let threads = || std::fs::read_dir(format!("/proc/{}/task", guest.child.id())).unwrap().count();
    let deadline = Instant::now() + PATIENCE;
    while threads() < 65 {
        assert!(Instant::now() < deadline, "{} threads", threads());
        std::thread::sleep(Duration::from_millis(5));
    }
    stop(guest);
}

/// Lets go of a guest, as its supervisor does.
fn stop(mut guest: Guest) {
    guest.channel = None;
    assert_eq!(guest.end().0, Some(0));
}

/// Descriptors of this process.
fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Processes that this one has started and that are not gone, by their names.
fn children() -> Vec<String> {
    let parent = std::process::id().to_string();
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    // NUMBER (NAME) STATE PARENT …
    let stats = entries.filter_map(|entry| std::fs::read_to_string(entry.path().join("stat")).ok());
    let ours = |stat: &String| {
        stat.rsplit(')').next().is_some_and(|rest| rest.split_whitespace().nth(1) == Some(&parent))
    };
    stats.filter(ours).collect()
}

/// Every machine ends and takes everything with it. The other tests of this program may run meanwhile, so what is
/// counted is a process of its own.
#[test]
fn two_hundred_machines_in_a_row_and_ten_at_once_leave_nothing() {
    if !kvm() {
        return;
    }
    const INSIDE: &str = "MVM_ROW_OF_MACHINES";
    if std::env::var_os(INSIDE).is_none() {
        let test = "two_hundred_machines_in_a_row_and_ten_at_once_leave_nothing";
        let mut command = Command::new(std::env::current_exe().unwrap());
        let dir = tempfile::tempdir().unwrap();
        command.args(["--exact", test, "--test-threads=1"]).env(INSIDE, "1").env("TMPDIR", dir.path());
        let status = command.status().unwrap();
        assert!(status.success(), "{status}");
        let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().flatten().collect();
        assert!(left.is_empty(), "files are left: {left:?}");
        return;
    }
    stop(sleeping(1, 256).0);
    let (before, memory) = (descriptors(), resident(std::process::id()));
    for _ in 0..200 {
        stop(sleeping(1, 256).0);
    }
    let all: Vec<_> = (0..10).map(|_| sleeping(1, 256)).collect();
    all.into_iter().for_each(|(guest, _kernel)| stop(guest));
    assert_eq!(descriptors(), before);
    assert_eq!(children(), Vec::<String>::new(), "processes are left");
    let more = resident(std::process::id()).saturating_sub(memory);
    assert!(more < 4 << 20, "{} KiB more than before", more >> 10);
}

/// The supervisor's end closes the channel, and that ends the VMM (above). Here somebody else holds the channel open.
#[test]
fn it_ends_with_its_parent_even_if_the_channel_stays() {
    if !kvm() {
        return;
    }
    let (setup, _kernel) = Setup::tiny(&[&say("z")[..], &SLEEP].concat(), 1);
    let mut guest = boot_by(setup, |program, config| {
        let mut shell = Command::new("sh");
        shell.args(["-c", "\"$0\" \"$1\" & echo $!; wait", program, config]).stdout(Stdio::piped());
        shell.spawn().unwrap()
    });
    guest.console.read_exact(&mut [0]).unwrap();
    let mut vmm = String::new();
    let mut said = guest.child.stdout.take().unwrap();
    while !vmm.ends_with('\n') {
        let mut byte = [0];
        said.read_exact(&mut byte).unwrap();
        vmm.push(char::from(byte[0]));
    }
    guest.child.kill().unwrap();
    guest.child.wait().unwrap();
    let stat = format!("/proc/{}/stat", vmm.trim());
    let alive = || {
        let text = std::fs::read_to_string(&stat).unwrap_or_default();
        text.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with(" Z"))
    };
    let deadline = Instant::now() + PATIENCE;
    while alive() {
        assert!(Instant::now() < deadline, "the VMM goes on without its supervisor");
        std::thread::sleep(Duration::from_millis(5));
    }
    drop(guest.channel);
}
