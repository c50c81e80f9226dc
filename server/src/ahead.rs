//! Work done ahead of the next run: after one that booted and went well, a snapshot is made in the background, so that
//! the next one starts from it. What the user asks for goes first: whatever they start ends this. Never for an app
//! that refers to a secret, and never when the setting `snapshotAfterRun` is off.

use std::sync::Arc;

use serde_json::json;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tower_lsp::ls_types::MessageType;
use vmm_core::{Context, ErrorKind, Silent};

use crate::jobs::Jobs;
use crate::runner::{JobKind, JobRequest, JobResult};
use crate::session::Session;

/// A snapshot that is being made.
pub(crate) struct Ahead {
    cancel: CancellationToken,
    task: JoinHandle<()>,
}

impl Jobs {
    /// Gives up what nobody has asked for. It is waited for when the session ends.
    pub(crate) fn give_up_ahead(&mut self) {
        self.ahead.retain(|ahead| !ahead.task.is_finished());
        self.ahead.iter().for_each(|ahead| ahead.cancel.cancel());
    }

    /// The tasks, to be waited for.
    pub(crate) fn ahead_tasks(&mut self) -> Vec<JoinHandle<()>> {
        self.ahead.drain(..).map(|ahead| ahead.task).collect()
    }
}

/// The run that the next one could do in less time: it booted, and went well.
pub(crate) fn worth_it(request: &JobRequest, result: &vmm_core::Result<JobResult>) -> Option<JobRequest> {
    let booted = |result: &JobResult| result.success && result.details["restored"] == json!(false);
    let worth = request.kind == JobKind::Run && result.as_ref().is_ok_and(booted);
    worth.then(|| request.clone())
}

impl Session {
    /// Makes the snapshot of what has just run, if nothing else is under way.
    pub(crate) fn make_ready(&mut self, request: JobRequest) {
        if !self.settings.snapshot_after_run || !self.settings.trusted || self.jobs.is_busy() {
            return;
        }
        self.jobs.give_up_ahead();
        let name = request.app.clone().unwrap_or_else(|| request.workload.id.clone());
        let cancel = CancellationToken::new();
        let ctx = Context { reporter: Arc::new(Silent), cancel: cancel.clone() };
        let Some(future) = self.runner.make_ready(request, ctx) else { return };
        let inbox = self.inbox.clone();
        // Without threads there is no snapshot: nobody was promised one.
        let Ok(runtime) = self.jobs.runtime() else { return };
        let task = runtime.spawn(async move {
            let said = match future.await {
                Ok(true) => return,
                Ok(false) => format!("{name}: the next run starts from a snapshot"),
                Err(e) if e.kind() == ErrorKind::Cancelled => return,
                Err(e) => format!("{name}: the next run boots again: {e}"),
            };
            inbox.task(move |s| s.log(MessageType::LOG, &said));
        });
        self.jobs.ahead.push(Ahead { cancel, task });
    }
}
