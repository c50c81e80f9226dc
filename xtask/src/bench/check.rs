//! `mvm-lsp --check` over many files, beside `ruff` from its wheel on the same files in the same run. Times are the
//! best of several, taken in turns: what else the machine does falls on both. The processor time of all threads is told
//! beside the time that passes: the goals are about the latter.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::{Bench, Row, millis};
use crate::sh;

/// The rival's version.
const RUFF: &str = "ruff==0.17.6";
const FILES: usize = 10_000;
const SIZE: usize = 3_000;
const ROUNDS: usize = 7;

/// All figures.
pub fn check(bench: &Bench) -> Result<Vec<Row>> {
    let work = bench.work.join("check");
    if work.exists() {
        std::fs::remove_dir_all(&work)?;
    }
    let (all, half, few) = (work.join("all"), work.join("half"), work.join("few"));
    files(&all, FILES, 100)?;
    files(&half, FILES / 2, 100)?;
    files(&few, FILES, 1)?;
    let ruff = ruff(&work)?;
    let ours = bench.programs.path("mvm-lsp");
    let run = |directory: &Path, more: &[&str]| {
        let mut command = Command::new(&ours);
        command.args(["--check", "--output", "concise"]).args(more).current_dir(directory);
        command
    };
    let rival = |more: &[&str]| {
        let mut command = Command::new(&ruff);
        command.args(["check", "--quiet", "--select", "S"]).args(more).current_dir(&all);
        command
    };
    // Files that were just written are not believed to be settled; a cache is for those that are.
    std::thread::sleep(Duration::from_secs(4));

    let cold = pair(|| run(&all, &["--no-cache"]), || rival(&["--no-cache"]))?;
    let kept = work.join("kept").display().to_string();
    let theirs = work.join("theirs").display().to_string();
    let cached = pair(|| run(&all, &["--cache-dir", &kept]), || rival(&["--cache-dir", &theirs]))?;
    let sparse = best(|| run(&few, &["--no-cache"]))?;
    let (one, two) =
        pair(|| run(&all, &["--no-cache", "--jobs", "1"]), || run(&all, &["--no-cache", "--jobs", "2"]))?;
    let (halves, wholes) = pair(|| run(&half, &["--no-cache"]), || run(&all, &["--no-cache"]))?;
    let cold_used = pair_of(used, || run(&all, &["--no-cache"]), || rival(&["--no-cache"]))?;
    let cached_used =
        pair_of(used, || run(&all, &["--cache-dir", &kept]), || rival(&["--cache-dir", &theirs]))?;
    let memory = memory(&run(&all, &["--no-cache"]))?;
    let memory_cached = memory.max(self::memory(&run(&all, &["--cache-dir", &kept]))?);

    let ratio = |a: Duration, b: Duration| a.as_secs_f64() / b.as_secs_f64();
    let figure = |t: Duration| format!("{:.0} ms", millis(t));
    let both = |(ours, theirs): (Duration, Duration)| {
        format!("{:.0} ms, ruff {:.0} ms: {:.2} ×", millis(ours), millis(theirs), ratio(ours, theirs))
    };
    Ok(vec![
        Row::plain(format!("check: {FILES} files cold"), figure(cold.0)),
        Row::plain(format!("{RUFF} --select S --no-cache"), figure(cold.1)),
        Row::at_most("cold, over ruff", ratio(cold.0, cold.1), 1.5, " ×"),
        Row::plain("cold, processor time", both(cold_used)),
        Row::plain("check: cached", figure(cached.0)),
        Row::plain(format!("{RUFF}, cached"), figure(cached.1)),
        Row::at_most("cached, over ruff", ratio(cached.0, cached.1), 1.0, " ×"),
        Row::plain("cached, processor time", both(cached_used)),
        Row::at_most("cold where 1 % mention mvm", sparse.as_secs_f64(), 0.10, " s"),
        Row::at_most("memory", memory_cached, 100.0, " MB"),
        Row::at_most("twice the files take", ratio(wholes, halves), 2.3, " ×"),
        Row::at_least("two threads over one", ratio(one, two), 1.7, " ×"),
    ])
}

/// The best times of two commands that take turns.
fn pair(a: impl Fn() -> Command, b: impl Fn() -> Command) -> Result<(Duration, Duration)> {
    pair_of(time, a, b)
}

