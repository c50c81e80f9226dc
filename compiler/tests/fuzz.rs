//! Drives the fuzz targets with random inputs: the same ones in every run of the tests, and others for as long as
//! `MVM_FUZZ_SECONDS` says. Inputs grow out of earlier ones by small changes; coverage guides them in `cargo xtask fuzz`,
//! which runs the same targets under libFuzzer.
// A test's helpers may fail the test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "fuzz/targets.rs"]
mod targets;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use fastrand::Rng;

/// Inputs of a run whose end no clock decides.
const INPUTS: usize = 400;
/// What one input may take, in an unoptimised build on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// An input made of an earlier one.
fn changed(random: &mut Rng, from: &[u8]) -> Vec<u8> {
    const WORDS: &[&str] = &[
        "mvm", "import ", "@", "def f(", "'", "\"\"\"", "f'{", "(", ")", "[", "{", "\\", "\n", " ", "=", "1",
        "é",
    ];
    let mut input = from.to_vec();
    for _ in 0..=random.usize(..4) {
        let at = random.usize(..input.len() + 1);
        match random.usize(..6) {
            0 => drop(input.drain(at..(at + random.usize(..8)).min(input.len()))),
            1 => input.insert(at, u8::try_from(random.usize(..256)).unwrap()),
            2 => {
                let piece =
                    input[at..(at + random.usize(..64)).min(input.len())].repeat(1 + random.usize(..3));
                input.splice(at..at, piece);
            }
            3 if at < input.len() => input[at] ^= 1 << random.usize(..8),
            _ => drop(input.splice(at..at, WORDS[random.usize(..WORDS.len())].bytes())),
        }
    }
    input.truncate(4_096);
    input
}

fn drive(name: &str, target: fn(&[u8])) {
    let seconds = std::env::var("MVM_FUZZ_SECONDS").ok().and_then(|s| s.parse::<u64>().ok());
    let seed = std::env::var("MVM_FUZZ_SEED").ok().and_then(|s| s.parse().ok());
    let mut random = Rng::with_seed(seed.unwrap_or(0x9e37_79b9_7f4a_7c15));
    let mut pool: Vec<Vec<u8>> = vec![Vec::new(), b"import mvm\n@mvm.app(\n".to_vec(), (0..=255).collect()];
    let start = Instant::now();
    let mut count = 0;
    while seconds.map_or(count < INPUTS, |s| start.elapsed() < Duration::from_secs(s)) {
        let from = random.usize(..pool.len());
        let input = changed(&mut random, &pool[from].clone());
        let clock = Instant::now();
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| target(&input))) {
            eprintln!("the target `{name}` fails on input {count}: {input:?}");
            std::panic::resume_unwind(panic);
        }
        assert!(clock.elapsed() < PATIENCE, "`{name}` took {:?} for {input:?}", clock.elapsed());
        if pool.len() < 256 {
            pool.push(input);
        } else {
            let at = random.usize(..pool.len());
            pool[at] = input;
        }
        count += 1;
    }
    println!("{name}: {count} inputs in {:.0?}", start.elapsed());
}

#[test]
fn bytes() {
    drive("bytes", targets::bytes);
}

#[test]
fn fixtures() {
    drive("fixtures", targets::fixtures);
}
