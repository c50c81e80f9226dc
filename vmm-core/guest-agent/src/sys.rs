//! The system calls that the standard library does not have, behind safe signatures. The only `unsafe` code of
//! the agent is here.
#![allow(unsafe_code, reason = "system calls; every block says why it is sound")]

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

/// Owner of everything the app runs.
pub const APP_UID: u32 = 1000;

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn c_path(path: impl AsRef<Path>) -> io::Result<CString> {
    CString::new(path.as_ref().as_os_str().as_bytes()).map_err(|_| io::ErrorKind::InvalidInput.into())
}

/// Mounts a file system.
pub fn mount(source: &str, target: &str, kind: &str, flags: u64, data: &str) -> io::Result<()> {
    let (source, target) = (c_path(source)?, c_path(target)?);
    let (kind, data) = (c_path(kind)?, c_path(data)?);
    // SAFETY: four NUL-terminated strings that outlive the call.
    check(unsafe {
        libc::mount(source.as_ptr(), target.as_ptr(), kind.as_ptr(), flags, data.as_ptr().cast())
    })
    .map(drop)
}

/// Makes `target` the root directory. For the initramfs, whose root cannot be pivoted away.
pub fn enter_root(target: &str) -> io::Result<()> {
    std::env::set_current_dir(target)?;
    mount(".", "/", "", libc::MS_MOVE, "")?;
    // SAFETY: a NUL-terminated string literal.
    check(unsafe { libc::chroot(c".".as_ptr()) })?;
    std::env::set_current_dir("/")
}

/// Loads a kernel module.
pub fn load_module(file: &File) -> io::Result<()> {
    // SAFETY: an open descriptor and an empty, NUL-terminated parameter string.
    let result =
        unsafe { libc::syscall(libc::SYS_finit_module, file.as_raw_fd(), c"".as_ptr(), 0 as libc::c_int) };
    check(result as libc::c_int).map(drop)
}

/// Time since the kernel started.
pub fn uptime() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is valid for writing.
    unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &mut time) };
    Duration::new(time.tv_sec.max(0) as u64, time.tv_nsec as u32)
}

/// Sets the wall clock.
pub fn set_clock(unix_time_ns: u64) -> io::Result<()> {
    let time = libc::timespec {
        tv_sec: (unix_time_ns / 1_000_000_000) as libc::time_t,
        tv_nsec: (unix_time_ns % 1_000_000_000) as libc::c_long,
    };
    // SAFETY: `time` is valid for reading.
    check(unsafe { libc::clock_settime(libc::CLOCK_REALTIME, &time) }).map(drop)
}

/// Writes everything out.
pub fn sync() {
    // SAFETY: no arguments.
    unsafe { libc::sync() };
}

/// `RNDADDENTROPY` and `RNDRESEEDCRNG`, the same numbers on every architecture we run on.
const ADD_ENTROPY: libc::Ioctl = 0x4008_5203;
const RESEED: libc::Ioctl = 0x5207;

/// Gives the kernel's random number generator entropy and has it start anew from it.
pub fn add_entropy(bytes: &[u8]) -> io::Result<()> {
    // `struct rand_pool_info`: bits, bytes, the bytes.
    let bits = i32::try_from(bytes.len() * 8).map_err(io::Error::other)?;
    let mut info = Vec::with_capacity(8 + bytes.len());
    info.extend(bits.to_ne_bytes());
    info.extend((bits / 8).to_ne_bytes());
    info.extend(bytes);
    let device = File::open("/dev/urandom")?;
    // SAFETY: the kernel reads eight bytes and as many more as they say, all of which are there; it reads them byte
    // by byte, so their alignment is of no matter.
    check(unsafe { libc::ioctl(device.as_raw_fd(), ADD_ENTROPY, info.as_ptr()) })?;
    // SAFETY: no argument.
    check(unsafe { libc::ioctl(device.as_raw_fd(), RESEED) }).map(drop)
}

/// Sets the host name.
pub fn set_hostname(name: &str) -> io::Result<()> {
    // SAFETY: pointer and length belong to one string.
    check(unsafe { libc::sethostname(name.as_ptr().cast(), name.len()) }).map(drop)
}

