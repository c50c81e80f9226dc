//! Latency of the shipped server over stdio, as a client sees it: `bench_lsp PATH-OF-mvm-lsp [KEYSTROKES]`.
//! Prints one JSON object: keystroke → diagnostics and keystroke → IR (p50, p99, in ms) for an 11 KB file with 35
//! declarations, start → first diagnostics, and the median of `--check` on that file, process start included.

// A measuring tool stops at the first thing that is wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::Write;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use mvm_lsp::wire::{Frame, FrameReader, write_frame};
use serde::Deserialize;
use serde_json::{Value, json};

const URI: &str = "untitled:bench.py";

/// 35 declarations, about 11 KB.
fn file() -> String {
    let mut text = String::from("import mvm\n");
    for n in 0..35 {
        text.push_str(&format!(
            "\n\n@mvm.app(\n    name=\"tool-{n}\",\n    image=mvm.nix_packages([\"python312\", \"uv\"]),\n    \
             resources=mvm.resources(cpu_cores=1, memory_mb=512),\n    \
             network=mvm.network(mode=\"deny\", allow_https=[\"api{n}.example.com\"]),\n    \
             env={{\"KEY\": mvm.secret(\"key-{n}\")}},\n)\ndef run_{n}(prompt: str) -> str:\n    return prompt\n"
        ));
    }
    let head = "mvm.workload(id=\"bench\")\n";
    text.replacen("import mvm\n", &format!("import mvm\n\n{head}"), 1)
}

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

struct Server {
    child: Child,
    input: ChildStdin,
    output: FrameReader<ChildStdout>,
}

impl Server {
    fn start(program: &str) -> Self {
        let mut child = Command::new(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let (input, output) = (child.stdin.take().unwrap(), FrameReader::new(child.stdout.take().unwrap()));
        let mut server = Server { child, input, output };
        server.send(
            json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": { "capabilities": {} } }),
        );
        server.until(|m| m.id == 1);
        server.send(json!({ "jsonrpc": "2.0", "method": "initialized", "params": {} }));
        server
    }

    fn send(&mut self, message: Value) {
        write_frame(&mut self.input, &serde_json::to_vec(&message).unwrap()).unwrap();
        self.input.flush().unwrap();
    }

    fn until(&mut self, wanted: impl Fn(&Head) -> bool) {
        loop {
            let Frame::Body(body) = self.output.next_frame().unwrap() else { panic!("the server ended") };
            // All of the message is read, only its head is kept: it is the server that is measured.
            let message: Head = serde_json::from_slice(&body).unwrap();
            if wanted(&message) {
                return;
            }
        }
    }

    fn open(&mut self, text: &str) {
        let document = json!({ "uri": URI, "languageId": "python", "version": 0, "text": text });
        self.send(json!({ "jsonrpc": "2.0", "method": "textDocument/didOpen", "params": { "textDocument": document } }));
        self.until(|m| m.method == "textDocument/publishDiagnostics");
    }

    /// Replaces one digit of the last declaration's memory size and waits for what should follow.
    fn keystroke(&mut self, place: (usize, usize), version: usize, wanted: &str) -> f64 {
        let at = |c: usize| json!({ "line": place.0, "character": c });
        let change = json!({ "range": { "start": at(place.1), "end": at(place.1 + 1) },
            "text": (1 + version % 9).to_string() });
        let message = json!({ "jsonrpc": "2.0", "method": "textDocument/didChange", "params": {
            "textDocument": { "uri": URI, "version": version }, "contentChanges": [change] } });
        let start = Instant::now();
        self.send(message);
        self.until(|m| m.method == wanted && m.params.version == Some(version));
        start.elapsed().as_secs_f64() * 1000.0
    }

    fn stop(mut self) {
        self.send(json!({ "jsonrpc": "2.0", "id": 99, "method": "shutdown" }));
        self.until(|m| m.id == 99);
        self.send(json!({ "jsonrpc": "2.0", "method": "exit" }));
        self.child.wait().unwrap();
    }
}

fn quantile(sorted: &[f64], q: f64) -> f64 {
    let at = ((sorted.len() - 1) as f64 * q).round() as usize;
    (sorted[at] * 1000.0).round() / 1000.0
}

fn measured(mut times: Vec<f64>) -> Value {
    times.sort_by(f64::total_cmp);
    json!({ "p50_ms": quantile(&times, 0.5), "p99_ms": quantile(&times, 0.99), "n": times.len() })
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let program = arguments.next().expect("usage: bench_lsp PATH-OF-mvm-lsp [KEYSTROKES]");
    let keystrokes: usize = arguments.next().and_then(|n| n.parse().ok()).unwrap_or(1000);
    let text = file();
    let line = text.lines().enumerate().filter(|(_, l)| l.contains("memory_mb=")).last().unwrap();
    let place = (line.0, line.1.find("512").unwrap());

    let starts = (0..20).map(|_| {
        let start = Instant::now();
        let mut server = Server::start(&program);
        server.open(&text);
        let took = start.elapsed().as_secs_f64() * 1000.0;
        server.stop();
        took
    });
    let starts = measured(starts.collect());

    let mut server = Server::start(&program);
    server.open(&text);
    let wanted = "textDocument/publishDiagnostics";
    for version in 1..=50 {
        server.keystroke(place, version, wanted);
    }
    let diagnostics = (51..51 + keystrokes).map(|v| server.keystroke(place, v, wanted)).collect();
    server.send(json!({ "jsonrpc": "2.0", "id": 2, "method": "mvm/workloadIr",
        "params": { "textDocument": { "uri": URI } } }));
    server.until(|m| m.id == 2);
    let first = 51 + keystrokes;
    let ir =
        (first..first + keystrokes).map(|v| server.keystroke(place, v, "mvm/workloadIrChanged")).collect();
    server.stop();

    let path = std::env::temp_dir().join(format!("mvm-bench-{}.py", std::process::id()));
    std::fs::write(&path, &text).unwrap();
    let checks = (0..50).map(|_| {
        let start = Instant::now();
        let status = Command::new(&program).arg("--check").arg(&path).stdout(Stdio::null()).status().unwrap();
        assert!(status.code().is_some_and(|c| c <= 1), "--check failed: {status}");
        start.elapsed().as_secs_f64() * 1000.0
    });
    let checks = measured(checks.collect());
    std::fs::remove_file(&path).unwrap();

    println!(
        "{}",
        json!({
            "file_bytes": text.len(),
            "start_to_diagnostics": starts,
            "keystroke_to_diagnostics": measured(diagnostics),
            "keystroke_to_ir": measured(ir),
            "check_one_file": checks,
        })
    );
}
