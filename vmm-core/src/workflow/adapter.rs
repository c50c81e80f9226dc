//! What the facade asks of the rooms `build` and `machine`, in one place, so that their signatures may move.

use std::time::Duration;

use super::OutputSink;
use crate::build::{BuildRecord, BuildRequest, artifacts};
use crate::layer::Removed;
use crate::machine::{CallOutcome, CallRequest, MachineInfo, UpRequest};
use crate::{Context, Error, ErrorKind, Home, Result};

/// The room's own function blocks; it watches the context, and is waited for even when that is cancelled.
pub(super) async fn build(home: &Home, request: BuildRequest, ctx: &Context) -> Result<BuildRecord> {
    let (home, ctx) = (home.clone(), ctx.clone());
    tokio::task::spawn_blocking(move || crate::build::build(&home, request, &ctx)).await.map_err(crashed)?
}

pub(super) async fn gc(home: &Home, dry_run: bool, ctx: &Context) -> Result<Removed> {
    let (home, ctx) = (home.clone(), ctx.clone());
    let work = move || artifacts::gc(&home, || Ok(Vec::new()), dry_run, &ctx);
    tokio::task::spawn_blocking(work).await.map_err(crashed)?
}

fn crashed(error: tokio::task::JoinError) -> Error {
    Error::new(ErrorKind::Internal, format!("a part of mvm crashed: {error}"))
        .help("this is a defect of mvm; please report it with the declaration")
}

pub(super) async fn up(_home: &Home, _request: UpRequest, _ctx: &Context) -> Result<MachineInfo> {
    Err(pending("up"))
}

pub(super) async fn call(
    _home: &Home,
    _name: &str,
    _call: &CallRequest,
    _output: Option<OutputSink>,
    _ctx: &Context,
) -> Result<CallOutcome> {
    Err(pending("call"))
}

pub(super) async fn list(_home: &Home) -> Result<Vec<MachineInfo>> {
    Ok(Vec::new())
}

pub(super) async fn logs(_: &Home, _: &str, _follow: bool, _: OutputSink, _: &Context) -> Result<()> {
    Err(pending("logs"))
}

pub(super) async fn down(_home: &Home, _name: &str, _ctx: &Context) -> Result<()> {
    Err(pending("down"))
}

pub(super) async fn down_if_up(_home: &Home, _name: &str, _limit: Duration) -> Result<()> {
    Ok(())
}

fn pending(what: &str) -> Error {
    Error::new(ErrorKind::Internal, format!("`{what}` is not connected yet"))
}
