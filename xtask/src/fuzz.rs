//! `cargo xtask fuzz [TARGET] [--seconds N]`: the compiler's fuzz targets under libFuzzer, which keeps what reaches new
//! code and grows further inputs out of it. Where that cannot be built, the targets run on random inputs.

use std::path::PathBuf;
use std::process::Child;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};

use crate::{Options, sh};

/// The targets, by their names in `compiler/tests/fuzz/targets.rs`.
const TARGETS: [&str; 2] = ["bytes", "fixtures"];

/// What rustc adds to the code so that libFuzzer sees where an input leads: counters of edges, and what is compared.
const COVERAGE: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 --cfg fuzzing";

/// Directories whose files are inputs to begin with.
const SEEDS: [&str; 3] = ["examples", "sdk/python/tests/declarations", "compiler/src/rules/cases"];

/// Runs one target, or all beside each other.
pub fn run(options: &Options) -> Result<()> {
    let (numbers, names): (Vec<&String>, Vec<&String>) =
        options.names.iter().partition(|n| n.parse::<u64>().is_ok());
    if let Some(name) = names.iter().find(|n| !TARGETS.contains(&n.as_str())) {
        bail!("there is no fuzz target `{name}`; there are {}", TARGETS.join(", "));
    }
    let seconds = numbers.first().map_or("60", |n| n.as_str());
    let targets: Vec<&str> =
        TARGETS.into_iter().filter(|t| names.is_empty() || names.iter().any(|n| n == t)).collect();
    match build() {
        Ok(programs) => guided(&programs, &targets, seconds),
        Err(error) => {
            println!("no coverage guidance ({error:#}): inputs are random");
            unguided(&targets, seconds)
        }
    }
}

/// Builds the targets with coverage; answers with the directory of the programs.
fn build() -> Result<PathBuf> {
    if !sh::has("c++") && !sh::has("g++") && !sh::has("clang++") {
        bail!("libFuzzer needs a C++ compiler");
    }
    let version = sh::capture(sh::command("rustc").arg("-vV"))?;
    // With a target named, build scripts and macros stay as they are.
    let host =
        version.lines().find_map(|l| l.strip_prefix("host: ")).context("rustc does not say its host")?;
    let mut command = sh::cargo();
    command.args(["build", "--quiet", "--release", "--manifest-path", "compiler/fuzz/Cargo.toml"]);
    command.args(["--target-dir", "target/fuzz", "--target", host]);
    sh::run(command.env("RUSTFLAGS", COVERAGE))?;
    Ok(sh::root().join("target/fuzz").join(host).join("release"))
}

/// libFuzzer, one process a target. What fails is kept in `target/fuzz/failures`, and found again by giving the file to
/// the program.
fn guided(programs: &std::path::Path, targets: &[&str], seconds: &str) -> Result<()> {
    let failures = sh::root().join("target/fuzz/failures");
    std::fs::create_dir_all(&failures).with_context(|| format!("making {}", failures.display()))?;
    let mut running: Vec<(&str, Child)> = Vec::new();
    for target in targets {
        let corpus = sh::root().join("target/fuzz/corpus").join(target);
        std::fs::create_dir_all(&corpus).with_context(|| format!("making {}", corpus.display()))?;
        let mut command = sh::command(programs.join(target));
        command.arg(&corpus).args(SEEDS).args([
            &format!("-max_total_time={seconds}"),
            &format!("-artifact_prefix={}/{target}-", failures.display()),
            "-max_len=4096",
            "-timeout=10",
            "-rss_limit_mb=1024",
            "-print_final_stats=1",
            "-verbosity=0",
        ]);
        println!("$ {}", sh::shown(&command));
        let child = command.spawn().with_context(|| format!("starting {}", sh::shown(&command)))?;
        running.push((target, child));
    }
    let mut failed = Vec::new();
    for (target, mut child) in running {
        if !child.wait().with_context(|| format!("waiting for {target}"))?.success() {
            failed.push(target);
        }
    }
    if !failed.is_empty() {
        bail!("{} failed: the inputs are in {}", failed.join(" and "), failures.display());
    }
    Ok(())
}

/// The tests' own driver, optimised, on inputs that no run had before.
fn unguided(targets: &[&str], seconds: &str) -> Result<()> {
    let seed = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |t| t.as_nanos() as u64);
    println!("fuzzing for {seconds} s; MVM_FUZZ_SEED={seed} gives the same inputs again");
    let mut command = sh::cargo();
    command.args(["test", "--quiet", "--locked", "--release", "-p", "mvm-compiler", "--test", "fuzz", "--"]);
    command.args(["--nocapture", "--exact"]).args(targets);
    sh::run(command.env("MVM_FUZZ_SECONDS", seconds).env("MVM_FUZZ_SEED", seed.to_string()))
}
