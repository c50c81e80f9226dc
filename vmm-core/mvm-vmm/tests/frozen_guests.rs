//! Freezing and restoring guests of a few instructions, by the whole program, on whatever `/dev/kvm` there is: they go
//! on in the middle of what they did, as often as one likes, and what does not fit is refused with a reason.
#![allow(clippy::unwrap_used, clippy::panic)] // a test program

mod guest;

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};

use guest::{PATIENCE, elf, inheritable, kvm, out, say, vmm};

/// A word that the guest waits for, in memory that nothing else uses.
const SIGNAL: u32 = 0x20_0000;
const MEMORY_MB: u64 = 64;

/// Counts in a register and a word of memory that it is told to wait in, then says whether all is as it was.
fn patient_guest() -> Vec<u8> {
    // mov esi, 0x12345678; mov dword [SIGNAL + 4], 0x11223344
    let mut code = vec![0xbe, 0x78, 0x56, 0x34, 0x12, 0xc7, 0x05];
    code.extend((SIGNAL + 4).to_le_bytes());
    code.extend(0x1122_3344_u32.to_le_bytes());
    code.extend(say("w"));
    // wait: cmp dword [SIGNAL], 1; jne wait
    code.extend([0x83, 0x3d]);
    code.extend(SIGNAL.to_le_bytes());
    code.extend([1, 0x75, 0xf7]);
    // cmp esi, 0x12345678; jne $; cmp dword [SIGNAL + 4], 0x11223344; jne $
    code.extend([0x81, 0xfe, 0x78, 0x56, 0x34, 0x12, 0x75, 0xfe, 0x81, 0x3d]);
    code.extend((SIGNAL + 4).to_le_bytes());
    code.extend(0x1122_3344_u32.to_le_bytes());
    code.extend([0x75, 0xfe]);
    code.extend(say("back"));
    code.extend(out(0x600, 0x34));
    code
}

/// What is left of a frozen machine.
struct Frozen {
    memory: File,
    state: File,
}

impl Frozen {
    fn empty() -> Frozen {
        let memory = tempfile::tempfile().unwrap();
        memory.set_len(MEMORY_MB << 20).unwrap();
        Frozen { memory, state: tempfile::tempfile().unwrap() }
    }

    /// For one life whose files are to be others.
    fn copy(&self) -> Frozen {
        let copy = |from: &File| {
            let (mut from, mut to) = (from.try_clone().unwrap(), tempfile::tempfile().unwrap());
            from.rewind().unwrap();
            std::io::copy(&mut from, &mut to).unwrap();
            to.rewind().unwrap();
            to
        };
        Frozen { memory: copy(&self.memory), state: copy(&self.state) }
    }
}

struct Machine {
    child: Child,
    monitor: UnixStream,
    console: File,
    status: File,
    _kernel: tempfile::NamedTempFile,
    _channel: UnixStream,
}

/// Says that memory lies in its file as it was.
fn all_of_memory() -> File {
    let mut file = tempfile::tempfile().unwrap();
    let all = serde_json::json!([{"at": 0, "length": MEMORY_MB << 20, "offset": 0, "kernel": false}]);
    file.write_all(all.to_string().as_bytes()).unwrap();
    file
}

fn start(files: &Frozen, vcpus: u8, memory_mb: u64, restore: bool) -> Machine {
    let mut kernel = tempfile::NamedTempFile::new().unwrap();
    kernel.write_all(&elf(&patient_guest())).unwrap();
    let (channel, channel_end) = UnixStream::pair().unwrap();
    let (monitor, monitor_end) = UnixStream::pair().unwrap();
    monitor.set_read_timeout(Some(PATIENCE)).unwrap();
    let (console, console_end) = rustix::pipe::pipe().unwrap();
    let (status, status_end) = rustix::pipe::pipe().unwrap();
    let fds = [
        OwnedFd::from(tempfile::tempfile().unwrap()),
        channel_end.into(),
        console_end,
        status_end,
        monitor_end.into(),
        files.memory.try_clone().unwrap().into(),
        files.state.try_clone().unwrap().into(),
        all_of_memory().into(),
    ]
    .map(inheritable);
    let [initrd, channel_fd, console_fd, status_fd, monitor_fd, memory_fd, state_fd, extents_fd] =
        fds.each_ref().map(AsRawFd::as_raw_fd);
    let config = serde_json::json!({
        "vcpus": vcpus, "memory_mb": memory_mb, "kernel": kernel.path(), "initrd_fd": initrd, "cmdline": "",
        "disks": [], "channel_fd": channel_fd, "channel_name": "agent", "console_fd": console_fd,
        "status_fd": status_fd, "snapshot": {
            "memory_fd": memory_fd, "state_fd": state_fd, "monitor_fd": monitor_fd,
            "extents_fd": restore.then_some(extents_fd),
        },
    });
    let mut command = Command::new(vmm());
    let child = command.arg(config.to_string()).stderr(Stdio::piped()).spawn().unwrap();
    Machine {
        child,
        monitor,
        console: console.into(),
        status: status.into(),
        _kernel: kernel,
        _channel: channel,
    }
}

