//! What can run a guest: a trait with one implementation per VMM, the choice between them, and the reasons for it
//! as data for `mvmctl doctor`.

mod kvm;
mod probe;
mod qemu;
mod qmp;

use std::fs::File;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;

pub use probe::{KvmReport, Probe, QemuReport, probe};
pub(crate) use probe::{TscMeter, probe_quickly};

use crate::machine::HypervisorChoice;
use crate::{Error, Result};

/// A machine to start. All files are open already: the VMM process needs no access to the file system for them.
#[derive(Debug)]
pub struct VmSpec {
    /// Uncompressed ELF kernel with a PVH note.
    pub kernel: PathBuf,
    /// The initramfs.
    pub initramfs: File,
    /// Read-only layers, lowest first.
    pub layers: Vec<File>,
    /// The writable disk.
    pub scratch: File,
    /// Virtual CPUs.
    pub cpus: u32,
    /// Memory, MiB.
    pub memory_mb: u32,
    /// Frequency of the host's time stamp counter.
    pub tsc_khz: u64,
    /// The agent's channel.
    pub channel: UnixStream,
    /// The serial console.
    pub console: UnixStream,
    /// What a machine needs that is to be frozen, or that was.
    pub snapshot: Option<SnapshotSpec>,
}

/// Files of a machine that is to be frozen, or that was.
#[derive(Debug)]
pub struct SnapshotSpec {
    /// The guest's memory, of exactly its size; what is kept of it, where there are extents.
    pub memory: File,
    /// Of a machine whose memory is mapped when it is restored: what of it lies where, as JSON.
    pub extents: Option<File>,
    /// Everything else of the machine: written when it is frozen, read when it is restored.
    pub state: File,
    /// The VMM's end of the channel on which it is told to freeze or to go on.
    pub monitor: UnixStream,
    /// It was frozen: memory and state are those of a machine that is to go on.
    pub restore: bool,
}

impl VmSpec {
    /// Descriptors that the VMM process inherits.
    pub fn descriptors(&self) -> Vec<RawFd> {
        let files = self.layers.iter().chain([&self.initramfs, &self.scratch]).map(AsRawFd::as_raw_fd);
        let snapshot = self.snapshot.iter();
        let snapshot = snapshot.flat_map(|s| {
            let all = [s.memory.as_raw_fd(), s.state.as_raw_fd(), s.monitor.as_raw_fd()];
            all.into_iter().chain(s.extents.as_ref().map(AsRawFd::as_raw_fd))
        });
        files.chain([self.channel.as_raw_fd(), self.console.as_raw_fd()]).chain(snapshot).collect()
    }
}

/// A VMM.
pub trait Hypervisor: Send + Sync {
    /// `kvm`, `qemu-kvm`, `qemu-tcg`.
    fn name(&self) -> &'static str;
    /// Whether the processor runs the guest, and not a program that imitates one.
    fn is_accelerated(&self) -> bool {
        true
    }
    /// Whether its process makes namespaces of its own at its start.
    fn makes_namespaces(&self) -> bool {
        false
    }
    /// Whether its machines give back memory that they do not use.
    fn has_balloon(&self) -> bool {
        false
    }
    /// The process that runs the machine. It inherits [`VmSpec::descriptors`] under their numbers and ends when the
    /// guest does.
    fn command(&self, spec: &VmSpec) -> Result<Command>;
    /// How its machines are frozen and restored; `None` where they are not.
    fn snapshots(&self) -> Option<&dyn Snapshots> {
        None
    }
}

/// Freezing and restoring machines that were started with a [`SnapshotSpec`]. Both wait.
pub trait Snapshots {
    /// The program that runs the machines: another one cannot restore what this has frozen.
    fn program(&self) -> &Path;
    /// Whether a machine that is restored has its memory mapped from what is kept of it and from the kernel's image,
    /// copy-on-write; the VMM is given a file of all of it otherwise.
    fn maps_memory(&self) -> bool {
        false
    }
    /// Stops the machine for good and writes its state. The memory is in its file.
    fn freeze(&self, monitor: &UnixStream, state: &File) -> Result<()>;
    /// Has the machine go on where it was frozen; `state` is the descriptor of its state in the VMM process.
    fn restore(&self, monitor: &UnixStream, state: RawFd) -> Result<()>;
}

/// The hypervisor for a choice. `auto` is our own VMM wherever the hardware runs guests, else QEMU.
pub fn select(choice: HypervisorChoice, probe: &Probe) -> Result<Box<dyn Hypervisor>> {
    match choice {
        HypervisorChoice::Kvm => Ok(Box::new(kvm::open(probe)?)),
        HypervisorChoice::Qemu => Ok(Box::new(qemu::open(probe)?)),
        HypervisorChoice::Auto => match kvm::open(probe) {
            Ok(kvm) => Ok(Box::new(kvm)),
            Err(_) => match (qemu::open(probe), probe.kvm.remedy()) {
                (Ok(qemu), _) => Ok(Box::new(qemu)),
                (Err(error), Some(remedy)) => {
                    Err(Error::new(error.kind(), format!("{error}, and {}", probe.kvm)).help(format!(
                        "install QEMU (Debian and Ubuntu: qemu-system-x86); for KVM, {remedy}"
                    )))
                }
                (Err(error), None) => Err(error),
            },
        },
    }
}

/// Why `auto` passes over a KVM that is there and could run guests, if it does. Where there is none, or an emulator's, is
/// no news: `mvmctl doctor` says so.
pub(crate) fn passed_over(choice: HypervisorChoice, probe: &Probe) -> Option<String> {
    let could = matches!(probe.kvm, KvmReport::Denied { .. } | KvmReport::Unusable { .. });
    let remedy = probe.kvm.remedy().filter(|_| could && choice == HypervisorChoice::Auto)?;
    Some(format!("QEMU runs the guest, many times slower: {}; {remedy}", probe.kvm))
}

