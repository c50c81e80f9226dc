//! What this host has and lacks: a list of checks, each with what was found, why it matters and the remedy.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::hypervisor::{self, KvmReport};
use crate::image::command::on_path;
use crate::image::debian::Apt;
use crate::{Error, Home, Result, fsio, kernel, machine, programs};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Fine.
    Ok,
    /// Works, with a drawback.
    Warn,
    /// Something will not work.
    Fail,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Stable name, `qemu`.
    pub id: &'static str,
    /// How bad it is.
    pub status: Status,
    /// What was found, one line.
    pub what: String,
    /// Why it matters; only where the status is not fine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

impl Check {
    fn ok(id: &'static str, what: impl Into<String>) -> Self {
        Check { id, status: Status::Ok, what: what.into(), why: None, remedy: None }
    }
    fn bad(id: &'static str, status: Status, what: impl Into<String>, why: &str, remedy: &str) -> Self {
        Check { id, status, what: what.into(), why: Some(why.into()), remedy: Some(remedy.into()) }
    }
    fn of_error(id: &'static str, status: Status, e: &Error, why: &str) -> Self {
        let remedy = e.remedy().map(str::to_owned);
        Check { id, status, what: e.to_string(), why: Some(why.into()), remedy }
    }
}

/// All checks, in the order in which a workload meets them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The checks.
    pub checks: Vec<Check>,
}

impl Report {
    /// The worst status.
    pub fn status(&self) -> Status {
        self.checks.iter().map(|c| c.status).max().unwrap_or(Status::Ok)
    }
}

/// Free space below which a build is likely to fail, and below which it will, MiB.
const LITTLE_MB: u64 = 2048;
const TOO_LITTLE_MB: u64 = 256;

/// Looks at this host. Starts QEMU once, for its version; changes nothing but to make our own directories.
pub fn examine(home: &Home) -> Report {
    let mut checks = vec![
        directory("cache", home.cache_dir(""), home.cache()),
        directory("data", home.data_dir(""), home.data()),
        directory("state", home.state_dir(""), home.state()),
        disk(home.cache()),
        packages(),
        guest_kernel(home),
        memory(),
    ];
    checks.extend(machine_checks());
    checks.push(python());
    Report { checks }
}

/// Made, ours, and writable: by writing.
fn directory(id: &'static str, made: Result<PathBuf>, path: &Path) -> Check {
    let why = "builds, artifacts and machines are kept there";
    let written = made.and_then(|dir| {
        tempfile::tempfile_in(&dir).map(drop).map_err(|e| fsio::error("writing to", &dir, e))
    });
    match written {
        Ok(()) => Check::ok(id, format!("{} is writable", path.display())),
        Err(e) => Check::of_error(id, Status::Fail, &e, why),
    }
}

fn disk(path: &Path) -> Check {
    let Ok(stat) = rustix::fs::statvfs(path) else {
        return Check::bad(
            "disk",
            Status::Warn,
            "free space is unknown",
            "builds need room",
            "look at the disk",
        );
    };
    let free = stat.f_bavail.saturating_mul(stat.f_frsize) >> 20;
    let what = format!("{free} MiB free for {}", path.display());
    let (why, remedy) = (
        "a base image with Python takes about 100 MiB, a guest's kernel 60 MiB",
        "free some space; `mvmctl gc` removes what no artifact needs",
    );
    match free {
        0..TOO_LITTLE_MB => Check::bad("disk", Status::Fail, what, why, remedy),
        TOO_LITTLE_MB..LITTLE_MB => Check::bad("disk", Status::Warn, what, why, remedy),
        _ => Check::ok("disk", what),
    }
}

fn packages() -> Check {
    match (on_path("nix"), Apt::available()) {
        (Some(nix), true) => {
            let nix = nix.display();
            Check::ok(
                "packages",
                format!("nix at {nix}; this distribution's archive where nix has no package set"),
            )
        }
        (Some(nix), false) => Check::ok("packages", format!("nix at {}", nix.display())),
        (None, true) => Check::ok("packages", "this distribution's archive, through a private apt"),
        (None, false) => Check::bad(
            "packages",
            Status::Fail,
            "neither nix nor apt",
            "the packages of an image come from one of them",
            "install nix, or run mvm on Debian or Ubuntu",
        ),
    }
}

fn guest_kernel(home: &Home) -> Check {
    match kernel::find_cached(home) {
        Ok(Some(kernel)) => {
            Check::ok("kernel", format!("{} with {} modules", kernel.release, kernel.modules.len()))
        }
        Ok(None) => {
            let host = kernel::on_host();
            match (host, Apt::available()) {
                (Some(release), _) => {
                    Check::ok("kernel", format!("{release} of this host, unpacked at the first build"))
                }
                (None, true) => {
                    Check::ok("kernel", "fetched from the distribution's archive at the first build")
                }
                (None, false) => Check::bad(
                    "kernel",
                    Status::Fail,
                    "no guest kernel",
                    "a guest boots a stock distribution kernel",
                    "install a kernel package, with its modules in /lib/modules",
                ),
            }
        }
        Err(e) => Check::of_error("kernel", Status::Fail, &e, "a guest boots it"),
    }
}

fn memory() -> Check {
    let host = crate::plan::HostLimits::detect();
    let what = format!("{} processors, {} MiB of memory", host.cpus, host.memory_mb);
    if host.memory_mb < 1024 {
        return Check::bad(
            "host",
            Status::Warn,
            what,
            "a guest takes 256 MiB unless told otherwise",
            "declare less `memory_mb`",
        );
    }
    Check::ok("host", what)
}

