//! Our own VMM beside QEMU's `microvm` with `-accel kvm`, on the stock `kvm_amd` of an outer machine: the same kernel, the
//! same initial RAM disk and disk, in turns. Each figure is printed for each round; `cargo xtask bench kvm` makes a table
//! of them. Beside it, a machine of the product that boots and one that is restored.
#![allow(clippy::unwrap_used)] // a test program

use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mvm_tests::cpio::Archive;
use mvm_tests::outer::{Contents, Files, Outer, inner_kernel, libraries_of, package_programs};
use mvm_tests::world::{World, broken, files_below, programs};

#[path = "../../vmm-core/mvm-vmm/tests/guest/program.rs"]
mod program;

/// How often a machine enters its CPU on this host.
const ENTRIES: usize = 40;
/// How often each side is measured.
const ROUNDS: usize = 5;
/// What goes through the channel, each way.
const CHANNEL: usize = 8 << 20;
/// What the guest reads of a layer.
const DISK: usize = 24 << 20;
/// A guest that says nothing for so long hangs.
const PATIENCE: Duration = Duration::from_secs(120);
/// Where the guests' files lie in the outer machine.
const INITRD: &str = "/outer/inner.cpio";
const LAYER: &str = "/outer/inner.disk";

/// What QEMU reads when it starts a `microvm`.
const FIRMWARE: &[&str] = &[
    "/usr/share/qemu/bios-microvm.bin",
    "/usr/share/qemu/pvh.bin",
    "/usr/share/qemu/linuxboot_dma.bin",
    "/usr/share/qemu/linuxboot.bin",
];

#[test]
#[ignore = "measures in an outer machine: cargo xtask bench kvm"]
fn figures_from_an_outer_machine() {
    let contents = Contents {
        tests: &["bench_kvm"],
        tools: &["qemu-system-x86_64"],
        files: FIRMWARE,
        declaring: &[include_str!("bench_kvm.rs")],
        plan: "1 /outer/bench_kvm 1200 +measured -\n",
        made: Some(inner),
    };
    let output = Outer::new(&contents).run(1);
    assert!(output.contains("OUTER-FIGURE restored_ms "), "{output}");
}

/// The guests' initial RAM disk and their disk.
fn inner() -> Files {
    let mut archive = Archive::default();
    archive.device("dev/console", 5, 1);
    archive.device("dev/null", 1, 3);
    archive.program("init", &program::program(&first_instructions()));
    let rest = package_programs().join("inner-init");
    archive.program("rest", &std::fs::read(&rest).unwrap());
    for library in libraries_of(&rest) {
        archive.program(library.to_string_lossy().trim_start_matches('/'), &std::fs::read(&library).unwrap());
    }
    let module = |name: &str| {
        let files = files_below(&World::cache().join("mvm/kernels"));
        let found = files.into_iter().find(|path| path.ends_with(name));
        std::fs::read(found.unwrap_or_else(|| broken(&format!("the guests' kernel has no {name}")))).unwrap()
    };
    for (index, name) in
        ["virtio_ring", "virtio", "virtio_mmio", "virtio_blk", "virtio_console"].iter().enumerate()
    {
        archive.file(&format!("modules/{index}-{name}.ko"), &module(&format!("{name}.ko")));
    }
    let mut layers = files_below(&World::cache().join("mvm/layers"));
    layers.sort_by_key(|path| path.metadata().map_or(0, |meta| meta.len()));
    let mut layer = std::fs::read(layers.last().unwrap()).unwrap();
    layer.truncate(DISK);
    vec![(INITRD.into(), archive.finish()), (LAYER.into(), layer)]
}

/// What the first process says with its first instructions.
const REACHED: &str = "INNER-USERSPACE";

/// `write(1, REACHED)`, then `execve("/rest")`.
fn first_instructions() -> Vec<u8> {
    let message = format!("{REACHED}\n");
    let mut code = vec![0xb8, 1, 0, 0, 0, 0xbf, 1, 0, 0, 0, 0xba, message.len() as u8, 0, 0, 0];
    // What follows the instructions that are left: 7 for each address, and 2, 2, 1, 3, 2, 5, 2, 2.
    const LEFT: u32 = 7 + 2 + 7 + 2 + 1 + 3 + 2 + 5 + 2 + 2;
    code.extend([0x48, 0x8d, 0x35]); // lea rsi, [message]
    code.extend((LEFT - 7).to_le_bytes());
    code.extend([0x0f, 0x05]); // syscall
    code.extend([0x48, 0x8d, 0x3d]); // lea rdi, [path]
    code.extend((LEFT - 16 + message.len() as u32).to_le_bytes());
    code.extend([0x6a, 0, 0x57, 0x48, 0x89, 0xe6, 0x31, 0xd2]); // push 0; push rdi; mov rsi, rsp; xor edx, edx
    code.extend([0xb8, 59, 0, 0, 0, 0x0f, 0x05, 0xeb, 0xfe]); // execve, then a jump to itself
    code.extend(message.bytes());
    code.extend(b"/rest\0");
    code
}

