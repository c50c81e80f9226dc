//! What this host can run guests with. `/dev/kvm` can exist and emulate: a loop in ring 0 tells in a moment.
#![allow(
    unsafe_code,
    reason = "one anonymous mapping as the probe's guest memory, and the counter instruction"
)]

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use kvm_bindings::{kvm_segment, kvm_userspace_memory_region};
use kvm_ioctls::{Cap, Kvm, VcpuExit};
use serde::{Deserialize, Serialize};

/// What was found. `Display` of its parts is for `mvmctl doctor`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Probe {
    /// KVM.
    pub kvm: KvmReport,
    /// QEMU.
    pub qemu: QemuReport,
}

/// State of KVM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum KvmReport {
    /// There is no `/dev/kvm`.
    Absent,
    /// This user may not open it.
    Denied {
        /// Why, with the device's permissions.
        reason: String,
        /// The group that may.
        group: Option<String>,
    },
    /// It opens but something that guests need does not work.
    Unusable {
        /// What.
        reason: String,
    },
    /// It works, but the processor's instructions are emulated: a kernel would take hours.
    Emulated {
        /// Microseconds for the probe's loop; none where the processor has no virtualization, which is as telling.
        loop_us: Option<u64>,
    },
    /// It is the hardware's.
    Hardware {
        /// Microseconds for the probe's loop.
        loop_us: u64,
    },
}

impl KvmReport {
    /// Whether guests run at the hardware's speed.
    pub fn is_hardware(&self) -> bool {
        matches!(self, KvmReport::Hardware { .. })
    }

    /// What to do for hardware KVM; none where it is there.
    pub fn remedy(&self) -> Option<String> {
        Some(match self {
            KvmReport::Hardware { .. } => return None,
            KvmReport::Denied { group: Some(group), .. } => {
                format!(
                    "add yourself to the group `{group}`: sudo usermod -aG {group} $USER, then log in again"
                )
            }
            KvmReport::Denied { group: None, .. } => "give the device to a group that you are in: \
                sudo chown root:kvm /dev/kvm && sudo chmod 660 /dev/kvm && sudo usermod -aG kvm $USER, \
                then log in again"
                .into(),
            KvmReport::Absent => {
                "if this machine has virtualization, enable it in its firmware (or in what runs \
                this machine) and load kvm_intel or kvm_amd; else QEMU runs the guests without"
                    .into()
            }
            KvmReport::Emulated { .. } => "nothing needs to be done: QEMU runs the guests without KVM".into(),
            KvmReport::Unusable { .. } => {
                "enable virtualization in this machine's firmware, or nesting in what runs this machine"
                    .into()
            }
        })
    }
}

impl std::fmt::Display for KvmReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            KvmReport::Absent => f.write_str("there is no /dev/kvm"),
            KvmReport::Denied { reason, .. } => write!(f, "/dev/kvm cannot be opened: {reason}"),
            KvmReport::Unusable { reason } => write!(f, "/dev/kvm is of no use: {reason}"),
            KvmReport::Emulated { loop_us: Some(loop_us) } => {
                write!(f, "/dev/kvm emulates the processor (the probe's loop took {loop_us} µs)")
            }
            KvmReport::Emulated { loop_us: None } => {
                f.write_str("/dev/kvm emulates the processor, which has no virtualization (vmx or svm)")
            }
            KvmReport::Hardware { loop_us } => write!(f, "hardware KVM (the probe's loop took {loop_us} µs)"),
        }
    }
}

/// State of QEMU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QemuReport {
    /// The program, if it is there.
    pub program: Option<PathBuf>,
}

/// Looks at this host. Takes a few milliseconds on hardware, a tenth of a second where KVM emulates.
pub fn probe() -> Probe {
    Probe { kvm: probe_kvm(Path::new(DEVICE), true), qemu: QemuReport { program: find_qemu() } }
}

/// The same for a boot that is waited for: where the processor has no virtualization, only an emulator can be
/// behind `/dev/kvm`, and running its loop would cost more than the answer is worth.
pub(crate) fn probe_quickly() -> Probe {
    let kvm = probe_kvm(Path::new(DEVICE), processor_virtualizes());
    Probe { kvm, qemu: QemuReport { program: find_qemu() } }
}

const DEVICE: &str = "/dev/kvm";

/// Whether the processor can run guests, as the kernel says.
fn processor_virtualizes() -> bool {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let flags = text.lines().find(|line| line.starts_with("flags")).unwrap_or_default();
    flags.split_ascii_whitespace().any(|flag| flag == "vmx" || flag == "svm")
}

fn find_qemu() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("MVM_QEMU").filter(|value| !value.is_empty()) {
        return Some(path.into()).filter(|path: &PathBuf| path.is_file());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|dir| dir.join("qemu-system-x86_64")).find(|path| path.is_file())
}

/// Iterations of the loop.
const ITERATIONS: u32 = 20_000;
/// Hardware needs some ten microseconds for it, an emulator more than ten milliseconds.
const LIMIT: Duration = Duration::from_millis(4);
/// A busy host may take the processor away in a loop, and the first touches its memory: one in time proves hardware.
const TRIES: usize = 8;

