//! An in-memory client. It reads everything the server says; a message that a test did not ask about fails the test.

// Each test binary uses a part of it.
#![allow(dead_code)]

use std::collections::VecDeque;
use std::io::{PipeWriter, Write};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use mvm_lsp::runner::{JobFuture, JobRequest, JobResult, Runner};
use mvm_lsp::wire::{Frame, FrameReader, write_frame};
use serde_json::{Value, json};
use vmm_core::machine::Output;
use vmm_core::{Context, Error, Event, Stage};

/// Far beyond anything that works; a test that waits this long has failed.
pub const PATIENCE: Duration = Duration::from_secs(180);

pub const URI: &str = "untitled:tool.py";

pub struct Client {
    to_server: Option<PipeWriter>,
    from_server: Receiver<Value>,
    server: Option<JoinHandle<i32>>,
    kept: VecDeque<Value>,
    next: i64,
    version: i64,
}

pub fn capabilities() -> Value {
    json!({
        "textDocument": {
            "publishDiagnostics": { "relatedInformation": true, "codeDescriptionSupport": true, "dataSupport": true },
            "codeAction": { "codeActionLiteralSupport": { "codeActionKind": { "valueSet": [] } } },
            "completion": { "completionItem": { "snippetSupport": true } },
            "hover": { "contentFormat": ["markdown"] },
            "documentSymbol": { "hierarchicalDocumentSymbolSupport": true },
        },
        "workspace": { "workspaceEdit": { "documentChanges": true } },
        "general": { "positionEncodings": ["utf-16"] },
    })
}

impl Client {
    /// Started, not initialized.
    pub fn raw(runner: Arc<dyn Runner>) -> Self {
        let (server_in, to_server) = std::io::pipe().unwrap();
        let (client_in, server_out) = std::io::pipe().unwrap();
        let server = std::thread::spawn(move || mvm_lsp::serve::serve(server_in, server_out, runner));
        let (sender, from_server) = channel();
        std::thread::spawn(move || {
            let mut reader = FrameReader::new(client_in);
            while let Ok(Frame::Body(body)) = reader.next_frame() {
                if sender.send(serde_json::from_slice(&body).unwrap()).is_err() {
                    return;
                }
            }
        });
        Client {
            to_server: Some(to_server),
            from_server,
            server: Some(server),
            kept: VecDeque::new(),
            next: 0,
            version: 1,
        }
    }

    pub fn with(capabilities: Value, options: Value, runner: Arc<dyn Runner>) -> Self {
        let mut client = Client::raw(runner);
        let params = json!({ "processId": std::process::id(), "rootUri": null, "capabilities": capabilities,
            "initializationOptions": options });
        client.request("initialize", params).unwrap();
        client.notify("initialized", json!({}));
        client
    }

    /// In a workspace of one folder.
    pub fn in_folder(capabilities: Value, options: Value, runner: Arc<dyn Runner>, folder: &str) -> Self {
        let mut client = Client::raw(runner);
        let params = json!({ "processId": std::process::id(), "rootUri": null, "capabilities": capabilities,
            "initializationOptions": options, "workspaceFolders": [{ "uri": folder, "name": "folder" }] });
        client.request("initialize", params).unwrap();
        client.notify("initialized", json!({}));
        client
    }

    pub fn new() -> Self {
        Client::with(capabilities(), json!({}), Arc::new(Scripted::default()))
    }

    pub fn send(&mut self, message: &Value) {
        let body = serde_json::to_vec(message).unwrap();
        write_frame(self.to_server.as_mut().unwrap(), &body).unwrap();
    }

    pub fn send_bytes(&mut self, bytes: &[u8]) {
        self.to_server.as_mut().unwrap().write_all(bytes).unwrap();
    }

    pub fn notify(&mut self, method: &str, params: Value) {
        self.send(&json!({ "jsonrpc": "2.0", "method": method, "params": params }));
    }

    pub fn start_request(&mut self, method: &str, params: Value) -> i64 {
        self.next += 1;
        let id = self.next;
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        id
    }

    pub fn request(&mut self, method: &str, params: Value) -> Result<Value, Value> {
        let id = self.start_request(method, params);
        self.answer(id)
    }

    pub fn answer(&mut self, id: i64) -> Result<Value, Value> {
        let message = self.take(|m| m.get("method").is_none() && m["id"] == id);
        match message.get("error") {
            Some(error) => Err(error.clone()),
            None => Ok(message["result"].clone()),
        }
    }

