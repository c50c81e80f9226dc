//! The few calls of the operating system and of KVM that Rust cannot check, each behind a safe function. With
//! `iov`, the only module with `unsafe`.
#![allow(unsafe_code)] // this is where it lives; every block says why it holds

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, RawFd};
use std::os::unix::net::UnixStream;

use kvm_bindings::{kvm_userspace_memory_region, kvm_xsave};
use kvm_ioctls::{VcpuFd, VmFd};
use vm_memory::volatile_memory::PtrGuardMut;
use vm_memory::{GuestAddress, GuestMemoryBackend, GuestMemoryMmap, GuestMemoryRegion, MmapRegion};
use vmm_sys_util::signal::{SIGRTMIN, register_signal_handler};

use crate::error::{Error, Result, kvm};
use crate::virtio::Memory;

/// Takes over a descriptor that the supervisor passed. [`crate::config::Config::parse`] has seen that each is
/// named once; the machine takes each once.
pub fn take_file(fd: RawFd) -> File {
    // SAFETY: the configuration gives each descriptor to exactly one owner.
    unsafe { File::from_raw_fd(fd) }
}

/// Takes over a socket that the supervisor passed.
pub fn take_socket(fd: RawFd) -> UnixStream {
    // SAFETY: as for `take_file`.
    unsafe { UnixStream::from_raw_fd(fd) }
}

/// Makes guest memory the VM's. The caller keeps `mem` for as long as the VM lives.
pub fn map_memory(vm: &VmFd, mem: &Memory) -> Result<()> {
    for (slot, region) in mem.iter().enumerate() {
        let host = mem.get_host_address(region.start_addr()).map_err(|e| Error::Memory(e.to_string()))?;
        let region = kvm_userspace_memory_region {
            slot: slot as u32,
            guest_phys_addr: region.start_addr().0,
            memory_size: region.len(),
            userspace_addr: host as u64,
            flags: 0,
        };
        // SAFETY: the range is mapped and stays so while `mem` lives; regions of one memory do not overlap.
        unsafe { vm.set_user_memory_region(region) }.map_err(kvm("map guest memory"))?;
    }
    Ok(())
}

/// Size of a huge page, the guest's and the host's.
const HUGE_PAGE: usize = 2 << 20;

/// Anonymous memory that begins where a huge page does, as it does in the guest: only then can KVM map one as one. It
/// is mapped for as long as the process lives.
#[cfg(not(miri))]
pub fn anonymous(bytes: usize) -> Result<MmapRegion> {
    let failed = |source| Error::Os { what: "map guest memory", source };
    let (protection, flags) =
        (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE);
    let whole = bytes.checked_add(HUGE_PAGE).ok_or(Error::Lacking("address space for guest memory"))?;
    // SAFETY: a new mapping, wherever the kernel has room.
    let start = unsafe { libc::mmap(std::ptr::null_mut(), whole, protection, flags, -1, 0) };
    if start == libc::MAP_FAILED {
        return Err(failed(io::Error::last_os_error()));
    }
    let before = (start as usize).next_multiple_of(HUGE_PAGE) - start as usize;
    let memory = start.wrapping_byte_add(before);
    // SAFETY: what is unmapped are the ends of the new mapping, which nobody has seen.
    unsafe {
        if before > 0 {
            libc::munmap(start, before);
        }
        libc::munmap(memory.wrapping_byte_add(bytes), HUGE_PAGE - before);
    }
    // SAFETY: the range is mapped with this protection, and nothing unmaps it.
    let region = unsafe { MmapRegion::build_raw(memory.cast(), bytes, protection, flags) };
    region.map_err(|e| Error::Memory(e.to_string()))
}

/// The same where there are no mappings, and nothing can be unmapped.
#[cfg(miri)]
pub fn anonymous(bytes: usize) -> Result<MmapRegion> {
    MmapRegion::new(bytes).map_err(|e| Error::Memory(e.to_string()))
}

/// Asks for huge pages where the host has some: guests run faster.
pub fn prefer_huge_pages(mem: &GuestMemoryMmap) {
    for region in mem.iter() {
        // SAFETY: the range is a live mapping of guest memory, whose contents stay as they are.
        unsafe { libc::madvise(region.as_ptr().cast(), region.size(), libc::MADV_HUGEPAGE) };
    }
}

/// Size of a page, of the guest's and of the host's.
pub const PAGE: usize = 4096;

/// Replaces `len` bytes of guest memory by a private mapping of a file at `offset`; `false` where that cannot be
/// done (unaligned, refused), and memory is as it was.
pub fn map_over(target: &PtrGuardMut, len: usize, file: &File, offset: u64) -> bool {
    let address = target.as_ptr();
    let aligned = (address as usize).is_multiple_of(PAGE) && offset.is_multiple_of(PAGE as u64);
    let (true, true, Ok(offset)) = (aligned, len <= target.len() && len > 0, i64::try_from(offset)) else {
        return false;
    };
    let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_FIXED);
    // SAFETY: the range lies inside guest memory that this process owns and that no guest uses yet; replacing its
    // pages changes their contents only, and the region's own unmapping covers the new ones.
    let mapped = unsafe { libc::mmap(address.cast(), len, protection, flags, file.as_raw_fd(), offset) };
    mapped != libc::MAP_FAILED
}

