//! Machines that run on this host, whoever started them: shown at their declarations, and stoppable.

use std::time::Duration;

use serde_json::{Value, json};
use tower_lsp::jsonrpc::{Error, ErrorCode};
use tower_lsp::ls_types::*;
use vmm_core::Context;
use vmm_core::machine::{MachineInfo, MachineState};

use crate::edge::Reply;
use crate::session::Session;

/// How often is looked again while there are machines: one that ends elsewhere is not shown for long.
const AGAIN: Duration = Duration::from_secs(2);

/// What is known of machines.
#[derive(Default)]
pub struct Machines {
    known: Vec<MachineInfo>,
    looking: bool,
    /// A later look is due.
    waiting: bool,
}

impl Session {
    /// Looks for machines beside the loop; lenses are drawn again when there are others than before.
    pub(crate) fn look_for_machines(&mut self) {
        if self.machines.looking || self.deterministic {
            return;
        }
        let Some(future) = self.runner.machines() else { return self.machines_are(Vec::new()) };
        let inbox = self.inbox.clone();
        let Ok(runtime) = self.jobs.runtime() else { return };
        self.machines.looking = true;
        runtime.spawn(async move {
            let mut found = future.await;
            let any = !found.is_empty();
            // One that starts is the matter of whoever starts it, and one that is to be frozen never gets further.
            found.retain(|m| m.state == MachineState::Ready);
            inbox.task(move |s| {
                s.machines.looking = false;
                s.machines_are(found);
                if any {
                    s.look_again();
                }
            });
        });
    }

    /// Looks once more in a while: machines come, get ready and end without a word to this server.
    fn look_again(&mut self) {
        if self.machines.waiting {
            return;
        }
        let inbox = self.inbox.clone();
        let Ok(runtime) = self.jobs.runtime() else { return };
        self.machines.waiting = true;
        runtime.spawn(async move {
            tokio::time::sleep(AGAIN).await;
            inbox.task(|s| {
                s.machines.waiting = false;
                s.look_for_machines();
            });
        });
    }

    fn machines_are(&mut self, found: Vec<MachineInfo>) {
        let names = |list: &[MachineInfo]| list.iter().map(|m| m.name.clone()).collect::<Vec<_>>();
        let changed = names(&found) != names(&self.machines.known);
        self.machines.known = found;
        if changed {
            self.lenses_changed();
        }
    }

    /// The machines of a declaration.
    pub(crate) fn machines_of(&self, workload: &str, app: &str) -> impl Iterator<Item = &str> {
        let of = move |m: &&MachineInfo| m.workload == workload && m.app == app;
        self.machines.known.iter().filter(of).map(|m| m.name.as_str())
    }

    /// `mvm.stop` with the name of a machine.
    pub(crate) fn stop_machine(&mut self, name: String, reply: Reply<Option<Value>>) {
        let (inbox, future) = (self.inbox.clone(), self.runner.stop_machine(name.clone(), Context::silent()));
        let runtime = match self.jobs.runtime() {
            Ok(runtime) => runtime,
            Err(e) => return reply.send(Err(refused(format!("no thread to stop `{name}` with: {e}")))),
        };
        runtime.spawn(async move {
            let result = future.await;
            inbox.task(move |s| {
                s.look_for_machines();
                match result {
                    Ok(()) => reply.send(Ok(Some(json!({ "stopped": 1, "machine": name })))),
                    Err(e) => {
                        s.tell(MessageType::ERROR, &format!("mvm: `{name}` was not stopped: {e}"));
                        reply.send(Err(refused(e.to_string())));
                    }
                }
            });
        });
    }
}

fn refused(message: String) -> Error {
    Error { code: ErrorCode::ServerError(-32803), message: message.into(), data: None }
}
