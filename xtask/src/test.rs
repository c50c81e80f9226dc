//! `cargo xtask test`: sets up, builds once, runs the suites, and ends each with a line of its own.

use std::fs::File;
use std::io::Seek;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::build::{self, Programs};
use crate::suites::{AHEAD, SUITES, Suite, TestProgram, When, Work};
use crate::{Options, setup, sh};

/// What is built once and used by several suites.
#[derive(Default)]
struct Shared {
    tests: Option<Vec<TestProgram>>,
    programs: Option<Programs>,
    ahead: Ahead,
}

/// What suites install for themselves, in the background: by suite.
#[derive(Default)]
struct Ahead(Vec<(&'static str, Child)>);

impl Ahead {
    /// Begins what the chosen suites have, at the lowest priority, where all that it stands on is there. One that fails
    /// says nothing: its suite begins anew, and says why.
    fn begin(chosen: &[&Suite]) -> Self {
        let of = |name: &str| chosen.iter().find(|s| s.name == name && setup::missing(s.needs).is_empty());
        let start = |words: &[&str]| {
            let mut command = sh::command("nice");
            command.args(["-n", "19"]).args(words);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()
        };
        Ahead(
            AHEAD
                .iter()
                .filter(|(name, _)| of(name).is_some())
                .filter_map(|(n, w)| Some((*n, start(w)?)))
                .collect(),
        )
    }

    /// Waits for what a suite began.
    fn wait(&mut self, suite: &str) {
        for (_, child) in self.0.iter_mut().filter(|(name, _)| *name == suite) {
            let _ = child.wait();
        }
    }
}

/// Runs the named suites, or all.
pub fn run(options: &Options) -> Result<()> {
    if options.has("list") {
        for suite in SUITES {
            let when = match suite.when {
                When::Always => "",
                When::InCi => " (in CI, or by name)",
            };
            println!("{:<10} {}{when}", suite.name, suite.about);
        }
        return Ok(());
    }
    let chosen = choose(options)?;
    if options.yes {
        // All at once: each call of apt-get reads and writes its lists. What fails here fails again below, by its suite.
        let mut needs: Vec<setup::Need> = Vec::new();
        for need in chosen.iter().flat_map(|s| s.needs) {
            if !needs.contains(need) {
                needs.push(*need);
            }
        }
        let _ = setup::ensure(&needs, true);
    }
    let mut shared = Shared { ahead: Ahead::begin(&chosen), ..Shared::default() };
    let mut failed = Vec::new();
    let start = Instant::now();
    for suite in &chosen {
        println!("\n== {}: {}", suite.name, suite.about);
        let clock = Instant::now();
        let result = run_suite(suite, options, &mut shared);
        let time = sh::seconds(clock.elapsed());
        match result {
            Ok(()) => println!("suite {}: ok ({time})", suite.name),
            Err(error) => {
                println!("suite {}: FAILED ({time}): {error:#}", suite.name);
                failed.push(suite.name);
            }
        }
    }
    let passed = chosen.len() - failed.len();
    println!("\nsuites: {passed} passed, {} failed, in {}", failed.len(), sh::seconds(start.elapsed()));
    if failed.is_empty() { Ok(()) } else { bail!("failed: {}", failed.join(", ")) }
}

fn choose(options: &Options) -> Result<Vec<&'static Suite>> {
    let names = &options.names;
    if names.is_empty() {
        return Ok(SUITES
            .iter()
            .filter(|s| s.when == When::Always || s.when == When::InCi && options.ci)
            .collect());
    }
    let find = |name: &String| {
        SUITES.iter().find(|s| s.name == name).with_context(|| {
            let all: Vec<&str> = SUITES.iter().map(|s| s.name).collect();
            format!("there is no suite `{name}`; there are {}", all.join(", "))
        })
    };
    names.iter().map(find).collect()
}

fn run_suite(suite: &Suite, options: &Options, shared: &mut Shared) -> Result<()> {
    setup::ensure(suite.needs, options.yes)?;
    if suite.programs && shared.programs.is_none() {
        shared.programs = Some(build::programs(build::DEV)?);
    }
    shared.ahead.wait(suite.name);
    match &suite.work {
        Work::Cargo(arguments) => sh::run(sh::cargo().args(*arguments)),
        Work::Program(words) => {
            let (program, arguments) = words.split_first().context("the suite names no program")?;
            let dir =
                shared.programs.as_ref().map(|p| p.dir.to_string_lossy().into_owned()).unwrap_or_default();
            sh::run(sh::command(program).args(arguments.iter().map(|a| a.replace("{programs}", &dir))))
        }
        Work::Demo => {
            crate::demo::run_with(shared.programs.as_ref().context("the programs are not built")?, options)
        }
        Work::Tests { select, arguments, environment, beside } => {
            if shared.tests.is_none() {
                shared.tests = Some(build_tests()?);
            }
            let all = shared.tests.as_deref().unwrap_or_default();
            let chosen: Vec<&TestProgram> = all.iter().filter(|p| select(p)).collect();
            if chosen.is_empty() {
                bail!("it has no test programs");
            }
            let run = |test: &TestProgram, output| {
                run_program(test, arguments, environment, shared.programs.as_ref(), output)
            };
            run_tests(&chosen, *beside, run)
        }
    }
}

/// Runs each to its end, even when one before it failed: all failures of a suite are seen at once.
fn run_tests(
    tests: &[&TestProgram],
    beside: usize,
    run: impl Fn(&TestProgram, Option<File>) -> Result<()> + Sync,
) -> Result<()> {
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let shown = Mutex::new(());
    let work = || -> Result<()> {
        while let Some(test) = tests.get(next.fetch_add(1, Ordering::SeqCst)) {
            let head = format!("\n   {} {} ({})", test.package, test.target, test.kind);
            let ended = if beside == 1 {
                println!("{head}");
                run(test, None)
            } else {
                let mut output = output_file(test)?;
                let ended = run(test, Some(output.try_clone()?));
                let _one_at_a_time = shown.lock().unwrap_or_else(PoisonError::into_inner);
                println!("{head}");
                output.rewind()?;
                std::io::copy(&mut output, &mut std::io::stdout())?;
                ended
            };
            if ended.is_err() {
                let name = format!("{}/{}", test.package, test.target);
                failed.lock().unwrap_or_else(PoisonError::into_inner).push(name);
            }
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..beside).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| match worker.join() {
            Ok(ended) => ended,
            Err(_) => bail!("running the test programs crashed"),
        })
    })?;
    let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    if failed.is_empty() { Ok(()) } else { bail!("failing test programs: {}", failed.join(", ")) }
}

