//! `mvm-lsp --check`: the findings of the editor as text and for programs, with exit codes. Starts no runtime and no
//! thread for a single file.

mod atomic;
mod baseline;
mod cache;
mod change;
mod checker;
pub mod cli;
mod codec;
mod collect;
mod diff;
mod facts;
mod fix;
mod full;
mod ignores;
mod ir;
mod json_places;
mod machine;
mod mask;
mod print;
mod progress;
mod rendered;
mod report;
mod review;
mod sarif;
pub mod schema;
mod show;
mod stamp;
mod stored;
mod terminal;
mod watch;
mod xml;

use std::path::Path;

use mvm_compiler::Severity;
use mvm_compiler::project::{self, ProjectConfig};

use crate::config::{Configs, Overrides, selectors};
use baseline::Baseline;
use cache::Cache;
use checker::Checker;
use cli::CheckOptions;
use print::say;
use report::{FileReport, Summary};

pub use show::{completions, config, explain, man, rules};

/// Exit code: findings.
const FOUND: u8 = 1;
/// Exit code: usage, configuration, or a file that cannot be read.
const USAGE: u8 = 2;
/// Exit code: a result that cannot be written.
const UNWRITTEN: u8 = 3;
/// Exit code: a defect of ours.
const INTERNAL: u8 = 4;

/// Runs `--check`; returns the exit code.
pub fn run(options: &CheckOptions) -> u8 {
    if options.watch {
        return watch::run(options);
    }
    match check(options) {
        Ok(outcome) => finish(options, &outcome),
        Err(why) => {
            say(&format!("mvm-lsp: {why}"));
            USAGE
        }
    }
}

/// What a run found.
struct Outcome {
    reports: Vec<FileReport>,
    summary: Summary,
    notices: Vec<String>,
}

/// Checks once; an error is one of usage.
fn check(options: &CheckOptions) -> Result<Outcome, String> {
    let known = match &options.baseline {
        Some(path) if options.update_baseline && !path.exists() => Some(Baseline::default()),
        Some(path) => Some(Baseline::read(path)?),
        None => None,
    };
    let configs = Configs::for_check(overrides(options)?);
    let checker = Checker::new(options, configs, cache(options));
    let threads = options.jobs.or_else(|| std::thread::available_parallelism().ok());
    let threads = threads.map_or(1, usize::from);
    let mut reports = progress::with(&checker.seen, || collect::check_all(&checker, &options.paths, threads));
    checker.save();
    let mut notices = checker.notices();
    if let (Some(mut baseline), Some(path)) = (known, &options.baseline) {
        if options.update_baseline {
            baseline.update(&reports, |file| checker.exists(file));
            baseline.write(path)?;
            notices.push(format!("the baseline {} is up to date", path.display()));
        }
        baseline.apply(&mut reports);
    }
    let mut summary = Summary { files: checker.clean(), ..Summary::default() };
    reports.iter().for_each(|r| summary.add(r));
    Ok(Outcome { reports, summary, notices })
}

/// Prints everything and gives the exit code.
fn finish(options: &CheckOptions, outcome: &Outcome) -> u8 {
    for notice in &outcome.notices {
        say(&format!("mvm-lsp: {}", terminal::safe(notice)));
    }
    let failed = print::all(options, &outcome.reports, &outcome.summary);
    failed.iter().for_each(|why| say(&format!("mvm-lsp: {why}")));
    let code = exit_code(options, &outcome.reports);
    if failed.is_empty() || code == INTERNAL { code } else { UNWRITTEN }
}

fn overrides(options: &CheckOptions) -> Result<Overrides, String> {
    Ok(Overrides {
        select: selectors(options.select.iter().map(String::as_str))?,
        ignore: selectors(options.ignore.iter().map(String::as_str))?,
        disregard_comments: options.no_ignores,
        fixed: options.config.as_deref().map(named_config).transpose()?,
        isolated: options.isolated,
    })
}

/// The project file of `--config`.
fn named_config(path: &Path) -> Result<ProjectConfig, String> {
    let path = std::path::absolute(path).map_err(|e| format!("finding {}: {e}", path.display()))?;
    let text = crate::files::read_source(&path).map_err(|e| format!("{} {e}", path.display()))?;
    let config = project::parse(&path, &text).map_err(|e| e.to_string())?;
    let config = config.ok_or_else(|| format!("{} says nothing about the check", path.display()))?;
    Ok(ProjectConfig { config, file: collect::normalized(&path) })
}

fn cache(options: &CheckOptions) -> Option<Cache> {
    if options.no_cache {
        return None;
    }
    let directory = match &options.cache_dir {
        Some(directory) => std::path::absolute(directory).ok()?,
        None => vmm_core::Home::from_env().ok()?.cache().join("check"),
    };
    Some(Cache::open(directory))
}

fn exit_code(options: &CheckOptions, reports: &[FileReport]) -> u8 {
    let any =
        |test: fn(&report::FileError) -> bool| reports.iter().filter_map(|r| r.error.as_ref()).any(test);
    if any(|e| e.internal) {
        return INTERNAL;
    }
    if any(|e| e.unwritten) {
        return UNWRITTEN;
    }
    if any(|_| true) {
        return USAGE;
    }
    let limit: Severity = options.fail_on.into();
    let found = reports.iter().any(|r| r.diff.is_some() || r.findings.iter().any(|f| f.severity >= limit));
    if found && !options.exit_zero { FOUND } else { 0 }
}
