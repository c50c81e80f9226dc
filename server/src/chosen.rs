//! A code action that the user has chosen: worked out when the client resolves it, or done by `mvm.applyAction` where the
//! client knows no actions but commands. Nothing is kept between the menu and the choice.

use serde_json::{Value, json};
use tower_lsp::jsonrpc::{Error, Result};
use tower_lsp::ls_types::*;

use crate::edge::Reply;
use crate::session::Session;
use crate::snapshot::Snapshot;

/// The command that does an action.
pub const APPLY: &str = "mvm.applyAction";

/// Where an action was offered.
#[derive(serde::Deserialize)]
struct Data {
    uri: Uri,
    version: Option<i32>,
    range: Range,
}

/// The same as the client keeps it.
pub fn place(snapshot: &Snapshot, range: Range) -> Value {
    json!({ "uri": snapshot.uri, "version": snapshot.version, "range": range })
}

impl Session {
    /// `codeAction/resolve`
    pub fn code_action_resolve(&mut self, action: CodeAction, reply: Reply<CodeAction>) {
        let data = action.data.clone().map(serde_json::from_value::<Data>);
        let Some(Ok(data)) = data else { return reply.send(Ok(action)) };
        let uri = data.uri.clone();
        self.with_snapshot(&uri, reply, move |session, snapshot| {
            let edit = session.chosen_edit(&snapshot, &data, &action)?;
            Ok(CodeAction { edit, ..action })
        });
    }

    /// The action for a client that knows commands alone: the server then has it change the document.
    pub(crate) fn as_command(
        &self,
        snapshot: &Snapshot,
        range: Range,
        action: CodeAction,
    ) -> Option<Command> {
        if action.command.is_some() {
            return action.command;
        }
        let data = place(snapshot, range);
        let arguments = Some(vec![json!({ "title": action.title, "kind": action.kind, "data": data })]);
        let command = Command { title: action.title, command: APPLY.into(), arguments };
        self.client.applies_edits.then_some(command)
    }

    /// `mvm.applyAction`
    pub(crate) fn apply_action(&mut self, arguments: &[Value], reply: Reply<Option<Value>>) {
        let action = arguments.first().cloned().and_then(|a| serde_json::from_value::<CodeAction>(a).ok());
        let data = action.as_ref().and_then(|a| serde_json::from_value::<Data>(a.data.clone()?).ok());
        let (Some(action), Some(data)) = (action, data) else {
            return reply
                .send(Err(Error::invalid_params("what is to be done is missing: an action of ours")));
        };
        let uri = data.uri.clone();
        self.with_snapshot_and_reply(&uri, reply, move |session, snapshot, reply| {
            match session.chosen_edit(&snapshot, &data, &action) {
                Ok(Some(edit)) => session.apply_edit(&action.title, edit, move |_, applied| {
                    reply.send(Ok(Some(json!({ "applied": applied }))));
                }),
                Ok(None) => reply.send(Err(Error::content_modified())),
                Err(error) => reply.send(Err(error)),
            }
        });
    }

    /// Has the client change a document. `then` is told whether it did.
    pub(crate) fn apply_edit(
        &mut self,
        label: &str,
        edit: WorkspaceEdit,
        then: impl FnOnce(&mut Session, bool) + Send + 'static,
    ) {
        if !self.client.applies_edits {
            let text = format!("mvm: not done, since this editor takes no edits from a command: {label}");
            self.tell(MessageType::WARNING, &text);
            return then(self, false);
        }
        self.request("workspace/applyEdit", json!({ "label": label, "edit": edit }), move |s, answer| {
            then(s, answer.is_some_and(|a| a["applied"] == true));
        });
    }

    /// The edit of the action of that name at that place.
    fn chosen_edit(
        &mut self,
        snapshot: &Snapshot,
        data: &Data,
        action: &CodeAction,
    ) -> Result<Option<WorkspaceEdit>> {
        if snapshot.version != data.version {
            return Err(Error::content_modified());
        }
        let context = CodeActionContext {
            diagnostics: action.diagnostics.clone().unwrap_or_default(),
            only: action.kind.clone().map(|k| vec![k]),
            trigger_kind: None,
        };
        let params = CodeActionParams {
            text_document: TextDocumentIdentifier { uri: data.uri.clone() },
            range: data.range,
            context,
            work_done_progress_params: WorkDoneProgressParams::default(),
            partial_result_params: PartialResultParams::default(),
        };
        let mut all = self.actions(snapshot, params).into_iter();
        let same = all.find(|a| a.title == action.title && a.kind == action.kind);
        Ok(same.and_then(|s| s.edit))
    }
}
