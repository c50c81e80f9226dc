//! What builds and runs workloads for the server. A trait, so that the protocol side is tested without guests; the
//! real one is vmm-core's facade on a tokio runtime of its own, which starts with the first job.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use serde_json::{Map, Value, json};
use vmm_core::image::oci::Reference;
use vmm_core::image::registry::{self, Keychain};
use vmm_core::machine::{CallOutcome, CallRequest, HypervisorChoice, MachineInfo};
use vmm_core::workflow::{self, BuildOptions, LaunchOptions, OutputSink, RunRequest};
use vmm_core::{Context, Home, Result, secrets};
use workload_ir::{Entrypoint, EnvValue, Workload};

/// Of a value or a message in one line about a job, so many characters are shown.
const SHOWN: usize = 200;

/// Build or run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobKind {
    /// Build the image.
    Build,
    /// Build, boot, call, stop.
    Run,
}

/// One job.
#[derive(Clone)]
pub struct JobRequest {
    /// Build or run.
    pub kind: JobKind,
    /// The workload.
    pub workload: Workload,
    /// Directory of the declaring file.
    pub base_dir: PathBuf,
    /// Which app.
    pub app: Option<String>,
    /// Function to call; `None`: the primary one.
    pub function: Option<String>,
    /// Positional arguments.
    pub args: Vec<Value>,
    /// Keyword arguments.
    pub kwargs: Map<String, Value>,
    /// How to build.
    pub build: BuildOptions,
    /// Hypervisor.
    pub hypervisor: HypervisorChoice,
    /// Where the guest's output goes.
    pub output: OutputSink,
}

/// How a job ended well: one line for the user, and the details for the caller of the command.
#[derive(Clone, Debug, PartialEq)]
pub struct JobResult {
    /// The workload itself succeeded (the function returned).
    pub success: bool,
    /// One line.
    pub summary: String,
    /// Machine-readable.
    pub details: Value,
}

/// A job in flight.
pub type JobFuture = Pin<Box<dyn Future<Output = Result<JobResult>> + Send>>;

/// A snapshot that is being made; whether there was one.
pub type ReadyFuture = Pin<Box<dyn Future<Output = Result<bool>> + Send>>;

/// The machines, being looked for.
pub type MachinesFuture = Pin<Box<dyn Future<Output = Vec<MachineInfo>> + Send>>;

/// A machine that is being stopped.
pub type StopFuture = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

/// The digest of an image, being asked for.
pub type DigestFuture = Pin<Box<dyn Future<Output = Result<String>> + Send>>;

/// Builds and runs.
pub trait Runner: Send + Sync {
    /// Starts a job. Dropping the future ends it too.
    fn start(&self, request: JobRequest, ctx: Context) -> JobFuture;

    /// Makes the snapshot from which the next run of what has just run starts; `None` where none is to be made.
    /// Dropping the future ends it too.
    fn make_ready(&self, _: JobRequest, _: Context) -> Option<ReadyFuture> {
        None
    }

    /// The names of the secrets in the host's store; none where there is no store.
    fn secret_names(&self) -> Vec<String> {
        let store = Home::from_env().and_then(|home| secrets::Store::open(&home));
        store.and_then(|store| store.list()).unwrap_or_default()
    }

    /// The machines that run on this host; `None`: certainly none.
    fn machines(&self) -> Option<MachinesFuture> {
        let home = Home::from_env().ok()?;
        let mut entries = std::fs::read_dir(home.state().join("machines")).ok()?;
        entries.next()?.ok()?;
        Some(Box::pin(async move { workflow::list(&home).await.unwrap_or_default() }))
    }

    /// Stops one of them.
    fn stop_machine(&self, name: String, ctx: Context) -> StopFuture {
        Box::pin(async move { workflow::down(&Home::from_env()?, &name, &ctx).await })
    }

    /// Asks an image's registry for its digest, with the keys that the user's other tools hold.
    fn image_digest(&self, reference: Reference, ctx: Context) -> DigestFuture {
        Box::pin(async move { registry::digest_of(&reference, Keychain::from_env(), &ctx).await })
    }

    /// Puts a value into the host's store of secrets.
    fn store_secret(&self, name: &str, value: &secrets::Value) -> Result<()> {
        secrets::Store::open(&Home::from_env()?)?.set(name, value)
    }
}

/// vmm-core.
pub struct VmmRunner;

