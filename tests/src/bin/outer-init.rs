//! PID 1 of the outer guest: a machine with emulated SVM in which the KVM back end meets the stock `kvm_amd` module.
//! Loads the modules it was given, runs every test of the programs it was given in a process of its own and with a
//! deadline of its own, says how each ended (a test that hangs with all stacks), and powers off. For tests only.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use rustix::mount::{MountFlags, mount};
use rustix::net::{AddressFamily, SendFlags, SocketType};
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus};
use rustix::system::{RebootCommand, finit_module, reboot};

/// Modules, in load order, one path a line.
const MODULES: &str = "/outer/modules";
/// Environment of the tests, `NAME=value` a line.
const ENVIRONMENT: &str = "/outer/environment";
/// What to run: `NUMBER PROGRAM SECONDS +PART,PART -PART,PART` a line. The number is that of the machine which runs it.
/// The seconds are for each test; those with one of the first parts in their names are run, all if there is none, and
/// those with one of the others are not.
const PLAN: &str = "/outer/plan";
/// Where a test's output goes.
const OUTPUT: &str = "/tmp/output";
/// What a test has measured is in lines that begin with this.
const FIGURE: &str = "OUTER-FIGURE";
/// So often it says that it is alive.
const ALIVE: Duration = Duration::from_secs(10);
/// Of a failed test's output, so much is shown.
const SHOWN: usize = 8000;

