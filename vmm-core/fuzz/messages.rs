//! The target `messages` under libFuzzer.
#![no_main]

mod seeds;
#[path = "../agent-protocol/tests/fuzz/targets.rs"]
// The other targets are in programs of their own.
#[allow(dead_code)]
mod targets;

libfuzzer_sys::fuzz_target!(init: seeds::write(targets::MESSAGES), |data: &[u8]| targets::messages(data));
