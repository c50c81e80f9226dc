//! `cargo xtask fuzz [TARGET] [--seconds N]`: the compiler's fuzz targets, optimised, on inputs that no run had before.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Result, bail};

use crate::{Options, sh};

/// The targets, by their names in `compiler/tests/fuzz.rs`.
const TARGETS: [&str; 2] = ["bytes", "fixtures"];

/// Runs one target, or all beside each other.
pub fn run(options: &Options) -> Result<()> {
    let (numbers, names): (Vec<&String>, Vec<&String>) =
        options.names.iter().partition(|n| n.parse::<u64>().is_ok());
    if let Some(name) = names.iter().find(|n| !TARGETS.contains(&n.as_str())) {
        bail!("there is no fuzz target `{name}`; there are {}", TARGETS.join(", "));
    }
    let seconds = numbers.first().map_or("60", |n| n.as_str());
    let seed = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |t| t.as_nanos() as u64);
    println!("fuzzing for {seconds} s; MVM_FUZZ_SEED={seed} gives the same inputs again");
    let mut command = sh::cargo();
    command.args(["test", "--quiet", "--locked", "--release", "-p", "mvm-compiler", "--test", "fuzz", "--"]);
    command.args(["--nocapture", "--exact"]).args(names);
    sh::run(command.env("MVM_FUZZ_SECONDS", seconds).env("MVM_FUZZ_SEED", seed.to_string()))
}
