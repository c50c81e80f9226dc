//! Drives the fuzz targets: a bounded number of inputs in the tests, and for longer with `MVM_FUZZ_SECONDS`.
//! `cargo xtask fuzz` runs the same targets under libFuzzer.

#[path = "fuzz/targets.rs"]
mod targets;

use fuzz_drive::Drive;

const WORDS: &[&str] = &[
    "mvm", "import ", "@", "def f(", "'", "\"\"\"", "f'{", "(", ")", "[", "{", "\\", "\n", " ", "=", "1", "é",
];
const SEEDS: &[&[u8]] = &[b"import mvm\n@mvm.app(\n"];

#[test]
fn bytes() {
    Drive { name: "bytes", inputs: 400, seeds: SEEDS, words: WORDS }.run(targets::bytes);
}

#[test]
fn fixtures() {
    Drive { name: "fixtures", inputs: 400, seeds: SEEDS, words: WORDS }.run(targets::fixtures);
}