/// The same with another measure.
fn pair_of(
    measure: fn(&mut Command) -> Result<Duration>,
    a: impl Fn() -> Command,
    b: impl Fn() -> Command,
) -> Result<(Duration, Duration)> {
    let mut times = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        times.0 = times.0.min(measure(&mut a())?);
        times.1 = times.1.min(measure(&mut b())?);
    }
    Ok(times)
}

fn best(a: impl Fn() -> Command) -> Result<Duration> {
    pair(&a, &a).map(|(one, two)| one.min(two))
}

fn time(command: &mut Command) -> Result<Duration> {
    let start = Instant::now();
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status();
    let status = status.with_context(|| format!("starting {}", sh::shown(command)))?;
    // Findings are none of our business here.
    if !matches!(status.code(), Some(0 | 1)) {
        bail!("`{}` failed: {status}", sh::shown(command));
    }
    Ok(start.elapsed())
}

/// The processor time of a command, the system's included.
fn used(command: &mut Command) -> Result<Duration> {
    resources(command, "usage.ru_utime + usage.ru_stime").map(Duration::from_secs_f64)
}

/// The most memory that a command held, in MB.
fn memory(command: &Command) -> Result<f64> {
    resources(command, "usage.ru_maxrss * 1024 / 1e6")
}

/// What a command used of the machine, by the figures that the system keeps of it.
fn resources(command: &Command, figure: &str) -> Result<f64> {
    let script = format!(
        "import resource, subprocess, sys\n\
         subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL)\n\
         usage = resource.getrusage(resource.RUSAGE_CHILDREN)\n\
         print({figure})"
    );
    let mut measured = Command::new("python3");
    measured.args(["-c", &script]).arg(command.get_program()).args(command.get_args());
    if let Some(directory) = command.get_current_dir() {
        measured.current_dir(directory);
    }
    Ok(sh::capture(&mut measured)?.trim().parse()?)
}

/// Ruff in an environment of its own, which stays.
fn ruff(work: &Path) -> Result<PathBuf> {
    let environment = work.with_file_name("ruff");
    let program = environment.join("bin/ruff");
    if !program.is_file() {
        sh::run(sh::command("python3").args(["-m", "venv"]).arg(&environment))?;
        let pip = environment.join("bin/pip");
        sh::run(sh::command(pip).args(["install", "--quiet", "--disable-pip-version-check", RUFF]))?;
    }
    Ok(program)
}

/// Files of which so many in a hundred declare something, a hundred in a directory.
fn files(root: &Path, count: usize, percent: usize) -> Result<()> {
    for i in 0..count {
        let directory = root.join(format!("pkg_{:03}", i / 100));
        std::fs::create_dir_all(&directory)?;
        let mut text = if i % 100 < percent { declaration(i) } else { plain(i) };
        let mut n = 0;
        while text.len() < SIZE {
            text.push_str(&helper(n));
            n += 1;
        }
        std::fs::write(directory.join(format!("tool_{i}.py")), text)?;
    }
    Ok(())
}

fn plain(i: usize) -> String {
    format!(
        "\"\"\"Module {i} of the collection.\"\"\"\n\nimport json\nimport logging\n\nlog = logging.getLogger(__name__)\n"
    )
}

fn declaration(i: usize) -> String {
    format!(
        r#""""Tool {i} of the collection: reads, weighs and answers."""

from __future__ import annotations

import json
import logging

import mvm

log = logging.getLogger(__name__)


@mvm.app(
    name="tool-{i}",
    source=mvm.local_path(".", include=["tool_{i}.py"]),
    image=mvm.nix_packages(["python312", "uv"]),
    resources=mvm.resources(cpu_cores=1, memory_mb=512),
    network=mvm.network(mode="deny", allow_https=["api.example.com"]),
    env={{"API_KEY": mvm.secret("tool-{i}-key", hosts=["api.example.com"])}},
    entrypoint=mvm.entrypoint_function(module="tool_{i}", function="run", primary=True),
)
def run(prompt: str) -> str:
    log.info("asked")
    return json.dumps({{"answer": prompt}})
"#
    )
}

fn helper(n: usize) -> String {
    format!(
        r#"

def helper_{n}(values: list[int], factor: float = 1.5) -> dict[str, float]:
    """Weighs values and gives their sums by parity."""
    result = {{"even": 0.0, "odd": 0.0}}
    for index, value in enumerate(values):
        key = "even" if value % 2 == 0 else "odd"
        result[key] += value * factor + index
    return result
"#
    )
}
