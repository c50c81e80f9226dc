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
    rows.extend(restored(bench)?);
    if bench.fifty {
        rows.push(fifty(bench)?);
    }
    Ok(rows)
}

/// The same command with and without a snapshot, in turns: until the function is ready, as the machine's own clock
/// has it, plus the call.
fn restored(bench: &Bench) -> Result<Vec<Row>> {
    println!("making a snapshot …");
    run_hello_with(bench, &["--snapshot"])?;
    let (mut cold, mut warm) = (Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        for (args, times, expected) in [(&["--no-snapshot"][..], &mut cold, false), (&[], &mut warm, true)] {
            let (_, report) = run_hello_with(bench, args)?;
            if report["restored"] != expected {
                bail!("round {round}: restored is {}, not {expected}", report["restored"]);
            }
            times.push(Duration::from_secs_f64((step(&report, "boot") + step(&report, "call")) / 1000.0));
        }
    }
    let (cold, warm) = (median(cold), median(warm));
    let bytes = snapshots_size(&bench.home.join("cache/snapshots"));
    let ratio = warm.as_secs_f64() / cold.as_secs_f64();
    Ok(vec![
        Row::plain("booted: start of the machine to the first answer (median)", sh::seconds(cold)),
        Row::at_most("restored: the same", warm.as_secs_f64(), 0.25, " s"),
        Row::at_most("  ratio to a boot", ratio, 0.15, ""),
        Row::at_most("  snapshot on disk", bytes as f64 / f64::from(1 << 20), 40.0, " MiB"),
    ])
}

/// Bytes of the files in the directories of a directory. There is one: a new snapshot takes the place of the old.
fn snapshots_size(store: &std::path::Path) -> u64 {
    let entries = |dir: &std::path::Path| std::fs::read_dir(dir).into_iter().flatten().flatten();
    let files = entries(store).flat_map(|snapshot| entries(&snapshot.path()).collect::<Vec<_>>());
    files.filter_map(|file| file.metadata().ok()).map(|meta| meta.len()).sum()
}

fn step(report: &Value, stage: &str) -> f64 {
    let steps = report["steps"].as_array().map(Vec::as_slice).unwrap_or_default();
    steps.iter().find(|step| step["stage"] == stage).and_then(|step| step["ms"].as_f64()).unwrap_or(f64::NAN)
}

/// Runs the example and checks its result; the time is what somebody waits at the prompt.
fn run_hello(bench: &Bench) -> Result<(Duration, Value)> {
    run_hello_with(bench, &["--no-snapshot"])
}

fn run_hello_with(bench: &Bench, args: &[&str]) -> Result<(Duration, Value)> {
    let start = Instant::now();
    let mut all = vec!["run", "examples/hello/hello.py", "--json", "--quiet"];
    all.extend(args);
    let text = sh::capture(&mut bench.mvmctl(&all))?;
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

/// Sizes of the guest agent and of the VMM, stripped.
pub fn sizes(bench: &Bench) -> Result<Vec<Row>> {
    build::agent(&bench.programs)?;
    let size = |what: &str, program: &str, limit: f64| -> Result<Row> {
        let bytes = std::fs::metadata(bench.programs.path(program))?.len();
        Ok(Row::at_most(format!("size of the {what}"), bytes as f64 / f64::from(1 << 20), limit, " MiB"))
    };
    Ok(vec![size("guest agent", "mvm-guest-agent", 1.5)?, size("VMM", "mvm-vmm", 4.0)?])
}
