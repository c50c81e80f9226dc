//! The wall around the VMM: namespaces of its own, no user's rights, no new privileges, no capabilities, no file system
//! (Landlock), bounded resources, an end with the supervisor's, and per thread a list of system calls (seccomp); whatever is not on it kills the process.

use std::collections::BTreeMap;

use landlock::{ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr, Scope};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch,
};

use crate::error::{Error, Result};
use crate::sys;

/// `KVM_RUN`, the only request a CPU thread makes of its descriptor.
const KVM_RUN: u64 = 0xAE80;
/// Memory beyond the guest's own: code, the stacks of 64 CPUs, queues. Generous, since an address space is not memory.
const OVERHEAD_MB: u64 = 512;
/// Descriptors: disks, events per queue, a few of our own.
const MAX_FILES: u64 = 256;

/// What holds for the whole process. Called once, before any thread is started.
pub fn process(memory_mb: u32) -> Result<()> {
    let step = |what: &'static str| move |e: std::io::Error| Error::Confine(format!("{what}: {e}"));
    let parent = sys::parent();
    sys::one_heap();
    // Not everywhere, and not for everybody: what follows holds without them.
    sys::own_namespaces();
    sys::become_nobody();
    sys::give_up_privileges().map_err(step("giving up privileges"))?;
    // After the change of the user, which would undo it.
    sys::end_with(parent).map_err(step("following the supervisor"))?;
    sys::limit(libc::RLIMIT_AS, (u64::from(memory_mb) + OVERHEAD_MB) << 20)
        .map_err(step("bounding memory"))?;
    sys::limit(libc::RLIMIT_NOFILE, MAX_FILES).map_err(step("bounding descriptors"))?;
    sys::limit(libc::RLIMIT_CORE, 0).map_err(step("forbidding core dumps"))?;
    sys::drop_capabilities().map_err(step("dropping capabilities"))?;
    landlock()
}

/// No path can be opened, no address connected to or bound, from here on. Kernels without Landlock (before 5.13)
/// leave this to seccomp, which has neither `open` nor `socket` on its lists.
fn landlock() -> Result<()> {
    let refused = |e: landlock::RulesetError| Error::Confine(format!("Landlock: {e}"));
    Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(ABI::V6))
        .and_then(|r| r.handle_access(AccessNet::from_all(ABI::V6)))
        .and_then(|r| r.scope(Scope::from_all(ABI::V6)))
        .and_then(Ruleset::create)
        .and_then(landlock::RulesetCreated::restrict_self)
        .map(|_| ())
        .map_err(refused)
}

/// Calls that any thread of ours makes: memory, locks, signals, its own end.
const COMMON: &[i64] = &[
    libc::SYS_futex,          // locks, channels, joining
    libc::SYS_munmap,         // the allocator, stacks of threads that ended
    libc::SYS_mremap,         // the allocator
    libc::SYS_brk,            // the allocator
    libc::SYS_madvise,        // a thread's stack when it ends
    libc::SYS_rt_sigprocmask, // a thread's end
    libc::SYS_sigaltstack,    // a thread's end
    libc::SYS_write,          // console, status, events
    libc::SYS_getrandom,      // the entropy device; the allocator's seeds
    libc::SYS_close,          // a thread's descriptors when it ends
    libc::SYS_exit,           // a thread's end
    libc::SYS_exit_group,     // the process's end
    libc::SYS_rseq,           // a thread's start
    libc::SYS_clock_gettime,  // clocks, where the vDSO has none
];

/// Calls of any thread of ours, never for memory that may be executed: what is written here cannot be run.
const MEMORY: &[i64] = &[
    libc::SYS_mmap,     // the allocator
    libc::SYS_mprotect, // the allocator's heap
];

/// Calls of the loop that serves devices.
const IO: &[i64] = &[
    libc::SYS_epoll_wait, // the loop
    libc::SYS_read,       // events
    libc::SYS_readv,      // channel to guest
    libc::SYS_writev,     // guest to channel
    libc::SYS_preadv,     // disks
    libc::SYS_pwritev,    // scratch disk
];

/// Calls of a machine that is to be frozen, while its CPUs are told to pause.
const TO_PAUSE: &[i64] = &[
    libc::SYS_getpid,      // signalling a thread of this process
    libc::SYS_sched_yield, // waiting for one that is about to answer
];

