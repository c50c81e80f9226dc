//! How well credentials are told from what looks like them: the labelled corpus of the compiler's tests, half of which
//! the rules were tuned on, judged by the rules and by other tools from PyPI on the same files.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use super::{Bench, Row};
use crate::sh;

/// The other tools, as pip knows them.
const PEERS: [&str; 3] = ["detect-secrets==1.5.0", "bandit==1.9.4", "ruff==0.17.6"];

/// Files of the reported half, relative to the corpus, in which a tool finds something.
type Found = BTreeSet<String>;

/// Writes the corpus, runs every tool on it, and compares.
pub fn accuracy(bench: &Bench) -> Result<Vec<Row>> {
    let corpus = bench.work.join("secrets");
    if corpus.exists() {
        std::fs::remove_dir_all(&corpus)?;
    }
    std::fs::create_dir_all(&corpus)?;
    let corpus = corpus.canonicalize()?;
    let arguments =
        ["test", "--quiet", "--locked", "-p", "mvm-compiler", "--lib", "the_corpus_can_be_written_out"];
    sh::run(sh::cargo().args(arguments).env("MVM_CORPUS", &corpus))?;
    let bin = peers(bench)?;
    let mut rows = Vec::new();
    for half in ["tuned", "reported"] {
        let secret = files(&corpus, half, "secret")?;
        let innocent = files(&corpus, half, "innocent")?;
        let mut tools = vec![("mvm-lsp", ours(&corpus)?)];
        if half == "reported" {
            tools.push(("detect-secrets", detect_secrets(&bin, &corpus)?));
            tools.push(("bandit", bandit(&bin, &corpus)?));
            tools.push(("ruff", ruff(&bin, &corpus)?));
        }
        for (tool, found) in tools {
            let hits = secret.intersection(&found).count();
            let alarms = innocent.intersection(&found).count();
            let recall = hits as f64 / secret.len().max(1) as f64;
            let precision = hits as f64 / (hits + alarms).max(1) as f64;
            let name = |what: &str| {
                format!("{tool}: {what} on the {half} half ({} + {} files)", secret.len(), innocent.len())
            };
            if tool == "mvm-lsp" && half == "reported" {
                rows.push(Row::at_least(name("recall"), recall, 0.90, ""));
                rows.push(Row::at_least(name("precision"), precision, 0.97, ""));
            } else {
                rows.push(Row::plain(name("recall"), format!("{recall:.2}")));
                rows.push(Row::plain(name("precision"), format!("{precision:.2}")));
            }
        }
    }
    Ok(rows)
}

/// A virtual environment with the other tools, kept for the next time.
fn peers(bench: &Bench) -> Result<PathBuf> {
    let directory = bench.work.join(format!("venv-{}", PEERS.join("-").replace("==", "-")));
    let bin = directory.join("bin");
    if !bin.join("detect-secrets").exists() || !bin.join("bandit").exists() || !bin.join("ruff").exists() {
        sh::run(sh::command("python3").args(["-m", "venv"]).arg(&directory))?;
        let pip = bin.join("pip");
        sh::run(sh::command(pip).args(["install", "--quiet", "--disable-pip-version-check"]).args(PEERS))?;
    }
    Ok(bin.canonicalize()?)
}

fn files(corpus: &Path, half: &str, label: &str) -> Result<Found> {
    let directory = corpus.join(half).join(label);
    let names = std::fs::read_dir(&directory).with_context(|| format!("reading {}", directory.display()))?;
    let relative = |name: std::ffi::OsString| format!("{half}/{label}/{}", name.to_string_lossy());
    names.map(|entry| Ok(relative(entry?.file_name()))).collect()
}

fn ours(corpus: &Path) -> Result<Found> {
    Ok(std::fs::read_to_string(corpus.join("mvm-lsp.txt"))?.lines().map(str::to_owned).collect())
}

/// What a tool prints as JSON; its exit code says only that it found something.
fn json(command: &mut std::process::Command) -> Result<Value> {
    let output = command.output().with_context(|| format!("starting {}", sh::shown(command)))?;
    let start = output.stdout.iter().position(|b| matches!(b, b'{' | b'[')).unwrap_or(0);
    serde_json::from_slice(&output.stdout[start..])
        .with_context(|| format!("{}: {}", sh::shown(command), String::from_utf8_lossy(&output.stderr)))
}

fn relative(corpus: &Path, path: &str) -> String {
    let path = path.trim_start_matches("./");
    Path::new(path).strip_prefix(corpus).map_or(path.to_owned(), |p| p.to_string_lossy().into_owned())
}

fn detect_secrets(bin: &Path, corpus: &Path) -> Result<Found> {
    let mut command = sh::command(bin.join("detect-secrets"));
    command.current_dir(corpus).args(["scan", "--all-files", "--no-verify", "reported"]);
    let found = json(&mut command)?;
    Ok(found["results"].as_object().into_iter().flatten().map(|(file, _)| relative(corpus, file)).collect())
}

fn bandit(bin: &Path, corpus: &Path) -> Result<Found> {
    let mut command = sh::command(bin.join("bandit"));
    command.current_dir(corpus).args(["-q", "-r", "-f", "json", "-t", "B105,B106,B107", "reported"]);
    let found = json(&mut command)?;
    Ok(found["results"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|r| Some(relative(corpus, r["filename"].as_str()?)))
        .collect())
}

fn ruff(bin: &Path, corpus: &Path) -> Result<Found> {
    let mut command = sh::command(bin.join("ruff"));
    let arguments = [
        "check",
        "--isolated",
        "--no-cache",
        "--select",
        "S105,S106,S107",
        "--output-format",
        "json",
        "reported",
    ];
    command.current_dir(corpus).args(arguments);
    let found = json(&mut command)?;
    Ok(found
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|r| Some(relative(corpus, r["filename"].as_str()?)))
        .collect())
}