/// The choice for a machine that is to be frozen or restored: `auto` takes a VMM that can, if there is one.
pub(crate) fn that_freezes(choice: HypervisorChoice, probe: &Probe) -> HypervisorChoice {
    let freezes = |choice| select(choice, probe).is_ok_and(|hypervisor| hypervisor.snapshots().is_some());
    let turns = choice == HypervisorChoice::Auto && !freezes(choice) && freezes(HypervisorChoice::Qemu);
    if turns { HypervisorChoice::Qemu } else { choice }
}

/// What every guest's kernel is told, whatever runs it: wait for nothing that is not there, end at a panic, and
/// show errors on the console.
fn command_line(spec: &VmSpec) -> String {
    // Without the frequency, calibrating the counter hangs an emulated guest on a busy host.
    format!("{COMMAND_LINE} tsc_early_khz={}", spec.tsc_khz)
}

/// See [`command_line`]. `panic=-1 reboot=t`: a panic ends the machine at once. `mitigations=off`: the boundary is
/// the machine; the guest runs one tenant. `random.trust_cpu=on`: there is no other entropy at boot.
/// `noreplace-smp`: on one processor the kernel would write over each of its ten thousand lock prefixes. What
/// `initcall_blacklist` names is left out: tracing and BPF of the kernel, which nobody in there may use, self tests, and
/// a congestion control for a machine whose only interface is the loopback. Under emulation these cost 0.4 s, and the
/// files of tracing alone take 9 MB.
const COMMAND_LINE: &str = "console=ttyS0 quiet panic=-1 reboot=t nokaslr mitigations=off \
    random.trust_cpu=on audit=0 8250.nr_uarts=1 i8042.noaux i8042.nomux i8042.dumbkbd i8042.nokbd \
    cryptomgr.notests no_timer_check rcupdate.rcu_expedited=1 pci=off noreplace-smp \
    initcall_blacklist=init_kprobe_trace,init_trace_printk_function_export,trace_eval_init,\
    tracer_init_tracefs,ftrace_check_for_weak_functions,bpf_rstat_kfunc_init,bpf_key_sig_kfuncs_init,\
    kfunc_init,bpf_prog_test_run_init,bpf_tcp_ca_kfunc_init,crypto_kdf108_init,blake2s_mod_init,cubictcp_register";

#[cfg(test)]
mod tests {
    use super::*;

    fn probe_of(kvm: KvmReport, qemu: bool) -> Probe {
        Probe { kvm, qemu: QemuReport { program: qemu.then(|| "/usr/bin/qemu-system-x86_64".into()) } }
    }

    fn without_hardware() -> [KvmReport; 5] {
        [
            KvmReport::Absent,
            KvmReport::Denied { reason: "Permission denied".into(), group: None },
            KvmReport::Unusable { reason: "no irqfd".into() },
            KvmReport::Emulated { loop_us: None },
            KvmReport::Emulated { loop_us: Some(20_000) },
        ]
    }

    #[test]
    fn auto_is_kvm_on_hardware_and_qemu_elsewhere() {
        let name = |choice, probe: &Probe| select(choice, probe).map(|h| h.name()).map_err(|e| e.kind());
        let hardware = KvmReport::Hardware { loop_us: 20 };
        for kvm in without_hardware() {
            assert_eq!(name(HypervisorChoice::Auto, &probe_of(kvm.clone(), true)), Ok("qemu-tcg"), "{kvm:?}");
            let none = name(HypervisorChoice::Auto, &probe_of(kvm.clone(), false));
            assert_eq!(none, Err(crate::ErrorKind::Environment), "{kvm:?}");
            let forced = name(HypervisorChoice::Kvm, &probe_of(kvm.clone(), true));
            assert_eq!(forced, Err(crate::ErrorKind::Environment), "{kvm:?}");
        }
        assert_eq!(name(HypervisorChoice::Qemu, &probe_of(hardware.clone(), true)), Ok("qemu-kvm"));
        // Our VMM lies beside this test where all programs are built.
        if crate::programs::vmm().is_ok() {
            for qemu in [true, false] {
                assert_eq!(name(HypervisorChoice::Auto, &probe_of(hardware.clone(), qemu)), Ok("kvm"));
            }
        }
    }

    #[test]
    fn a_kvm_that_is_there_and_refuses_is_passed_over_with_a_reason() {
        for kvm in without_hardware() {
            let note = passed_over(HypervisorChoice::Auto, &probe_of(kvm.clone(), true));
            match &kvm {
                KvmReport::Denied { reason, .. } | KvmReport::Unusable { reason } => {
                    assert!(note.is_some_and(|note| note.contains(reason)), "{kvm:?}");
                }
                _ => assert_eq!(note, None, "{kvm:?}"),
            }
            assert_eq!(passed_over(HypervisorChoice::Qemu, &probe_of(kvm, true)), None);
        }
        let hardware = probe_of(KvmReport::Hardware { loop_us: 20 }, true);
        assert_eq!(passed_over(HypervisorChoice::Auto, &hardware), None);
    }

    #[test]
    fn auto_freezes_with_what_can() {
        let probe = probe_of(KvmReport::Hardware { loop_us: 20 }, true);
        let choice = that_freezes(HypervisorChoice::Auto, &probe);
        assert!(select(choice, &probe).unwrap().snapshots().is_some(), "{choice:?}");
        for fixed in [HypervisorChoice::Kvm, HypervisorChoice::Qemu] {
            assert_eq!(that_freezes(fixed, &probe), fixed);
        }
    }
}
