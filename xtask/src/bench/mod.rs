//! `cargo xtask bench`: measures on this machine and prints a table.

use anyhow::{Result, bail};

use crate::Options;

/// Runs the named measurements, or all.
pub fn run(_options: &Options) -> Result<()> {
    bail!("there is nothing to measure yet")
}
