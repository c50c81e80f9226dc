//! Each wall, tried from inside: this test program starts itself as the confined process, which then does what a
//! VMM that was taken over would do. Each act is tried without the wall as well: a test that cannot fail proves nothing.
//! The walls go up in a process of one thread, as in the program, so there is no test harness with threads of its own.
#![allow(clippy::unwrap_used, clippy::panic)] // a test program

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};

use mvm_vmm::{confine, sys};
use vmm_sys_util::signal::Killable;

const ACT: &str = "MVM_WALL_ACT";
const OPEN: &str = "MVM_WALL_OPEN";
const HELD: i32 = 42;
const FREE: i32 = 43;

/// The tests, for who lists them and for who runs them.
const TESTS: &[(&str, fn())] = &[
    ("what_the_loop_needs_is_allowed", what_the_loop_needs_is_allowed),
    ("the_file_system_is_gone", the_file_system_is_gone),
    ("the_network_is_gone", the_network_is_gone),
    ("resources_are_bounded", resources_are_bounded),
    ("privileges_are_gone_and_stay_gone", privileges_are_gone_and_stay_gone),
    (
        "its_namespaces_are_its_own_where_the_system_allows",
        its_namespaces_are_its_own_where_the_system_allows,
    ),
    ("it_ends_with_its_supervisor", it_ends_with_its_supervisor),
    ("system_calls_that_are_not_listed_kill", system_calls_that_are_not_listed_kill),
];

/// What a test harness does: `--list`, names, `--exact`. Its other options change nothing here.
fn main() -> std::process::ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |option: &str| arguments.iter().any(|argument| argument == option);
    if has("--list") {
        TESTS.iter().for_each(|(name, _)| println!("{name}: test"));
        return std::process::ExitCode::SUCCESS;
    }
    if let Ok(act) = std::env::var(ACT) {
        inside(&act);
    }
    let wanted: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let matches = |name: &str, part: &str| if has("--exact") { name == part } else { name.contains(part) };
    let chosen = |name: &str| wanted.is_empty() || wanted.iter().any(|part| matches(name, part));
    let mut failed = 0;
    for (name, test) in TESTS.iter().filter(|(name, _)| chosen(name) && !has("--ignored")) {
        let ok = std::panic::catch_unwind(test).is_ok();
        println!("test {name} ... {}", if ok { "ok" } else { "FAILED" });
        failed += u8::from(!ok);
    }
    std::process::ExitCode::from(failed)
}

/// Starts this program again with one act to try, behind the walls or in the open.
fn attempt(act: &str, open: bool) -> ExitStatus {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.env(ACT, act);
    if open {
        command.env(OPEN, "1");
    }
    command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).status().unwrap()
}

fn killed(act: &str) {
    let status = attempt(act, false);
    assert_eq!(status.signal(), Some(rustix::process::Signal::SYS.as_raw()), "{act}: {status}");
    assert_eq!(attempt(act, true).code(), Some(FREE), "{act}: without a wall it does no harm");
}

fn refused(act: &str) {
    let status = attempt(act, false);
    assert_eq!(status.code(), Some(HELD), "{act}: {status}");
    let status = attempt(act, true);
    assert_eq!(status.code(), Some(FREE), "{act}, without a wall: {status}");
}

/// The confined side.
fn inside(act: &str) -> ! {
    let open = std::env::var_os(OPEN).is_some();
    let before = namespaces();
    if !open {
        confine::process(64).unwrap();
    }
    let held = match act {
        "control" => {
            confine::io_thread(false).unwrap();
            true
        }
        "control-freezer" => {
            sys::catch_pause_signal().unwrap();
            let (thread, _hold) = a_thread();
            confine::io_thread(true).unwrap();
            thread.kill(sys::pause_signal()).is_ok()
        }
        // Landlock, limits and lost capabilities answer with an error, since seccomp is not yet in force.
        "landlock-read" => std::fs::read("/proc/self/status").is_err(),
        "landlock-write" => tempfile::tempfile().is_err(),
        "landlock-exec" => Command::new("/proc/self/exe").arg("--list").output().is_err(),
        "landlock-connect" => std::net::TcpStream::connect("127.0.0.1:9").is_err_and(denied),
        "landlock-bind" => std::net::TcpListener::bind("127.0.0.1:0").is_err_and(denied),
        "limit-memory" => Vec::<u8>::new().try_reserve_exact(1 << 30).is_err(),
        "limit-files" => too_many_files(),
        "limit-core" => rustix::process::getrlimit(rustix::process::Resource::Core).maximum == Some(0),
        "capabilities" => rustix::thread::capabilities(None).is_ok_and(|sets| {
            (sets.effective | sets.permitted | sets.inheritable) == rustix::thread::CapabilitySet::empty()
        }),
        "root" => !rustix::process::geteuid().is_root() && !rustix::process::getegid().is_root(),
        "privileges" => rustix::thread::no_new_privs().unwrap(),
        "dumpable" => {
            rustix::process::dumpable_behavior().unwrap() == rustix::process::DumpableBehavior::NotDumpable
        }
        "namespaces" => namespaces().iter().zip(&before).all(|(now, before)| now != before),
        "may-make-namespaces" => sys::own_namespaces(),
        "may-become-nobody" => {
            sys::become_nobody();
            !rustix::process::geteuid().is_root()
        }
        "parent" => {
            let signal = rustix::process::parent_process_death_signal().unwrap();
            signal == Some(rustix::process::Signal::KILL)
        }
        other => {
            // The lists of a machine that runs, and of one that is to be frozen.
            let (thread, act) = other.split_once('-').unwrap();
            sys::catch_pause_signal().unwrap();
            let (target, _hold) = a_thread();
            match thread {
                _ if open => {}
                "vcpu" | "pausing" => confine::vcpu_thread(thread == "pausing").unwrap(),
                _ => confine::io_thread(thread == "freezer").unwrap(),
            }
            forbidden(act, &target);
            false
        }
    };
    std::process::exit(if held { HELD } else { FREE });
}