    /// The parameters of the next message of a method.
    pub fn expect(&mut self, method: &str) -> Value {
        self.take(|m| m["method"] == method)["params"].clone()
    }

    /// The next request of a method, whole.
    pub fn expect_request(&mut self, method: &str) -> Value {
        self.take(|m| m["method"] == method && m.get("id").is_some())
    }

    pub fn reply(&mut self, request: &Value, result: Value) {
        self.send(&json!({ "jsonrpc": "2.0", "id": request["id"], "result": result }));
    }

    pub fn take(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        if let Some(i) = self.kept.iter().position(&wanted) {
            return self.kept.remove(i).unwrap();
        }
        loop {
            let message = self.from_server.recv_timeout(PATIENCE).unwrap_or_else(|_| {
                panic!("the server said nothing of the kind; unread: {:#?}", self.kept);
            });
            if wanted(&message) {
                return message;
            }
            self.kept.push_back(message);
        }
    }

    /// No second answer has come.
    pub fn assert_no_answer(&mut self, id: i64) {
        let twice = self.kept.iter().any(|m| m.get("method").is_none() && m["id"] == id);
        assert!(!twice, "request {id} was answered twice");
    }

    /// Waits until no run of a document is under way, and drops what was said about them.
    pub fn until_idle(&mut self, uri: &str) {
        loop {
            let lenses =
                self.request("textDocument/codeLens", json!({ "textDocument": { "uri": uri } })).unwrap();
            while self.drop_kept(&["$/progress", "window/logMessage", "mvm/output", "window/showMessage"]) {}
            self.kept.retain(|m| m.get("method").is_some());
            let stops = |l: &Value| l["command"]["title"].as_str().is_some_and(|t| t.starts_with("Stop "));
            if !lenses.as_array().unwrap().iter().any(stops) {
                return;
            }
            std::thread::yield_now();
        }
    }

    /// Waits until the declarations of the workspace are in these files: a scan under way holds no request up.
    pub fn until_declared(&mut self, mut files: Vec<String>) {
        files.sort();
        let start = std::time::Instant::now();
        loop {
            let all = self.request("workspace/symbol", json!({ "query": "" })).unwrap();
            let uri = |s: &Value| s["location"]["uri"].as_str().unwrap().to_owned();
            let mut found: Vec<String> = all.as_array().unwrap().iter().map(uri).collect();
            found.sort();
            if found == files {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "{files:?} are expected: {found:?}");
            std::thread::yield_now();
        }
    }

    /// Drops one message of these methods that came by the way; `false` when there is none.
    pub fn drop_kept(&mut self, methods: &[&str]) -> bool {
        let place = self.kept.iter().position(|m| methods.iter().any(|w| m["method"] == *w));
        place.is_some_and(|i| self.kept.remove(i).is_some())
    }

    /// Drops an answer to nobody in particular; `false` when there is none.
    pub fn drop_nameless(&mut self) -> bool {
        let place = self.kept.iter().position(|m| m.get("method").is_none() && m["id"].is_null());
        place.is_some_and(|i| self.kept.remove(i).is_some())
    }

    /// Opens a document and reads its diagnostics.
    pub fn open(&mut self, text: &str) -> Vec<Value> {
        self.open_as(URI, text);
        self.diagnostics()
    }

    pub fn open_as(&mut self, uri: &str, text: &str) {
        let document = json!({ "uri": uri, "languageId": "python", "version": 1, "text": text });
        self.notify("textDocument/didOpen", json!({ "textDocument": document }));
        self.version = 1;
    }

    pub fn change(&mut self, changes: Value) -> i64 {
        self.version += 1;
        let version = self.version;
        let document = json!({ "uri": URI, "version": version });
        self.notify("textDocument/didChange", json!({ "textDocument": document, "contentChanges": changes }));
        version
    }

    /// The diagnostics of the current version; older ones that were on their way are read and dropped.
    pub fn diagnostics(&mut self) -> Vec<Value> {
        let version = self.version;
        loop {
            let params = self.expect("textDocument/publishDiagnostics");
            if params["version"] == version {
                return params["diagnostics"].as_array().unwrap().clone();
            }
        }
    }

    pub fn document() -> Value {
        json!({ "textDocument": { "uri": URI } })
    }

