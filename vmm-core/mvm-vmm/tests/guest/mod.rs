//! What the tests of whole machines share: kernels of a few instructions, and the program with its descriptors.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// How long anything may take on a busy machine before a test gives up.
pub const PATIENCE: Duration = Duration::from_secs(300);

/// Whether there is a KVM to try. In the outer machine there is, or the test fails.
pub fn kvm() -> bool {
    let opened = std::fs::OpenOptions::new().read(true).write(true).open("/dev/kvm");
    let Err(error) = opened else { return true };
    assert!(std::env::var_os("MVM_BOOT_TESTS").is_none(), "/dev/kvm: {error}");
    let name = std::thread::current().name().unwrap_or_default().to_owned();
    // Past what captures the output of a test: nothing is skipped in silence.
    let _ =
        writeln!(std::io::stderr(), "NOT TRIED: {name}: /dev/kvm: {error}; `cargo xtask test kvm` tries it");
    false
}

/// The program under test: the one that cargo built, or in the outer machine the one that lies there.
pub fn vmm() -> String {
    std::env::var("MVM_TEST_VMM").unwrap_or_else(|_| env!("CARGO_BIN_EXE_mvm-vmm").to_owned())
}

/// Where the guest's code is loaded.
const LOAD: u32 = 0x10_0000;

/// An ELF image with a PVH note, whose entry is `code`.
pub fn elf(code: &[u8]) -> Vec<u8> {
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
pub fn out(port: u16, byte: u8) -> Vec<u8> {
    let [low, high] = port.to_le_bytes();
    vec![0xb0, byte, 0x66, 0xba, low, high, 0xee]
}

pub fn say(text: &str) -> Vec<u8> {
    text.bytes().flat_map(|byte| out(0x3f8, byte)).collect()
}

/// A machine to start.
pub struct Setup {
    pub vcpus: u8,
    pub memory_mb: u32,
    pub kernel: PathBuf,
    pub initrd: File,
    pub cmdline: String,
}

impl Setup {
    /// A guest of a few instructions, with the file that holds them.
    pub fn tiny(code: &[u8], vcpus: u8) -> (Setup, tempfile::NamedTempFile) {
        let mut kernel = tempfile::NamedTempFile::new().unwrap();
        kernel.write_all(&elf(code)).unwrap();
        let initrd = tempfile::tempfile().unwrap();
        let path = kernel.path().to_owned();
        (Setup { vcpus, memory_mb: 64, kernel: path, initrd, cmdline: String::new() }, kernel)
    }
}

/// A running machine.
pub struct Guest {
    pub child: Child,
    pub channel: Option<UnixStream>,
    pub console: File,
    pub status: File,
}

/// Descriptors without close-on-exec, so that the program inherits them.
pub fn inheritable(file: impl Into<OwnedFd>) -> OwnedFd {
    let copy = rustix::io::dup(file.into()).unwrap();
    rustix::io::fcntl_setfd(&copy, rustix::io::FdFlags::empty()).unwrap();
    copy
}

/// Starts a machine with what `start` does with program and configuration.
pub fn boot_by(setup: Setup, start: impl FnOnce(&str, &str) -> Child) -> Guest {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let (console, console_end) = rustix::pipe::pipe().unwrap();
    let (status, status_end) = rustix::pipe::pipe().unwrap();
    for end in [&console, &status] {
        rustix::io::fcntl_setfd(end, rustix::io::FdFlags::CLOEXEC).unwrap();
    }
    let fds = [setup.initrd.into(), OwnedFd::from(theirs), console_end, status_end].map(inheritable);
    let [initrd, channel, console_fd, status_fd] = fds.each_ref().map(AsRawFd::as_raw_fd);
    let config = serde_json::json!({
        "vcpus": setup.vcpus, "memory_mb": setup.memory_mb, "kernel": setup.kernel, "initrd_fd": initrd,
        "cmdline": setup.cmdline, "disks": [], "channel_fd": channel, "channel_name": "agent",
        "console_fd": console_fd, "status_fd": status_fd,
    });
    let child = start(&vmm(), &config.to_string());
    Guest { child, channel: Some(ours), console: console.into(), status: status.into() }
}

/// Starts a machine.
pub fn boot_with(setup: Setup) -> Guest {
    boot_by(setup, |program, config| Command::new(program).arg(config).spawn().unwrap())
}

/// Starts a guest of a few instructions.
pub fn boot(code: &[u8], vcpus: u8) -> Guest {
    let (setup, kernel) = Setup::tiny(code, vcpus);
    let mut guest = boot_with(setup);
    // The program has opened its kernel before a CPU runs.
    guest.wait_until_entered();
    drop(kernel);
    guest
}

impl Guest {
    /// Waits until its first CPU runs, or it has failed before.
    pub fn wait_until_entered(&mut self) {
        let mut byte = [0];
        while self.status.read(&mut byte).unwrap() == 1 && byte[0] != b'\n' {}
    }

    /// Exit code, console and last status line, once the guest has ended by itself.
    pub fn end(mut self) -> (Option<i32>, String, serde_json::Value) {
        // Read while it runs: a pipe that is full would hold it up.
        let mut console = self.console;
        let reader = std::thread::spawn(move || {
            let mut text = Vec::new();
            console.read_to_end(&mut text).unwrap();
            String::from_utf8_lossy(&text).into_owned()
        });
        let deadline = Instant::now() + PATIENCE;
        let code = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status.code();
            }
            if Instant::now() > deadline {
                self.child.kill().unwrap();
                panic!("the guest did not end; its console: {}", reader.join().unwrap());
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        let mut status = String::new();
        self.status.read_to_string(&mut status).unwrap();
        let last = status.lines().last().map(|line| serde_json::from_str(line).unwrap());
        (code, reader.join().unwrap(), last.unwrap_or_default())
    }
}
