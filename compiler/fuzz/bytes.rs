//! The target `bytes` under libFuzzer.
#![no_main]

#[path = "../tests/fuzz/targets.rs"]
// The other target is in a program of its own.
#[allow(dead_code)]
mod targets;

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::bytes(data));
