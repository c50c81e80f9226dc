//! PID 1 of the outer guest: a machine with emulated SVM in which the KVM back end meets the stock `kvm_amd` module.
//! Loads the modules it was given, runs one program, says how that ended, and powers off. For tests only.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, ExitCode};

use rustix::mount::{MountFlags, mount};
use rustix::net::{AddressFamily, SendFlags, SocketType};
use rustix::process::WaitOptions;
use rustix::system::{RebootCommand, finit_module, reboot};

/// Modules, in load order, one path a line.
const MODULES: &str = "/outer/modules";
/// Environment of the program, `NAME=value` a line.
const ENVIRONMENT: &str = "/outer/environment";
/// The program and its arguments, one a line.
const PROGRAM: &str = "/outer/program";

fn main() -> ExitCode {
    if std::process::id() != 1 {
        eprintln!("outer-init is the first process of a test machine; it does nothing elsewhere");
        return ExitCode::from(2);
    }
    match set_up().and_then(|()| run()) {
        Ok(code) => println!("\nOUTER-EXIT {code}"),
        Err(error) => println!("\nOUTER-EXIT failed: {error}"),
    }
    let _ = std::io::stdout().flush();
    let _ = reboot(RebootCommand::PowerOff);
    ExitCode::FAILURE
}

fn set_up() -> Result<(), String> {
    for (kind, target) in
        [("proc", "/proc"), ("sysfs", "/sys"), ("devtmpfs", "/dev"), ("tmpfs", "/tmp"), ("tmpfs", "/run")]
    {
        fs::create_dir_all(target).map_err(|e| format!("making {target}: {e}"))?;
        mount(kind, target, kind, MountFlags::empty(), None)
            .map_err(|e| format!("mounting {target}: {e}"))?;
    }
    fs::create_dir_all("/dev/shm").map_err(|e| format!("making /dev/shm: {e}"))?;
    mount("tmpfs", "/dev/shm", "tmpfs", MountFlags::empty(), None)
        .map_err(|e| format!("mounting /dev/shm: {e}"))?;
    let _ = std::os::unix::fs::symlink("/proc/self/fd", "/dev/fd");
    loopback_up()?;
    for path in read(MODULES)?.lines() {
        let module = fs::File::open(path).map_err(|e| format!("opening {path}: {e}"))?;
        finit_module(&module, c"", 0).map_err(|e| format!("loading {path}: {e}"))?;
    }
    if Path::new("/dev/kvm").exists() {
        Ok(())
    } else {
        Err("there is no /dev/kvm after loading the modules".into())
    }
}

/// Tests of egress and published ports use the loopback device of the machine they run on: `RTM_NEWLINK` for
/// interface 1 with `IFF_UP` set (rtnetlink(7)).
fn loopback_up() -> Result<(), String> {
    const RTM_NEWLINK: u16 = 16;
    const NLM_F_REQUEST: u16 = 1;
    const IFF_UP: u32 = 1;
    let mut message = Vec::with_capacity(32);
    message.extend_from_slice(&32u32.to_ne_bytes());
    message.extend_from_slice(&RTM_NEWLINK.to_ne_bytes());
    message.extend_from_slice(&NLM_F_REQUEST.to_ne_bytes());
    message.extend_from_slice(&[0; 8]);
    message.extend_from_slice(&[0; 4]);
    message.extend_from_slice(&1u32.to_ne_bytes());
    message.extend_from_slice(&IFF_UP.to_ne_bytes());
    message.extend_from_slice(&IFF_UP.to_ne_bytes());
    let failed = |e: rustix::io::Errno| format!("bringing the loopback device up: {e}");
    let socket = rustix::net::socket(AddressFamily::NETLINK, SocketType::RAW, None).map_err(failed)?;
    let kernel = rustix::net::netlink::SocketAddrNetlink::new(0, 0);
    rustix::net::sendto(&socket, &message, SendFlags::empty(), &kernel).map_err(failed).map(drop)
}

fn run() -> Result<String, String> {
    let words = read(PROGRAM)?;
    let mut words = words.lines();
    let program = words.next().ok_or("no program is named")?;
    let mut command = Command::new(program);
    command.args(words).current_dir("/tmp").env_clear();
    for line in read(ENVIRONMENT)?.lines() {
        if let Some((name, value)) = line.split_once('=') {
            command.env(name, value);
        }
    }
    let child = command.spawn().map_err(|e| format!("starting {program}: {e}"))?;
    // The first process inherits every orphan and buries it.
    loop {
        match rustix::process::wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid == rustix::process::Pid::from_child(&child) => {
                return Ok(status
                    .exit_status()
                    .map_or_else(|| format!("{status:?}"), |code| code.to_string()));
            }
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(format!("waiting for {program}: {e}")),
        }
    }
}

fn read(path: &str) -> Result<String, String> {
    let mut text = String::new();
    fs::File::open(path)
        .and_then(|mut file| file.read_to_string(&mut text))
        .map_err(|e| format!("reading {path}: {e}"))?;
    Ok(text)
}
