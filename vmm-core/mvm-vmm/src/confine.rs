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
    libc::SYS_mmap,           // the allocator
    libc::SYS_munmap,         // the allocator, stacks of threads that ended
    libc::SYS_mremap,         // the allocator
    libc::SYS_mprotect,       // the allocator's arenas
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

/// Calls of the loop that serves devices.
const IO: &[i64] = &[
    libc::SYS_epoll_wait, // the loop
    libc::SYS_read,       // events
    libc::SYS_readv,      // channel to guest
    libc::SYS_writev,     // guest to channel
    libc::SYS_preadv,     // disks
    libc::SYS_pwritev,    // scratch disk
];

/// The wall of a CPU thread.
pub fn vcpu_thread() -> Result<()> {
    apply(COMMON, vec![(libc::SYS_ioctl, only(KVM_RUN)?)])
}

/// A call is allowed with this second argument alone.
fn only(argument: u64) -> Result<Vec<SeccompRule>> {
    SeccompCondition::new(1, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, argument)
        .and_then(|condition| SeccompRule::new(vec![condition]))
        .map(|rule| vec![rule])
        .map_err(|e| Error::Confine(e.to_string()))
}

/// The wall of the loop that serves devices.
pub fn io_thread() -> Result<()> {
    apply(&[COMMON, IO].concat(), Vec::new())
}

fn apply(calls: &[i64], conditional: Vec<(i64, Vec<SeccompRule>)>) -> Result<()> {
    let refused = |what: String| Error::Confine(format!("seccomp: {what}"));
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = calls.iter().map(|call| (*call, Vec::new())).collect();
    rules.extend(conditional);
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
        // `ioctl` comes on top.
        assert!(COMMON.len() < 20, "a CPU thread may make {} calls", COMMON.len() + 1);
        assert!(COMMON.len() + IO.len() <= 40, "the device thread may make {}", COMMON.len() + IO.len());
        let mut all = [COMMON, IO].concat();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), COMMON.len() + IO.len(), "a call is listed twice");
        for forbidden in
            [libc::SYS_openat, libc::SYS_socket, libc::SYS_execve, libc::SYS_clone, libc::SYS_kill]
        {
            assert!(!all.contains(&forbidden));
        }
    }
}
