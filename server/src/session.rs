//! The state of one client's session, owned by the loop: what the client can do, the settings, the documents, the
//! jobs. Everything here runs in message order and waits for nobody.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tower_lsp::jsonrpc::{Id, Result};
use tower_lsp::ls_types::*;

use crate::capabilities::{self, Client};
use crate::documents::Documents;
use crate::inbox::Inbox;
use crate::jobs::Jobs;
use crate::machines::Machines;
use crate::outbox::{Key, Outbox};
use crate::pages::Pages;
use crate::pin::Pinnings;
use crate::pull::Held;
use crate::runner::Runner;
use crate::settings::Settings;
use crate::text::Encoding;
use crate::workspace::Workspace;

/// What is done when the client answers a request of ours.
type Continuation = Box<dyn FnOnce(&mut Session, Option<Value>) + Send>;

/// One client's session.
pub struct Session {
    pub(crate) inbox: Inbox,
    pub(crate) outbox: Outbox,
    pub(crate) runner: Arc<dyn Runner>,
    pub(crate) client: Client,
    pub(crate) encoding: Encoding,
    pub(crate) settings: Settings,
    pub(crate) roots: Vec<PathBuf>,
    pub(crate) docs: Documents,
    /// Documents whose preview is open.
    pub(crate) previews: HashSet<Uri>,
    pub(crate) jobs: Jobs,
    pub(crate) pinnings: Pinnings,
    pub(crate) pages: Pages,
    pub(crate) workspace: Workspace,
    pub(crate) machines: Machines,
    /// A `workspace/diagnostic` that waits for news.
    pub(crate) held: Option<Held>,
    /// Virtual documents that the client shows, and their sources.
    pub(crate) contents: HashMap<String, Uri>,
    /// Everything happens in the loop, so that a replay is the same every time.
    pub(crate) deterministic: bool,
    /// The client shows virtual documents (LSP 3.18).
    pub(crate) shows_content: bool,
    awaited: HashMap<Id, Continuation>,
    next_request: i64,
    shut_down: bool,
    panics: usize,
    told: HashSet<String>,
}

impl Session {
    /// Before `initialize`.
    pub fn new(inbox: Inbox, outbox: Outbox, runner: Arc<dyn Runner>) -> Self {
        Session {
            inbox,
            outbox,
            runner,
            client: Client::default(),
            encoding: Encoding::default(),
            settings: Settings::default(),
            roots: Vec::new(),
            docs: Documents::default(),
            previews: HashSet::new(),
            jobs: Jobs::default(),
            pinnings: Pinnings::default(),
            pages: Pages::default(),
            workspace: Workspace::default(),
            machines: Machines::default(),
            held: None,
            contents: HashMap::new(),
            deterministic: false,
            shows_content: false,
            awaited: HashMap::new(),
            next_request: 0,
            shut_down: false,
            panics: 0,
            told: HashSet::new(),
        }
    }

    /// `initialize`
    pub fn initialize(&mut self, params: InitializeParams) -> Result<InitializeResult> {
        self.client = Client::new(&params.capabilities);
        self.client.contents = self.shows_content;
        match Settings::parse(params.initialization_options.as_ref()) {
            Ok(settings) => self.settings = settings,
            Err(why) => {
                self.tell_once(MessageType::WARNING, format!("mvm: initializationOptions ignored: {why}"))
            }
        }
        let offered = params.capabilities.general.as_ref().and_then(|g| g.position_encodings.as_deref());
        self.encoding = self.settings.forced_encoding().unwrap_or_else(|| Encoding::negotiate(offered));
        self.roots = roots_of(&params);
        if let Some(pid) = params.process_id.filter(|_| !self.deterministic) {
            crate::parent::watch(pid, self.inbox.clone());
        }
        Ok(InitializeResult {
            capabilities: capabilities::server(&self.client, self.encoding),
            server_info: Some(ServerInfo {
                name: "mvm-lsp".into(),
                version: Some(env!("CARGO_PKG_VERSION").into()),
            }),
            offset_encoding: None,
        })
    }

