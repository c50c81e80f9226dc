//! The compiler by itself: splitting, fresh analyses, keystrokes, growth, memory. The compiler room's own example
//! measures.

use anyhow::{Context, Result};
use serde_json::Value;

use super::{Bench, Row};
use crate::sh;

/// Runs the example in release and reads its figures.
pub fn speed(_: &Bench) -> Result<Vec<Row>> {
    let example =
        ["run", "--quiet", "--locked", "--release", "-p", "mvm-compiler", "--example", "bench_compiler"];
    let text = sh::capture(sh::cargo().args(example))?;
    let figures: Vec<Value> = serde_json::from_str(&text).context("reading what bench_compiler printed")?;
    figures.iter().map(row).collect()
}

fn row(figure: &Value) -> Result<Row> {
    let what = figure["what"].as_str().context("a figure has no name")?;
    let value = figure["value"].as_f64().context("a figure has no value")?;
    let unit = figure["unit"].as_str().unwrap_or_default();
    Ok(match (figure["at_most"].as_f64(), figure["at_least"].as_f64()) {
        (Some(limit), _) => Row::at_most(what, value, limit, unit),
        (_, Some(limit)) => Row::at_least(what, value, limit, unit),
        _ => Row::plain(what, format!("{value:.2}{unit}")),
    })
}