fn main() -> ExitCode {
    if std::process::id() != 1 {
        eprintln!("outer-init is the first process of a test machine; it does nothing elsewhere");
        return ExitCode::from(2);
    }
    match set_up().and_then(|()| run()) {
        Ok(bad) => println!("\nOUTER-EXIT {bad}"),
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

/// Runs the plan; how many tests did not pass. Those that an earlier machine has done are left out.
fn run() -> Result<u32, String> {
    let mut bad = 0;
    let mut done = told("done").unwrap_or(0);
    let number = told("number").unwrap_or(0).to_string();
    for line in read(PLAN)?.lines() {
        let mut words = line.split_whitespace();
        if words.next() != Some(number.as_str()) {
            continue;
        }
        let (Some(program), Some(seconds)) = (words.next(), words.next().and_then(|s| s.parse().ok())) else {
            return Err(format!("the plan has a line that is none: {line}"));
        };
        let mut part = || words.next().unwrap_or("+").split_at(1).1.to_owned();
        let (with, without) = (part(), part());
        let one_of = |parts: &str, test: &str| {
            parts.split(',').filter(|part| !part.is_empty()).any(|part| test.contains(part))
        };
        let chosen = |test: &&String| (with.is_empty() || one_of(&with, test)) && !one_of(&without, test);
        for test in tests(program)?.iter().filter(chosen) {
            if done > 0 {
                done -= 1;
                continue;
            }
            let name = format!("{}::{test}", program.rsplit('/').next().unwrap_or(program));
            let start = Instant::now();
            let how = one(program, test, Duration::from_secs(seconds))?;
            let output = fs::read(OUTPUT).unwrap_or_default();
            let text = String::from_utf8_lossy(&output);
            text.lines().filter(|line| line.starts_with(FIGURE)).for_each(|line| println!("{line}"));
            println!("OUTER-TEST {how} {name} ({:.1} s)", start.elapsed().as_secs_f32());
            if how != "ok" {
                bad += 1;
                println!("{}", tail(&output));
            }
            bury_the_rest();
        }
    }
    Ok(bad)
}

/// `outer.NAME=` of the kernel's command line.
fn told(name: &str) -> Option<usize> {
    let line = read("/proc/cmdline").ok()?;
    let value = |word: &str| word.strip_prefix("outer.")?.strip_prefix(name)?.strip_prefix('=')?.parse().ok();
    line.split_whitespace().find_map(value)
}

/// The names of a program's tests.
fn tests(program: &str) -> Result<Vec<String>, String> {
    let output = command(program)?
        .args(["--list", "--format=terse", "--include-ignored"])
        .output()
        .map_err(|e| format!("listing the tests of {program}: {e}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let names: Vec<String> =
        text.lines().filter_map(|line| line.strip_suffix(": test").map(str::to_owned)).collect();
    if names.is_empty() { Err(format!("{program} has no tests: {text}")) } else { Ok(names) }
}

fn command(program: &str) -> Result<Command, String> {
    let mut command = Command::new(program);
    command.current_dir("/tmp").env_clear().stdin(Stdio::null());
    for line in read(ENVIRONMENT)?.lines() {
        if let Some((name, value)) = line.split_once('=') {
            command.env(name, value);
        }
    }
    Ok(command)
}

/// Runs one test: `ok`, `FAILED` or `HUNG`.
fn one(program: &str, test: &str, limit: Duration) -> Result<&'static str, String> {
    let output = fs::File::create(OUTPUT).map_err(|e| format!("making {OUTPUT}: {e}"))?;
    let errors = output.try_clone().map_err(|e| format!("copying a descriptor: {e}"))?;
    let mut command = command(program)?;
    command.args(["--exact", test, "--include-ignored", "--nocapture", "--test-threads=1"]);
    let child =
        command.stdout(output).stderr(errors).spawn().map_err(|e| format!("starting {program}: {e}"))?;
    let deadline = Instant::now() + limit;
    let mut told = Instant::now();
    while Instant::now() < deadline {
        if told.elapsed() >= ALIVE {
            println!("OUTER-ALIVE");
            told = Instant::now();
        }
        if let Some(status) = ended(&child)? {
            return Ok(if status.exit_status() == Some(0) { "ok" } else { "FAILED" });
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    show_stacks();
    Ok("HUNG")
}

/// The first process inherits every orphan and buries it; how the test ended, once it has.
fn ended(child: &Child) -> Result<Option<WaitStatus>, String> {
    loop {
        match rustix::process::wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) if pid == Pid::from_child(child) => return Ok(Some(status)),
            Ok(Some(_)) | Err(rustix::io::Errno::INTR) => {}
            Ok(None) => return Ok(None),
            Err(e) => return Err(format!("waiting for a test: {e}")),
        }
    }
}

/// Nothing of one test is left when the next begins.
fn bury_the_rest() {
    for program in processes() {
        let _ = rustix::process::kill_process(program, Signal::KILL);
    }
    while rustix::process::wait(WaitOptions::empty()).is_ok() {}
}

/// All but this one and the kernel's own.
fn processes() -> Vec<Pid> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| *pid > 1 && fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty()))
        .filter_map(Pid::from_raw)
        .collect()
}

/// What every processor and every thread is doing.
fn show_stacks() {
    let _ = fs::write("/proc/sys/kernel/printk", "7");
    let _ = fs::write("/proc/sysrq-trigger", "l");
    let _ = fs::write("/proc/sys/kernel/printk", "1");
    for pid in processes() {
        let pid = pid.as_raw_nonzero();
        for task in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
            let part = |name: &str| fs::read_to_string(task.path().join(name)).unwrap_or_default();
            let stat = part("stat");
            let state = stat.rsplit(')').next().unwrap_or("").get(..2).unwrap_or("").trim().to_owned();
            println!("{pid} {} {} [{state}] {}", part("comm").trim(), part("syscall").trim(), part("wchan"));
            println!("{}", part("stack").trim_end());
        }
    }
}

fn tail(output: &[u8]) -> String {
    let start = output.len().saturating_sub(SHOWN);
    String::from_utf8_lossy(output.get(start..).unwrap_or_default()).into_owned()
}

fn read(path: &str) -> Result<String, String> {
    let mut text = String::new();
    fs::File::open(path)
        .and_then(|mut file| file.read_to_string(&mut text))
        .map_err(|e| format!("reading {path}: {e}"))?;
    Ok(text)
}
