//! The target `bus` under libFuzzer.
#![no_main]

mod seeds;
#[path = "../mvm-vmm/tests/fuzz/targets.rs"]
// The other targets are in programs of their own.
#[allow(dead_code)]
mod targets;

libfuzzer_sys::fuzz_target!(init: seeds::write(targets::BUS), |data: &[u8]| targets::bus(data));
