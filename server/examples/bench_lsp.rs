//! Latency and memory of language servers over stdio, as one and the same client sees them:
//! `bench_lsp MVM-LSP KEYSTROKES [RUFF]`. Prints one JSON object: a table for `mvm-lsp`, for `ruff server` where there is
//! one, and for a bare echo server (this program), which shows what the client and the pipes cost. `bench_lsp --runs
//! MVM-LSP` measures runs in real guests, below `MVM_HOME`.

// A measuring tool stops at the first thing that is wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "bench_lsp/client.rs"]
mod client;
#[path = "bench_lsp/echo.rs"]
mod echo;
#[path = "bench_lsp/files.rs"]
mod files;
#[path = "bench_lsp/runs.rs"]
mod runs;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use client::{DIAGNOSTICS, Place, Server, URI, measured};
use serde_json::{Value, json};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("--echo") => echo::serve(),
        Some("--runs") => {
            let home = std::env::var("MVM_HOME").expect("MVM_HOME");
            println!("{}", runs::measure(&arguments[1..2], Path::new(&home)));
        }
        Some(program) => {
            let keystrokes = arguments.get(1).and_then(|n| n.parse().ok()).unwrap_or(1000);
            println!("{}", report(program, keystrokes, arguments.get(2)));
        }
        None => panic!("usage: bench_lsp PATH-OF-mvm-lsp [KEYSTROKES] [PATH-OF-ruff]"),
    }
}

fn report(program: &str, keystrokes: usize, ruff: Option<&String>) -> Value {
    let mvm = vec![program.to_owned()];
    let own = std::env::current_exe().unwrap().to_string_lossy().into_owned();
    let mut out =
        json!({ "mvm": common(&mvm, keystrokes), "echo": common(&[own, "--echo".into()], keystrokes) });
    out["mvm"]["keystroke_to_ir"] = preview(&mvm, keystrokes);
    out["mvm"]["check_one_file"] = check(program);
    if let Some(ruff) = ruff {
        out["ruff"] = common(&[ruff.clone(), "server".into()], keystrokes);
    }
    out
}

/// What every server is asked.
fn common(command: &[String], keystrokes: usize) -> Value {
    let (small, large) = (files::small(), files::large());
    json!({
        "file_bytes": small.len(),
        "large_bytes": large.len(),
        "start_to_diagnostics": starts(command, &small),
        "keystroke": typed(command, &small, keystrokes),
        "keystroke_large": typed(command, &large, keystrokes / 4),
        "burst": bursts(command, &small),
        "memory_one_file_kb": memory(command, &small, None),
        "memory_workspace_kb": memory(command, &small, Some(10_000)),
    })
}

fn starts(command: &[String], text: &str) -> Value {
    let times = (0..20).map(|_| {
        let start = Instant::now();
        let mut server = Server::start(command, None);
        server.open(text);
        let took = start.elapsed().as_secs_f64() * 1000.0;
        server.stop();
        took
    });
    measured(times.collect())
}

fn typed(command: &[String], text: &str, keystrokes: usize) -> Value {
    let place = Place::of(text);
    let mut server = Server::start(command, None);
    server.open(text);
    for version in 1..=50 {
        server.keystroke(place, version, DIAGNOSTICS);
    }
    let times = (51..51 + keystrokes).map(|v| server.keystroke(place, v, DIAGNOSTICS)).collect();
    server.stop();
    measured(times)
}

/// A hundred edits at once; the clock stops at the diagnostics of the last.
fn bursts(command: &[String], text: &str) -> Value {
    let place = Place::of(text);
    let mut server = Server::start(command, None);
    server.open(text);
    let mut version = 0;
    let times = (0..30).map(|_| {
        let start = Instant::now();
        for _ in 0..100 {
            version += 1;
            server.edit(place, version);
        }
        server.until_version(DIAGNOSTICS, version);
        start.elapsed().as_secs_f64() * 1000.0
    });
    let times = times.collect();
    server.stop();
    measured(times)
}

fn preview(command: &[String], keystrokes: usize) -> Value {
    let text = files::small();
    let place = Place::of(&text);
    let mut server = Server::start(command, None);
    server.open(&text);
    server.request("mvm/workloadIr", json!({ "textDocument": { "uri": URI } }));
    let times = (1..=keystrokes).map(|v| server.keystroke(place, v, "mvm/workloadIrChanged")).collect();
    server.stop();
    measured(times)
}

/// Resident memory, in kB, with a file open and, where asked for, that many files in the workspace, all looked at.
fn memory(command: &[String], text: &str, files: Option<usize>) -> Value {
    let folder = std::env::temp_dir().join(format!("mvm-bench-{}", std::process::id()));
    if let Some(count) = files {
        files::workspace(&folder, count);
    }
    let mut server = Server::start(command, files.map(|_| folder.as_path()));
    server.open(text);
    let place = Place::of(text);
    (1..=20).for_each(|v| {
        server.keystroke(place, v, DIAGNOSTICS);
    });
    if files.is_some() {
        server.request("workspace/symbol", json!({ "query": "tool" }));
    }
    let resident = server.resident_kb();
    server.stop();
    let _ = std::fs::remove_dir_all(&folder);
    resident.into()
}

fn check(program: &str) -> Value {
    let path = std::env::temp_dir().join(format!("mvm-bench-{}.py", std::process::id()));
    std::fs::write(&path, files::small()).unwrap();
    let times = (0..50).map(|_| once(program, &path)).collect();
    std::fs::remove_file(&path).unwrap();
    measured(times)
}

fn once(program: &str, path: &Path) -> f64 {
    let start = Instant::now();
    let status = Command::new(program).arg("--check").arg(path).stdout(Stdio::null()).status().unwrap();
    assert!(status.code().is_some_and(|c| c <= 1), "--check failed: {status}");
    start.elapsed().as_secs_f64() * 1000.0
}
