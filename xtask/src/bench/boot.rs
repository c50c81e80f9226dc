//! From the start of the command to the printed result, beside the plain recipe; rebuilds; fifty boots under load.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::{Bench, Row, median, millis, plain};
use crate::{build, sh};

/// How often each side boots. They take turns, so that a busy moment meets both.
const ROUNDS: usize = 7;

/// `mvmctl run examples/hello` with a warm cache, and the plain recipe beside it.
pub fn boot(bench: &Bench) -> Result<Vec<Row>> {
    println!("warming the cache …");
    run_hello(bench)?;
    println!("making the plain recipe …");
    let recipe = plain::Recipe::make(bench)?;
    let (mut ours, mut theirs, mut clocks) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        let (time, report) = run_hello(bench)?;
        let other = recipe.boot()?;
        println!("round {round}: mvmctl run {}, plain recipe {}", sh::seconds(time), sh::seconds(other));
        ours.push(time);
        theirs.push(other);
        clocks.push(report);
    }
    let (ours, theirs) = (median(ours), median(theirs));
    let ratio = ours.as_secs_f64() / theirs.as_secs_f64();
    let clock = |name: &str| {
        let mut values: Vec<u64> = clocks.iter().filter_map(|r| r["clocks"][name].as_u64()).collect();
        values.sort_unstable();
        values.get(values.len() / 2).map_or("?".to_owned(), |ms| format!("{ms} ms"))
    };
    let hypervisor = clocks.first().and_then(|r| r["hypervisor"].as_str()).unwrap_or("?").to_owned();
    let mut rows = vec![
        Row::plain("plain recipe: start to printed result (median)", sh::seconds(theirs)),
        Row::plain(format!("mvmctl run examples/hello, warm, {hypervisor} (median)"), sh::seconds(ours)),
        Row::at_most("  ratio to the plain recipe", ratio, 0.7, ""),
        Row::plain("  clock: VMM started", clock("vmm_ms")),
        Row::plain("  clock: guest userspace", clock("userspace_ms")),
        Row::plain("  clock: function ready (aim: 1500 ms)", clock("ready_ms")),
    ];
    if bench.fifty {
        rows.push(fifty(bench)?);
    }
    Ok(rows)
}

/// Runs the example and checks its result; the time is what somebody waits at the prompt.
fn run_hello(bench: &Bench) -> Result<(Duration, Value)> {
    let start = Instant::now();
    let text = sh::capture(&mut bench.mvmctl(&["run", "examples/hello/hello.py", "--json", "--quiet"]))?;
    let time = start.elapsed();
    let report: Value = serde_json::from_str(&text).context("reading the report of `mvmctl run --json`")?;
    match report["outcome"]["value"].as_str() {
        Some("Hello, world!") => Ok((time, report)),
        _ => bail!("`mvmctl run` gave something else: {text}"),
    }
}

/// Fifty boots in a row while two loops keep the processors busy: fifty results.
fn fifty(bench: &Bench) -> Result<Row> {
    let _load = [Busy::start()?, Busy::start()?];
    let mut results = 0;
    for round in 1..=50 {
        match run_hello(bench) {
            Ok((time, _)) => {
                results += 1;
                println!("boot {round}: {}", sh::seconds(time));
            }
            Err(error) => println!("boot {round}: {error:#}"),
        }
    }
    Ok(Row {
        what: "boots in a row beside two busy loops, with a result".into(),
        figure: format!("{results} of 50"),
        goal: Some("50 of 50".into()),
        reached: Some(results == 50),
    })
}

/// A loop that keeps one processor busy until it is dropped.
struct Busy(Child);

impl Busy {
    fn start() -> Result<Self> {
        let child = sh::command("sh").args(["-c", "while :; do :; done"]).stdout(Stdio::null()).spawn();
        Ok(Busy(child.context("starting a busy loop")?))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A rebuild after one source file was edited.
pub fn rebuild(bench: &Bench) -> Result<Vec<Row>> {
    let project = bench.work.join("rebuild");
    std::fs::create_dir_all(&project)?;
    let file = project.join("hello.py");
    let text = std::fs::read_to_string(sh::root().join("examples/hello/hello.py"))?;
    let path = file.to_string_lossy().into_owned();
    let mut times = Vec::new();
    for edit in 0..10 {
        std::fs::write(&file, format!("{text}\n# edit {edit} of {}\n", std::process::id()))?;
        let start = Instant::now();
        sh::run(bench.mvmctl(&["build", &path, "--quiet"]).stdout(Stdio::null()))?;
        if edit > 0 {
            times.push(start.elapsed());
        }
    }
    Ok(vec![Row::at_most(
        "rebuild after an edit of one source file (median)",
        millis(median(times)),
        300.0,
        " ms",
    )])
}

/// Size of the guest agent.
pub fn agent_size(bench: &Bench) -> Result<Vec<Row>> {
    build::agent(&bench.programs)?;
    let size = std::fs::metadata(bench.programs.path("mvm-guest-agent"))?.len();
    Ok(vec![Row::at_most("size of the guest agent", size as f64 / f64::from(1 << 20), 1.5, " MiB")])
}
