//! `workspace/executeCommand`: show the IR, build, run, stop, trust, and what `pin`, `secrets` and `chosen` do. Nothing
//! starts without one of them, and nothing at all in a workspace the user does not trust.

use std::sync::Arc;

use mvm_compiler::{AppDeclaration, LoweredWorkload};
use serde_json::{Map, Value, json};
use tower_lsp::jsonrpc::{Error, ErrorCode, Result};
use tower_lsp::ls_types::*;
use vmm_core::workflow::BuildOptions;

use crate::chosen;
use crate::content;
use crate::edge::Reply;
use crate::files;
use crate::jobs::NewJob;
use crate::outline;
use crate::pin::Wanted;
use crate::runner::{JobKind, JobRequest};
use crate::secrets;
use crate::session::Session;
use crate::snapshot::Snapshot;

/// The commands, as `executeCommandProvider` lists them.
pub const ALL: [&str; 8] = [
    "mvm.showIr",
    "mvm.build",
    "mvm.run",
    "mvm.stop",
    "mvm.pinImage",
    "mvm.trust",
    secrets::STORE,
    chosen::APPLY,
];

/// Arguments of every command: one object, or URI, name and arguments in this order.
#[derive(Clone, Debug, Default, PartialEq)]
struct Target {
    uri: Option<Uri>,
    name: Option<String>,
    function: Option<String>,
    arguments: Option<Value>,
    job: Option<u64>,
    machine: Option<String>,
    reference: Option<String>,
}

impl Target {
    fn parse(arguments: &[Value]) -> Result<Self> {
        let uri = |v: &Value| {
            serde_json::from_value::<Uri>(v.clone())
                .map_err(|e| Error::invalid_params(format!("the first argument is no document URI: {e}")))
        };
        let text = |v: Option<&Value>| v.and_then(Value::as_str).map(str::to_owned);
        match arguments.first() {
            None => Ok(Target::default()),
            Some(Value::Object(object)) => Ok(Target {
                uri: object.get("uri").map(uri).transpose()?,
                name: text(object.get("name")),
                function: text(object.get("function")),
                arguments: object.get("arguments").filter(|v| !v.is_null()).cloned(),
                job: object.get("job").and_then(Value::as_u64),
                machine: text(object.get("machine")),
                reference: text(object.get("reference")),
            }),
            Some(first) => Ok(Target {
                uri: Some(uri(first)?),
                name: text(arguments.get(1)),
                arguments: arguments.get(2).filter(|v| !v.is_null()).cloned(),
                ..Target::default()
            }),
        }
    }
}

impl Session {
    /// `workspace/executeCommand`
    pub fn execute_command(&mut self, params: ExecuteCommandParams, reply: Reply<Option<Value>>) {
        if params.command == secrets::STORE {
            return self.store_secret(&params.arguments, reply);
        }
        if params.command == chosen::APPLY {
            return self.apply_action(&params.arguments, reply);
        }
        let target = match Target::parse(&params.arguments) {
            Ok(target) => target,
            Err(error) => return reply.send(Err(error)),
        };
        let kind = match params.command.as_str() {
            "mvm.build" => JobKind::Build,
            "mvm.run" => JobKind::Run,
            "mvm.stop" => {
                return match target.machine {
                    Some(machine) => self.stop_machine(machine, reply),
                    None => reply.send(self.stop_command(&target)),
                };
            }
            "mvm.showIr" => return self.show_ir(target, reply),
            "mvm.pinImage" => {
                let Some(uri) = target.uri else { return reply.send(Err(uri_missing())) };
                let token = params.work_done_progress_params.work_done_token;
                return self.pin_image(Wanted { uri, reference: target.reference, token }, reply);
            }
            "mvm.trust" => return self.ask_for_trust(reply),
            other => {
                let known = ALL.join(", ");
                return reply
                    .send(Err(Error::invalid_params(format!("no command `{other}`; there are {known}"))));
            }
        };
        if !self.settings.trusted {
            let why = "refused: the workspace is not trusted; trust it in the editor to build and run";
            self.tell(MessageType::WARNING, &format!("mvm: {why}"));
            return reply.send(Err(refusal(why)));
        }
        let Some(uri) = target.uri.clone() else {
            return reply.send(Err(uri_missing()));
        };
        let token = params.work_done_progress_params.work_done_token;
        // The reply travels to the end of the job, so the snapshot has one of its own.
        self.with_snapshot_and_reply(&uri, reply, move |session, snapshot, reply| {
            match session.job_request(kind, &snapshot, &target) {
                Ok((request, declared)) => session.start_job(NewJob {
                    request,
                    uri: snapshot.uri.clone(),
                    name: declared.name,
                    token,
                    reply,
                }),
                Err(error) => {
                    session.tell(MessageType::ERROR, &format!("mvm: {}", error.message));
                    reply.send(Err(error));
                }
            }
        });
    }

