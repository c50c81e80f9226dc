//! The language server and `--check`, as a client sees them, beside `ruff server` and a server that does nothing: the
//! server room's own measuring client, one run, one machine.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::{Bench, Row};
use crate::{build, sh};

/// Keystrokes that are measured.
const KEYSTROKES: &str = "1000";
/// Runs of `--check` that are measured.
const RUNS: usize = 41;
/// What is measured beside ours.
const RUFF: &str = "ruff==0.17.6";

/// All of it.
pub fn all(bench: &Bench) -> Result<Vec<Row>> {
    let mut rows = latency(bench)?;
    rows.extend(runs(bench)?);
    Ok(rows)
}

/// Latency and memory over stdio, and of one `--check`.
fn latency(bench: &Bench) -> Result<Vec<Row>> {
    let server = bench.programs.path("mvm-lsp");
    let mut command = client();
    command.arg(&server).arg(KEYSTROKES);
    let peer = ruff().inspect_err(|e| println!("without `ruff server`: {e:#}")).ok();
    command.args(&peer);
    let figures: Value = serde_json::from_str(&sh::capture(&mut command)?).context("reading bench_lsp")?;
    let mut rows = vec![
        Row::at_most(
            "mvm-lsp --check examples/agent-tool/tool.py, process start included (median)",
            check_example(&server)?,
            5.0,
            " ms",
        ),
        plain(&figures, "  the same on 11 KB with 35 declarations", "check_one_file", "p50_ms")?,
    ];
    rows.extend(latencies(&figures)?);
    rows.extend(memory(&figures)?);
    Ok(rows)
}

/// The measuring client.
fn client() -> std::process::Command {
    let mut command = sh::cargo();
    command.args([
        "run",
        "--quiet",
        "--locked",
        "--release",
        "-p",
        "mvm-lsp",
        "--example",
        "bench_lsp",
        "--",
    ]);
    command
}

/// Runs in real guests, as an editor sees them: when it shows that one has started, and when a guest is gone that its user
/// has given up. The slowest counts: it is the one that people notice.
fn runs(bench: &Bench) -> Result<Vec<Row>> {
    let mut command = client();
    command.arg("--runs").arg(bench.programs.path("mvm-lsp")).env("MVM_HOME", &bench.home);
    let figures: Value =
        serde_json::from_str(&sh::capture(&mut command)?).context("reading bench_lsp --runs")?;
    let figure = |name: &str, quantile: &str| {
        figures[name][quantile].as_f64().with_context(|| format!("bench_lsp printed no {name}/{quantile}"))
    };
    Ok(vec![
        Row::at_most(
            "run: command to progress in the editor (slowest of 20)",
            figure("progress", "p99_ms")?,
            50.0,
            " ms",
        ),
        Row::at_most(
            "run given up in its call: until the guest is gone (slowest of 10)",
            figure("guest", "p99_ms")?,
            500.0,
            " ms",
        ),
        Row::plain("  the same (median)", format!("{:.0} ms", figure("guest", "p50_ms")?)),
        Row::plain(
            "  until the command is answered (median)",
            format!("{:.0} ms", figure("answer", "p50_ms")?),
        ),
    ])
}

/// What is timed: its name in the figures, what the user reads, and the limits of median and 99th percentile in ms.
type Timed = (&'static str, &'static str, Option<f64>, Option<f64>);

const TIMED: [Timed; 4] = [
    ("keystroke", "keystroke to diagnostics, 11 KB, 35 declarations", Some(1.0), Some(2.0)),
    ("keystroke_large", "keystroke to diagnostics, 1 MB, 3,000 declarations", Some(3.0), Some(10.0)),
    ("burst", "100 edits in a burst to the right diagnostics", Some(10.0), None),
    ("start_to_diagnostics", "process start to first diagnostics", Some(10.0), None),
];

fn latencies(figures: &Value) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (name, what, median, tail) in TIMED {
        for (quantile, called, limit) in [("p50_ms", "median", median), ("p99_ms", "p99", tail)] {
            let value = get(figures, "mvm", name, quantile)?;
            let mut row = match limit {
                Some(limit) => Row::at_most(format!("{what} ({called})"), value, limit, " ms"),
                None => Row::plain(format!("{what} ({called})"), format!("{value:.2} ms")),
            };
            row.figure.push_str(&beside(figures, |server| {
                get(figures, server, name, quantile).ok().map(|v| format!("{v:.2}"))
            }));
            rows.push(row);
        }
    }
    let value = get(figures, "mvm", "keystroke_to_ir", "p99_ms")?;
    rows.push(Row::at_most("keystroke to fresh IR preview, 11 KB (p99)", value, 5.0, " ms"));
    rows.push(plain(figures, "  the same (median)", "keystroke_to_ir", "p50_ms")?);
    Ok(rows)
}

fn memory(figures: &Value) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (name, what, limit) in [
        ("memory_one_file_kb", "resident memory, one file open", 12.0),
        ("memory_workspace_kb", "resident memory, 10,000 files in the workspace", 60.0),
    ] {
        let of = |server: &str| Some(figures.get(server)?.get(name)?.as_f64()? / 1024.0);
        let value = of("mvm").with_context(|| format!("bench_lsp printed no {name}"))?;
        let mut row = Row::at_most(what, value, limit, " MB");
        row.figure.push_str(&beside(figures, |server| of(server).map(|v| format!("{v:.1}"))));
        rows.push(row);
    }
    Ok(rows)
}

/// ` (ruff server 1.91, echo 0.03)`
fn beside(figures: &Value, of: impl Fn(&str) -> Option<String>) -> String {
    let peers = [("ruff", "ruff server"), ("echo", "echo")];
    let known = peers.iter().filter(|(key, _)| figures.get(key).is_some());
    let parts: Vec<_> = known.filter_map(|(key, name)| Some(format!("{name} {}", of(key)?))).collect();
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
}

fn get(figures: &Value, server: &str, name: &str, quantile: &str) -> Result<f64> {
    figures[server][name][quantile]
        .as_f64()
        .with_context(|| format!("bench_lsp printed no {server}/{name}/{quantile}"))
}

fn plain(figures: &Value, what: &str, name: &str, quantile: &str) -> Result<Row> {
    Ok(Row::plain(what, format!("{:.2} ms", get(figures, "mvm", name, quantile)?)))
}

/// `ruff`, installed by its name, once.
fn ruff() -> Result<PathBuf> {
    let directory = build::target_dir()?.join("bench").join(RUFF.replace("==", "-"));
    let program = directory.join("bin").join("ruff");
    if !program.is_file() {
        sh::run(sh::command("python3").args(["-m", "venv"]).arg(&directory))?;
        let pip = directory.join("bin").join("pip");
        sh::run(sh::command(&pip).args(["install", "--quiet", "--disable-pip-version-check", RUFF]))?;
    }
    Ok(program)
}

/// Median time of `--check` on the example of the documentation, in ms.
fn check_example(server: &Path) -> Result<f64> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/agent-tool/tool.py");
    let mut times = Vec::with_capacity(RUNS);
    for _ in 0..RUNS {
        let clock = Instant::now();
        let status = sh::command(server)
            .arg("--check")
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()?;
        times.push(clock.elapsed().as_secs_f64() * 1000.0);
        if !status.success() {
            bail!("`mvm-lsp --check` finds something in {}", file.display());
        }
    }
    times.sort_by(f64::total_cmp);
    Ok(times[RUNS / 2])
}
