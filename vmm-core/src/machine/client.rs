//! The public side: start, connect, call, logs, stop, list. Everything blocks inside and looks at the context every
//! few moments; the async functions run it on the blocking pool, and a future that is dropped cancels its work.

use std::collections::BTreeMap;
use std::io::Read;
use std::time::{Duration, Instant};

use agent_protocol::{CallOutcome, CallSpec, CodecError, Output, read_message, write_message};

use super::launch;
use super::reaped::END_LIMIT;
use super::registry::{self, MachineDir, Record};
use super::wire::{MAX_MESSAGE, Patient, Reply, Request, broken};
use super::{CallRequest, MachineInfo, MachineState, UpRequest, log};
use super::{snapshot, start};
use crate::kernel::{self, Kernel};
use crate::secrets::Value;
use crate::{Context, Error, ErrorKind, Home, Result};

/// Runs blocking work so that dropping the future cancels it.
pub(super) async fn blocking<T: Send + 'static>(
    ctx: &Context,
    work: impl FnOnce(&Context) -> Result<T> + Send + 'static,
) -> Result<T> {
    let cancel = ctx.cancel.child_token();
    let guard = cancel.clone().drop_guard();
    let inner = Context { reporter: ctx.reporter.clone(), cancel };
    let done = tokio::task::spawn_blocking(move || work(&inner)).await;
    guard.disarm();
    done.map_err(|e| Error::new(ErrorKind::Internal, format!("a machine's task crashed: {e}")))?
}

/// Starts a machine and returns when its functions answer calls.
pub async fn up(
    home: &Home,
    request: UpRequest,
    secrets: BTreeMap<String, Value>,
    ctx: &Context,
) -> Result<Machine> {
    up_on(home, request, None, secrets, ctx).await
}

/// [`up`] with a kernel of the caller's choice.
pub async fn up_with_kernel(
    home: &Home,
    request: UpRequest,
    kernel: Kernel,
    secrets: BTreeMap<String, Value>,
    ctx: &Context,
) -> Result<Machine> {
    up_on(home, request, Some(kernel), secrets, ctx).await
}

async fn up_on(
    home: &Home,
    request: UpRequest,
    kernel: Option<Kernel>,
    secrets: BTreeMap<String, Value>,
    ctx: &Context,
) -> Result<Machine> {
    let home = home.clone();
    blocking(ctx, move |ctx| {
        // Before any work: the commonest mistake has the quickest answer.
        refuse_running(&home, &request.name)?;
        let kernel = kernel.map_or_else(|| kernel::find_or_fetch(&home, false, ctx), Ok)?;
        let launch = launch::of_request(&home, &request, &kernel, &secrets)?;
        drop(secrets);
        let info = snapshot::start(&home, launch, request.snapshot, ctx)?;
        Ok(Machine { dir: MachineDir::of(&home, &info.name)? })
    })
    .await
}

fn refuse_running(home: &Home, name: &str) -> Result<()> {
    match MachineDir::of(home, name)?.read()? {
        Some((_, true)) => Err(Error::new(
            ErrorKind::Usage,
            format!("starting {name}: a machine of this name is running already"),
        )
        .help(format!("stop it with `mvmctl down {name}`, or start this one under another name"))),
        _ => Ok(()),
    }
}

/// All machines, by name.
pub fn list(home: &Home) -> Result<Vec<MachineInfo>> {
    registry::list(home)
}

/// Stops a machine, or clears away what an ended one left.
pub async fn down(home: &Home, name: &str, grace: Duration, ctx: &Context) -> Result<()> {
    let dir = MachineDir::of(home, name)?;
    blocking(ctx, move |ctx| stop(&dir, grace, ctx)).await
}

fn not_there(dir: &MachineDir) -> Error {
    Error::new(ErrorKind::Usage, format!("there is no machine {}", dir.name()))
        .help("`mvmctl ps` shows those there are, `mvmctl up` starts one")
}