    /// `initialized`
    pub fn initialized(&mut self, _: InitializedParams) {
        if self.client.registers_watchers {
            let registration = json!({ "registrations": [{
                "id": "mvm-watch", "method": "workspace/didChangeWatchedFiles",
                "registerOptions": { "watchers": [
                    { "globPattern": "**/{pyproject.toml,pylock.toml,mvm.toml,.gitignore,.mvmignore}" },
                    { "globPattern": "**/*.{py,lock,txt,in}" },
                    { "globPattern": "**/.env*" },
                    { "globPattern": "**/{package.json,package-lock.json,pnpm-lock.yaml,index.json}" },
                ] },
            }] });
            self.request("client/registerCapability", registration, |_, _| {});
        }
        if self.client.registers_configuration {
            let registration = json!({ "registrations": [{ "id": "mvm-settings", "method": "workspace/didChangeConfiguration",
                    "registerOptions": { "section": "mvm" } }] });
            self.request("client/registerCapability", registration, |_, _| {});
        }
        self.ask_settings();
    }

    /// Fetches the `mvm` section where the client offers that.
    pub(crate) fn ask_settings(&mut self) {
        if self.client.configuration {
            let params = json!({ "items": [{ "section": "mvm" }] });
            self.request("workspace/configuration", params, |s, answer| {
                if let Some(Value::Array(mut sections)) = answer
                    && let Some(section) = sections.pop()
                {
                    s.take_settings(&section);
                }
            });
        }
    }

    /// `workspace/didChangeConfiguration`
    pub fn did_change_configuration(&mut self, params: DidChangeConfigurationParams) {
        if self.client.configuration {
            return self.ask_settings();
        }
        let section = params.settings.get("mvm").unwrap_or(&params.settings).clone();
        self.take_settings(&section);
    }

    fn take_settings(&mut self, section: &Value) {
        if section.is_null() {
            return;
        }
        let updated = self.settings.updated(section).map(|mut new| {
            // A workspace must not grant itself trust through its settings file: settings can only take it away. It is
            // raised by `mvm/setTrust`, which an editor sends, or by `mvm.trust`, which the user runs.
            new.trusted &= self.settings.trusted;
            new
        });
        match updated {
            Ok(settings) if settings == self.settings => {}
            Ok(settings) => {
                self.settings = settings;
                self.reanalyse_all();
            }
            Err(why) => {
                let text = format!("mvm: settings not applied, the former ones stay: {why}");
                self.tell_once(MessageType::ERROR, text);
            }
        }
    }

    /// `mvm/setTrust`: the editor's own word, which no file of the workspace can say.
    pub fn set_trust(&mut self, trusted: bool) {
        if self.settings.trusted == trusted {
            return;
        }
        self.settings.trusted = trusted;
        if !trusted {
            self.cancel_all();
        }
        self.lenses_changed();
    }

    /// `workspace/didChangeWorkspaceFolders`
    pub fn did_change_workspace_folders(&mut self, params: DidChangeWorkspaceFoldersParams) {
        let gone: Vec<_> =
            params.event.removed.iter().filter_map(|f| crate::files::path_of(&f.uri)).collect();
        self.roots.retain(|r| !gone.contains(r));
        self.roots.extend(params.event.added.iter().filter_map(|f| crate::files::path_of(&f.uri)));
        self.reanalyse_all();
    }

    /// `workspace/didChangeWatchedFiles`
    pub fn did_change_watched_files(&mut self, _: DidChangeWatchedFilesParams) {
        self.reanalyse_all();
    }

    /// `shutdown`
    pub fn shutdown(&mut self) -> Result<()> {
        self.shut_down = true;
        self.release_workspace(true);
        self.cancel_all();
        Ok(())
    }

