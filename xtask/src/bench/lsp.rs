//! The language server and `--check`, as a client sees them: the server room's own measuring client.

use anyhow::{Context, Result};
use serde_json::Value;

use super::{Bench, Row};
use crate::sh;

/// Keystrokes that are measured.
const KEYSTROKES: &str = "1000";

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
            "mvm-lsp --check on one file, process start included (median)",
            get("check_one_file", "p50_ms")?,
            5.0,
            " ms",
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
