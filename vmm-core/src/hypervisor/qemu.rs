//! QEMU's `microvm` machine: KVM where it is hardware's, TCG elsewhere. No network card, no disk but ours, no
//! monitor; the process may not start others.

use std::fs::File;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use agent_protocol::{PORT_NAME, SCRATCH_SERIAL, layer_serial};

use super::qmp::Monitor;
use super::{Hypervisor, Probe, SnapshotSpec, Snapshots, VmSpec, command_line};
use crate::{Error, ErrorKind, Result};

/// QEMU.
#[derive(Debug)]
pub struct Qemu {
    /// The program.
    pub program: PathBuf,
    /// Whether KVM runs the guest.
    pub accelerated: bool,
}

/// QEMU, if it is installed.
pub fn open(probe: &Probe) -> Result<Qemu> {
    match &probe.qemu.program {
        Some(program) => Ok(Qemu { program: program.clone(), accelerated: probe.kvm.is_hardware() }),
        None => Err(Error::new(
            ErrorKind::Environment,
            "choosing a hypervisor: qemu-system-x86_64 is not installed",
        )
        .help("install it (Debian and Ubuntu: the package qemu-system-x86), or set MVM_QEMU to its path")),
    }
}

impl Hypervisor for Qemu {
    fn name(&self) -> &'static str {
        if self.accelerated { "qemu-kvm" } else { "qemu-tcg" }
    }

    fn is_accelerated(&self) -> bool {
        self.accelerated
    }

    fn command(&self, spec: &VmSpec) -> Result<Command> {
        let mut command = Command::new(&self.program);
        // QEMU looks for its firmware by itself; everything else it is told.
        command.env_clear();
        command.args(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]);
        command.args(["-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"]);
        // ACPI is how a stock kernel finds virtio-mmio devices. The clock stays: without one the kernel waits for it,
        // two seconds in all.
        let memory = if spec.snapshot.is_some() { ",memory-backend=ram" } else { "" };
        command.args(["-M", &format!("microvm,acpi=on,pit=off,pic=off{memory}")]);
        let (accelerator, cpu) =
            if self.accelerated { ("kvm", "host") } else { ("tcg,thread=multi", TCG_CPU) };
        command.args(["-accel", accelerator, "-cpu", cpu]);
        command.args(["-smp", &spec.cpus.to_string(), "-m", &format!("{}M", spec.memory_mb)]);
        if !spec.snapshot.as_ref().is_some_and(|snapshot| snapshot.restore) {
            command.arg("-kernel").arg(&spec.kernel);
            command.args(["-initrd", &format!("/proc/self/fd/{}", spec.initramfs.as_raw_fd())]);
            command.args(["-append", &command_line(spec)]);
        }
        command.args(["-chardev", &format!("socket,id=console,fd={}", spec.console.as_raw_fd())]);
        command.args(["-serial", "chardev:console"]);
        command.args(["-device", "virtio-serial-device,max_ports=2"]);
        command.args(["-chardev", &format!("socket,id=channel,fd={}", spec.channel.as_raw_fd())]);
        command.args(["-device", &format!("virtserialport,chardev=channel,name={PORT_NAME}")]);
        for (index, layer) in spec.layers.iter().enumerate() {
            disk(&mut command, layer.as_raw_fd(), &layer_serial(index), true);
        }
        disk(&mut command, spec.scratch.as_raw_fd(), SCRATCH_SERIAL, false);
        if let Some(snapshot) = &spec.snapshot {
            frozen(&mut command, spec.memory_mb, snapshot);
        }
        Ok(command)
    }

    fn snapshots(&self) -> Option<&dyn Snapshots> {
        Some(self)
    }
}

impl Snapshots for Qemu {
    fn program(&self) -> &Path {
        &self.program
    }

    fn freeze(&self, monitor: &UnixStream, state: &File) -> Result<()> {
        Monitor::greet(monitor)?.freeze(state)
    }

    fn restore(&self, monitor: &UnixStream, state: RawFd) -> Result<()> {
        Monitor::greet(monitor)?.restore(state)
    }
}