    fn job_request(
        &mut self,
        kind: JobKind,
        snapshot: &Snapshot,
        target: &Target,
    ) -> Result<(JobRequest, AppDeclaration)> {
        let declared = find(snapshot, target.name.as_deref())?;
        let lowered = lowered(snapshot, &declared)?;
        if !lowered.complete {
            let first =
                snapshot.analysis.findings.iter().find(|f| f.severity == mvm_compiler::Severity::Error);
            let why = first.map(|f| format!(": {} ({})", f.message, f.rule)).unwrap_or_default();
            return Err(refusal(format!("`{}` has errors and cannot be built{why}", declared.name)));
        }
        let Some(directory) = snapshot.path.as_deref().and_then(|p| p.parent()) else {
            return Err(refusal("save the file first: a workload is built from files on disk"));
        };
        let (args, kwargs) = match kind {
            JobKind::Build => Default::default(),
            JobKind::Run => self.call_arguments(snapshot, &declared, target)?,
        };
        let request = JobRequest {
            kind,
            workload: lowered.workload.clone(),
            base_dir: directory.to_owned(),
            app: Some(declared.name.clone()),
            function: target.function.clone(),
            args,
            kwargs,
            build: BuildOptions {
                allow_substitute: self.settings.allow_substitute,
                offline: self.settings.offline,
                lock: None,
            },
            hypervisor: self.settings.hypervisor,
            output: Arc::new(|_| {}),
        };
        Ok((request, declared))
    }

    /// The arguments of a run: those given, else those of the last run, else neutral ones from the signature.
    fn call_arguments(
        &mut self,
        snapshot: &Snapshot,
        declared: &AppDeclaration,
        target: &Target,
    ) -> Result<(Vec<Value>, Map<String, Value>)> {
        let given = target.arguments.clone();
        let given = given.or_else(|| self.jobs.last_arguments(&snapshot.uri, &declared.name).cloned());
        let given = match given {
            Some(Value::String(text)) => Some(
                serde_json::from_str(&text)
                    .map_err(|e| Error::invalid_params(format!("the arguments are no JSON: {e}")))?,
            ),
            other => other,
        };
        let arguments = match given {
            Some(given) => given,
            None if target.function.is_some() => json!({}),
            None => {
                let neutral =
                    outline::neutral_arguments(&declared.parameters, snapshot.source()).map_err(|name| {
                        let message = format!(
                            "`{}` needs an argument `{name}`: give the arguments to `mvm.run` as JSON",
                            declared.name
                        );
                        refusal(message)
                    })?;
                Value::Object(neutral)
            }
        };
        self.jobs.remember_arguments(&snapshot.uri, &declared.name, arguments.clone());
        match arguments {
            Value::Object(kwargs) => Ok((Vec::new(), kwargs)),
            Value::Array(args) => Ok((args, Map::new())),
            one => Ok((vec![one], Map::new())),
        }
    }

    /// Trust is the user's to give, in words that they see: asked for, never set by a file.
    fn ask_for_trust(&mut self, reply: Reply<Option<Value>>) {
        if self.settings.trusted || !self.client.asks {
            return reply.send(Ok(Some(json!({ "trusted": self.settings.trusted }))));
        }
        const YES: &str = "Trust and allow builds and runs";
        let params = json!({ "type": MessageType::WARNING,
            "message": "mvm: do you trust the files of this workspace? Its declarations may then be built and run in microVMs.",
            "actions": [{ "title": YES }, { "title": "Cancel" }] });
        self.request("window/showMessageRequest", params, move |s, answer| {
            if answer.is_some_and(|a| a["title"] == YES) {
                s.set_trust(true);
            }
            reply.send(Ok(Some(json!({ "trusted": s.settings.trusted }))));
        });
    }

