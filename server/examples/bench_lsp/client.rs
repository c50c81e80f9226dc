//! The measuring client.

use std::io::Write;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use mvm_lsp::wire::{Frame, FrameReader, write_frame};
use serde::Deserialize;
use serde_json::{Value, json};

/// The document; no file, so that no server watches one.
pub const URI: &str = "file:///mvm-bench/project/document.py";
/// What most waits are for.
pub const DIAGNOSTICS: &str = "textDocument/publishDiagnostics";

/// What tells messages apart.
#[derive(Deserialize)]
struct Head {
    #[serde(default)]
    id: Value,
    #[serde(default)]
    method: String,
    #[serde(default)]
    params: Params,
}

#[derive(Default, Deserialize)]
struct Params {
    #[serde(default)]
    version: Option<usize>,
}

/// One digit of the last declaration's memory size.
#[derive(Clone, Copy)]
pub struct Place {
    line: usize,
    column: usize,
}

impl Place {
    /// In a text.
    pub fn of(text: &str) -> Self {
        let line = text.lines().enumerate().filter(|(_, l)| l.contains("memory_mb=")).last().unwrap();
        Place { line: line.0, column: line.1.find("512").unwrap() }
    }
}

/// A server under measurement.
pub struct Server {
    child: Child,
    input: ChildStdin,
    output: FrameReader<ChildStdout>,
    next: u64,
}

impl Server {
    /// Started and initialized, in a workspace or in none.
    pub fn start(command: &[String], folder: Option<&Path>) -> Self {
        let mut child = Command::new(&command[0])
            .args(&command[1..])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the server starts");
        let (input, output) = (child.stdin.take().unwrap(), FrameReader::new(child.stdout.take().unwrap()));
        let mut server = Server { child, input, output, next: 0 };
        let uri = folder.map(|f| format!("file://{}", f.display()));
        let folders = uri.map(|u| json!([{ "uri": u, "name": "bench" }]));
        // Versions on pushed diagnostics, so that it is known which keystroke they are of; files are watched, as the
        // editors that are used most do it.
        let able = json!({ "textDocument": { "publishDiagnostics": { "versionSupport": true } },
            "workspace": { "didChangeWatchedFiles": { "dynamicRegistration": true } } });
        server.request("initialize", json!({ "capabilities": able, "workspaceFolders": folders }));
        server.notify("initialized", json!({}));
        server
    }

    fn send(&mut self, message: &Value) {
        write_frame(&mut self.input, &serde_json::to_vec(message).unwrap()).unwrap();
        self.input.flush().unwrap();
    }

    /// Tells something.
    pub fn notify(&mut self, method: &str, params: Value) {
        self.send(&json!({ "jsonrpc": "2.0", "method": method, "params": params }));
    }

    /// Asks and waits for the answer.
    pub fn request(&mut self, method: &str, params: Value) {
        let id = self.ask(method, params);
        self.until(|m| m.id == id && m.method.is_empty());
    }

    /// Asks and waits for nothing.
    pub fn ask(&mut self, method: &str, params: Value) -> u64 {
        self.next += 1;
        let id = self.next;
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        id
    }

    /// The answer to a request, whole.
    pub fn answer(&mut self, id: u64) -> Value {
        self.message(|m| m["id"] == id && m["method"].is_null())
    }

    /// The next message of a kind, whole.
    pub fn message(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let Frame::Body(body) = self.output.next_frame().unwrap() else { panic!("the server ended") };
            let message: Value = serde_json::from_slice(&body).unwrap();
            if wanted(&message) {
                return message;
            }
        }
    }

    /// The server's process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    fn until(&mut self, wanted: impl Fn(&Head) -> bool) {
        loop {
            let Frame::Body(body) = self.output.next_frame().unwrap() else { panic!("the server ended") };
            // All of the message is read, only its head is kept: it is the server that is measured.
            let message: Head = serde_json::from_slice(&body).unwrap();
            if wanted(&message) {
                return;
            }
            if !message.id.is_null() && !message.method.is_empty() {
                self.send(&json!({ "jsonrpc": "2.0", "id": message.id, "result": null }));
            }
        }
    }

    /// Opens the document and waits for its diagnostics.
    pub fn open(&mut self, text: &str) {
        let document = json!({ "uri": URI, "languageId": "python", "version": 0, "text": text });
        self.notify("textDocument/didOpen", json!({ "textDocument": document }));
        self.until(|m| m.method == DIAGNOSTICS);
    }

    /// Replaces the digit and waits for nothing.
    pub fn edit(&mut self, place: Place, version: usize) {
        let at = |c: usize| json!({ "line": place.line, "character": c });
        let change = json!({ "range": { "start": at(place.column), "end": at(place.column + 1) },
            "text": (1 + version % 9).to_string() });
        let params =
            json!({ "textDocument": { "uri": URI, "version": version }, "contentChanges": [change] });
        self.notify("textDocument/didChange", params);
    }

    /// Waits for what is said of a version.
    pub fn until_version(&mut self, method: &str, version: usize) {
        self.until(|m| m.method == method && m.params.version == Some(version));
    }

    /// An edit and what should follow it, in ms.
    pub fn keystroke(&mut self, place: Place, version: usize, wanted: &str) -> f64 {
        let start = Instant::now();
        self.edit(place, version);
        self.until_version(wanted, version);
        start.elapsed().as_secs_f64() * 1000.0
    }

    /// Resident memory in kB.
    pub fn resident_kb(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap_or("0");
        line.trim().trim_end_matches("kB").trim().parse().unwrap_or(0)
    }

    /// Ends it as the protocol says.
    pub fn stop(mut self) {
        self.request("shutdown", Value::Null);
        self.notify("exit", Value::Null);
        self.child.wait().unwrap();
    }
}

fn quantile(sorted: &[f64], q: f64) -> f64 {
    let at = ((sorted.len() - 1) as f64 * q).round() as usize;
    (sorted[at] * 1000.0).round() / 1000.0
}

/// Median and 99th percentile.
pub fn measured(mut times: Vec<f64>) -> Value {
    times.sort_by(f64::total_cmp);
    json!({ "p50_ms": quantile(&times, 0.5), "p99_ms": quantile(&times, 0.99), "n": times.len() })
}
