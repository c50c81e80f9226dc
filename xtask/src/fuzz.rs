//! `cargo xtask fuzz [TARGET] [--seconds N]`: the fuzz targets of the rooms under libFuzzer, which keeps what reaches new
//! code and grows further inputs out of it. Where that cannot be built, the targets run on random inputs.

use std::path::PathBuf;
use std::process::Child;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};

use crate::{Options, sh};

/// A fuzz target: its name in `tests/fuzz/targets.rs` of its package.
struct Target {
    name: &'static str,
    /// Whose tests drive it with random inputs.
    package: &'static str,
    /// What builds it for libFuzzer.
    manifest: &'static str,
    /// Directories whose files are inputs to begin with; others bring theirs along.
    seeds: &'static [&'static str],
}

/// One of the compiler's: files of Python, and declarations.
const fn compiler(name: &'static str) -> Target {
    const SEEDS: &[&str] = &["examples", "sdk/python/tests/declarations", "compiler/src/rules/cases"];
    Target { name, package: "mvm-compiler", manifest: "compiler/fuzz/Cargo.toml", seeds: SEEDS }
}

/// What a guest can reach: devices, their saved states, and the agent's channel.
const fn machine(name: &'static str, package: &'static str) -> Target {
    Target { name, package, manifest: "vmm-core/fuzz/Cargo.toml", seeds: &[] }
}

/// All targets.
const TARGETS: &[Target] = &[
    compiler("bytes"),
    compiler("fixtures"),
    machine("devices", "mvm-vmm"),
    machine("bus", "mvm-vmm"),
    machine("restored", "mvm-vmm"),
    machine("session", "agent-protocol"),
    machine("messages", "agent-protocol"),
];

/// What rustc adds to the code so that libFuzzer sees where an input leads: counters of edges, and what is compared.
const COVERAGE: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 --cfg fuzzing";

/// Runs the named targets, or all: as many at a time as there are processors.
pub fn run(options: &Options) -> Result<()> {
    let (numbers, names): (Vec<&String>, Vec<&String>) =
        options.names.iter().partition(|n| n.parse::<u64>().is_ok());
    if let Some(name) = names.iter().find(|n| !TARGETS.iter().any(|target| target.name == **n)) {
        let all: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
        bail!("there is no fuzz target `{name}`; there are {}", all.join(", "));
    }
    let seconds = numbers.first().map_or("60", |n| n.as_str());
    let wanted = |target: &&Target| names.is_empty() || names.iter().any(|name| *name == target.name);
    let targets: Vec<&Target> = TARGETS.iter().filter(wanted).collect();
    match build(&targets) {
        Ok(programs) => guided(&programs, &targets, seconds),
        Err(error) => {
            println!("no coverage guidance ({error:#}): inputs are random");
            unguided(&targets, seconds)
        }
    }
}

/// Builds the targets with coverage; answers with the directory of the programs.
fn build(targets: &[&Target]) -> Result<PathBuf> {
    if !sh::has("c++") && !sh::has("g++") && !sh::has("clang++") {
        bail!("libFuzzer needs a C++ compiler");
    }
    let version = sh::capture(sh::command("rustc").arg("-vV"))?;
    // With a target named, build scripts and macros stay as they are.
    let host =
        version.lines().find_map(|l| l.strip_prefix("host: ")).context("rustc does not say its host")?;
    let mut manifests: Vec<&str> = targets.iter().map(|target| target.manifest).collect();
    manifests.dedup();
    for manifest in manifests {
        let mut command = sh::cargo();
        command.args(["build", "--quiet", "--release", "--manifest-path", manifest]);
        command.args(["--target-dir", "target/fuzz", "--target", host]);
        sh::run(command.env("RUSTFLAGS", COVERAGE))?;
    }
    Ok(sh::root().join("target/fuzz").join(host).join("release"))
}

/// libFuzzer, one process a target. What fails is kept in `target/fuzz/failures`, and found again by giving the file to
/// the program.
fn guided(programs: &std::path::Path, targets: &[&Target], seconds: &str) -> Result<()> {
    let failures = sh::root().join("target/fuzz/failures");
    std::fs::create_dir_all(&failures).with_context(|| format!("making {}", failures.display()))?;
    let mut failed = Vec::new();
    let at_once = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    for some in targets.chunks(at_once) {
        let mut running: Vec<(&str, Child)> = Vec::new();
        for target in some {
            let corpus = sh::root().join("target/fuzz/corpus").join(target.name);
            std::fs::create_dir_all(&corpus).with_context(|| format!("making {}", corpus.display()))?;
            let mut command = sh::command(programs.join(target.name));
            command.env("MVM_FUZZ_SEEDS", &corpus).arg(&corpus).args(target.seeds).args([
                &format!("-max_total_time={seconds}"),
                &format!("-artifact_prefix={}/{}-", failures.display(), target.name),
                "-max_len=4096",
                "-timeout=10",
                "-rss_limit_mb=1024",
                "-print_final_stats=1",
                "-verbosity=0",
            ]);
            println!("$ {}", sh::shown(&command));
            let child = command.spawn().with_context(|| format!("starting {}", sh::shown(&command)))?;
            running.push((target.name, child));
        }
        for (target, mut child) in running {
            if !child.wait().with_context(|| format!("waiting for {target}"))?.success() {
                failed.push(target);
            }
        }
    }
    if !failed.is_empty() {
        bail!("{} failed: the inputs are in {}", failed.join(" and "), failures.display());
    }
    Ok(())
}

/// The tests' own drivers, optimised, on inputs that no run had before.
fn unguided(targets: &[&Target], seconds: &str) -> Result<()> {
    let seed = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |t| t.as_nanos() as u64);
    println!("fuzzing for {seconds} s; MVM_FUZZ_SEED={seed} gives the same inputs again");
    for some in targets.chunk_by(|one, other| one.package == other.package) {
        let package = some.first().map_or("", |target| target.package);
        let mut command = sh::cargo();
        command.args(["test", "--quiet", "--locked", "--release", "-p", package, "--test", "fuzz", "--"]);
        command.args(["--nocapture", "--exact"]).args(some.iter().map(|target| target.name));
        sh::run(command.env("MVM_FUZZ_SECONDS", seconds).env("MVM_FUZZ_SEED", seed.to_string()))?;
    }
    Ok(())
}