/// Writes everything out and powers the machine off. Returns only if the kernel refuses.
pub fn power_off() {
    // SAFETY: no arguments but constants.
    unsafe {
        libc::sync();
        libc::reboot(libc::RB_POWER_OFF);
    }
}

/// Brings the loopback interface, or an alias of it, up with an IPv4 address.
pub fn loopback_address(interface: &CStr, address: std::net::Ipv4Addr) -> io::Result<()> {
    let any = std::net::SocketAddr::from((std::net::Ipv4Addr::UNSPECIFIED, 0)); // a text would link name resolution in
    let socket = std::net::UdpSocket::bind(any)?;
    // SAFETY: `ifreq` is plain data for which zeroes are a valid value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(interface.to_bytes()) {
        *to = *from as libc::c_char;
    }
    let mut set = |ip: std::net::Ipv4Addr, call: libc::Ioctl| {
        // SAFETY: a `sockaddr_in` fits into the union's `sockaddr`, both are plain data of the same size.
        unsafe {
            let at = (&raw mut request.ifr_ifru.ifru_addr).cast::<libc::sockaddr_in>();
            (*at).sin_family = libc::AF_INET as libc::sa_family_t;
            (*at).sin_addr.s_addr = u32::from(ip).to_be();
        }
        // SAFETY: the request is valid for the ioctls that are given.
        check(unsafe { libc::ioctl(socket.as_raw_fd(), call, &mut request) })
    };
    set(address, libc::SIOCSIFADDR)?;
    let prefix = if address.is_loopback() { [255, 0, 0, 0] } else { [255, 255, 255, 255] };
    set(prefix.into(), libc::SIOCSIFNETMASK)?;
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: as above; the flags are the union's live member for this call.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &request) }).map(drop)
}

/// What a process of the app is held to, applied in the child before it runs anything.
#[derive(Clone, Copy, Debug)]
pub struct Confinement {
    /// Runs as the app's user; else as root (building layers).
    pub unprivileged: bool,
    /// Descriptor of the control group's `cgroup.procs`, open for writing.
    pub cgroup: Option<RawFd>,
    /// Descriptor that the child sees as number 3.
    pub channel: Option<RawFd>,
}

/// Capabilities no child ever has: what changes the kernel or the machine.
const NEVER: [libc::c_ulong; 6] = [16, 17, 21, 22, 24, 25]; // module, rawio, sys_admin, boot, resource, time

/// Confines the calling process.
///
/// Called between `fork` and `exec`: it allocates nothing and takes no lock.
pub fn confine(to: Confinement) -> io::Result<()> {
    if let Some(cgroup) = to.cgroup {
        // SAFETY: a static byte; "0" means the writing process.
        check(unsafe { libc::write(cgroup, b"0".as_ptr().cast(), 1) } as libc::c_int)?;
    }
    // SAFETY: constants only; a session of its own keeps signals for the worker's group away from the agent.
    unsafe { libc::setsid() };
    limit(libc::RLIMIT_CORE, 0)?;
    limit(libc::RLIMIT_NOFILE, 4096)?;
    limit(libc::RLIMIT_NPROC, 512)?;
    // SAFETY: constants only.
    check(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) })?;
    let last = if to.unprivileged { 63 } else { -1 };
    for capability in 0..=last {
        // SAFETY: constants only; numbers the kernel does not know are refused, which is fine.
        unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability as libc::c_ulong, 0, 0, 0) };
    }
    for capability in NEVER {
        // SAFETY: as above.
        unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) };
    }
    if to.unprivileged {
        // SAFETY: an empty list and constants; changing the user from root drops every capability.
        unsafe {
            check(libc::setgroups(0, std::ptr::null()))?;
            check(libc::setresgid(APP_UID, APP_UID, APP_UID))?;
            check(libc::setresuid(APP_UID, APP_UID, APP_UID))?;
        }
    }
    if let Some(channel) = to.channel {
        // SAFETY: both are descriptor numbers; the copy is not closed by `exec`.
        check(unsafe { libc::dup2(channel, 3) })?;
    }
    Ok(())
}

