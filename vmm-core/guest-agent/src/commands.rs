//! Command entrypoints, hooks and the readiness check.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use agent_protocol::{HealthSpec, HookSpec};

use crate::output::{Logs, forward};
use crate::process::{Process, Spec};
use crate::reaper::Reaper;
use crate::sys;

/// Lines of a failed hook that its error repeats.
const TAIL: usize = 4096;
/// How long the output of a command that has ended may still be on its way.
const LAST_OUTPUT: Duration = Duration::from_secs(5);
/// Restarts of a command that fails, before the machine fails with it.
const MAX_RESTARTS: u32 = 3;

/// Where and as whom commands run.
#[derive(Clone)]
pub struct Runner {
    /// Starts processes.
    pub reaper: Reaper,
    /// Takes their output.
    pub logs: Logs,
    /// Their environment.
    pub env: BTreeMap<String, String>,
    /// Their directory.
    pub working_dir: String,
    /// As the app's user; else as root.
    pub unprivileged: bool,
}

impl Runner {
    /// Runs one command to its end; the error is how it ended and the last it printed.
    pub fn run(
        &self,
        argv: &[String],
        stream: &'static str,
        limit: Option<Duration>,
    ) -> Result<(), (String, String)> {
        let name = argv.first().cloned().unwrap_or_default();
        let fail = |why: String| (why, String::new());
        let mut process = self.start(argv).map_err(|e| fail(format!("`{name}` cannot be started: {e}")))?;
        let tail = Arc::new(Mutex::new(String::new()));
        let forwarded = self.follow(&mut process, stream, Some(&tail));
        let deadline = limit.map(|limit| Instant::now() + limit);
        let status = process.wait(deadline);
        let Some(status) = status else {
            process.kill();
            let seconds = limit.unwrap_or_default().as_secs();
            return Err((format!("`{name}` did not end within {seconds} s"), taken(&tail)));
        };
        // Until all that it printed is on its way; what it left running may hold its pipes open.
        let _ = forwarded.recv_timeout(LAST_OUTPUT);
        if sys::succeeded(status) {
            return Ok(());
        }
        Err((format!("`{name}` {}", process.describe(status)), taken(&tail)))
    }

    fn start(&self, argv: &[String]) -> std::io::Result<Process> {
        let spec = Spec {
            argv,
            working_dir: &self.working_dir,
            env: &self.env,
            unprivileged: self.unprivileged,
            channel: None,
        };
        Process::start(&self.reaper, &spec)
    }

    /// Forwards what a process prints. What is given back is disconnected when all has been forwarded.
    fn follow(
        &self,
        process: &mut Process,
        stream: &'static str,
        tail: Option<&Arc<Mutex<String>>>,
    ) -> Receiver<()> {
        let (open, forwarded) = mpsc::channel();
        let sink = |name: &'static str| {
            let (logs, tail, open) = (self.logs.clone(), tail.cloned(), open.clone());
            move |text: &str| {
                let _held = &open;
                logs.send(name, text);
                if let Some(tail) = &tail {
                    keep_tail(&mut tail.lock().unwrap_or_else(PoisonError::into_inner), text);
                }
            }
        };
        let (out, err) = if stream.is_empty() { ("stdout", "stderr") } else { (stream, stream) };
        if let Some(pipe) = process.stdout.take() {
            forward(pipe, sink(out));
        }
        if let Some(pipe) = process.stderr.take() {
            forward(pipe, sink(err));
        }
        forwarded
    }

    /// Runs hooks, one after the other, until one fails.
    pub fn hooks(
        &self,
        kind: &str,
        hooks: &[HookSpec],
        limit: Option<Duration>,
    ) -> Result<(), (String, String)> {
        for (index, hook) in hooks.iter().enumerate() {
            self.run(&hook.argv, "hook", limit).map_err(|(why, tail)| {
                (format!("the {kind} hook number {} failed: {why}", index + 1), tail)
            })?;
        }
        Ok(())
    }

    /// Waits until the readiness check succeeds.
    pub fn wait_healthy(&self, check: &HealthSpec) -> Result<(), (String, String)> {
        let start = Instant::now();
        let (mut failures, grace) = (0, Duration::from_secs(check.start_period_secs.into()));
        loop {
            let limit = Duration::from_secs(check.timeout_secs.max(1).into());
            let Err((why, tail)) = self.run(&check.command, "agent", Some(limit)) else { return Ok(()) };
            if start.elapsed() >= grace {
                failures += 1;
            }
            if failures > check.retries {
                return Err((format!("the health check failed {failures} times in a row: {why}"), tail));
            }
            // In the start period the check is tried often: it only delays being ready.
            let interval = Duration::from_secs(check.interval_secs.max(1).into());
            let early = start.elapsed() < grace;
            std::thread::sleep(if early { interval.min(Duration::from_millis(250)) } else { interval });
        }
    }
}

