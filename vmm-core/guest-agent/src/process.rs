//! A process of the app: confined, in a control group, its output on pipes, gone when its handle is.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::RawFd;
use std::process::{ChildStderr, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use crate::cgroup::Group;
use crate::reaper::Reaper;
use crate::sys::{self, Confinement};

/// What is started.
pub struct Spec<'a> {
    /// Argument vector.
    pub argv: &'a [String],
    /// Directory it starts in.
    pub working_dir: &'a str,
    /// Its whole environment.
    pub env: &'a BTreeMap<String, String>,
    /// As the app's user; else as root.
    pub unprivileged: bool,
    /// A descriptor it sees as number 3.
    pub channel: Option<RawFd>,
}

/// A running process.
pub struct Process {
    pid: i32,
    reaper: Reaper,
    group: Option<Group>,
    /// Its standard output.
    pub stdout: Option<ChildStdout>,
    /// Its standard error.
    pub stderr: Option<ChildStderr>,
}

impl Process {
    /// Starts a process.
    pub fn start(reaper: &Reaper, spec: &Spec<'_>) -> io::Result<Process> {
        let (program, args) = spec.argv.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let group = Group::new();
        let mut command = Command::new(program);
        command.args(args).env_clear().envs(spec.env).current_dir(spec.working_dir);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let confinement = Confinement {
            unprivileged: spec.unprivileged,
            cgroup: group.as_ref().map(Group::procs),
            channel: spec.channel,
        };
        sys::confine_child(&mut command, confinement);
        let mut child = reaper.spawn(&mut command)?;
        Ok(Process {
            pid: child.id() as i32,
            reaper: reaper.clone(),
            group,
            stdout: child.stdout.take(),
            stderr: child.stderr.take(),
        })
    }

    /// Its number.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// How it ended, if it has.
    pub fn status(&self) -> Option<i32> {
        self.reaper.status(self.pid)
    }

    /// Waits for its end.
    pub fn wait(&self, deadline: Option<Instant>) -> Option<i32> {
        self.reaper.wait(self.pid, deadline)
    }

    /// Asks it and its children to end.
    pub fn terminate(&self) {
        sys::kill(-self.pid, libc::SIGTERM);
    }

    /// Ends it and everything it started.
    pub fn kill(&self) {
        sys::kill(-self.pid, libc::SIGKILL);
        if let Some(group) = &self.group {
            group.kill();
        }
    }

    /// An end in words; says so when memory ran out.
    pub fn describe(&self, status: i32) -> String {
        let how = sys::describe_status(status);
        match self.group.as_ref().is_some_and(Group::ran_out_of_memory) {
            true => Self::out_of_memory(),
            false => how,
        }
    }

    /// The words for it.
    pub fn out_of_memory() -> String {
        let limit = crate::cgroup::memory_limit() >> 20;
        format!("out of memory: it used more than the {limit} MiB there are for the app and was killed")
    }

    /// Whether its memory is used up.
    pub fn is_full(&self) -> bool {
        self.group.as_ref().is_some_and(Group::is_full)
    }

    /// Resident memory, MiB.
    pub fn resident_mb(&self) -> Option<u32> {
        let text = std::fs::read_to_string(format!("/proc/{}/statm", self.pid)).ok()?;
        let pages: u32 = text.split(' ').nth(1)?.parse().ok()?;
        Some(pages / 256)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        self.wait(Some(Instant::now() + Duration::from_secs(2)));
        self.reaper.forget(self.pid);
    }
}
