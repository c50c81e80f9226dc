//! Drives this room's fuzz targets: a bounded number of inputs in the tests, and for longer with `MVM_FUZZ_SECONDS`.
// A test's helpers may fail the test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../../agent-protocol/tests/fuzz/drive.rs"]
mod drive;
#[path = "fuzz/targets.rs"]
mod targets;

#[test]
fn devices() {
    drive::drive("devices", 1500, targets::DEVICES, targets::devices);
}

#[test]
fn bus() {
    drive::drive("bus", 1500, targets::BUS, targets::bus);
}

#[test]
fn restored() {
    drive::drive("restored", 600, targets::STATES, targets::restored);
}