    pub fn at(line: u32, character: u32) -> Value {
        json!({ "textDocument": { "uri": URI }, "position": { "line": line, "character": character } })
    }

    /// Closes the stream without a word.
    pub fn hang_up(mut self) -> i32 {
        self.to_server = None;
        self.kept.clear();
        let code = self.server.take().unwrap().join().unwrap();
        while self.from_server.try_recv().is_ok() {}
        code
    }

    /// Ends as the protocol says; nothing may be left unread.
    pub fn finish(mut self) {
        self.request("shutdown", Value::Null).unwrap();
        self.notify("exit", Value::Null);
        let code = self.server.take().unwrap().join().unwrap();
        assert_eq!(code, 0);
        while let Ok(message) = self.from_server.recv_timeout(PATIENCE) {
            self.kept.push_back(message);
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert!(self.kept.is_empty(), "unread messages: {:#?}", self.kept);
        }
    }
}

/// The text without its `$0`, and where that was.
pub fn marked(text: &str) -> (String, Value) {
    let offset = text.find("$0").expect("a cursor `$0`");
    let before = &text[..offset];
    let line = before.matches('\n').count();
    let column = before.rsplit('\n').next().unwrap().encode_utf16().count();
    (text.replacen("$0", "", 1), Client::at(line as u32, column as u32))
}

/// A text with a client's edits applied: from the last to the first, positions counted in UTF-16.
pub fn apply(text: &str, edits: &[Value]) -> String {
    let offset = |p: &Value| {
        let mut start = 0;
        for _ in 0..p["line"].as_u64().unwrap() {
            start += text[start..].find('\n').map_or(text.len() - start, |i| i + 1);
        }
        let mut units = p["character"].as_u64().unwrap() as usize;
        let mut at = start;
        for c in text[start..].chars() {
            if units == 0 {
                break;
            }
            units -= c.len_utf16();
            at += c.len_utf8();
        }
        at
    };
    let mut sorted: Vec<_> = edits
        .iter()
        .map(|e| (offset(&e["range"]["start"]), offset(&e["range"]["end"]), e["newText"].as_str().unwrap()))
        .collect();
    sorted.sort_by_key(|e| (e.0, e.1));
    let mut out = text.to_owned();
    for (start, end, new) in sorted.into_iter().rev() {
        out.replace_range(start..end, new);
    }
    out
}

/// What a scripted job does.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Script {
    #[default]
    Succeed,
    Fail,
    Panic,
    UntilCancelled,
}

/// A runner without guests.
#[derive(Default)]
pub struct Scripted {
    pub script: Mutex<Script>,
    pub requests: Mutex<Vec<JobRequest>>,
    pub machines: Mutex<Vec<vmm_core::machine::MachineInfo>>,
}

impl Scripted {
    pub fn new(script: Script) -> Arc<Self> {
        Arc::new(Scripted { script: Mutex::new(script), ..Scripted::default() })
    }
}

impl Runner for Scripted {
    fn secret_names(&self) -> Vec<String> {
        vec!["stored-on-this-host".into()]
    }

    fn machines(&self) -> Option<mvm_lsp::runner::MachinesFuture> {
        let running = self.machines.lock().unwrap().clone();
        (!running.is_empty()).then(|| Box::pin(async move { running }) as _)
    }

    fn stop_machine(&self, name: String, _: Context) -> mvm_lsp::runner::StopFuture {
        self.machines.lock().unwrap().retain(|m| m.name != name);
        Box::pin(async { Ok(()) })
    }

    fn start(&self, request: JobRequest, ctx: Context) -> JobFuture {
        let script = *self.script.lock().unwrap();
        self.requests.lock().unwrap().push(request.clone());
        Box::pin(async move {
            ctx.reporter.report(Event::Started { stage: Stage::Boot, detail: "guest".into() });
            (request.output)(Output { stream: "stdout".into(), text: "hello\n".into() });
            match script {
                Script::Succeed => Ok(JobResult {
                    success: true,
                    summary: "it returned 42".into(),
                    details: json!({ "outcome": { "outcome": "returned", "value": 42 } }),
                }),
                Script::Fail => {
                    Err(Error::new(vmm_core::ErrorKind::Boot, "the kernel did not boot").help("try again"))
                }
                Script::Panic => panic!("scripted panic"),
                Script::UntilCancelled => {
                    ctx.cancel.cancelled().await;
                    Err(Error::cancelled())
                }
            }
        })
    }
}