/// Which namespaces this process is in: a link can be read where nothing can be opened.
fn namespaces() -> Vec<std::path::PathBuf> {
    ["net", "mnt", "uts", "ipc", "cgroup"]
        .iter()
        .map(|kind| std::fs::read_link(format!("/proc/thread-self/ns/{kind}")).unwrap())
        .collect()
}

fn denied(error: std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::PermissionDenied
}

/// A thread of this process, for as long as the sender lives.
fn a_thread() -> (std::thread::JoinHandle<()>, std::sync::mpsc::Sender<()>) {
    let (sender, receiver) = std::sync::mpsc::channel::<()>();
    let wait = move || {
        let _ = receiver.recv();
    };
    (std::thread::spawn(wait), sender)
}

fn too_many_files() -> bool {
    let mut held = Vec::new();
    // Two each: more than the wall lets through, fewer than any system does.
    for _ in 0..200 {
        match rustix::pipe::pipe() {
            Ok(pipe) => held.push(pipe),
            Err(e) => return e == rustix::io::Errno::MFILE,
        }
    }
    false
}

fn forbidden(act: &str, thread: &std::thread::JoinHandle<()>) {
    match act {
        // One that does nothing by default.
        "signal" => drop(thread.kill(rustix::process::Signal::WINCH.as_raw())),
        "pause" => drop(thread.kill(sys::pause_signal())),
        "open" => drop(std::fs::File::open("/dev/null")),
        "socket" => drop(std::net::UdpSocket::bind("127.0.0.1:0")),
        "exec" => drop(Command::new("/proc/self/exe").arg("--list").output()),
        "ioctl" => drop(rustix::io::ioctl_fionread(rustix::stdio::stdin())),
        "kill" => drop(rustix::process::test_kill_process(rustix::process::getppid().unwrap())),
        "epoll" => drop(vmm_sys_util::epoll::Epoll::new()),
        "code" => {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            let region = vm_memory::mmap::MmapRegionBuilder::<()>::new(4096).with_mmap_flags(flags);
            drop(region.with_mmap_prot(libc::PROT_READ | libc::PROT_EXEC).build());
        }
        other => panic!("no such act: {other}"),
    }
}

fn what_the_loop_needs_is_allowed() {
    for control in ["control", "control-freezer"] {
        let status = attempt(control, false);
        assert_eq!(status.code(), Some(HELD), "{control}: {status}");
    }
}

fn the_file_system_is_gone() {
    refused("landlock-read");
    refused("landlock-write");
    refused("landlock-exec");
}

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

fn resources_are_bounded() {
    refused("limit-files");
    refused("limit-memory");
    let status = attempt("limit-core", false);
    assert_eq!(status.code(), Some(HELD), "{status}");
}

fn privileges_are_gone_and_stay_gone() {
    let held = |act: &str| assert_eq!(attempt(act, false).code(), Some(HELD), "{act}");
    // What holds for who starts it holds without a wall as well.
    let test = |act: &str, in_the_open: bool| if in_the_open { held(act) } else { refused(act) };
    let root = rustix::process::geteuid().is_root();
    // Some containers have no other user.
    if attempt("may-become-nobody", true).code() == Some(HELD) {
        test("root", !root);
    }
    test("capabilities", !root);
    test("privileges", rustix::thread::no_new_privs().unwrap());
    refused("dumpable");
}

fn its_namespaces_are_its_own_where_the_system_allows() {
    if attempt("may-make-namespaces", true).code() == Some(HELD) {
        refused("namespaces");
    } else {
        eprintln!("not tried: this system lets this process make no namespaces");
    }
}

fn it_ends_with_its_supervisor() {
    refused("parent");
}

fn system_calls_that_are_not_listed_kill() {
    for thread in ["vcpu", "io", "pausing", "freezer"] {
        for act in ["open", "exec", "ioctl", "kill", "epoll", "signal", "code"] {
            killed(&format!("{thread}-{act}"));
        }
    }
    // Who is not to be frozen pauses nobody, and a CPU pauses no other.
    for thread in ["vcpu", "io", "pausing"] {
        killed(&format!("{thread}-pause"));
    }
}
