//! `cargo xtask bench`: measures on this machine and prints one table. Figures are medians or ratios of one run; a
//! machine that does something else meanwhile gives other figures.

mod boot;
mod check;
mod compiler;
#[path = "../../../vmm-core/src/cpio.rs"]
#[allow(dead_code, reason = "the product's own writer; a benchmark needs a part of it")]
mod cpio;
mod files;
mod kvm;
mod lsp;
mod plain;
mod secrets;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::build::{self, Programs};
use crate::terminal::{heading, table};
use crate::{Options, setup, sh};

/// One measured thing.
pub struct Row {
    /// What was measured.
    pub what: String,
    /// The figure, with its unit.
    pub figure: String,
    /// What it must reach, if it must.
    pub goal: Option<String>,
    /// Whether it does.
    pub reached: Option<bool>,
}

impl Row {
    /// A figure without a goal.
    pub fn plain(what: impl Into<String>, figure: impl Into<String>) -> Self {
        Row { what: what.into(), figure: figure.into(), goal: None, reached: None }
    }

    /// A figure that must not be above a limit.
    pub fn at_most(what: impl Into<String>, value: f64, limit: f64, unit: &str) -> Self {
        Row {
            what: what.into(),
            figure: format!("{value:.2}{unit}"),
            goal: Some(format!("at most {limit}{unit}")),
            reached: Some(value <= limit),
        }
    }

    /// A figure that must not be below a limit.
    pub fn at_least(what: impl Into<String>, value: f64, limit: f64, unit: &str) -> Self {
        Row {
            what: what.into(),
            figure: format!("{value:.2}{unit}"),
            goal: Some(format!("at least {limit}{unit}")),
            reached: Some(value >= limit),
        }
    }
}

/// What the measurements share.
pub struct Bench {
    /// Release programs.
    pub programs: Programs,
    /// A home of the benchmark's own; its cache stays.
    pub home: PathBuf,
    /// Room for files.
    pub work: PathBuf,
    /// Fifty boots under load, too.
    pub fifty: bool,
}

type Measurement = fn(&Bench) -> Result<Vec<Row>>;

/// Names, what they need besides the programs, and what they run.
const MEASUREMENTS: &[(&str, &[setup::Need], Measurement)] = &[
    ("compiler", &[setup::CC, setup::PYTHON], compiler::speed),
    ("secrets", &[setup::CC, setup::PYTHON, setup::VENV], secrets::accuracy),
    ("lsp", &[setup::QEMU], lsp::all),
    ("check", &[setup::PYTHON, setup::VENV], check::check),
    ("sizes", &[], boot::sizes),
    ("rebuild", &[setup::QEMU], boot::rebuild),
    ("boot", &[setup::QEMU, setup::BUSYBOX, setup::MKE2FS], boot::boot),
    ("kvm", &[setup::QEMU, setup::MKE2FS], kvm::kvm),
];

/// Runs the named measurements, or all.
pub fn run(options: &Options) -> Result<()> {
    let known = |name: &String| MEASUREMENTS.iter().any(|(n, _, _)| n == name);
    if let Some(name) = options.names.iter().find(|n| !known(n)) {
        let all: Vec<&str> = MEASUREMENTS.iter().map(|(n, _, _)| *n).collect();
        bail!("there is no measurement `{name}`; there are {}", all.join(", "));
    }
    let wanted = |name: &str| options.names.is_empty() || options.names.iter().any(|n| n == name);
    let chosen: Vec<_> = MEASUREMENTS.iter().filter(|(name, _, _)| wanted(name)).collect();
    let needs: Vec<setup::Need> = chosen.iter().flat_map(|(_, needs, _)| needs.iter().copied()).collect();
    setup::ensure(&needs, options.yes)?;
    let base = build::target_dir()?.join("bench");
    // The compiler's measurements need no program of the product, and building them takes minutes.
    let programs = match chosen.iter().all(|(name, _, _)| matches!(*name, "compiler" | "secrets")) {
        true => Programs { dir: build::target_dir()?.join("release") },
        false => build::programs(build::RELEASE)?,
    };
    let bench =
        Bench { programs, home: base.join("home"), work: base.join("work"), fifty: options.has("fifty") };
    std::fs::create_dir_all(&bench.work)?;
    let mut rows = Vec::new();
    for (name, _, measure) in chosen {
        heading(name);
        rows.extend(measure(&bench)?);
    }
    print(&rows);
    let missed: Vec<&str> =
        rows.iter().filter(|r| r.reached == Some(false)).map(|r| r.what.as_str()).collect();
    if missed.is_empty() { Ok(()) } else { bail!("missed: {}", missed.join("; ")) }
}

fn print(rows: &[Row]) {
    heading("measured on this machine");
    let mut cells = vec![["what", "figure", "must reach", ""].map(str::to_owned).to_vec()];
    cells.extend(rows.iter().map(|row| {
        let mark = match row.reached {
            Some(true) => "reached",
            Some(false) => "MISSED",
            None => "",
        };
        vec![row.what.clone(), row.figure.clone(), row.goal.clone().unwrap_or_default(), mark.to_owned()]
    }));
    table(&cells);
}

/// The middle of some times.
pub fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// Milliseconds as a number.
pub fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

impl Bench {
    /// `mvmctl` with the benchmark's home.
    pub fn mvmctl(&self, arguments: &[&str]) -> std::process::Command {
        let mut command = sh::command(self.programs.path("mvmctl"));
        command.args(arguments).env("MVM_HOME", &self.home);
        command
    }
}
