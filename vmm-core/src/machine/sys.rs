//! What the standard library does not have: preparing the VMM's process and hardening the supervisor's. The only
//! `unsafe` code of this directory.
#![allow(unsafe_code, reason = "system calls between fork and exec, and on the own process")]

use std::io;
use std::os::fd::RawFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

fn check(result: libc::c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Has a child inherit descriptors under their numbers, end when this process does, and gain no privileges.
///
/// The child ends with the *thread* that starts it: call this from one that lives as long as the process.
pub fn prepare_vmm(command: &mut Command, descriptors: Vec<RawFd>) {
    let parent = std::process::id();
    let prepare = move || {
        // SAFETY: constants; no memory is passed.
        unsafe {
            check(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0))?;
            check(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))?;
            // The parent may have ended before the line above.
            if libc::getppid() as u32 != parent {
                return Err(io::Error::from_raw_os_error(libc::ESRCH));
            }
        }
        limit(libc::RLIMIT_CORE, 0)?;
        for fd in &descriptors {
            // SAFETY: the parent holds the descriptor open while it starts the child.
            check(unsafe { libc::fcntl(*fd, libc::F_SETFD, 0) })?;
        }
        Ok(())
    };
    // SAFETY: the closure makes system calls only; it neither allocates nor takes a lock.
    unsafe { command.pre_exec(prepare) };
}

/// Gives an emulator's memory out in pages of 4 KiB. A huge page is filled with zeroes whole when its first byte is
/// touched, and for a boot that touches a little of everything this is a tenth of its time. Where KVM runs the guest
/// huge pages are worth it: they save the processor a second walk through tables at every miss.
pub fn without_huge_pages(command: &mut Command) {
    let prepare = || {
        // SAFETY: constants; no memory is passed. A kernel without huge pages refuses, which is fine.
        unsafe { libc::prctl(libc::PR_SET_THP_DISABLE, 1, 0, 0, 0) };
        Ok(())
    };
    // SAFETY: the closure makes one system call; it neither allocates nor takes a lock.
    unsafe { command.pre_exec(prepare) };
}

/// The version of Landlock that the kernel has; 0 for none.
pub fn landlock_version() -> i32 {
    const ASK_FOR_VERSION: libc::c_uint = 1;
    // SAFETY: no structure is passed, which is what this flag asks for.
    let version = unsafe {
        libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<libc::c_void>(), 0, ASK_FOR_VERSION)
    };
    i32::try_from(version).unwrap_or(0).max(0)
}

/// Hardens the supervisor: a session of its own, private files, no core dumps (its memory holds secrets), no new
/// privileges, a bounded number of descriptors, and no reading of its memory by other processes of the user.
pub fn harden() -> io::Result<()> {
    // SAFETY: constants; no memory is passed. `setsid` fails where the process leads a group already, which is fine.
    unsafe {
        libc::setsid();
        libc::umask(0o077);
        check(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))?;
        check(libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0))?;
    }
    limit(libc::RLIMIT_CORE, 0)?;
    limit(libc::RLIMIT_NOFILE, 4096)
}

fn limit(resource: libc::__rlimit_resource_t, value: libc::rlim_t) -> io::Result<()> {
    let mut have = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `have` is valid for writing.
    check(unsafe { libc::getrlimit(resource, &mut have) })?;
    let value = value.min(have.rlim_max);
    let limit = libc::rlimit { rlim_cur: value, rlim_max: value };
    // SAFETY: `limit` is valid for reading.
    check(unsafe { libc::setrlimit(resource, &limit) })
}