impl Machine {
    /// Says a word on the monitor; gives the line that comes back.
    fn tell(&mut self, word: &str) -> String {
        self.monitor.write_all(word.as_bytes()).unwrap();
        let mut line = Vec::new();
        let mut byte = [0];
        while self.monitor.read(&mut byte).unwrap() == 1 && byte != *b"\n" {
            line.extend(byte);
        }
        String::from_utf8(line).unwrap()
    }

    /// Exit code, console, status lines and standard error, once it has ended by itself.
    fn end(mut self) -> (Option<i32>, String, String, String) {
        let (mut console, mut status, mut errors) = (String::new(), String::new(), String::new());
        // Each ends with the process.
        self.console.read_to_string(&mut console).unwrap();
        self.status.read_to_string(&mut status).unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        (self.child.wait().unwrap().code(), console, status, errors)
    }
}

/// A machine that was frozen in the middle of its loop.
fn frozen(vcpus: u8) -> Frozen {
    let files = Frozen::empty();
    let mut machine = start(&files, vcpus, MEMORY_MB, false);
    machine.console.read_exact(&mut [0]).unwrap();
    assert_eq!(machine.tell("freeze\n"), "done");
    let (code, console, status, errors) = machine.end();
    assert_eq!((code, console.as_str()), (Some(0), ""), "{status}{errors}");
    files
}

#[test]
fn a_frozen_guest_goes_on_where_it_was_in_each_of_its_lives() {
    if !kvm() {
        return;
    }
    for vcpus in [1, 3] {
        let files = frozen(vcpus);
        files.memory.write_all_at(&1_u32.to_le_bytes(), u64::from(SIGNAL)).unwrap();
        for _ in 0..2 {
            let mut machine = start(&files, vcpus, MEMORY_MB, true);
            assert_eq!(machine.tell("restore\n"), "done");
            let (code, console, status, errors) = machine.end();
            assert_eq!((code, console.as_str()), (Some(0), "back"), "{status}{errors}");
            assert!(status.contains("power_off"), "{status}");
        }
    }
}

/// Starts a machine from files that do not fit; the reason that it gives.
fn refusal(files: &Frozen, vcpus: u8, memory_mb: u64) -> String {
    let mut machine = start(files, vcpus, memory_mb, true);
    let answer = machine.tell("restore\n");
    let (code, console, _, errors) = machine.end();
    assert_eq!((code, console.as_str()), (Some(3), ""), "{errors}");
    assert!(errors.contains(&answer), "{answer:?} is not in {errors:?}");
    answer
}

#[test]
fn a_state_that_does_not_fit_is_refused_with_its_reason() {
    if !kvm() {
        return;
    }
    let files = frozen(1);
    assert!(refusal(&files.copy(), 2, MEMORY_MB).contains("another size"));

    let mut text = String::new();
    files.copy().state.read_to_string(&mut text).unwrap();
    let of = |text: &str| {
        let mut files = files.copy();
        files.state.set_len(0).unwrap();
        files.state.write_all(text.as_bytes()).unwrap();
        files
    };
    assert!(refusal(&of(&text[..text.len() / 2]), 1, MEMORY_MB).contains("state"));
    assert!(
        refusal(&of(&text.replacen("\"version\":", "\"version\":9", 1)), 1, MEMORY_MB).contains("version")
    );
    let mut other: serde_json::Value = serde_json::from_str(&text).unwrap();
    other["features"].as_array_mut().unwrap().pop();
    assert!(refusal(&of(&other.to_string()), 1, MEMORY_MB).contains("another processor"));
    let mut other: serde_json::Value = serde_json::from_str(&text).unwrap();
    other["devices"].as_array_mut().unwrap().pop();
    assert!(refusal(&of(&other.to_string()), 1, MEMORY_MB).contains("other devices"));
}

#[test]
fn a_supervisor_that_goes_takes_the_machine_with_it_in_every_state() {
    if !kvm() {
        return;
    }
    let files = frozen(1);
    // Waiting for its word.
    let mut machine = start(&files.copy(), 1, MEMORY_MB, true);
    machine.monitor.shutdown(std::net::Shutdown::Both).unwrap();
    assert_eq!(machine.child.wait().unwrap().code(), Some(0));
    // Running, before the freeze.
    let mut machine = start(&Frozen::empty(), 1, MEMORY_MB, false);
    machine.console.read_exact(&mut [0]).unwrap();
    machine.monitor.shutdown(std::net::Shutdown::Both).unwrap();
    assert_eq!(machine.child.wait().unwrap().code(), Some(0));
}