/// Gives whole pages of guest memory back to the host; parts of pages and what is not memory stay as they are.
/// The guest reads zeros there, or what its kernel image held, until it writes.
pub fn release(mem: &GuestMemoryMmap, at: GuestAddress, len: usize) {
    // Of memory that is a file, the file gives the pages back.
    let in_file = mem.iter().any(|region| region.file_offset().is_some());
    let advice = if in_file { libc::MADV_REMOVE } else { libc::MADV_DONTNEED };
    for slice in mem.get_slices(at, len).map_while(std::result::Result::ok) {
        let guard = slice.ptr_guard_mut();
        let start = (guard.as_ptr() as usize).next_multiple_of(PAGE);
        let end = (guard.as_ptr() as usize + guard.len()) & !(PAGE - 1);
        if start < end {
            // SAFETY: the range lies inside a live mapping of guest memory; its contents become zeros or the mapped
            // file's, which is a write like any other that the guest's memory may see at any time.
            unsafe { libc::madvise(start as *mut libc::c_void, end - start, advice) };
        }
    }
}

/// Sets a CPU's extended state.
pub fn set_xsave(vcpu: &VcpuFd, xsave: &kvm_xsave) -> Result<()> {
    // SAFETY: KVM reads more than the structure only for features that a process has to ask for; none is.
    unsafe { vcpu.set_xsave(xsave) }.map_err(kvm("set the extended state"))
}

/// The signal that has a CPU's thread leave the guest.
pub fn pause_signal() -> i32 {
    SIGRTMIN()
}

/// Has that signal interrupt a thread and do nothing else.
pub fn catch_pause_signal() -> Result<()> {
    extern "C" fn nothing(_: libc::c_int, _: *mut libc::siginfo_t, _: *mut libc::c_void) {}
    register_signal_handler(pause_signal(), nothing).map_err(|e| Error::Os {
        what: "catch the signal that pauses a CPU",
        source: io::Error::from_raw_os_error(e.errno()),
    })
}

/// Fills a buffer from the host's entropy.
pub fn random(bytes: &mut [u8]) {
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        // SAFETY: pointer and length describe one live buffer.
        let got = unsafe { libc::getrandom(rest.as_mut_ptr().cast(), rest.len(), 0) };
        // Nothing comes only when a signal interrupts; then the call is made again.
        filled += usize::try_from(got).unwrap_or(0);
    }
}

/// No new privileges for this process and what it might execute; no core dump, no tracing by its equals.
pub fn give_up_privileges() -> io::Result<()> {
    // SAFETY: prctl with constant arguments and no pointers.
    check(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) })?;
    // SAFETY: as above.
    check(unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0) })
}

/// Namespaces of this process's own: no network devices, no mounts, host name, IPC or cgroups of the host's. Those who
/// may make some do, others get them with a user namespace around; `false` where the system allows neither.
pub fn own_namespaces() -> bool {
    const SPACES: i32 = libc::CLONE_NEWNET
        | libc::CLONE_NEWNS
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWCGROUP;
    // SAFETY: flags alone; this process has one thread, and shares nothing that the call would take from another.
    let own = |flags| check(unsafe { libc::unshare(flags) }).is_ok();
    own(SPACES) || own(SPACES | libc::CLONE_NEWUSER)
}

/// Root becomes nobody, as far as it may: what a process of root's opens by its user id alone is out of reach.
pub fn become_nobody() {
    const NOBODY: u32 = 65_534;
    // SAFETY: numbers and an empty list; the C library has every thread of the process do it.
    unsafe {
        if libc::geteuid() == 0 && libc::setgroups(0, std::ptr::null()) == 0 {
            let _ =
                libc::setresgid(NOBODY, NOBODY, NOBODY) == 0 && libc::setresuid(NOBODY, NOBODY, NOBODY) == 0;
        }
    }
}

/// The process that started this one.
pub fn parent() -> i32 {
    // SAFETY: no arguments, and it cannot fail.
    unsafe { libc::getppid() }
}

/// Ends this process when `parent` does; an error if that has happened already.
pub fn end_with(parent: i32) -> io::Result<()> {
    // SAFETY: prctl with constant arguments and no pointers.
    check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0) })?;
    if self::parent() == parent { Ok(()) } else { Err(io::Error::from_raw_os_error(libc::ESRCH)) }
}

/// One heap for all threads. Each CPU's thread would otherwise reserve 64 MiB of address space for its own.
pub fn one_heap() {
    // SAFETY: two numbers; called while there is one thread.
    unsafe { libc::mallopt(libc::M_ARENA_MAX, 1) };
}

/// Bounds a resource for good.
pub fn limit(resource: libc::__rlimit_resource_t, value: u64) -> io::Result<()> {
    let limit = libc::rlimit { rlim_cur: value, rlim_max: value };
    // SAFETY: the pointer is to a live structure that the call only reads.
    check(unsafe { libc::setrlimit(resource, &limit) })
}

/// Drops every capability.
pub fn drop_capabilities() -> io::Result<()> {
    // _LINUX_CAPABILITY_VERSION_3: a header and two triples of sets, all empty.
    let header: [u32; 2] = [0x2008_0522, 0];
    let sets = [0u32; 6];
    // SAFETY: both pointers are to live arrays of the size that this version of the call reads.
    let done = unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), sets.as_ptr()) };
    check(i32::try_from(done).unwrap_or(-1))
}

fn check(result: i32) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
