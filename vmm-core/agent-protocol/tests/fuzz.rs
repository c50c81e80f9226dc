//! Drives this room's fuzz targets: a bounded number of inputs in the tests, and for longer with `MVM_FUZZ_SECONDS`.
// A test's helpers may fail the test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "fuzz/targets.rs"]
mod targets;

use fuzz_drive::Drive;

#[test]
fn session() {
    Drive { name: "session", inputs: 3000, seeds: targets::SESSIONS, words: &[] }.run(targets::session);
}

#[test]
fn messages() {
    Drive { name: "messages", inputs: 3000, seeds: targets::MESSAGES, words: &[] }.run(targets::messages);
}
