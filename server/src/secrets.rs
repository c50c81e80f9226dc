//! `mvm.storeSecret`: a value that stands in the source goes into the host's store, after a confirmation, and its
//! reference takes its place. The value never travels to the client: it is read here, from the text that is open.

use std::ops::Range;

use mvm_compiler::{Edit, Finding};
use serde_json::{Value, json};
use tower_lsp::jsonrpc::{Error, ErrorCode, Result};
use tower_lsp::ls_types::*;
use vmm_core::secrets;

use crate::edge::Reply;
use crate::session::Session;
use crate::snapshot::Snapshot;

/// The command.
pub const STORE: &str = "mvm.storeSecret";
/// The answer that lets it happen.
const YES: &str = "Move to the Store";

/// A value that can move into the store.
struct Move {
    /// Name in the store.
    name: String,
    value: String,
    edits: Vec<Edit>,
    /// Where the value still stands afterwards, counted from 1: a constant that others use, too.
    remains: Option<u32>,
}

impl Session {
    /// The action for a finding about a value in the source, where the value can be read and the client asks and edits.
    pub(crate) fn store_action(
        &self,
        snapshot: &Snapshot,
        finding: &Finding,
        solves: Diagnostic,
    ) -> Option<CodeAction> {
        let found = self.may_store().then(|| find(snapshot, finding))??;
        let at = snapshot.text.position(finding.range.start);
        let title = format!("Move this value to the host's store as `{}`…", found.name);
        let arguments =
            vec![json!({ "uri": snapshot.uri, "name": found.name, "position": at, "rule": finding.rule })];
        Some(CodeAction {
            title: title.clone(),
            kind: Some(CodeActionKind::QUICKFIX),
            diagnostics: Some(vec![solves]),
            command: Some(Command { title, command: STORE.into(), arguments: Some(arguments) }),
            ..CodeAction::default()
        })
    }

    fn may_store(&self) -> bool {
        self.settings.trusted && self.client.applies_edits
    }

    /// Asks, stores, and edits: in this order, so that a value is never lost.
    pub(crate) fn store_secret(&mut self, arguments: &[Value], reply: Reply<Option<Value>>) {
        let (uri, at) = match place(arguments) {
            Ok(place) if self.may_store() => place,
            Ok(_) => return reply.send(Err(refusal("refused: the workspace is not trusted"))),
            Err(error) => return reply.send(Err(error)),
        };
        let target = uri.clone();
        self.with_snapshot_and_reply(&uri, reply, move |session, snapshot, reply| {
            let Some(found) = at_position(&snapshot, at) else {
                return reply.send(Err(refusal("there is no plain-text value here any more")));
            };
            let message = format!(
                "mvm: store this value ({} characters) as `{}` in this machine's secret store (a secret of that name \
                 is replaced) and put `mvm.secret(\"{}\")` in its place?",
                found.value.chars().count(),
                found.name,
                found.name
            );
            let params = json!({ "type": MessageType::WARNING, "message": message,
                "actions": [{ "title": YES }, { "title": "Cancel" }] });
            session.request("window/showMessageRequest", params, move |session, answer| {
                if answer.is_none_or(|a| a["title"] != YES) {
                    return reply.send(Ok(Some(json!({ "stored": false }))));
                }
                session.confirmed(target, at, reply);
            });
        });
    }

    /// The text may be another one since the question: it is read again.
    fn confirmed(&mut self, uri: Uri, at: Position, reply: Reply<Option<Value>>) {
        self.with_snapshot_and_reply(&uri, reply, move |session, snapshot, reply| {
            let Some(found) = at_position(&snapshot, at) else {
                return reply.send(Err(refusal("the file changed meanwhile: nothing was stored")));
            };
            let value = secrets::Value::new(found.value.into_bytes());
            if let Err(error) = session.runner.store_secret(&found.name, &value) {
                session.tell(MessageType::ERROR, &format!("mvm: not stored: {error}"));
                return reply.send(Err(refusal(format!("not stored: {error}"))));
            }
            let edit = session.workspace_edit(&snapshot, &found.edits);
            let label = format!("Move to the secret `{}`", found.name);
            let (name, remains) = (found.name, found.remains);
            session.apply_edit(&label, edit, move |session, applied| {
                let (kind, message) = told(&name, applied, remains);
                session.tell(kind, &message);
                reply.send(Ok(Some(json!({ "stored": true, "applied": applied, "name": name }))));
            });
        });
    }
}

