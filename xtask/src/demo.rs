//! `cargo xtask demo`: the whole road, shown: read, check, compile, build, boot, call, stop.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::build::{self, Programs};
use crate::terminal::{heading, table, typed};
use crate::{Options, setup, sh};

/// Runs it on programs built for it.
pub fn run(options: &Options) -> Result<()> {
    setup::ensure(&[setup::CC, setup::QEMU, setup::PIP], options.yes)?;
    let programs = build::programs(if options.has("dev") { build::DEV } else { build::RELEASE })?;
    run_with(&programs, options)
}

/// Runs it on programs that are there.
pub fn run_with(programs: &Programs, _options: &Options) -> Result<()> {
    let place = Place::new(programs)?;
    let mut times = Times::default();
    let result = show(&place, &mut times);
    // Whatever happened: no machine of the demo is left.
    let down = place.mvmctl(&["down", "--all", "--quiet"]).stdout(Stdio::null()).status();
    place.clear()?;
    result?;
    down.context("stopping the demo's machines")?;
    heading("where the time went");
    times.print();
    Ok(())
}

fn show(place: &Place, times: &mut Times) -> Result<()> {
    heading("a declaration beside a function");
    print_file(&sh::root().join("examples/agent-tool/tool.py"), "@mvm.app", ") -> str:")?;

    heading("read, never imported, and turned into Workload IR");
    let out = place.work.join("agent-tool");
    let out_text = out.to_string_lossy().into_owned();
    times.step("compile", || place.show(&["compile", "examples/agent-tool/tool.py", "--out", &out_text]))?;
    let ir = std::fs::read(out.join("workload.json")).context("reading the IR")?;
    println!("{}", serde_json::to_string_pretty(&serde_json::from_slice::<Value>(&ir)?)?);

    heading("an unsafe declaration is told so, and refused");
    times.step("check", || place.check("examples/insecure/insecure.py"))?;

    heading("a secret, kept on the host: into no image, no argument list, no log");
    let value = format!("demo-{}-{}", "not-a-real-key", std::process::id());
    typed("printf %s \"$KEY\" | mvmctl secret set openai-api-key");
    place.with_input(&["secret", "set", "openai-api-key"], &value)?;

    heading("built from packages with exact versions and digests");
    times.step("build", || place.show(&["build", &out_text, "--allow-substitute"]))?;

    heading("booted: a Linux guest without a network card");
    let up = times.step("up", || place.captured(&["up", "agent-tool", "--json", "--quiet"]))?;
    let up: Value = serde_json::from_str(&up).context("reading the answer of `mvmctl up --json`")?;
    let machine = &up["machines"][0];
    println!("agent-tool runs on {}", machine["hypervisor"].as_str().unwrap_or("?"));
    let clock = |name: &str| machine["clocks"][name].as_u64();

    heading("called: arguments in as JSON, result out as JSON");
    times.step("call", || place.result(&["call", "agent-tool", r#"{"prompt": "hi"}"#], "1 tokens"))?;
    place.show(&["ps"])?;

    heading("stopped");
    times.step("down", || place.show(&["down", "agent-tool"]))?;
    times.clocks = vec![
        ("  VMM started", clock("vmm_ms")),
        ("  guest userspace", clock("userspace_ms")),
        ("  function ready", clock("ready_ms")),
    ];
    Ok(())
}

/// Prints a file from the line that starts with `from` to the line that ends with `to`.
fn print_file(path: &Path, from: &str, to: &str) -> Result<()> {
    let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let lines = text.lines().skip_while(|l| !l.starts_with(from));
    let mut printed = false;
    for line in lines {
        println!("{line}");
        printed = true;
        if line.ends_with(to) {
            println!("    …");
            break;
        }
    }
    if printed { Ok(()) } else { bail!("{} has no `{from}`", path.display()) }
}

/// Directories of the demo: a cache that stays, so that the second run needs no network; all else is thrown away.
struct Place<'a> {
    programs: &'a Programs,
    home: PathBuf,
    work: PathBuf,
}

impl<'a> Place<'a> {
    fn new(programs: &'a Programs) -> Result<Self> {
        let base = build::target_dir()?.join("demo");
        let place = Place { programs, home: base.join("home"), work: base.join("work") };
        place.clear()?;
        std::fs::create_dir_all(&place.work).context("making the demo's directory")?;
        Ok(place)
    }

    fn clear(&self) -> Result<()> {
        for dir in [self.home.join("data"), self.home.join("state"), self.work.clone()] {
            match std::fs::remove_dir_all(&dir) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                    return Err(e).with_context(|| format!("removing {}", dir.display()));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn mvmctl(&self, arguments: &[&str]) -> Command {
        let mut command = sh::command(self.programs.path("mvmctl"));
        command.args(arguments).env("MVM_HOME", &self.home);
        command
    }

    /// Runs a command as a user would, everything shown.
    fn show(&self, arguments: &[&str]) -> Result<()> {
        let command = &mut self.mvmctl(arguments);
        typed(&self.shorten(command));
        sh::run(command)
    }

    /// Shows a call, and holds its result against what it must contain.
    fn result(&self, arguments: &[&str], part: &str) -> Result<()> {
        let command = &mut self.mvmctl(arguments);
        typed(&self.shorten(command));
        let result = sh::capture(command)?;
        println!("{}", result.trim_end());
        if result.contains(part) { Ok(()) } else { bail!("the result does not contain `{part}`") }
    }

    fn captured(&self, arguments: &[&str]) -> Result<String> {
        let command = &mut self.mvmctl(arguments);
        typed("mvmctl up agent-tool");
        sh::capture(command)
    }

    fn with_input(&self, arguments: &[&str], input: &str) -> Result<()> {
        let mut child = self.mvmctl(arguments).stdin(Stdio::piped()).spawn().context("starting mvmctl")?;
        child.stdin.take().context("mvmctl has no standard input")?.write_all(input.as_bytes())?;
        if child.wait()?.success() { Ok(()) } else { bail!("`mvmctl {}` failed", arguments.join(" ")) }
    }

    /// The check must refuse it: exit code 1.
    fn check(&self, file: &str) -> Result<()> {
        let mut command = sh::command(self.programs.path("mvm-lsp"));
        command.args(["--check", file]);
        typed(&self.shorten(&command));
        match command.status().context("starting mvm-lsp")?.code() {
            Some(1) => Ok(()),
            code => bail!(
                "`mvm-lsp --check {file}` ended with {code:?}; it must find what is wrong and end with 1"
            ),
        }
    }

    /// The command without this machine's directories.
    fn shorten(&self, command: &Command) -> String {
        let dir = format!("{}/", self.programs.dir.display());
        let root = format!("{}/", sh::root().display());
        sh::shown(command).replace(&dir, "").replace(&root, "")
    }
}

#[derive(Default)]
struct Times {
    steps: Vec<(&'static str, Duration)>,
    clocks: Vec<(&'static str, Option<u64>)>,
}

impl Times {
    fn step<T>(&mut self, name: &'static str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let start = Instant::now();
        let result = work()?;
        self.steps.push((name, start.elapsed()));
        Ok(result)
    }

    fn print(&self) {
        let mut rows = vec![vec!["step".to_owned(), "time".to_owned()]];
        for (name, time) in &self.steps {
            rows.push(vec![(*name).to_owned(), sh::seconds(*time)]);
            if *name == "up" {
                rows.extend(self.clocks.iter().filter_map(|(name, ms)| {
                    Some(vec![(*name).to_owned(), sh::seconds(Duration::from_millis((*ms)?))])
                }));
            }
        }
        table(&rows);
    }
}
