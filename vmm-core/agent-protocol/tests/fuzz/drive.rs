//! Drives fuzz targets with random inputs: the same ones in every run of the tests, and others for as long as
//! `MVM_FUZZ_SECONDS` says. Inputs grow out of earlier ones by small changes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use fastrand::Rng;

/// What one input may take, in an unoptimised build on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// Longest input.
const LONGEST: usize = 4096;

fn changed(random: &mut Rng, from: &[u8]) -> Vec<u8> {
    let mut input = from.to_vec();
    for _ in 0..=random.usize(..6) {
        let at = random.usize(..input.len() + 1);
        match random.usize(..6) {
            0 => drop(input.drain(at..(at + random.usize(..8)).min(input.len()))),
            1 => {
                let piece =
                    input[at..(at + random.usize(..64)).min(input.len())].repeat(1 + random.usize(..3));
                input.splice(at..at, piece);
            }
            2 if at < input.len() => input[at] ^= 1 << random.usize(..8),
            3 => {
                let odd = [0, 1, 2, 0x7f, 0x80, 0xff][random.usize(..6)];
                input.splice(at..at, vec![odd; 1 + random.usize(..8)]);
            }
            _ => {
                let noise: Vec<u8> = (0..random.usize(1..24)).map(|_| random.u8(..)).collect();
                input.splice(at..at, noise);
            }
        }
    }
    input.truncate(LONGEST);
    input
}

/// Runs a target: so many inputs, or for as long as the environment says.
pub fn drive(name: &str, inputs: usize, seeds: &[&[u8]], target: fn(&[u8])) {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seconds = number("MVM_FUZZ_SECONDS").map(Duration::from_secs);
    let mut random = Rng::with_seed(number("MVM_FUZZ_SEED").unwrap_or(0x9e37_79b9_7f4a_7c15));
    let mut pool: Vec<Vec<u8>> = seeds.iter().map(|seed| seed.to_vec()).collect();
    pool.extend([Vec::new(), (0..=255).collect()]);
    let (start, mut count) = (Instant::now(), 0);
    while seconds.map_or(count < inputs, |seconds| start.elapsed() < seconds) {
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