impl Runner for VmmRunner {
    fn start(&self, request: JobRequest, ctx: Context) -> JobFuture {
        Box::pin(async move {
            let home = Home::from_env()?;
            match request.kind {
                JobKind::Build => build(&home, request, &ctx).await,
                JobKind::Run => run(&home, request, &ctx).await,
            }
        })
    }

    fn make_ready(&self, request: JobRequest, ctx: Context) -> Option<ReadyFuture> {
        if refers_to_secrets(&request) {
            return None;
        }
        Some(Box::pin(async move {
            let home = Home::from_env()?;
            let record = workflow::load_build(&home, &request.workload.id)?;
            let launch = launch_options(&request);
            workflow::freeze(&home, record, request.app.as_deref(), &launch, &ctx).await
        }))
    }
}

async fn build(home: &Home, request: JobRequest, ctx: &Context) -> Result<JobResult> {
    let id = request.workload.id.clone();
    let record = workflow::build(home, request.workload, request.base_dir, &request.build, ctx).await?;
    let bytes: u64 = record.apps.iter().flat_map(|a| &a.layers).map(|l| l.size).sum();
    Ok(JobResult {
        success: true,
        summary: format!("built {id}: {} in {} MB of layers", plural(record.apps.len(), "app"), bytes >> 20),
        details: json!({ "kind": "build", "workload": id, "irHash": record.ir_hash, "bytes": bytes }),
    })
}

fn launch_options(request: &JobRequest) -> LaunchOptions {
    LaunchOptions { hypervisor: request.hypervisor, ..LaunchOptions::default() }
}

/// Whether the app that is meant refers to a secret anywhere.
fn refers_to_secrets(request: &JobRequest) -> bool {
    let secret = |env: &BTreeMap<String, EnvValue>| {
        env.values().any(|value| matches!(value, EnvValue::SecretRef { .. }))
    };
    let of_entrypoint = |e: &Entrypoint| {
        let (Entrypoint::Command { env, .. } | Entrypoint::Function { env, .. }) = e;
        secret(env)
    };
    workflow::select_app(&request.workload, request.app.as_deref())
        .is_ok_and(|app| secret(&app.env) || app.entrypoints.iter().any(of_entrypoint))
}

async fn run(home: &Home, request: JobRequest, ctx: &Context) -> Result<JobResult> {
    let id = request.workload.id.clone();
    let launch = launch_options(&request);
    let call = CallRequest {
        function: request.function,
        args: request.args,
        kwargs: request.kwargs,
        timeout: Some(workflow::CALL_TIMEOUT),
    };
    let run = RunRequest {
        workload: request.workload,
        base_dir: request.base_dir,
        app: request.app,
        call,
        build: request.build,
        launch,
        output: Some(Arc::clone(&request.output)),
    };
    let report = workflow::run(home, run, ctx).await?;
    let (success, summary) = outcome(&report.outcome);
    let details = json!({
        "kind": "run", "workload": id, "outcome": report.outcome, "irHash": report.ir_hash,
        "hypervisor": report.hypervisor, "clocks": report.clocks, "steps": report.steps,
        "restored": report.restored,
    });
    Ok(JobResult { success, summary: format!("{id} {summary}"), details })
}

/// One line about how a call ended.
pub fn outcome(outcome: &CallOutcome) -> (bool, String) {
    match outcome {
        CallOutcome::Returned { value } => (true, format!("returned {}", shorten(&value.to_string(), SHOWN))),
        CallOutcome::Raised { exception, message, .. } => {
            (false, format!("raised {exception}: {}", shorten(message, SHOWN)))
        }
        CallOutcome::NotSerializable { message } => {
            (false, format!("returned what JSON cannot carry: {}", shorten(message, SHOWN)))
        }
        CallOutcome::BadArguments { message } => {
            (false, format!("was called with arguments that do not fit: {}", shorten(message, SHOWN)))
        }
        CallOutcome::NoSuchFunction { available } => {
            (false, format!("has no such function; it has {}", available.join(", ")))
        }
        CallOutcome::TimedOut { after_ms } => (false, format!("did not return within {after_ms} ms")),
        CallOutcome::WorkerDied { reason } => {
            (false, format!("died in the middle of the call: {}", shorten(reason, SHOWN)))
        }
    }
}

/// A text, cut after so many characters.
pub(crate) fn shorten(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text.to_owned(),
    }
}

fn plural(n: usize, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}