fn told(name: &str, applied: bool, remains: Option<u32>) -> (MessageType, String) {
    match (applied, remains) {
        (false, _) => (
            MessageType::ERROR,
            format!(
                "mvm: `{name}` is stored, but the editor did not change the source: replace the value by hand"
            ),
        ),
        (true, Some(line)) => (
            MessageType::WARNING,
            format!(
                "mvm: `{name}` is stored; the value still stands in line {line}, which others use: remove it there"
            ),
        ),
        (true, None) => (
            MessageType::INFO,
            format!("mvm: `{name}` is stored. The old value may be in the history of the source: revoke it."),
        ),
    }
}

fn place(arguments: &[Value]) -> Result<(Uri, Position)> {
    #[derive(serde::Deserialize)]
    struct Place {
        uri: Uri,
        position: Position,
    }
    let first = arguments.first().cloned().unwrap_or_default();
    let place: Place = serde_json::from_value(first)
        .map_err(|e| Error::invalid_params(format!("`{STORE}` takes uri and position: {e}")))?;
    Ok((place.uri, place.position))
}

fn at_position(snapshot: &Snapshot, at: Position) -> Option<Move> {
    let offset = snapshot.text.bytes(tower_lsp::ls_types::Range::new(at, at)).start;
    let here = snapshot.analysis.findings.iter().filter(|f| f.range.start == offset);
    here.filter_map(|f| find(snapshot, f)).next()
}

/// What a finding offers to move: the IR has the value at its place, or where its fix writes a reference.
fn find(snapshot: &Snapshot, finding: &Finding) -> Option<Move> {
    if !["MVM501", "MVM502", "MVM503", "MVM504"].contains(&finding.rule) {
        return None;
    }
    let fix = finding.fixes.iter().flat_map(|f| &f.edits).find(|e| e.text.contains("secret("));
    let place = fix.map_or(&finding.range, |edit| &edit.range);
    let (value, variable, definition) = snapshot.analysis.workloads.iter().find_map(|lowered| {
        let entries = &lowered.source_map.entries;
        let (pointer, _, definition) =
            entries.iter().find(|(p, range, _)| range == place && p.ends_with("/value"))?;
        let variable = pointer.strip_suffix("/value")?.rsplit_once("/env/")?.1;
        let ir = serde_json::to_value(&lowered.workload).ok()?;
        Some((ir.pointer(pointer)?.as_str()?.to_owned(), variable.to_owned(), definition.clone()))
    })?;
    let edit = match fix {
        Some(edit) => edit.clone(),
        None => Edit { range: place.clone(), text: reference(snapshot, place, &variable)? },
    };
    let name = edit.text.split(['"', '\'']).nth(1).filter(|n| !n.is_empty())?.to_owned();
    let mut edits = vec![edit.clone()];
    let mut remains = None;
    if let Some(definition) = definition {
        match statement(snapshot.source(), &edit.range, &definition) {
            Some(range) => edits.push(Edit { range, text: String::new() }),
            None => remains = Some(snapshot.text.position(definition.start).line + 1),
        }
        edits.sort_by_key(|e| e.range.start);
    }
    Some(Move { name, value, edits, remains })
}

/// `mvm.secret("openai-api-key")` for the variable `OPENAI_API_KEY`, in the words that the declaration uses for mvm.
fn reference(snapshot: &Snapshot, place: &Range<usize>, variable: &str) -> Option<String> {
    let here = snapshot.analysis.declarations.iter().find(|d| d.decorator.contains(&place.start))?;
    let (module, _) = snapshot.source().get(here.decorator.clone())?.split_once('(')?.0.rsplit_once('.')?;
    let words = variable.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty());
    let name = words.map(str::to_ascii_lowercase).collect::<Vec<_>>().join("-");
    let module = module.trim_start_matches('@').trim();
    (!name.is_empty()).then(|| format!("{module}.secret(\"{name}\")"))
}

/// The whole line of `NAME = value`, when the place that changes is its only use.
fn statement(source: &str, usage: &Range<usize>, definition: &Range<usize>) -> Option<Range<usize>> {
    let name = source.get(usage.clone())?;
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    if name.is_empty() || !name.chars().all(is_word) {
        return None;
    }
    let uses = source.match_indices(name).filter(|(i, _)| {
        let before = source[..*i].chars().next_back();
        let after = source[i + name.len()..].chars().next();
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    });
    let start = source[..definition.start].rfind('\n').map_or(0, |i| i + 1);
    let head = source[start..definition.start].strip_prefix(name)?.trim();
    let end = source[definition.end..].find('\n').map_or(source.len(), |i| definition.end + i + 1);
    let whole = head == "=" && source[definition.end..end].trim().is_empty();
    (whole && uses.count() == 2).then_some(start..end)
}

fn refusal(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error { code: ErrorCode::ServerError(-32803), message: message.into(), data: None }
}