/// `measure`: the loop is worth running.
fn probe_kvm(device: &Path, measure: bool) -> KvmReport {
    if let Err(error) = std::fs::OpenOptions::new().read(true).write(true).open(device) {
        return not_opened(device, &error);
    }
    if !measure {
        return KvmReport::Emulated { loop_us: None };
    }
    time_loop().map_or_else(|(what, error)| KvmReport::Unusable { reason: format!("{what}: {error}") }, judge)
}

fn judge(took: Duration) -> KvmReport {
    let loop_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    if took < LIMIT {
        KvmReport::Hardware { loop_us }
    } else {
        KvmReport::Emulated { loop_us: Some(loop_us) }
    }
}

fn not_opened(device: &Path, error: &std::io::Error) -> KvmReport {
    match error.kind() {
        std::io::ErrorKind::NotFound => KvmReport::Absent,
        std::io::ErrorKind::PermissionDenied => {
            let Ok(meta) = std::fs::metadata(device) else {
                return KvmReport::Denied { reason: error.to_string(), group: None };
            };
            let group = Some(meta.gid()).filter(|gid| *gid != 0 && meta.mode() & 0o060 == 0o060);
            let reason = format!(
                "{error}; it belongs to user {} and group {}, with mode {:03o}",
                meta.uid(),
                meta.gid(),
                meta.mode() & 0o777
            );
            KvmReport::Denied { reason, group: group.map(group_name) }
        }
        _ => KvmReport::Unusable { reason: error.to_string() },
    }
}

fn group_name(gid: u32) -> String {
    let text = std::fs::read_to_string("/etc/group").unwrap_or_default();
    // NAME:PASSWORD:NUMBER:MEMBERS
    let mut lines = text.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let found = lines.find(|fields| fields.get(2).is_some_and(|number| *number == gid.to_string()));
    found.and_then(|fields| fields.first().map(|name| (*name).to_owned())).unwrap_or_else(|| gid.to_string())
}