/// The product's own command line, told by a guest of it.
const APP: &str = r#"
import mvm

@mvm.app(name="measured", image=mvm.nix_packages(["python3"]), resources=mvm.resources(memory_mb=256))
def line() -> str:
    return open("/proc/cmdline").read()
"#;

#[test]
#[ignore = "measures on this host: cargo xtask bench kvm"]
fn the_first_entry_of_a_cpu() {
    if !Path::new("/dev/kvm").exists() {
        return;
    }
    let world = World::with_app(APP);
    world.mvmctl(&["build", "app.py"]).expect(0);
    let kernel = World::cache().join("mvm/kernels").join(inner_kernel()).join("vmlinux");
    // As large as a guest's; what is in it no CPU looks at so early.
    let (initrd, disk) = (world.path("initrd"), world.path("disk"));
    std::fs::write(&initrd, vec![0; 2 << 20]).unwrap();
    std::fs::write(&disk, vec![0; 1 << 20]).unwrap();
    let guest = Guest { kernel, initrd, disk };
    for _ in 0..ENTRIES {
        let mut machine = Machine::start(Vmm::Ours, &guest, "console=ttyS0");
        let mut line = String::new();
        BufReader::new(&machine.status).read_line(&mut line).unwrap();
        machine.child.kill().unwrap();
        machine.child.wait().unwrap();
        figure("host_entered_ms", entered_ms(&line));
    }
}

#[test]
#[ignore = "runs in the outer machine"]
fn measured_beside_qemu() {
    let guest = Guest { kernel: kernel_in_there(), initrd: INITRD.into(), disk: LAYER.into() };
    let world = World::with_app(APP);
    let mut cold = Vec::new();
    let report = world.run(&["--json", "--no-snapshot"]).expect(0).json();
    let ours = report["outcome"]["value"].as_str().unwrap().trim().to_owned();
    cold.push(until_answered(&report));
    let frequency = ours.split(' ').find(|word| word.starts_with("tsc_early_khz=")).unwrap();
    let plain = format!("console=ttyS0 panic=-1 reboot=t {frequency}");
    for _ in 0..ROUNDS {
        Machine::start(Vmm::Ours, &guest, &ours).measure("ours");
        Machine::start(Vmm::Qemu, &guest, &ours).measure("qemu");
        Machine::start(Vmm::Ours, &guest, &plain).measure("plain");
    }
    world.run(&["--json", "--snapshot"]).expect(0);
    for _ in 0..ROUNDS {
        for (args, restored) in [(&["--json", "--no-snapshot"][..], false), (&["--json"], true)] {
            let report = world.run(args).expect(0).json();
            assert_eq!(report["restored"], restored, "{report}");
            figure(if restored { "restored_ms" } else { "cold_ms" }, until_answered(&report));
        }
    }
    cold.into_iter().for_each(|ms| figure("cold_ms", ms));
    let snapshots = files_below(&World::cache().join("mvm/snapshots"));
    let bytes: u64 = snapshots.iter().filter_map(|file| file.metadata().ok()).map(|meta| meta.len()).sum();
    figure("snapshot_mib", bytes as f64 / f64::from(1 << 20));
}

/// From the start of the machine to the first answer.
fn until_answered(report: &serde_json::Value) -> f64 {
    let steps = report["steps"].as_array().unwrap();
    let step = |name: &str| steps.iter().find(|s| s["stage"] == name).and_then(|s| s["ms"].as_f64()).unwrap();
    step("boot") + step("call")
}

fn figure(name: &str, value: f64) {
    println!("OUTER-FIGURE {name} {value:.3}");
}

#[derive(Clone, Copy)]
enum Vmm {
    Ours,
    Qemu,
}

/// What a guest is made of.
struct Guest {
    kernel: PathBuf,
    initrd: PathBuf,
    disk: PathBuf,
}

struct Machine {
    child: Child,
    started: Instant,
    console: UnixStream,
    channel: UnixStream,
    status: UnixStream,
}

