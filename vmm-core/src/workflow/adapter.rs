//! What the facade asks of the rooms `build` and `machine`, in one place, so that their signatures may move.

use std::time::Duration;

use super::OutputSink;
use crate::build::{BuildRecord, BuildRequest};
use crate::machine::{CallOutcome, CallRequest, MachineInfo, UpRequest};
use crate::{Context, Error, ErrorKind, Home, Result};

pub(super) async fn build(_home: &Home, _request: BuildRequest, _ctx: &Context) -> Result<BuildRecord> {
    Err(pending("build"))
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

pub(super) async fn down_if_up(_home: &Home, _name: &str, _limit: Duration) -> Result<()> {
    Ok(())
}

fn pending(what: &str) -> Error {
    Error::new(ErrorKind::Internal, format!("`{what}` is not connected yet"))
}
