//! Runs a host tool: its own process group, bounded output, killed as a whole when the user gives up.
//! Nothing here goes through a shell.

use std::ffi::{OsStr, OsString};
use std::fs::{File, TryLockError};
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

use crate::{Context, Error, ErrorKind, Event, Result};

/// How often a waiting call looks whether the user gave up.
const POLL: Duration = Duration::from_millis(20);
/// Most a tool may print before it is stopped: far above any real list of packages.
const MAX_STDOUT: usize = 64 << 20;
/// What is kept of standard error, from its end.
const MAX_STDERR: usize = 64 << 10;

/// A command to run.
#[derive(Clone, Debug)]
pub(crate) struct Tool {
    program: OsString,
    args: Vec<OsString>,
    env: Vec<(OsString, Option<OsString>)>,
    dir: Option<PathBuf>,
    install_hint: Option<String>,
}

/// What a tool left behind.
#[derive(Debug)]
pub(crate) struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// Everything it printed.
    pub stdout: String,
    /// The end of what it complained about, credentials in addresses masked.
    pub stderr: String,
}

impl Tool {
    /// A program by name, with messages in the language our parsers read.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Tool {
            program: program.as_ref().to_owned(),
            args: Vec::new(),
            env: vec![("LC_ALL".into(), Some("C.UTF-8".into())), ("LANGUAGE".into(), None)],
            dir: None,
            install_hint: None,
        }
    }

    /// One more argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// More arguments.
    pub fn args<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(mut self, args: I) -> Self {
        self.args.extend(args.into_iter().map(|a| a.as_ref().to_owned()));
        self
    }

    /// Sets a variable in the tool's environment.
    pub fn env(mut self, key: &str, value: impl AsRef<OsStr>) -> Self {
        self.env.push((key.into(), Some(value.as_ref().to_owned())));
        self
    }

    /// Directory it starts in.
    pub fn dir(mut self, dir: &Path) -> Self {
        self.dir = Some(dir.to_owned());
        self
    }

    /// What to tell a user who does not have it.
    pub fn install_hint(mut self, hint: &str) -> Self {
        self.install_hint = Some(hint.to_owned());
        self
    }

    /// Runs to its end and collects its output. A non-zero exit is not an error here: callers read the reason.
    pub fn run(&self, ctx: &Context) -> Result<Finished> {
        self.run_lines(ctx, &mut |_| {})
    }

    /// As [`Tool::run`]; also tells each whole line of standard output as it comes.
    pub fn run_lines(&self, ctx: &Context, on_line: &mut dyn FnMut(&str)) -> Result<Finished> {
        let mut text = Vec::new();
        let (status, stderr) = self.stream(ctx, |out| {
            let mut chunk = [0_u8; 16 << 10];
            let mut line_start = 0;
            loop {
                let n = match out.read(&mut chunk) {
                    Ok(0) => return Ok(()),
                    Ok(n) => n,
                    Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                    Err(e) => return Err(self.failed("cannot read its output", e)),
                };
                text.extend_from_slice(&chunk[..n]);
                if text.len() > MAX_STDOUT {
                    return Err(self.refused("it printed more than 64 MiB"));
                }
                while let Some(end) = memchr::memchr(b'\n', &text[line_start..]) {
                    on_line(&String::from_utf8_lossy(&text[line_start..line_start + end]));
                    line_start += end + 1;
                }
            }
        })?;
        Ok(Finished { status, stdout: String::from_utf8_lossy(&text).into_owned(), stderr })
    }

    /// Runs it and hands its standard output to `consume` as a stream. Cancellation kills the tool, which ends
    /// the stream. If `consume` fails, the tool is killed and that error is returned.
    pub fn stream(
        &self,
        ctx: &Context,
        consume: impl FnOnce(&mut dyn Read) -> Result<()>,
    ) -> Result<(ExitStatus, String)> {
        ctx.check()?;
        let mut running = self.spawn()?;
        let (Some(mut stdout), Some(stderr)) = (running.child.stdout.take(), running.child.stderr.take())
        else {
            return Err(self.refused("its output is not connected"));
        };
        let group = running.group;
        let (done, waiting) = mpsc::channel::<()>();
        std::thread::scope(|scope| {
            let errors = scope.spawn(move || read_tail(stderr, MAX_STDERR));
            // Ends when `done` is dropped or told, so that a scope never outlives its work.
            scope.spawn(move || {
                while let Err(RecvTimeoutError::Timeout) = waiting.recv_timeout(POLL) {
                    if ctx.cancel.is_cancelled() {
                        kill(group);
                        return;
                    }
                }
            });
            let outcome = consume(&mut stdout);
            if outcome.is_err() {
                kill(group);
            }
            drop(stdout);
            let status = running.wait();
            drop(done);
            let stderr = redact(&errors.join().unwrap_or_default());
            ctx.check()?;
            outcome?;
            Ok((status.map_err(|e| self.failed("cannot wait for it", e))?, stderr))
        })
    }

    /// The command as a message may show it.
    pub fn name(&self) -> String {
        self.program.to_string_lossy().into_owned()
    }

    fn spawn(&self) -> Result<Running> {
        let mut command = Command::new(&self.program);
        command.args(&self.args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.process_group(0);
        for (key, value) in &self.env {
            match value {
                Some(value) => command.env(key, value),
                None => command.env_remove(key),
            };
        }
        if let Some(dir) = &self.dir {
            command.current_dir(dir);
        }
        let child = command.spawn().map_err(|e| self.cannot_start(e))?;
        let group = Pid::from_child(&child);
        Ok(Running { child, group, reaped: false })
    }

    fn cannot_start(&self, e: io::Error) -> Error {
        let error = Error::new(ErrorKind::Environment, format!("cannot start `{}`: {e}", self.name()));
        match &self.install_hint {
            Some(hint) => error.help(hint.clone()),
            None => error.help(format!("install `{}` or put it on PATH", self.name())),
        }
    }

    fn failed(&self, what: &str, e: io::Error) -> Error {
        Error::new(ErrorKind::Build, format!("`{}`: {what}: {e}", self.name())).source(e)
    }

    fn refused(&self, why: &str) -> Error {
        Error::new(ErrorKind::Build, format!("`{}` was stopped: {why}", self.name()))
    }
}

