//! Our own VMM beside QEMU's `microvm` with `-accel kvm`, in an outer machine with emulated SVM. What is measured there
//! comes as lines of the test program `bench_kvm`, one for each round.

use std::collections::BTreeMap;

use anyhow::{Context, Result};

use super::{Bench, Row};
use crate::sh;

/// See the module. Times in there are those of an emulated processor: ratios tell more than they do.
pub fn kvm(bench: &Bench) -> Result<Vec<Row>> {
    let text = sh::capture(
        sh::cargo()
            .args(["test", "--quiet", "--locked", "-p", "mvm-tests", "--test", "bench_kvm", "--"])
            .args(["--exact", "figures_from_an_outer_machine", "the_first_entry_of_a_cpu"])
            .args(["--include-ignored", "--nocapture", "--test-threads=1"])
            .env("MVM_BIN_DIR", &bench.programs.dir)
            .env("MVM_BOOT_TESTS", "1"),
    )?;
    rows(&figures(&text))
}

/// The median of each figure.
fn figures(text: &str) -> BTreeMap<&str, f64> {
    let mut all: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        if let (Some("OUTER-FIGURE"), Some(name), Some(Ok(value))) =
            (words.next(), words.next(), words.next().map(str::parse))
        {
            all.entry(name).or_default().push(value);
        }
    }
    let median = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
    };
    all.into_iter().map(|(name, values)| (name, median(values))).collect()
}

fn rows(figures: &BTreeMap<&str, f64>) -> Result<Vec<Row>> {
    let of = |name: &str| figures.get(name).copied().with_context(|| format!("`{name}` was not measured"));
    let ratio = |one: &str, other: &str| -> Result<f64> { Ok(of(one)? / of(other)?) };
    let plain = |what: &str, name: &str, unit: &str| -> Result<Row> {
        Ok(Row::plain(what, format!("{:.1} {unit}", of(name)?)))
    };
    // A host may be without any KVM.
    let here = figures.get("host_entered_ms");
    let here =
        here.map(|ms| Row::at_most("this host: mvm-vmm: start to the first entry of a CPU", *ms, 5.0, " ms"));
    let outer = vec![
        plain("outer machine: mvm-vmm: start to the first entry of a CPU", "ours_entered_ms", "ms")?,
        plain("  start to the guest's first instruction in user space", "ours_userspace_ms", "ms")?,
        plain("  QEMU microvm, -accel kvm: the same", "qemu_userspace_ms", "ms")?,
        Row::at_most("  ratio to QEMU (aim: 0.8)", ratio("ours_userspace_ms", "qemu_userspace_ms")?, 1.0, ""),
        plain("  with a plain command line", "plain_userspace_ms", "ms")?,
        Row::plain(
            "  saved by our command line",
            format!("{:.1} ms", of("plain_userspace_ms")? - of("ours_userspace_ms")?),
        ),
        plain("  a disk read from its beginning", "ours_disk_mb", "MB/s")?,
        Row::at_least("  ratio to QEMU", ratio("ours_disk_mb", "qemu_disk_mb")?, 0.8, ""),
        plain("  channel, host to guest", "ours_receive_mb", "MB/s")?,
        Row::at_least("  ratio to QEMU", ratio("ours_receive_mb", "qemu_receive_mb")?, 1.0, ""),
        plain("  channel, guest to host", "ours_send_mb", "MB/s")?,
        Row::plain("  ratio to QEMU", format!("{:.2}", ratio("ours_send_mb", "qemu_send_mb")?)),
        plain("  booted: start of the machine to the first answer", "cold_ms", "ms")?,
        plain("  restored: the same", "restored_ms", "ms")?,
        Row::at_most("  ratio to a boot", ratio("restored_ms", "cold_ms")?, 0.15, ""),
        Row::at_most("  snapshot on disk", of("snapshot_mib")?, 40.0, " MiB"),
    ];
    Ok(here.into_iter().chain(outer).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_figure_is_the_median_of_its_rounds() {
        let text = "OUTER-FIGURE a_ms 3\nOUTER-TEST ok x (1 s)\nOUTER-FIGURE a_ms 1.5\nOUTER-FIGURE a_ms 2\n";
        assert_eq!(figures(text), BTreeMap::from([("a_ms", 2.0)]));
    }

    #[test]
    fn what_was_not_measured_is_named() {
        let error = rows(&BTreeMap::new()).err().map(|e| e.to_string()).unwrap_or_default();
        assert!(error.contains("ours_entered_ms"), "{error}");
    }
}
