//! The target `session` under libFuzzer.
#![no_main]

mod seeds;
#[path = "../agent-protocol/tests/fuzz/targets.rs"]
// The other targets are in programs of their own.
#[allow(dead_code)]
mod targets;

libfuzzer_sys::fuzz_target!(init: seeds::write(targets::SESSIONS), |data: &[u8]| targets::session(data));