impl Machine {
    fn start(vmm: Vmm, guest: &Guest, cmdline: &str) -> Machine {
        let pair = || UnixStream::pair().unwrap();
        let ((console, console_end), (channel, channel_end), (status, status_end)) = (pair(), pair(), pair());
        let open = |path: &Path| OwnedFd::from(std::fs::File::open(path).unwrap());
        let theirs = [
            open(&guest.initrd),
            open(&guest.disk),
            console_end.into(),
            channel_end.into(),
            status_end.into(),
        ];
        for end in &theirs {
            rustix::io::fcntl_setfd(end, rustix::io::FdFlags::empty()).unwrap();
        }
        let fds = theirs.each_ref().map(AsRawFd::as_raw_fd);
        let mut command = match vmm {
            Vmm::Ours => ours(fds, &guest.kernel, cmdline),
            Vmm::Qemu => qemu(fds, &guest.kernel, cmdline),
        };
        let started = Instant::now();
        let child = command.stdin(Stdio::null()).spawn().unwrap();
        Machine { child, started, console, channel, status }
    }

    /// Runs it to its end and prints its figures.
    fn measure(mut self, side: &str) {
        self.console.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut channel = self.channel.try_clone().unwrap();
        let host = std::thread::spawn(move || {
            let bytes = vec![0x5a; CHANNEL];
            let mut asked = [0];
            channel.read_exact(&mut asked).unwrap();
            channel.write_all(&(CHANNEL as u64).to_le_bytes()).unwrap();
            channel.write_all(&bytes).unwrap();
            let mut back = vec![0; CHANNEL];
            channel.read_exact(&mut back).unwrap();
            channel.write_all(b"!").unwrap();
        });
        let mut said = String::new();
        for line in BufReader::new(&self.console).split(b'\n') {
            let Ok(line) = line else { broken(&format!("{side} says no more: {said}")) };
            let line = String::from_utf8_lossy(&line).trim().to_owned();
            // A word of the kernel's may stand on the same line.
            if line.contains(REACHED) {
                figure(&format!("{side}_userspace_ms"), self.started.elapsed().as_secs_f64() * 1000.0);
            }
            let mut words = line.split(' ');
            if let (Some("INNER-FIGURE"), Some(what), Some(value)) =
                (words.next(), words.next(), words.next())
            {
                figure(&format!("{side}_{what}_mb"), value.parse().unwrap());
            }
            said.push_str(&line);
            said.push('\n');
            if line == "INNER-END" {
                break;
            }
        }
        assert!(said.contains("INNER-END"), "{side}: {said}");
        host.join().unwrap();
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let mut status = String::new();
        self.status.set_read_timeout(Some(PATIENCE)).unwrap();
        self.status.read_to_string(&mut status).unwrap();
        if let Some(line) = status.lines().next() {
            figure(&format!("{side}_entered_ms"), entered_ms(line));
        }
    }
}

/// What the VMM says on its status descriptor first.
fn entered_ms(line: &str) -> f64 {
    let line: serde_json::Value = serde_json::from_str(line).unwrap();
    line["us"].as_f64().unwrap() / 1000.0
}

fn ours([initrd, disk, console, channel, status]: [RawFd; 5], kernel: &Path, cmdline: &str) -> Command {
    let config = serde_json::json!({
        "vcpus": 1, "memory_mb": 256, "kernel": kernel, "initrd_fd": initrd, "cmdline": cmdline,
        "disks": [{"fd": disk, "read_only": true, "serial": "layer"}], "channel_fd": channel,
        "channel_name": "bench", "console_fd": console, "status_fd": status,
    });
    let mut command = Command::new(programs().join("mvm-vmm"));
    command.env_clear().arg(config.to_string());
    command
}

/// With what the product gives it.
fn qemu([initrd, disk, console, channel, _]: [RawFd; 5], kernel: &Path, cmdline: &str) -> Command {
    let mut command = Command::new("qemu-system-x86_64");
    // It looks beside its program otherwise, which lies elsewhere here.
    command.args(["-L", "/usr/share/qemu"]);
    command.args(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]);
    command.args(["-M", "microvm,acpi=on,pit=off,pic=off", "-accel", "kvm", "-cpu", "host"]);
    command.args(["-smp", "1", "-m", "256M", "-append", cmdline]).arg("-kernel").arg(kernel);
    command.args(["-initrd", &format!("/proc/self/fd/{initrd}")]);
    command.args(["-chardev", &format!("socket,id=console,fd={console}"), "-serial", "chardev:console"]);
    command.args(["-device", "virtio-serial-device,max_ports=2"]);
    command.args(["-chardev", &format!("socket,id=channel,fd={channel}")]);
    command.args(["-device", "virtserialport,chardev=channel,name=bench"]);
    let drive = format!("if=none,id=d,format=raw,file=/proc/self/fd/{disk},file.locking=off,readonly=on");
    command.args(["-drive", &drive, "-device", "virtio-blk-device,drive=d,serial=layer"]);
    command
}

fn kernel_in_there() -> PathBuf {
    std::env::var_os("MVM_TEST_KERNEL").map_or_else(|| Path::new("/").into(), PathBuf::from)
}