type Failure = (&'static str, kvm_ioctls::Error);

fn time_loop() -> Result<Duration, Failure> {
    let kvm = Kvm::new().map_err(|e| ("opening /dev/kvm", e))?;
    if !kvm.check_extension(Cap::UserMemory) {
        return Err(("user memory", kvm_ioctls::Error::new(libc::ENOTSUP)));
    }
    let vm = kvm.create_vm().map_err(|e| ("creating a VM", e))?;
    let memory = Page::new().ok_or(("mapping memory", kvm_ioctls::Error::new(libc::ENOMEM)))?;
    memory.write(&program());
    let region = kvm_userspace_memory_region {
        slot: 0,
        guest_phys_addr: 0,
        memory_size: Page::SIZE as u64,
        userspace_addr: memory.address as u64,
        flags: 0,
    };
    // SAFETY: the page is private, and a guest that outlives it (an early return) is never run again.
    unsafe { vm.set_user_memory_region(region) }.map_err(|e| ("giving a VM memory", e))?;
    let mut vcpu = vm.create_vcpu(0).map_err(|e| ("creating a processor", e))?;
    let mut best = Duration::MAX;
    for _ in 0..TRIES {
        enter_protected_mode(&vcpu)?;
        let start = Instant::now();
        let exit = vcpu.run().map_err(|e| ("running a processor", e))?;
        best = best.min(start.elapsed());
        if !matches!(exit, VcpuExit::Hlt) {
            return Err(("running a loop", kvm_ioctls::Error::new(libc::EIO)));
        }
        if best < LIMIT {
            break;
        }
    }
    Ok(best)
}

/// `mov ecx, ITERATIONS; again: dec ecx; jnz again; hlt`
fn program() -> [u8; 9] {
    let [a, b, c, d] = ITERATIONS.to_le_bytes();
    [0xb9, a, b, c, d, 0x49, 0x75, 0xfd, 0xf4]
}

fn enter_protected_mode(vcpu: &kvm_ioctls::VcpuFd) -> Result<(), Failure> {
    let mut sregs = vcpu.get_sregs().map_err(|e| ("reading registers", e))?;
    let flat = |selector: u16, type_: u8| kvm_segment {
        base: 0,
        limit: 0xffff_ffff,
        selector,
        type_,
        present: 1,
        dpl: 0,
        db: 1,
        s: 1,
        l: 0,
        g: 1,
        ..kvm_segment::default()
    };
    sregs.cs = flat(8, 11);
    let data = flat(16, 3);
    (sregs.ds, sregs.es, sregs.fs, sregs.gs, sregs.ss) = (data, data, data, data, data);
    sregs.cr0 |= 1;
    vcpu.set_sregs(&sregs).map_err(|e| ("setting registers", e))?;
    let mut regs = vcpu.get_regs().map_err(|e| ("reading registers", e))?;
    (regs.rip, regs.rflags) = (0, 2);
    vcpu.set_regs(&regs).map_err(|e| ("setting registers", e))
}

/// A page of memory, zeroed.
struct Page {
    address: *mut libc::c_void,
}

impl Page {
    const SIZE: usize = 4096;

    fn new() -> Option<Page> {
        let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a fresh anonymous mapping touches no memory of ours.
        let address = unsafe { libc::mmap(std::ptr::null_mut(), Self::SIZE, access, kind, -1, 0) };
        (address != libc::MAP_FAILED).then_some(Page { address })
    }

    fn write(&self, bytes: &[u8; 9]) {
        // SAFETY: the page is larger than the program, and nobody else uses it yet.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.address.cast(), bytes.len()) };
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // SAFETY: mapped by `new`, unmapped once.
        unsafe { libc::munmap(self.address, Self::SIZE) };
    }
}

/// Measures the time stamp counter against the clock, between its making and its reading.
pub struct TscMeter {
    clock: Instant,
    counter: u64,
}

impl TscMeter {
    /// Shortest time that gives a good figure.
    const SPAN: Duration = Duration::from_millis(8);

    /// Begins.
    pub fn start() -> Self {
        let (clock, counter) = sample();
        TscMeter { clock, counter }
    }

    /// The frequency; waits if too little time has passed.
    pub fn khz(&self) -> u64 {
        std::thread::sleep(Self::SPAN.saturating_sub(self.clock.elapsed()));
        let (clock, counter) = sample();
        let nanoseconds = clock.duration_since(self.clock).as_nanos().max(1);
        (u128::from(counter.wrapping_sub(self.counter)) * 1_000_000 / nanoseconds) as u64
    }
}

/// Clock and counter at the same moment: of a few tries, the one that was interrupted least.
fn sample() -> (Instant, u64) {
    let mut best = (u64::MAX, Instant::now(), 0);
    for _ in 0..8 {
        let before = counter();
        let clock = Instant::now();
        let after = counter();
        if after.wrapping_sub(before) < best.0 {
            best = (after.wrapping_sub(before), clock, before + after.wrapping_sub(before) / 2);
        }
    }
    (best.1, best.2)
}

#[cfg(target_arch = "x86_64")]
fn counter() -> u64 {
    // SAFETY: the instruction exists on every x86-64 processor and reads no memory.
    unsafe { core::arch::x86_64::_rdtsc() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_opened_is_told_apart() {
        assert_eq!(probe_kvm(Path::new("/nowhere/kvm"), true), KvmReport::Absent);
        // A directory is not opened for writing, whoever asks.
        assert!(matches!(probe_kvm(Path::new("/"), true), KvmReport::Unusable { .. }));
    }

    #[test]
    fn a_device_of_others_is_denied_with_its_permissions_and_the_group_that_helps() {
        use std::os::unix::fs::PermissionsExt;
        let file = tempfile::NamedTempFile::new().unwrap();
        let denied = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
        let of_mode = |mode| {
            file.as_file().set_permissions(std::fs::Permissions::from_mode(mode)).unwrap();
            not_opened(file.path(), &denied)
        };
        let report = of_mode(0o600);
        assert!(report.to_string().contains("mode 600"), "{report}");
        assert!(report.remedy().unwrap().contains("chmod 660"), "{report:?}");
        // As root, give it to a group without a name; else it has the user's own.
        let given = std::os::unix::fs::chown(file.path(), None, Some(54_321)).is_ok();
        let report = of_mode(0o660);
        let remedy = report.remedy().unwrap();
        assert!(remedy.contains("usermod -aG") && (!given || remedy.contains("54321")), "{remedy}");
    }

    #[test]
    fn the_time_of_the_loop_decides() {
        let at = |us| judge(Duration::from_micros(us));
        assert_eq!(at(15), KvmReport::Hardware { loop_us: 15 });
        assert_eq!(at(900), KvmReport::Hardware { loop_us: 900 });
        assert_eq!(at(20_000), KvmReport::Emulated { loop_us: Some(20_000) });
    }

    /// Whatever this host has, the two probes agree on whether guests run at the hardware's speed.
    #[test]
    fn a_processor_without_virtualization_has_no_hardware_kvm() {
        let (whole, quick) = (probe().kvm, probe_quickly().kvm);
        assert_eq!(whole.is_hardware(), quick.is_hardware(), "{whole:?} {quick:?}");
        assert!(processor_virtualizes() || !whole.is_hardware(), "{whole:?}");
    }

    #[test]
    fn every_state_has_its_words() {
        for report in [
            KvmReport::Absent,
            KvmReport::Emulated { loop_us: None },
            KvmReport::Emulated { loop_us: Some(9) },
            KvmReport::Hardware { loop_us: 9 },
        ] {
            assert!(!report.to_string().is_empty());
            assert_eq!(report.remedy().is_none(), report.is_hardware());
        }
    }

    #[test]
    fn the_counter_runs_at_a_plausible_frequency() {
        let meter = TscMeter::start();
        let khz = meter.khz();
        assert!((100_000..20_000_000).contains(&khz), "{khz}");
    }
}