fn taken(tail: &Mutex<String>) -> String {
    std::mem::take(&mut tail.lock().unwrap_or_else(PoisonError::into_inner))
}

fn keep_tail(tail: &mut String, text: &str) {
    tail.push_str(text);
    if tail.len() > 2 * TAIL {
        let mut from = tail.len() - TAIL;
        while !tail.is_char_boundary(from) {
            from += 1;
        }
        tail.drain(..from);
    }
}

/// Long-running commands.
#[derive(Clone, Default)]
pub struct Commands {
    running: Arc<Mutex<Vec<i32>>>,
    left: Arc<AtomicUsize>,
    stopping: Arc<AtomicBool>,
}

/// What the last of the commands came to.
pub enum Ended {
    /// All ended by themselves, in order.
    Finished,
    /// One kept failing.
    Failed(String),
}

impl Commands {
    /// Starts a command and keeps it running; `ended` is told when there is nothing left to keep running.
    pub fn start(
        &self,
        runner: Runner,
        argv: Vec<String>,
        ended: impl Fn(Ended) + Send + 'static,
    ) -> Result<(), String> {
        let name = argv.first().cloned().unwrap_or_default();
        let first = runner.start(&argv).map_err(|e| format!("`{name}` cannot be started: {e}"))?;
        self.left.fetch_add(1, Ordering::SeqCst);
        let commands = self.clone();
        crate::spawn("command", move || commands.keep(&runner, &argv, first, &ended))
            .map_err(|e| format!("`{name}` cannot be watched: {e}"))
    }

    fn keep(&self, runner: &Runner, argv: &[String], first: Process, ended: &dyn Fn(Ended)) {
        let name = argv.first().cloned().unwrap_or_default();
        let (mut process, mut failures) = (first, 0);
        loop {
            let started = Instant::now();
            runner.follow(&mut process, "", None);
            self.set_running(process.pid(), true);
            let status = process.wait(None).unwrap_or_default();
            self.set_running(process.pid(), false);
            if self.stopping.load(Ordering::SeqCst) {
                return;
            }
            let how = process.describe(status);
            runner.logs.note(&format!("the command `{name}` {how}"));
            if sys::succeeded(status) {
                if self.left.fetch_sub(1, Ordering::SeqCst) == 1 {
                    ended(Ended::Finished);
                }
                return;
            }
            failures = if started.elapsed() > Duration::from_secs(30) { 1 } else { failures + 1 };
            if failures > MAX_RESTARTS {
                return ended(Ended::Failed(format!(
                    "the command `{name}` {how}, {failures} times in a row"
                )));
            }
            std::thread::sleep(Duration::from_millis(200 << failures));
            process = match runner.start(argv) {
                Ok(process) => process,
                Err(e) => return ended(Ended::Failed(format!("`{name}` cannot be started again: {e}"))),
            };
        }
    }

    fn set_running(&self, pid: i32, is: bool) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.retain(|&other| other != pid);
        if is {
            running.push(pid);
        }
    }

    /// Asks all commands to end and waits for them until the deadline.
    pub fn stop(&self, deadline: Instant) {
        self.stopping.store(true, Ordering::SeqCst);
        let running = || self.running.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for pid in running() {
            sys::kill(-pid, libc::SIGTERM);
        }
        while !running().is_empty() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
