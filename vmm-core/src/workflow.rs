//! The whole road as one facade, for `mvmctl` and the language server alike: build → up → call → down.
//! It orders the rooms, hands the context through, and guarantees that what it started is stopped on every path.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use workload_ir::{App, Entrypoint, Workload};

use crate::build::{BuildRecord, BuildRequest};
use crate::machine::{
    CallOutcome, CallRequest, Clocks, ConnectTo, HypervisorChoice, MachineInfo, Output, SnapshotUse,
    UpRequest,
};
use crate::{Context, Error, ErrorKind, Event, Home, Result, Stage};

mod adapter;
mod arguments;

pub use crate::build::artifacts::load as load_build;

/// Takes what the guest prints, in order. Called from any thread; must not block.
pub type OutputSink = Arc<dyn Fn(Output) + Send + Sync>;

/// How long a machine may take until its function is ready, unless told otherwise. Generous: an emulated guest on
/// a busy machine is slow, and a guest that really hangs is caught by it all the same.
pub const BOOT_TIMEOUT: Duration = Duration::from_secs(120);

/// How long a call may take, unless told otherwise: a function that never returns must not hold up a script or a
/// pipeline for good. A guest that hangs is noticed within a minute, whatever the limit.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(600);

/// How long the stop of a machine may take before its processes are killed.
const STOP_TIMEOUT: Duration = Duration::from_secs(15);

/// Longest name of a machine, the ending of `run`'s not counted; two ids of 63 characters would be longer.
const LONGEST_NAME: usize = 72;

/// How a build behaves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BuildOptions {
    /// Take the nearest version a package source has when the declared one is not there.
    pub allow_substitute: bool,
    /// Do not reach for the network.
    pub offline: bool,
    /// Lock to obey and to update; `None`: the home's own, by workload id.
    pub lock: Option<PathBuf>,
}

/// How a machine is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaunchOptions {
    /// Hypervisor.
    pub hypervisor: HypervisorChoice,
    /// Destinations sent elsewhere.
    pub connect_to: Vec<ConnectTo>,
    /// How long until the function must be ready.
    pub boot_timeout: Duration,
    /// Whether the machine starts from a snapshot.
    pub snapshot: SnapshotUse,
}

impl Default for LaunchOptions {
    fn default() -> Self {
        LaunchOptions {
            hypervisor: HypervisorChoice::Auto,
            connect_to: Vec::new(),
            boot_timeout: BOOT_TIMEOUT,
            snapshot: SnapshotUse::IfThere,
        }
    }
}

/// What `run` does: one workload, one call.
#[derive(Clone)]
pub struct RunRequest {
    /// The workload.
    pub workload: Workload,
    /// Directory of the declaring file.
    pub base_dir: PathBuf,
    /// Which app is called; `None`: the only one.
    pub app: Option<String>,
    /// Function and arguments.
    pub call: CallRequest,
    /// How to build.
    pub build: BuildOptions,
    /// How to start.
    pub launch: LaunchOptions,
    /// Where the guest's output goes while it runs.
    pub output: Option<OutputSink>,
}

/// Time that one step took.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct StepTime {
    /// Step.
    pub stage: Stage,
    /// Milliseconds.
    pub ms: f64,
}

/// What `run` tells at its end.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunReport {
    /// How the call ended.
    pub outcome: CallOutcome,
    /// Hash of the IR that ran.
    pub ir_hash: String,
    /// `kvm`, `qemu-kvm`, `qemu-tcg`.
    pub hypervisor: String,
    /// The three clocks of the machine.
    pub clocks: Clocks,
    /// The machine was restored from a snapshot.
    pub restored: bool,
    /// Build (as [`Stage::Image`]), boot, call and stop.
    pub steps: Vec<StepTime>,
}

/// Builds a workload and registers the result, so that [`up`] finds it by the workload's id.
pub async fn build(
    home: &Home,
    workload: Workload,
    base_dir: PathBuf,
    options: &BuildOptions,
    ctx: &Context,
) -> Result<BuildRecord> {
    ctx.check()?;
    crate::plan::check_launch(&workload, &crate::plan::HostLimits::detect())?;
    let request = BuildRequest {
        lock: options.lock.clone(),
        workload,
        base_dir,
        allow_substitute: options.allow_substitute,
        offline: options.offline,
    };
    adapter::build(home, request, ctx).await
}

