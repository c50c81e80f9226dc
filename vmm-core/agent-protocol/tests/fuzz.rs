//! Drives this room's fuzz targets: a bounded number of inputs in the tests, and for longer with `MVM_FUZZ_SECONDS`.
// A test's helpers may fail the test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "fuzz/drive.rs"]
mod drive;
#[path = "fuzz/targets.rs"]
mod targets;

#[test]
fn session() {
    drive::drive("session", 3000, targets::SESSIONS, targets::session);
}

#[test]
fn messages() {
    drive::drive("messages", 3000, targets::MESSAGES, targets::messages);
}