/// A child that never outlives this value.
struct Running {
    child: Child,
    group: Pid,
    reaped: bool,
}

impl Running {
    fn wait(&mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait()?;
        self.reaped = true;
        Ok(status)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Once reaped, the group's number may belong to somebody else.
        if !self.reaped {
            kill(self.group);
            let _ = self.child.wait();
        }
    }
}

/// The whole group: apt's methods and pip's helpers end with their parent.
fn kill(group: Pid) {
    let _ = kill_process_group(group, Signal::KILL);
}

/// Reads to the end, keeps the last `limit` bytes.
fn read_tail(mut from: impl Read, limit: usize) -> String {
    let mut kept: Vec<u8> = Vec::new();
    let mut chunk = [0_u8; 4096];
    loop {
        match from.read(&mut chunk) {
            Ok(0) => break,
            Ok(n) => {
                kept.extend_from_slice(&chunk[..n]);
                if kept.len() > 2 * limit {
                    kept.drain(..kept.len() - limit);
                }
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    let start = kept.len().saturating_sub(limit);
    String::from_utf8_lossy(&kept[start..]).into_owned()
}

/// Where a program lies, if PATH has it.
pub(crate) fn on_path(program: &str) -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt;
    let executable =
        |p: &PathBuf| p.metadata().is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0);
    std::env::split_paths(&std::env::var_os("PATH")?).map(|dir| dir.join(program)).find(executable)
}

/// Waits for the exclusive lock of a file; it is given back when the file is closed, also by a crash.
pub(crate) fn lock_file(ctx: &Context, path: &Path, busy: &str) -> Result<File> {
    let file = File::options().create(true).truncate(false).write(true).open(path);
    let file = file.map_err(|e| super::blobs::io_error("open the lock", path, e))?;
    let mut told = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => ctx.check()?,
            Err(TryLockError::Error(e)) => return Err(super::blobs::io_error("lock", path, e)),
        }
        if !told {
            ctx.reporter.report(Event::Note(format!("{busy}: waiting for it to end")));
            told = true;
        }
        std::thread::sleep(POLL);
    }
}