/// What a program prints that is shown when it has ended. A file, which nothing that the program leaves behind holds up.
fn output_file(test: &TestProgram) -> Result<File> {
    let dir = build::target_dir()?.join("tmp");
    std::fs::create_dir_all(&dir).with_context(|| format!("making {}", dir.display()))?;
    let path = dir.join(format!("{}-{}.output", test.package, test.target));
    let opened = File::options().read(true).write(true).create(true).truncate(true).open(&path);
    opened.with_context(|| format!("writing {}", path.display()))
}

/// Runs one. What it prints is shown at once, or goes into a file.
fn run_program(
    test: &TestProgram,
    arguments: &[&str],
    environment: &[(&str, &str)],
    programs: Option<&Programs>,
    output: Option<File>,
) -> Result<()> {
    let mut command = sh::command(&test.path);
    command.args(arguments).current_dir(&test.dir).env("CARGO_MANIFEST_DIR", &test.dir);
    command.envs(environment.iter().copied());
    if let Some(programs) = programs {
        command.env("MVM_BIN_DIR", &programs.dir);
    }
    if let Some(output) = output {
        command.stdout(output.try_clone()?).stderr(output);
    }
    sh::run(&mut command)
}

/// Builds all test programs in one go, so that every suite shares one set of features and nothing is built twice.
fn build_tests() -> Result<Vec<TestProgram>> {
    println!("building the tests …");
    let text = sh::capture(sh::cargo().args([
        "test",
        "--quiet",
        "--locked",
        "--workspace",
        "--no-run",
        "--message-format=json-render-diagnostics",
    ]))?;
    let mut programs: Vec<TestProgram> =
        text.lines().filter_map(|line| test_program(&serde_json::from_str(line).ok()?)).collect();
    programs.sort_by(|a, b| (&a.package, &a.kind, &a.target).cmp(&(&b.package, &b.kind, &b.target)));
    Ok(programs)
}

fn test_program(message: &Value) -> Option<TestProgram> {
    let is_test = message["reason"] == "compiler-artifact" && message["profile"]["test"] == true;
    if !is_test {
        return None;
    }
    let manifest = PathBuf::from(message["manifest_path"].as_str()?);
    let id = message["package_id"].as_str()?;
    // `path+file:///dir/name#version` or `path+file:///dir#name@version`
    let (place, version) = id.rsplit_once('#')?;
    let package = match version.split_once('@') {
        Some((name, _)) => name,
        None => place.rsplit_once('/')?.1,
    };
    Some(TestProgram {
        package: package.to_owned(),
        target: message["target"]["name"].as_str()?.to_owned(),
        kind: message["target"]["kind"][0].as_str()?.to_owned(),
        path: PathBuf::from(message["executable"].as_str()?),
        dir: manifest.parent()?.to_path_buf(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn package_names_in_both_spellings() {
        for (id, name) in
            [("path+file:///w/mvmctl#0.1.0", "mvmctl"), ("path+file:///w/server#mvm-lsp@0.1.0", "mvm-lsp")]
        {
            let message = serde_json::json!({
                "reason": "compiler-artifact", "profile": {"test": true}, "package_id": id,
                "manifest_path": "/w/x/Cargo.toml", "executable": "/t/x",
                "target": {"name": "x", "kind": ["test"]},
            });
            assert_eq!(test_program(&message).map(|p| p.package).as_deref(), Some(name));
        }
    }

    #[test]
    fn what_is_installed_ahead_belongs_to_a_suite() {
        for (name, words) in AHEAD {
            assert!(SUITES.iter().any(|s| s.name == *name), "{name}");
            let file = sh::root().join(words[1]);
            assert!(file.is_file(), "{}", file.display());
        }
    }

    #[test]
    fn suites_have_names_of_their_own() {
        for (i, suite) in SUITES.iter().enumerate() {
            assert!(SUITES[..i].iter().all(|s| s.name != suite.name), "{}", suite.name);
        }
    }
}