pub(super) fn stop(dir: &MachineDir, grace: Duration, ctx: &Context) -> Result<()> {
    let Some((record, alive)) = dir.read()? else { return Err(not_there(dir)) };
    if alive {
        stop_running(dir, &record, grace, ctx)?;
    }
    start::tethers(|all| all.remove(dir.path()));
    dir.sweep()?;
    Ok(())
}

fn stop_running(dir: &MachineDir, record: &Record, grace: Duration, ctx: &Context) -> Result<()> {
    let deadline = Instant::now() + grace + END_LIMIT;
    if let Ok(socket) = dir.connect() {
        let request = Request::Down { grace_ms: grace.as_millis() as u64 };
        let _ = write_message(&socket, &request, MAX_MESSAGE);
        // Ends with the supervisor, or when the user gives up waiting.
        let mut end = Patient::new(&socket, ctx)
            .map_err(|e| Error::new(ErrorKind::Transport, format!("stopping {}: {e}", dir.name())))?
            .until(deadline);
        let _ = end.read(&mut [0; 1]);
    }
    while dir.is_held()? {
        ctx.check()?;
        if Instant::now() >= deadline {
            return kill(dir, record);
        }
        std::thread::sleep(Duration::from_millis(3));
    }
    Ok(())
}

/// The supervisor does not answer: it is killed, and the VMM process with it.
fn kill(dir: &MachineDir, record: &Record) -> Result<()> {
    let pid = i32::try_from(record.info.pid).ok().and_then(rustix::process::Pid::from_raw);
    if let Some(pid) = pid.filter(|_| dir.is_held().unwrap_or(false)) {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
    released(dir)
}

/// Waits, for a moment at most, until no supervisor holds the machine.
fn released(dir: &MachineDir) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(5);
    while dir.is_held()? && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// A machine that is there.
#[derive(Clone, Debug)]
pub struct Machine {
    dir: MachineDir,
}

impl Machine {
    /// Finds a running machine.
    pub fn connect(home: &Home, name: &str) -> Result<Machine> {
        let dir = MachineDir::of(home, name)?;
        let Some((record, _)) = dir.read()? else { return Err(not_there(&dir)) };
        match record.info.state {
            MachineState::Failed => {
                let why = record.ended.unwrap_or_default();
                Err(Error::new(ErrorKind::Guest, format!("the machine {name} has ended: {why}"))
                    .help(format!("`mvmctl logs {name}` shows its output; start it again with `mvmctl up`")))
            }
            MachineState::Starting => {
                Err(Error::new(ErrorKind::Usage, format!("the machine {name} is not ready yet"))
                    .help("wait for `mvmctl up` to finish"))
            }
            _ => Ok(Machine { dir }),
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.dir.name()
    }

    /// What it is.
    pub fn info(&self) -> Result<MachineInfo> {
        self.dir.read()?.map(|(record, _)| record.info).ok_or_else(|| not_there(&self.dir))
    }

    /// Calls a function. What it prints goes to `on_output` while it runs; giving up kills the worker that runs it.
    pub async fn call(
        &self,
        request: CallRequest,
        on_output: impl FnMut(Output) + Send + 'static,
        ctx: &Context,
    ) -> Result<CallOutcome> {
        let dir = self.dir.clone();
        blocking(ctx, move |ctx| call(&dir, request, on_output, ctx)).await
    }

    /// Reads the log, and with `follow` what comes until the machine ends or the context is cancelled.
    pub async fn logs(
        &self,
        follow: bool,
        on_output: impl FnMut(Output) + Send + 'static,
        ctx: &Context,
    ) -> Result<()> {
        let dir = self.dir.clone();
        blocking(ctx, move |ctx| logs(&dir, follow, on_output, ctx)).await
    }

    /// Stops it.
    pub async fn down(&self, grace: Duration, ctx: &Context) -> Result<()> {
        let dir = self.dir.clone();
        blocking(ctx, move |ctx| stop(&dir, grace, ctx)).await
    }
}

/// Reads the log of a machine that runs or has ended; see [`Machine::logs`].
pub async fn logs_of(
    home: &Home,
    name: &str,
    follow: bool,
    on_output: impl FnMut(Output) + Send + 'static,
    ctx: &Context,
) -> Result<()> {
    let dir = MachineDir::of(home, name)?;
    blocking(ctx, move |ctx| logs(&dir, follow, on_output, ctx)).await
}

fn call(
    dir: &MachineDir,
    request: CallRequest,
    mut on_output: impl FnMut(Output),
    ctx: &Context,
) -> Result<CallOutcome> {
    let doing = format!("calling {}", dir.name());
    let spec = CallSpec {
        function: request.function,
        args: request.args,
        kwargs: request.kwargs,
        timeout_ms: request.timeout.map(|limit| u64::try_from(limit.as_millis()).unwrap_or(u64::MAX)),
    };
    let socket = dir.connect()?;
    write_message(&socket, &Request::Call(spec), MAX_MESSAGE).map_err(|error| match error {
        CodecError::TooLong { length, limit } => Error::new(
            ErrorKind::Usage,
            format!("{doing}: the arguments are {length} bytes of JSON, the limit is {limit}"),
        ),
        other => broken(&doing, &other, ctx),
    })?;
    let mut replies = Patient::new(&socket, ctx).map_err(|e| broken(&doing, &e.into(), ctx))?;
    loop {
        match read_message(&mut replies, MAX_MESSAGE) {
            Ok(Reply::Output(output)) => on_output(output),
            Ok(Reply::Outcome(outcome)) => return Ok(outcome),
            Ok(Reply::Failed(failure)) => return Err(failure.into()),
            Ok(_) => {
                return Err(Error::new(ErrorKind::Transport, format!("{doing}: an answer out of order")));
            }
            Err(error) => return Err(died(dir, broken(&doing, &error, ctx))),
        }
    }
}

/// A broken conversation, told as the machine's end where that is what it was.
fn died(dir: &MachineDir, error: Error) -> Error {
    if error.kind() != ErrorKind::Transport {
        return error;
    }
    // Its end closes the connection first and lets go of the machine a moment later.
    let _ = released(dir);
    match dir.read() {
        Ok(Some((Record { ended: Some(why), .. }, false))) => {
            Error::new(ErrorKind::Guest, format!("the machine {} has ended: {why}", dir.name()))
        }
        Ok(None) => Error::new(ErrorKind::Guest, format!("the machine {} was stopped", dir.name())),
        _ => error,
    }
}

fn logs(dir: &MachineDir, follow: bool, mut on_output: impl FnMut(Output), ctx: &Context) -> Result<()> {
    let Some((_, alive)) = dir.read()? else { return Err(not_there(dir)) };
    let socket = match dir.connect() {
        Ok(socket) if alive => socket,
        _ => {
            log::read(dir.path()).into_iter().for_each(on_output);
            return Ok(());
        }
    };
    let doing = format!("reading the log of {}", dir.name());
    write_message(&socket, &Request::Logs { follow }, MAX_MESSAGE).map_err(|e| broken(&doing, &e, ctx))?;
    let mut replies = Patient::new(&socket, ctx).map_err(|e| broken(&doing, &e.into(), ctx))?;
    loop {
        match read_message(&mut replies, MAX_MESSAGE) {
            Ok(Reply::Output(output)) => on_output(output),
            Ok(Reply::Failed(failure)) => return Err(failure.into()),
            // The machine's end is the log's end.
            Ok(_) | Err(CodecError::Ended) => return Ok(()),
            Err(error) => {
                return ctx.check().and_then(|()| match dir.is_held() {
                    Ok(false) => Ok(()),
                    _ => Err(broken(&doing, &error, ctx)),
                });
            }
        }
    }
}