    fn cancel_all(&mut self) {
        self.jobs.cancel_all();
        self.pinnings.cancel_all();
    }

    /// `shutdown` has been asked for.
    pub fn is_shut_down(&self) -> bool {
        self.shut_down
    }

    /// In a replay: what changed is looked at, and jobs are waited for, before the next message.
    pub fn settle(&mut self) {
        self.idle();
        self.jobs.settle();
    }

    /// The session is over: cancels what was started and waits, so long at most, until it is gone.
    pub fn stop_everything(&mut self, limit: Duration) {
        self.cancel_all();
        self.jobs.wait(limit);
    }

    pub(crate) fn new_id(&mut self) -> Id {
        self.next_request += 1;
        Id::String(format!("mvm-{}", self.next_request))
    }

    /// A request of ours. The loop goes on; `then` runs when the answer is there (`None`: an error).
    pub(crate) fn request(
        &mut self,
        method: &'static str,
        params: Value,
        then: impl FnOnce(&mut Session, Option<Value>) + Send + 'static,
    ) {
        let id = self.new_id();
        self.outbox.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }), None);
        self.awaited.insert(id, Box::new(then));
    }

    /// Asks the client to ask again; several are one.
    pub(crate) fn refresh(&mut self, method: &'static str) {
        let id = self.new_id();
        let message = json!({ "jsonrpc": "2.0", "id": id, "method": method });
        self.outbox.send(&message, Some(Key::Refresh(method)));
    }

    /// The client's answer to a request of ours.
    pub fn client_answered(&mut self, id: &Id, result: Option<Value>) {
        if let Some(then) = self.awaited.remove(id) {
            then(self, result);
        }
    }

    /// A notification of ours.
    pub(crate) fn notify(&self, method: &'static str, params: &impl serde::Serialize, key: Option<Key>) {
        self.outbox.send(&Notification { jsonrpc: "2.0", method, params }, key);
    }

    /// A line in the client's log; may be lost when the client does not read.
    pub(crate) fn log(&self, kind: MessageType, message: &str) {
        let params = json!({ "type": kind, "message": message });
        self.outbox.note(&json!({ "jsonrpc": "2.0", "method": "window/logMessage", "params": params }));
    }

    /// A message the user sees.
    pub(crate) fn tell(&self, kind: MessageType, message: &str) {
        self.notify("window/showMessage", &json!({ "type": kind, "message": message }), None);
    }

    /// A message the user sees once, however often the cause comes up.
    pub(crate) fn tell_once(&mut self, kind: MessageType, message: String) {
        if self.told.len() < 1000 && self.told.insert(message.clone()) {
            self.tell(kind, &message);
        }
    }

    /// Something of ours failed inside. Its request is answered with an error by the reply that was dropped.
    pub fn panicked(&mut self, payload: &(dyn std::any::Any + Send)) {
        let text = payload
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| payload.downcast_ref::<&str>().copied())
            .unwrap_or("unknown");
        let message = format!("mvm-lsp: internal error (please report it): {text}");
        self.panics += 1;
        if self.panics == 1 {
            self.tell(MessageType::ERROR, &message);
        } else {
            self.log(MessageType::ERROR, &message);
        }
    }
}

/// Written without a detour over a tree of values: some are large and follow every keystroke.
#[derive(serde::Serialize)]
struct Notification<'a, P> {
    jsonrpc: &'static str,
    method: &'static str,
    params: &'a P,
}

fn roots_of(params: &InitializeParams) -> Vec<PathBuf> {
    let folders = params.workspace_folders.iter().flatten().filter_map(|f| crate::files::path_of(&f.uri));
    let roots: Vec<_> = folders.collect();
    if !roots.is_empty() {
        return roots;
    }
    // Older clients know one root only.
    #[allow(deprecated)]
    params.root_uri.as_ref().and_then(crate::files::path_of).into_iter().collect()
}