    fn stop_command(&mut self, target: &Target) -> Result<Option<Value>> {
        let stopped = self.jobs.stop(|job, uri, name| {
            target.job.is_none_or(|j| j == job)
                && target.uri.as_ref().is_none_or(|u| u == uri)
                && target.name.as_ref().is_none_or(|n| n == name)
        });
        if stopped == 0 {
            self.tell(MessageType::INFO, "mvm: nothing is running here");
        }
        Ok(Some(json!({ "stopped": stopped })))
    }

    /// Returns the IR as text, and shows it where the client has no preview of its own.
    fn show_ir(&mut self, target: Target, reply: Reply<Option<Value>>) {
        let Some(uri) = target.uri.clone() else {
            return reply.send(Err(uri_missing()));
        };
        self.with_snapshot(&uri, reply, move |session, snapshot| {
            let lowered = match find(&snapshot, target.name.as_deref()) {
                Ok(declared) => lowered(&snapshot, &declared)?,
                Err(error) => snapshot.analysis.workloads.first().ok_or(error)?,
            };
            let text = content::text(&snapshot, Some(lowered))?;
            let hash = lowered.workload.hash();
            let shown = content::uri_of(&snapshot.uri);
            if session.client.shows_documents && !session.settings.client_preview {
                if session.client.contents {
                    let params = json!({ "uri": shown, "takeFocus": true });
                    session.request("window/showDocument", params, |_, _| {});
                } else {
                    session.show_file(&lowered.workload.id, &text);
                }
            }
            let id = &lowered.workload.id;
            Ok(Some(
                json!({ "id": id, "irHash": hash, "text": text, "complete": lowered.complete, "uri": shown }),
            ))
        });
    }

    fn show_file(&mut self, id: &str, text: &str) {
        let written = vmm_core::Home::from_env().ok().and_then(|home| {
            let directory = home.cache().join("preview");
            std::fs::create_dir_all(&directory).ok()?;
            let path = directory.join(format!("{id}.jsonc"));
            std::fs::write(&path, text).ok()?;
            files::uri_of(&path)
        });
        match written {
            Some(uri) => {
                self.request("window/showDocument", json!({ "uri": uri, "takeFocus": true }), |_, _| {})
            }
            None => {
                self.log(MessageType::WARNING, "mvm-lsp: the IR cannot be written to the cache for showing")
            }
        }
    }
}

fn lowered<'a>(snapshot: &'a Snapshot, declared: &AppDeclaration) -> Result<&'a LoweredWorkload> {
    let message = || Error { message: "the declaration has no workload".into(), ..Error::internal_error() };
    snapshot.analysis.workloads.get(declared.workload).ok_or_else(message)
}

fn find(snapshot: &Snapshot, name: Option<&str>) -> Result<AppDeclaration> {
    let all = &snapshot.analysis.declarations;
    let names = || all.iter().map(|d| d.name.as_str()).collect::<Vec<_>>().join(", ");
    match name {
        Some(name) => all.iter().find(|d| d.name == name).cloned().ok_or_else(|| {
            Error::invalid_params(format!("there is no declaration `{name}` here; there are: {}", names()))
        }),
        None if all.len() == 1 => Ok(all[0].clone()),
        None if all.is_empty() => Err(Error::invalid_params("this file declares no workload")),
        None => Err(Error::invalid_params(format!("several declarations: name one of {}", names()))),
    }
}

fn uri_missing() -> Error {
    Error::invalid_params("the document's `uri` is missing")
}

/// A refusal that the user can do something about: LSP's `RequestFailed`.
pub fn refusal(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error { code: ErrorCode::ServerError(-32803), message: message.into(), data: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_an_object_or_a_list() {
        let object = [json!({ "uri": "file:///a.py", "name": "x", "arguments": [1] })];
        let list = [json!("file:///a.py"), json!("x"), json!([1])];
        assert_eq!(Target::parse(&object).unwrap(), Target::parse(&list).unwrap());
        assert!(Target::parse(&[json!(7)]).is_err());
    }
}