/// Masks the user part of addresses (`https://name:token@host` → `https://***@host`).
pub(crate) fn redact(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out.push_str(before);
        let authority = after.find(|c: char| c == '/' || c.is_whitespace() || c == '\'' || c == '"');
        let authority = &after[..authority.unwrap_or(after.len())];
        rest = match authority.rfind('@') {
            Some(user) => {
                out.push_str("***");
                &after[user..]
            }
            None => after,
        };
    }
    out.push_str(rest);
    out
}

/// The lines of a tool's complaint worth showing: at most three, of at most 300 characters.
pub(crate) fn complaint(stderr: &str) -> String {
    let interesting = |l: &&str| {
        let l = l.trim_start();
        l.starts_with("E:")
            || l.starts_with("ERROR")
            || l.starts_with("error")
            || l.starts_with("dpkg-deb: error")
    };
    let mut lines: Vec<&str> = stderr.lines().filter(interesting).collect();
    if lines.is_empty() {
        lines = stderr.lines().filter(|l| !l.trim().is_empty()).collect();
    }
    let start = lines.len().saturating_sub(3);
    let shown: Vec<String> = lines[start..].iter().map(|l| l.trim().chars().take(300).collect()).collect();
    if shown.is_empty() { "it gave no reason".to_owned() } else { shown.join("; ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn collects_output_and_status() {
        let mut lines = Vec::new();
        let done = Tool::new("/bin/sh")
            .args(["-c", "echo one; echo two; echo bad >&2; exit 3"])
            .run_lines(&Context::silent(), &mut |l| lines.push(l.to_owned()))
            .unwrap();
        assert_eq!(done.status.code(), Some(3));
        assert_eq!(done.stdout, "one\ntwo\n");
        assert_eq!(done.stderr, "bad\n");
        assert_eq!(lines, ["one", "two"]);
    }

    #[test]
    fn a_missing_tool_is_the_environments_fault() {
        let error = Tool::new("mvm-no-such-tool").run(&Context::silent()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Environment);
        assert!(error.remedy().is_some());
    }

    #[test]
    fn cancellation_ends_the_whole_group() {
        let ctx = Context::silent();
        let cancel = ctx.cancel.clone();
        let mut grandchild = None;
        let error = Tool::new("/bin/sh")
            .args(["-c", "sleep 600 & echo $!; wait"])
            .run_lines(&ctx, &mut |line| {
                grandchild = line.trim().parse::<i32>().ok();
                cancel.cancel();
            })
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Cancelled);
        let pid = grandchild.unwrap();
        // The orphan is reaped by whoever adopts it; until then it is a zombie, which runs nothing.
        for _ in 0..500 {
            match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
                Ok(stat) if !stat.contains(") Z") => std::thread::sleep(Duration::from_millis(5)),
                _ => return,
            }
        }
        panic!("the grandchild {pid} still runs");
    }

    #[test]
    fn a_failing_consumer_stops_an_endless_tool() {
        let error = Tool::new("/bin/sh")
            .args(["-c", "while :; do echo y; done"])
            .stream(&Context::silent(), |_| Err(Error::new(ErrorKind::Build, "enough")))
            .unwrap_err();
        assert_eq!(error.to_string(), "enough");
    }

    #[test]
    fn credentials_in_addresses_are_masked() {
        let token = ["to", "ken"].concat();
        let text = format!("E: https://me:{token}@host/x failed, http://h/a@b ok, see ftp://{token}@h");
        assert_eq!(redact(&text), "E: https://***@host/x failed, http://h/a@b ok, see ftp://***@h");
    }

    #[test]
    fn complaints_prefer_the_errors() {
        assert_eq!(complaint("W: meh\nE: no such thing\n"), "E: no such thing");
        assert_eq!(complaint(""), "it gave no reason");
    }
}
