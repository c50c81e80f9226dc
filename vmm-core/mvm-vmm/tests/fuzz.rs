//! Drives this room's fuzz targets: a bounded number of inputs in the tests, and for longer with `MVM_FUZZ_SECONDS`.
// A test's helpers may fail the test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "fuzz/targets.rs"]
mod targets;

use fuzz_drive::Drive;

#[test]
fn devices() {
    Drive { name: "devices", inputs: 1500, seeds: targets::DEVICES, words: &[] }.run(targets::devices);
}

#[test]
fn bus() {
    Drive { name: "bus", inputs: 1500, seeds: targets::BUS, words: &[] }.run(targets::bus);
}

#[test]
fn restored() {
    Drive { name: "restored", inputs: 600, seeds: targets::STATES, words: &[] }.run(targets::restored);
}