/// Removes from the cache what neither an artifact nor a running machine refers to; waits until nobody builds.
pub async fn gc(home: &Home, dry_run: bool, ctx: &Context) -> Result<crate::layer::Removed> {
    ctx.check()?;
    adapter::gc(home, dry_run, ctx).await
}

/// Starts one app of a built workload and returns when its function is ready.
pub async fn up(
    home: &Home,
    record: BuildRecord,
    app: Option<&str>,
    launch: &LaunchOptions,
    ctx: &Context,
) -> Result<MachineInfo> {
    let app = select_app(&record.workload, app)?.name.clone();
    let name = machine_name(&record.workload, &app);
    start(home, record, app, name, launch, false, ctx).await
}

/// Calls a function of a running machine. `output` takes what it prints meanwhile.
pub async fn call(
    home: &Home,
    machine: &str,
    request: &CallRequest,
    output: Option<OutputSink>,
    ctx: &Context,
) -> Result<CallOutcome> {
    ctx.check()?;
    adapter::call(home, machine, request, output, ctx).await
}

/// The machines there are. What crashed is cleaned up on the way.
pub async fn list(home: &Home) -> Result<Vec<MachineInfo>> {
    adapter::list(home).await
}

/// What a machine has written so far; with `follow` also what it writes until it stops.
pub async fn logs(home: &Home, machine: &str, follow: bool, output: OutputSink, ctx: &Context) -> Result<()> {
    adapter::logs(home, machine, follow, output, ctx).await
}

/// Stops a machine and waits until nothing of it is left.
pub async fn down(home: &Home, machine: &str, ctx: &Context) -> Result<()> {
    adapter::down(home, machine, ctx).await
}

/// Builds, boots, calls and stops. Whatever happens between — an error, a cancellation, this future dropped — no
/// machine is left.
pub async fn run(home: &Home, request: RunRequest, ctx: &Context) -> Result<RunReport> {
    let RunRequest { workload, base_dir, app, call, build: options, launch, output } = request;
    let app = select_app(&workload, app.as_deref())?;
    arguments::check(app, &call)?;
    // A missing secret is told before minutes go into a build.
    crate::secrets::Store::open(home)?.resolve(app)?;
    let app = app.name.clone();
    let mut steps = Vec::new();

    let clock = Instant::now();
    let record = build(home, workload, base_dir, &options, ctx).await?;
    steps.push(step(Stage::Image, clock));
    let ir_hash = record.ir_hash.clone();

    let name = ephemeral_name(&record.workload, &app);
    let grace = stop_limit(select_app(&record.workload, Some(&app))?);
    let guard = Running::new(home.clone(), name.clone(), grace);
    let outcome = boot_and_call(home, record, app, &name, &call, &launch, output, &mut steps, ctx).await;
    let clock = Instant::now();
    let stopped = guard.stop().await;
    steps.push(step(Stage::Stop, clock));

    let (info, outcome) = outcome?;
    stopped?;
    let MachineInfo { hypervisor, clocks, restored, .. } = info;
    Ok(RunReport { outcome, ir_hash, hypervisor, clocks, restored, steps })
}

// One step of `run`; its parts are `run`'s own locals, which a struct would only rename.
#[allow(clippy::too_many_arguments)]
async fn boot_and_call(
    home: &Home,
    record: BuildRecord,
    app: String,
    name: &str,
    call: &CallRequest,
    launch: &LaunchOptions,
    output: Option<OutputSink>,
    steps: &mut Vec<StepTime>,
    ctx: &Context,
) -> Result<(MachineInfo, CallOutcome)> {
    let clock = Instant::now();
    let info = start(home, record, app, name.to_owned(), launch, true, ctx).await?;
    steps.push(step(Stage::Boot, clock));

    let clock = Instant::now();
    ctx.reporter.report(Event::Started { stage: Stage::Call, detail: describe_call(call) });
    let outcome = adapter::call(home, name, call, output, ctx).await?;
    ctx.reporter.report(Event::Finished { stage: Stage::Call, elapsed: clock.elapsed(), cached: false });
    steps.push(step(Stage::Call, clock));
    Ok((info, outcome))
}

async fn start(
    home: &Home,
    build: BuildRecord,
    app: String,
    name: String,
    launch: &LaunchOptions,
    ephemeral: bool,
    ctx: &Context,
) -> Result<MachineInfo> {
    ctx.check()?;
    adapter::up(home, request(build, app, name, launch, ephemeral), ctx).await
}

