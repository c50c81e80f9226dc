//! The language server and `--check`, as a client sees them: the server room's own measuring client.

use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::{Bench, Row};
use crate::sh;

/// Keystrokes that are measured.
const KEYSTROKES: &str = "1000";
/// Runs of `--check` that are measured.
const RUNS: usize = 41;

/// Latency over stdio, and of one `--check`.
pub fn latency(bench: &Bench) -> Result<Vec<Row>> {
    let server = bench.programs.path("mvm-lsp");
    let text = sh::capture(
        sh::cargo()
            .args([
                "run",
                "--quiet",
                "--locked",
                "--release",
                "-p",
                "mvm-lsp",
                "--example",
                "bench_lsp",
                "--",
            ])
            .arg(&server)
            .arg(KEYSTROKES),
    )?;
    let figures: Value = serde_json::from_str(&text).context("reading what bench_lsp printed")?;
    let get = |name: &str, quantile: &str| {
        figures[name][quantile].as_f64().with_context(|| format!("bench_lsp printed no {name}/{quantile}"))
    };
    Ok(vec![
        Row::at_most(
            "mvm-lsp --check examples/agent-tool/tool.py, process start included (median)",
            check_example(&server)?,
            5.0,
            " ms",
        ),
        Row::plain(
            "  the same on 11 KB with 35 declarations",
            format!("{:.2} ms", get("check_one_file", "p50_ms")?),
        ),
        Row::at_most(
            "IR preview after a keystroke, 11 KB, 35 declarations (p99)",
            get("keystroke_to_ir", "p99_ms")?,
            5.0,
            " ms",
        ),
        Row::plain("  the same (median)", format!("{:.2} ms", get("keystroke_to_ir", "p50_ms")?)),
        Row::plain(
            "diagnostics after a keystroke (p99)",
            format!("{:.2} ms", get("keystroke_to_diagnostics", "p99_ms")?),
        ),
        Row::plain(
            "server start to first diagnostics (median)",
            format!("{:.2} ms", get("start_to_diagnostics", "p50_ms")?),
        ),
    ])
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
