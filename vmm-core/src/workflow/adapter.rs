//! What the facade asks of the rooms `build` and `machine`, in one place, so that their signatures may move.

use std::collections::BTreeMap;
use std::time::Duration;

use super::OutputSink;
use crate::build::{BuildRecord, BuildRequest, artifacts};
use crate::layer::Removed;
use crate::machine::{self, CallOutcome, CallRequest, Machine, MachineInfo, UpRequest};
use crate::secrets::Value;
use crate::{Context, Error, ErrorKind, Home, Result};

/// The room's own function blocks; it watches the context, and is waited for even when that is cancelled.
pub(super) async fn build(home: &Home, request: BuildRequest, ctx: &Context) -> Result<BuildRecord> {
    let (home, ctx) = (home.clone(), ctx.clone());
    tokio::task::spawn_blocking(move || crate::build::build(&home, request, &ctx)).await.map_err(crashed)?
}

pub(super) async fn gc(home: &Home, dry_run: bool, ctx: &Context) -> Result<Removed> {
    let (home, ctx) = (home.clone(), ctx.clone());
    let work = move || {
        let mut removed = machine::snapshot::gc(&home, dry_run)?;
        let layers = crate::gc::collect(&home, dry_run, &ctx)?;
        removed.bytes += layers.bytes;
        removed.files.extend(layers.files);
        Ok(removed)
    };
    tokio::task::spawn_blocking(work).await.map_err(crashed)?
}

fn crashed(error: tokio::task::JoinError) -> Error {
    Error::new(ErrorKind::Internal, format!("a part of mvm crashed: {error}"))
        .help("this is a defect of mvm; please report it with the declaration")
}

/// How long a guest may take to stop by itself before its processes are killed.
const GRACE: Duration = Duration::from_secs(10);

pub(super) async fn up(home: &Home, request: UpRequest, ctx: &Context) -> Result<MachineInfo> {
    let secrets = secrets_of(home, &request)?;
    machine::up(home, request, secrets, ctx).await?.info()
}

pub(super) async fn freeze(home: &Home, request: UpRequest, ctx: &Context) -> Result<bool> {
    let secrets = secrets_of(home, &request)?;
    machine::freeze(home, request, secrets, ctx).await
}

fn secrets_of(home: &Home, request: &UpRequest) -> Result<BTreeMap<String, Value>> {
    let app = request.build.workload.apps.iter().find(|app| app.name == request.app);
    Ok(app.map(|app| crate::secrets::Store::open(home)?.resolve(app)).transpose()?.unwrap_or_default())
}

pub(super) async fn call(
    home: &Home,
    name: &str,
    call: &CallRequest,
    output: Option<OutputSink>,
    ctx: &Context,
) -> Result<CallOutcome> {
    let on_output = move |piece| {
        if let Some(sink) = &output {
            sink(piece);
        }
    };
    let machine = Machine::connect(home, name)?;
    check_arguments(home, &machine.info()?, call)?;
    machine.call(call.clone(), on_output, ctx).await
}

/// Holds the arguments against what the machine was built from, if that is still there.
fn check_arguments(home: &Home, info: &MachineInfo, call: &CallRequest) -> Result<()> {
    match artifacts::load(home, &info.workload) {
        Ok(record) if record.ir_hash == info.ir_hash => {
            let app = record.workload.apps.iter().find(|app| app.name == info.app);
            app.map_or(Ok(()), |app| super::arguments::check(app, call))
        }
        // Built anew meanwhile, or gone: the guest checks for itself.
        _ => Ok(()),
    }
}

pub(super) async fn list(home: &Home) -> Result<Vec<MachineInfo>> {
    machine::list(home)
}

pub(super) async fn logs(
    home: &Home,
    name: &str,
    follow: bool,
    output: OutputSink,
    ctx: &Context,
) -> Result<()> {
    machine::logs_of(home, name, follow, move |piece| output(piece), ctx).await
}

pub(super) async fn down(home: &Home, name: &str, ctx: &Context) -> Result<()> {
    machine::down(home, name, GRACE, ctx).await
}

/// Stops a machine if there is one. The limit is the whole time it may take.
pub(super) async fn down_if_up(home: &Home, name: &str, limit: Duration) -> Result<()> {
    if !machine::list(home)?.iter().any(|info| info.name == name) {
        return Ok(());
    }
    machine::down(home, name, limit.min(GRACE), &Context::silent()).await
}
