//! Each wall, tried from inside: this test program starts itself as the confined process, which then does what a
//! VMM that was taken over would do.
#![allow(clippy::unwrap_used, clippy::panic)] // a test program

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};

use mvm_vmm::confine;

const ACT: &str = "MVM_WALL_ACT";
const HELD: i32 = 42;

/// Starts this program again with one act to try.
fn attempt(act: &str) -> ExitStatus {
    let program = std::env::current_exe().unwrap();
    Command::new(program)
        .args(["--exact", "inside", "--nocapture", "--test-threads=1"])
        .env(ACT, act)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status()
        .unwrap()
}

fn killed(act: &str) {
    let status = attempt(act);
    assert_eq!(status.signal(), Some(rustix::process::Signal::SYS.as_raw()), "{act}: {status}");
}

fn refused(act: &str) {
    let status = attempt(act);
    assert_eq!(status.code(), Some(HELD), "{act}: {status}");
}

/// The confined side; without the variable it is an empty test.
#[test]
fn inside() {
    let Ok(act) = std::env::var(ACT) else { return };
    confine::process(64).unwrap();
    let held = match act.as_str() {
        "control" => {
            confine::io_thread().unwrap();
            true
        }
        // Landlock, limits and lost capabilities answer with an error, since seccomp is not yet in force.
        "landlock-read" => std::fs::read("/etc/hostname").is_err(),
        "landlock-write" => std::fs::write(std::env::temp_dir().join("mvm-wall"), b"x").is_err(),
        "landlock-exec" => Command::new("/bin/true").status().is_err(),
        "landlock-connect" => std::net::TcpStream::connect("127.0.0.1:9").is_err_and(denied),
        "landlock-bind" => std::net::TcpListener::bind("127.0.0.1:0").is_err_and(denied),
        "limit-memory" => std::panic::catch_unwind(|| vec![1u8; 2 << 30].len()).is_err(),
        "limit-files" => too_many_files(),
        "capability" => rustix::process::chroot("/").is_err(),
        other => {
            if let Some(act) = other.strip_prefix("vcpu-") {
                confine::vcpu_thread().unwrap();
                forbidden(act);
            } else if let Some(act) = other.strip_prefix("io-") {
                confine::io_thread().unwrap();
                forbidden(act);
            }
            false
        }
    };
    std::process::exit(if held { HELD } else { 1 });
}

fn denied(error: std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::PermissionDenied
}

fn too_many_files() -> bool {
    let mut held = Vec::new();
    for _ in 0..2000 {
        match rustix::pipe::pipe() {
            Ok(pipe) => held.push(pipe),
            Err(e) => return e == rustix::io::Errno::MFILE,
        }
    }
    false
}

fn forbidden(act: &str) {
    match act {
        "open" => drop(std::fs::File::open("/dev/null")),
        "socket" => drop(std::net::UdpSocket::bind("127.0.0.1:0")),
        "exec" => drop(Command::new("/bin/true").status()),
        "ioctl" => drop(rustix::io::ioctl_fionread(rustix::stdio::stdin())),
        "kill" => drop(rustix::process::kill_process(
            rustix::process::getppid().unwrap(),
            rustix::process::Signal::TERM,
        )),
        "epoll" => drop(vmm_sys_util::epoll::Epoll::new()),
        other => panic!("no such act: {other}"),
    }
}

#[test]
fn what_the_loop_needs_is_allowed() {
    refused("control");
}

#[test]
fn the_file_system_is_gone() {
    refused("landlock-read");
    refused("landlock-write");
    refused("landlock-exec");
}

#[test]
fn the_network_is_gone() {
    // Landlock knows TCP since Linux 6.7; before, seccomp alone holds (`io-socket` below).
    if landlock_knows_tcp() {
        refused("landlock-connect");
        refused("landlock-bind");
    }
    killed("io-socket");
    killed("vcpu-socket");
}

fn landlock_knows_tcp() -> bool {
    let release = rustix::system::uname();
    let release = release.release().to_string_lossy().into_owned();
    let mut numbers = release.split('.').map(|n| n.parse::<u32>().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= (6, 7)
}

#[test]
fn resources_are_bounded() {
    refused("limit-files");
    let status = attempt("limit-memory");
    assert!(!status.success(), "{status}");
}

#[test]
fn capabilities_are_gone() {
    refused("capability");
}

#[test]
fn system_calls_that_are_not_listed_kill() {
    for thread in ["vcpu", "io"] {
        for act in ["open", "exec", "ioctl", "kill", "epoll"] {
            killed(&format!("{thread}-{act}"));
        }
    }
}