/// What runs machines: hypervisors, and our own programs.
fn machine_checks() -> Vec<Check> {
    let probe = hypervisor::probe();
    let needed = "it is a part of mvm, and every machine needs it";
    vec![
        qemu(probe.qemu.program.as_deref(), probe.kvm.is_hardware()),
        kvm(&probe.kvm),
        program("agent", programs::guest_agent(), Status::Fail, needed),
        program("supervisor", programs::supervisor(), Status::Fail, needed),
        program(
            "vmm",
            programs::vmm(),
            Status::Warn,
            "with hardware KVM, it runs the guests; QEMU can instead",
        ),
        walls(machine::landlock_version()),
    ]
}

/// TCP ports can be confined from this version of Landlock on.
const LANDLOCK_WITH_PORTS: i32 = 4;

fn walls(landlock: i32) -> Check {
    let why =
        "a supervisor or QEMU that a guest took over would be held by its system calls and its user alone";
    let remedy = "use a kernel of 6.7 or newer, with landlock in its `lsm=` list";
    match landlock {
        LANDLOCK_WITH_PORTS.. => Check::ok("walls", format!("Landlock {landlock} confines files and ports")),
        1.. => Check::bad(
            "walls",
            Status::Warn,
            format!("Landlock {landlock} confines files, not ports"),
            why,
            remedy,
        ),
        _ => Check::bad("walls", Status::Warn, "this kernel has no Landlock", why, remedy),
    }
}

fn program(id: &'static str, found: Result<PathBuf>, status: Status, why: &str) -> Check {
    match found {
        Ok(path) => Check::ok(id, path.display().to_string()),
        Err(e) => Check::of_error(id, status, &e, why),
    }
}

fn qemu(program: Option<&Path>, hardware_kvm: bool) -> Check {
    let (status, why) = match hardware_kvm {
        true => (Status::Warn, "only mvm's own VMM can run guests then"),
        false => (Status::Fail, "without hardware KVM, QEMU runs the guests"),
    };
    let Some(path) = program else {
        let remedy = "install it: `apt-get install qemu-system-x86`";
        return Check::bad("qemu", status, "qemu-system-x86_64 is not on PATH", why, remedy);
    };
    match first_line(Command::new(path).arg("--version")) {
        Some(version) => Check::ok("qemu", format!("{version} at {}", path.display())),
        None => {
            Check::bad("qemu", status, format!("{} does not start", path.display()), why, "install it anew")
        }
    }
}

fn kvm(report: &KvmReport) -> Check {
    let slow = "guests run under emulation: a boot takes seconds instead of a fraction of one";
    match report.remedy() {
        None => Check::ok("kvm", report.to_string()),
        Some(remedy) => Check::bad("kvm", Status::Warn, report.to_string(), slow, &remedy),
    }
}

fn python() -> Check {
    match on_path("python3").map(|path| (first_line(Command::new(&path).arg("--version")), path)) {
        Some((Some(version), path)) => Check::ok("python", format!("{version} at {}", path.display())),
        _ => Check::bad(
            "python",
            Status::Warn,
            "no python3 on PATH",
            "mvm does not need it; a declaration file that you import in a test does",
            "install it if you want to run the functions without a machine",
        ),
    }
}

/// The first line of a program's output, if it ends well within some seconds.
fn first_line(command: &mut Command) -> Option<String> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
    let deadline = Instant::now() + Duration::from_secs(10);
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break Some(status),
            Ok(None) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(10)),
            _ => break None,
        }
    };
    if status.is_none() {
        let _ = child.kill();
        let _ = child.wait();
    }
    let mut text = String::new();
    std::io::Read::read_to_string(&mut std::io::Read::take(child.stdout.take()?, 4096), &mut text).ok()?;
    let line = text.lines().next()?.trim().to_owned();
    (status?.success() && !line.is_empty()).then_some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_covers_everything_and_every_problem_has_a_remedy() {
        let dir = tempfile::tempdir().unwrap();
        let report = examine(&Home::at(dir.path()));
        for id in [
            "cache",
            "data",
            "state",
            "disk",
            "packages",
            "kernel",
            "host",
            "qemu",
            "kvm",
            "agent",
            "supervisor",
            "vmm",
            "python",
        ] {
            assert_eq!(report.checks.iter().filter(|c| c.id == id).count(), 1, "{id}");
        }
        for check in &report.checks {
            assert!(
                check.status == Status::Ok || (check.why.is_some() && check.remedy.is_some()),
                "{check:?}"
            );
        }
        assert_eq!(report.status(), report.checks.iter().map(|c| c.status).max().unwrap());
    }

    #[test]
    fn a_directory_that_cannot_be_made_fails_with_its_path() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("cache"), "").unwrap();
        let home = Home::at(dir.path());
        let check = directory("cache", home.cache_dir(""), home.cache());
        assert_eq!(check.status, Status::Fail);
        assert!(check.what.contains("cache") && check.remedy.is_some(), "{check:?}");
    }

    #[test]
    fn a_program_that_hangs_or_fails_has_no_version() {
        assert_eq!(first_line(Command::new("echo").arg("v1")), Some("v1".into()));
        assert_eq!(first_line(&mut Command::new("false")), None);
        assert_eq!(first_line(&mut Command::new("/nonexistent")), None);
        assert_eq!(qemu(Some(Path::new("/nonexistent")), false).status, Status::Fail);
        assert_eq!(qemu(None, true).status, Status::Warn);
        assert_eq!(kvm(&KvmReport::Absent).status, Status::Warn);
        assert_eq!(kvm(&KvmReport::Hardware { loop_us: 1 }).status, Status::Ok);
    }
}