fn limit(resource: libc::__rlimit_resource_t, value: libc::rlim_t) -> io::Result<()> {
    let limit = libc::rlimit { rlim_cur: value, rlim_max: value };
    // SAFETY: `limit` is valid for reading.
    check(unsafe { libc::setrlimit(resource, &limit) }).map(drop)
}

/// Has a command's child confined before it runs.
pub fn confine_child(command: &mut std::process::Command, to: Confinement) {
    use std::os::unix::process::CommandExt;
    // SAFETY: `confine` makes system calls only.
    unsafe { command.pre_exec(move || confine(to)) };
}

/// A child that has ended: its number.
pub fn wait_any() -> io::Result<i32> {
    // SAFETY: `siginfo_t` is plain data for which zeroes are valid; it is written by the call.
    unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        check(libc::waitid(libc::P_ALL, 0, &mut info, libc::WEXITED | libc::WNOWAIT))?;
        Ok(info.si_pid())
    }
}

/// Takes a child's status away; `None` if it has none.
pub fn reap(pid: i32) -> Option<i32> {
    let mut status = 0;
    // SAFETY: `status` is valid for writing.
    let reaped = unsafe { libc::waitpid(pid, &mut status, libc::WNOHANG) };
    (reaped == pid).then_some(status)
}

/// Sends a signal to a process group (a negative number) or a process.
pub fn kill(pid: i32, signal: i32) {
    if pid != 0 && pid != -1 && pid != 1 {
        // SAFETY: no memory is passed.
        unsafe { libc::kill(pid, signal) };
    }
}

/// Waits until one of the descriptors can be read (or has ended), or the time is over. Says which.
pub fn poll_readable<const N: usize>(fds: [Option<BorrowedFd<'_>>; N], wait: Duration) -> [bool; N] {
    let mut list = fds.map(|fd| libc::pollfd {
        fd: fd.map_or(-1, |fd| fd.as_raw_fd()),
        events: libc::POLLIN,
        revents: 0,
    });
    let wait = wait.as_millis().min(60_000) as libc::c_int;
    // SAFETY: pointer and length belong to one array.
    unsafe { libc::poll(list.as_mut_ptr(), N as libc::nfds_t, wait) };
    list.map(|entry| entry.revents != 0)
}

/// Makes reads of a descriptor return at once.
pub fn set_nonblocking(fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: an open descriptor and constants.
    unsafe {
        let flags = check(libc::fcntl(fd.as_raw_fd(), libc::F_GETFL))?;
        check(libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, flags | libc::O_NONBLOCK)).map(drop)
    }
}

/// An extended attribute, if it is there and short.
pub fn attribute(path: &Path, name: &CStr) -> Option<Vec<u8>> {
    let path = c_path(path).ok()?;
    let mut value = [0_u8; 16];
    // SAFETY: two strings, and a buffer with its length.
    let length =
        unsafe { libc::lgetxattr(path.as_ptr(), name.as_ptr(), value.as_mut_ptr().cast(), value.len()) };
    usize::try_from(length).ok().and_then(|length| value.get(..length)).map(<[u8]>::to_vec)
}

/// Name of a signal.
pub fn signal_name(signal: i32) -> &'static str {
    match signal {
        libc::SIGKILL => "SIGKILL",
        libc::SIGSEGV => "SIGSEGV",
        libc::SIGABRT => "SIGABRT",
        libc::SIGBUS => "SIGBUS",
        libc::SIGILL => "SIGILL",
        libc::SIGFPE => "SIGFPE",
        libc::SIGTERM => "SIGTERM",
        libc::SIGINT => "SIGINT",
        libc::SIGPIPE => "SIGPIPE",
        libc::SIGSYS => "SIGSYS",
        _ => "a signal",
    }
}

/// A wait status in words.
pub fn describe_status(status: i32) -> String {
    if libc::WIFSIGNALED(status) {
        let signal = libc::WTERMSIG(status);
        format!("killed by {} ({signal})", signal_name(signal))
    } else {
        format!("exited with code {}", libc::WEXITSTATUS(status))
    }
}

/// Whether a wait status means success.
pub fn succeeded(status: i32) -> bool {
    libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0
}
