//! `mvm/workloadIr`: the live preview. Asking for it opens it; it is told of every change until the document closes.

use serde_json::Value;
use tower_lsp::jsonrpc::{Error, Result};

use crate::edge::Reply;
use crate::outbox::Key;
use crate::protocol::{WorkloadIrChanged, WorkloadIrParams};
use crate::session::Session;
use crate::snapshot::Snapshot;

impl Session {
    /// `mvm/workloadIr`
    pub fn workload_ir(&mut self, params: WorkloadIrParams, reply: Reply<Value>) {
        let uri = params.text_document.uri;
        if params.subscribe == Some(false) {
            self.previews.remove(&uri);
        } else if self.docs.get(&uri).is_some() {
            self.previews.insert(uri.clone());
        }
        self.with_snapshot(&uri, reply, |_, snapshot| ir_value(&snapshot));
    }

    /// `mvm/workloadIrChanged`
    pub(crate) fn ir_changed(&self, snapshot: &Snapshot) {
        let params = WorkloadIrChanged { uri: snapshot.uri.clone(), ir: snapshot.workload_ir() };
        self.notify("mvm/workloadIrChanged", &params, Some(Key::Ir(snapshot.uri.as_str().to_owned())));
    }
}

fn ir_value(snapshot: &Snapshot) -> Result<Value> {
    serde_json::to_value(snapshot.workload_ir()).map_err(|e| Error {
        message: format!("the IR cannot be written as JSON: {e}").into(),
        ..Error::internal_error()
    })
}