/// What the loop asks of KVM to freeze a machine: it reads, and changes nothing.
const KVM_READS: &[u64] = &[
    0x8090_ae81, // KVM_GET_REGS
    0x8138_ae83, // KVM_GET_SREGS
    0xc008_ae88, // KVM_GET_MSRS
    0x8400_ae8e, // KVM_GET_LAPIC
    0x8004_ae98, // KVM_GET_MP_STATE
    0x8040_ae9f, // KVM_GET_VCPU_EVENTS
    0x8080_aea1, // KVM_GET_DEBUGREGS
    0x9000_aea4, // KVM_GET_XSAVE
    0x8188_aea6, // KVM_GET_XCRS
    0xaea3,      // KVM_GET_TSC_KHZ
    0xc208_ae62, // KVM_GET_IRQCHIP
    0x8070_ae9f, // KVM_GET_PIT2
    0x8030_ae7c, // KVM_GET_CLOCK
];

/// The wall of a CPU thread; of one that may be told to pause.
pub fn vcpu_thread(pauses: bool) -> Result<()> {
    let pause: &[i64] = if pauses { &[libc::SYS_rt_sigreturn, libc::SYS_sched_yield] } else { &[] };
    apply(&[COMMON, pause].concat(), vec![(libc::SYS_ioctl, only(KVM_RUN)?)])
}

/// A call is allowed with this second argument alone.
fn only(argument: u64) -> Result<Vec<SeccompRule>> {
    rule(&[(1, argument)]).map(|rule| vec![rule])
}

/// A call is allowed where its third argument, the protection of memory, does not ask for execution.
fn not_executable() -> Result<Vec<SeccompRule>> {
    let exec = libc::PROT_EXEC as u64;
    SeccompCondition::new(2, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(exec), 0)
        .and_then(|without| SeccompRule::new(vec![without]))
        .map(|rule| vec![rule])
        .map_err(|e| Error::Confine(e.to_string()))
}

/// A call is allowed with these arguments, given as position and value.
fn rule(arguments: &[(u8, u64)]) -> Result<SeccompRule> {
    let equal = |(position, value): &(u8, u64)| {
        SeccompCondition::new(*position, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, *value)
    };
    let conditions = arguments.iter().map(equal).collect::<std::result::Result<Vec<_>, _>>();
    conditions.and_then(SeccompRule::new).map_err(|e| Error::Confine(e.to_string()))
}

/// The wall of the loop that serves devices; of one that may be told to freeze the machine.
pub fn io_thread(freezes: bool) -> Result<()> {
    if !freezes {
        return apply(&[COMMON, IO].concat(), Vec::new());
    }
    let reads = KVM_READS.iter().map(|request| rule(&[(1, *request)])).collect::<Result<_>>()?;
    // To threads of this process, and to none of another.
    let kick = rule(&[(0, u64::from(std::process::id())), (2, sys::pause_signal() as u64)])?;
    let conditional = vec![(libc::SYS_ioctl, reads), (libc::SYS_tgkill, vec![kick])];
    apply(&[COMMON, IO, TO_PAUSE].concat(), conditional)
}

fn apply(calls: &[i64], conditional: Vec<(i64, Vec<SeccompRule>)>) -> Result<()> {
    let refused = |what: String| Error::Confine(format!("seccomp: {what}"));
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = calls.iter().map(|call| (*call, Vec::new())).collect();
    rules.extend(conditional);
    for call in MEMORY {
        rules.insert(*call, not_executable()?);
    }
    if cfg!(debug_assertions) {
        // The standard library's own check of a descriptor that is about to be closed.
        rules.insert(libc::SYS_fcntl, only(libc::F_GETFD as u64)?);
    }
    let filter =
        SeccompFilter::new(rules, SeccompAction::KillProcess, SeccompAction::Allow, TargetArch::x86_64)
            .map_err(|e| refused(e.to_string()))?;
    let program = BpfProgram::try_from(filter).map_err(|e| refused(e.to_string()))?;
    seccompiler::apply_filter(&program).map_err(|e| refused(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Firecracker has 27 and 50.
    #[test]
    fn the_lists_are_short() {
        let (cpu, devices) = (COMMON.len() + MEMORY.len(), COMMON.len() + MEMORY.len() + IO.len());
        // `ioctl` comes on top.
        assert!(cpu < 20, "a CPU thread may make {} calls", cpu + 1);
        assert!(devices <= 40, "the device thread may make {devices}");
        // A machine that is to be frozen: `rt_sigreturn` and `sched_yield`; `ioctl` and `tgkill`.
        assert!(cpu + 3 <= 20 && devices + TO_PAUSE.len() + 2 <= 40);
        let mut all = [COMMON, MEMORY, IO].concat();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), devices, "a call is listed twice");
        for forbidden in
            [libc::SYS_openat, libc::SYS_socket, libc::SYS_execve, libc::SYS_clone, libc::SYS_kill]
        {
            assert!(!all.contains(&forbidden));
        }
    }
}
