//! The whole program on whatever `/dev/kvm` there is: guests of a few instructions that print, power off, reset,
//! spin, fault. A host without `/dev/kvm` fails these tests, it does not skip them.
#![allow(clippy::unwrap_used)] // a test program

use std::io::{Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Where the guest's code is loaded.
const LOAD: u32 = 0x10_0000;

/// An ELF image with a PVH note, whose entry is `code`.
fn elf(code: &[u8]) -> Vec<u8> {
    let code_at = 0x1000u64;
    let note_at = 64 + 2 * 56u64;
    let mut image = Vec::new();
    image.extend_from_slice(&[0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    for half in [2u16, 62] {
        image.extend_from_slice(&half.to_le_bytes());
    }
    image.extend_from_slice(&1u32.to_le_bytes());
    for word in [u64::from(LOAD), 64, 0] {
        image.extend_from_slice(&word.to_le_bytes());
    }
    image.extend_from_slice(&0u32.to_le_bytes());
    for half in [64u16, 56, 2, 0, 0, 0] {
        image.extend_from_slice(&half.to_le_bytes());
    }
    let mut header = |kind: u32, offset: u64, len: u64, align: u64| {
        image.extend_from_slice(&kind.to_le_bytes());
        image.extend_from_slice(&7u32.to_le_bytes());
        for word in [offset, u64::from(LOAD), u64::from(LOAD), len, len, align] {
            image.extend_from_slice(&word.to_le_bytes());
        }
    };
    header(1, code_at, code.len() as u64, 4096);
    header(4, note_at, 20, 4);
    for word in [4u32, 4, 18] {
        image.extend_from_slice(&word.to_le_bytes());
    }
    image.extend_from_slice(b"Xen\0");
    image.extend_from_slice(&LOAD.to_le_bytes());
    image.resize(code_at as usize, 0);
    image.extend_from_slice(code);
    image
}

/// `mov al, byte; mov dx, port; out dx, al`
fn out(port: u16, byte: u8) -> Vec<u8> {
    let [low, high] = port.to_le_bytes();
    vec![0xb0, byte, 0x66, 0xba, low, high, 0xee]
}

fn say(text: &str) -> Vec<u8> {
    text.bytes().flat_map(|byte| out(0x3f8, byte)).collect()
}

struct Guest {
    _kernel: tempfile::NamedTempFile,
    child: Child,
    channel: Option<UnixStream>,
    console: std::fs::File,
    status: std::fs::File,
}

/// Descriptors without close-on-exec, so that the program inherits them.
fn inheritable(file: impl Into<OwnedFd>) -> OwnedFd {
    let copy = rustix::io::dup(file.into()).unwrap();
    rustix::io::fcntl_setfd(&copy, rustix::io::FdFlags::empty()).unwrap();
    copy
}

fn boot(code: &[u8], vcpus: u8) -> Guest {
    let mut kernel = tempfile::NamedTempFile::new().unwrap();
    kernel.write_all(&elf(code)).unwrap();
    let (ours, theirs) = UnixStream::pair().unwrap();
    let (console, console_end) = rustix::pipe::pipe().unwrap();
    let (status, status_end) = rustix::pipe::pipe().unwrap();
    let fds = [tempfile::tempfile().unwrap().into(), OwnedFd::from(theirs), console_end, status_end]
        .map(inheritable);
    let [initrd, channel, console_fd, status_fd] = fds.each_ref().map(AsRawFd::as_raw_fd);
    let config = serde_json::json!({
        "vcpus": vcpus, "memory_mb": 64, "kernel": kernel.path(), "initrd_fd": initrd, "cmdline": "", "disks": [],
        "channel_fd": channel, "channel_name": "agent", "console_fd": console_fd, "status_fd": status_fd,
    });
    let child = Command::new(env!("CARGO_BIN_EXE_mvm-vmm")).arg(config.to_string()).spawn().unwrap();
    Guest { _kernel: kernel, child, channel: Some(ours), console: console.into(), status: status.into() }
}

impl Guest {
    /// Exit code, console and last status line, once the guest has ended by itself.
    fn end(mut self) -> (Option<i32>, String, serde_json::Value) {
        let deadline = Instant::now() + Duration::from_secs(30);
        let code = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status.code();
            }
            assert!(Instant::now() < deadline, "the guest did not end");
            std::thread::sleep(Duration::from_millis(2));
        };
        let (mut console, mut status) = (String::new(), String::new());
        self.console.read_to_string(&mut console).unwrap();
        self.status.read_to_string(&mut status).unwrap();
        let last = status.lines().last().map(|line| serde_json::from_str(line).unwrap());
        (code, console, last.unwrap_or_default())
    }
}

#[test]
fn a_guest_prints_and_powers_off() {
    let (code, console, status) = boot(&[say("hi"), out(0x600, 0x34)].concat(), 1).end();
    assert_eq!((code, console.as_str()), (Some(0), "hi"));
    assert_eq!(status["reason"], "power_off");
}

#[test]
fn resets_end_the_machine() {
    for code in [out(0x64, 0xfe), out(0x602, 1)] {
        let (code, _, status) = boot(&code, 2).end();
        assert_eq!((code, &status["reason"]), (Some(0), &"reset".into()));
    }
}

#[test]
fn the_guest_finds_its_start_info() {
    // cmp dword [ebx], magic; jne $; say "ok"; power off
    let mut code = vec![0x81, 0x3b, 0x78, 0xc5, 0x6e, 0x33, 0x75, 0xfe];
    code.extend(say("ok"));
    code.extend(out(0x600, 0x34));
    assert_eq!(boot(&code, 1).end().1, "ok");
}

#[test]
fn unknown_ports_and_addresses_read_as_ones() {
    // mov eax, [0xd00ff000]; inc eax; jne $; in al, 0x99; inc al; jne $; power off
    let mut code = vec![0xa1, 0x00, 0xf0, 0x0f, 0xd0, 0x40, 0x75, 0xfe, 0xe4, 0x99, 0xfe, 0xc0, 0x75, 0xfe];
    code.extend(out(0x600, 0x34));
    assert_eq!(boot(&code, 1).end().0, Some(0));
}

#[test]
fn a_triple_fault_is_a_failure_with_a_reason() {
    // lidt with a zero limit, then an undefined instruction.
    let (code, _, status) = boot(&[0x0f, 0x01, 0x1d, 0x20, 0x00, 0x10, 0x00, 0x0f, 0x0b], 1).end();
    assert_eq!((code, &status["reason"]), (Some(1), &"failed".into()));
    assert!(status["detail"].as_str().unwrap().len() > 10, "{status}");
}

#[test]
fn a_guest_that_spins_ends_when_the_supervisor_lets_go() {
    let mut guest = boot(&[&say("spinning")[..], &[0xeb, 0xfe]].concat(), 2);
    let mut said = [0; 8];
    guest.console.read_exact(&mut said).unwrap();
    guest.channel = None;
    let (code, _, status) = guest.end();
    assert_eq!((code, &status["reason"]), (Some(0), &"stopped".into()));
}

#[test]
fn a_halted_guest_costs_nothing_and_ends_when_told() {
    let mut guest = boot(&[&say("h")[..], &[0xf4, 0xeb, 0xfd]].concat(), 1);
    guest.console.read_exact(&mut [0]).unwrap();
    let ticks = |pid: u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    };
    let before = ticks(guest.child.id());
    // Not a wait for something to happen: the measured span in which nothing should.
    std::thread::sleep(Duration::from_millis(300));
    assert!(ticks(guest.child.id()) - before <= 3, "a halted guest keeps a core busy");
    guest.channel = None;
    assert_eq!(guest.end().0, Some(0));
}

#[test]
fn a_configuration_that_is_none_is_refused() {
    let output = Command::new(env!("CARGO_BIN_EXE_mvm-vmm"))
        .arg("{\"vcpus\": 1")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&output.stderr).contains("machine configuration"));
}