/// The memory is a file of this machine's own, so that it need not go through the migration stream. The monitor leads
/// to the supervisor alone.
fn frozen(command: &mut Command, memory_mb: u32, snapshot: &SnapshotSpec) {
    let memory = snapshot.memory.as_raw_fd();
    let backend =
        format!("memory-backend-file,id=ram,size={memory_mb}M,mem-path=/proc/self/fd/{memory},share=on");
    command.args(["-object", &backend]);
    command.args(["-chardev", &format!("socket,id=control,fd={}", snapshot.monitor.as_raw_fd())]);
    command.args(["-mon", "chardev=control,mode=control"]);
    if snapshot.restore {
        command.args(["-incoming", "defer"]);
    }
}

/// `max` has RDRAND, without which a guest has no entropy; five-level paging only costs an emulated guest time.
const TCG_CPU: &str = "max,-la57";

fn disk(command: &mut Command, fd: i32, serial: &str, read_only: bool) {
    // Nothing of a machine outlives it: its writes need not reach the host's disk.
    let access = if read_only { "readonly=on" } else { "cache=unsafe" };
    let drive = format!("if=none,id=d{fd},format=raw,file=/proc/self/fd/{fd},file.locking=off,{access}");
    command.args(["-drive", &drive, "-device", &format!("virtio-blk-device,drive=d{fd},serial={serial}")]);
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::hypervisor) fn spec() -> VmSpec {
        let file = || File::open("/dev/null").unwrap();
        let (channel, console) = UnixStream::pair().unwrap();
        VmSpec {
            kernel: "/k/vmlinux".into(),
            initramfs: file(),
            layers: vec![file(), file()],
            scratch: file(),
            cpus: 2,
            memory_mb: 300,
            tsc_khz: 2_500_000,
            channel,
            console,
            snapshot: None,
        }
    }

    fn arguments(command: &Command) -> Vec<String> {
        command.get_args().map(|arg| arg.to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn a_guest_has_no_network_device_and_qemu_no_monitor() {
        let command = Qemu { program: "qemu".into(), accelerated: false }.command(&spec()).unwrap();
        let arguments = arguments(&command);
        let line = arguments.join(" ");
        for absent in ["net", "nic", "monitor", "qmp", "vnc", "usb", "vhost", "virtfs", "fsdev"] {
            let found = arguments
                .iter()
                .any(|a| a.trim_start_matches("-").starts_with(absent) || a.contains("virtio-net"));
            assert!(!found, "{absent} in {line}");
        }
        for present in ["-nodefaults", "-no-user-config", "-sandbox", "tsc_early_khz=2500000", "-smp 2"] {
            assert!(line.contains(present), "{present} not in {line}");
        }
    }

    #[test]
    fn a_restored_machine_waits_for_its_state_and_loads_no_kernel() {
        let (monitor, _ours) = UnixStream::pair().unwrap();
        let file = || File::open("/dev/null").unwrap();
        let (memory, state) = (file(), file());
        let snapshot = SnapshotSpec { memory, extents: None, state, monitor, restore: true };
        let spec = VmSpec { snapshot: Some(snapshot), ..spec() };
        let command = Qemu { program: "qemu".into(), accelerated: false }.command(&spec).unwrap();
        let line = arguments(&command).join(" ");
        assert!(line.contains("-incoming defer") && !line.contains("-kernel"), "{line}");
        assert_eq!(spec.descriptors().len(), 9);
    }

    #[test]
    fn layers_are_read_only_and_known_by_their_order() {
        let spec = spec();
        let command = Qemu { program: "qemu".into(), accelerated: true }.command(&spec).unwrap();
        let line = arguments(&command).join(" ");
        assert_eq!(line.matches("readonly=on").count(), spec.layers.len());
        for index in 0..spec.layers.len() {
            assert!(line.contains(&format!("serial={}", layer_serial(index))), "{line}");
        }
        assert!(line.contains("-accel kvm"), "{line}");
        assert_eq!(spec.descriptors().len(), 6);
    }
}