/// Makes the snapshot of one app of a built workload, if there is none that fits: what is started from then on is
/// restored. Says whether there was one.
pub async fn freeze(
    home: &Home,
    record: BuildRecord,
    app: Option<&str>,
    launch: &LaunchOptions,
    ctx: &Context,
) -> Result<bool> {
    ctx.check()?;
    let app = select_app(&record.workload, app)?.name.clone();
    let name = machine_name(&record.workload, &app);
    adapter::freeze(home, request(record, app, name, launch, true), ctx).await
}

fn request(
    build: BuildRecord,
    app: String,
    name: String,
    launch: &LaunchOptions,
    ephemeral: bool,
) -> UpRequest {
    UpRequest {
        build,
        app,
        name,
        hypervisor: launch.hypervisor,
        connect_to: launch.connect_to.clone(),
        boot_timeout: launch.boot_timeout,
        ephemeral,
        snapshot: launch.snapshot,
    }
}

/// The app that is meant: the named one, or the only one.
pub fn select_app<'a>(workload: &'a Workload, name: Option<&str>) -> Result<&'a App> {
    let names = || workload.apps.iter().map(|a| a.name.as_str()).collect::<Vec<_>>().join(", ");
    match (name, workload.apps.as_slice()) {
        (_, []) => Err(Error::new(ErrorKind::Usage, format!("workload `{}` has no apps", workload.id))
            .help("declare at least one function with `@mvm.app(...)`")),
        (None, [only]) => Ok(only),
        (None, _) => Err(Error::new(
            ErrorKind::Usage,
            format!("workload `{}` has several apps: {}", workload.id, names()),
        )
        .help("name one of them with `--app`")),
        (Some(wanted), apps) => apps.iter().find(|a| a.name == wanted).ok_or_else(|| {
            Error::new(ErrorKind::Usage, format!("workload `{}` has no app `{wanted}`", workload.id))
                .help(format!("it has {}", names()))
        }),
    }
}

/// Name of the machine that `up` starts: the workload's id, and the app's name where there are several.
pub fn machine_name(workload: &Workload, app: &str) -> String {
    if workload.apps.len() == 1 {
        return workload.id.clone();
    }
    let name = format!("{}.{app}", workload.id);
    if name.len() <= LONGEST_NAME {
        return name;
    }
    let digest = crate::digest::sha256_hex(name.as_bytes());
    format!("{}.{}", &name[..LONGEST_NAME - 9], &digest[..8])
}

/// Name of the machine that `run` starts: never that of one which `up` started, nor that of another `run`.
fn ephemeral_name(workload: &Workload, app: &str) -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{}.run-{}-{count}", machine_name(workload, app), std::process::id())
}

/// How long the machine of a `run` may take to stop by itself. Nothing of it outlives it, so where nothing is declared
/// to be done at its end, it is ended at once.
fn stop_limit(app: &App) -> Duration {
    let hooks = app.hooks.as_ref().is_some_and(|hooks| !hooks.before_stop.is_empty());
    let commands = app.entrypoints.iter().any(|e| matches!(e, Entrypoint::Command { .. }));
    if hooks || commands { STOP_TIMEOUT } else { Duration::ZERO }
}

fn describe_call(call: &CallRequest) -> String {
    call.function.clone().unwrap_or_else(|| "primary function".to_owned())
}

fn step(stage: Stage, since: Instant) -> StepTime {
    StepTime { stage, ms: since.elapsed().as_secs_f64() * 1000.0 }
}

/// A machine that must not outlive its owner.
struct Running {
    home: Home,
    name: Option<String>,
    limit: Duration,
}

impl Running {
    fn new(home: Home, name: String, limit: Duration) -> Self {
        Running { home, name: Some(name), limit }
    }

    /// The orderly way. Not cancellable: cancellation is one of the reasons to be here.
    async fn stop(mut self) -> Result<()> {
        match self.name.take() {
            Some(name) => adapter::down_if_up(&self.home, &name, self.limit).await,
            None => Ok(()),
        }
    }
}

impl Drop for Running {
    /// The future was dropped half-way. A thread of its own, since the runtime may be going down too.
    fn drop(&mut self) {
        let Some(name) = self.name.take() else { return };
        let (home, limit) = (self.home.clone(), self.limit);
        let stop = move || {
            if let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() {
                let _ = runtime.block_on(adapter::down_if_up(&home, &name, limit));
            }
        };
        // If no thread can be had, the machine's own supervision ends it with this process (`ephemeral`).
        let _ = std::thread::Builder::new().name("mvm-teardown".into()).spawn(stop);
    }
}

#[cfg(test)]
mod tests;
