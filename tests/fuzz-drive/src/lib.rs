//! Runs fuzz targets in ordinary tests: the same inputs in every run, and others for as long as `MVM_FUZZ_SECONDS`
//! says. Inputs grow out of earlier ones by small changes; coverage guides them in `cargo xtask fuzz`, which runs the
//! compiler's targets under libFuzzer.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

use fastrand::Rng;

/// What one input may take, in an unoptimised build on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// Longest input.
const LONGEST: usize = 4096;
/// Inputs that others grow out of.
const POOL: usize = 256;

/// A target and what its inputs are made of.
#[derive(Clone, Copy, Debug)]
pub struct Drive<'a> {
    /// Its name, for messages.
    pub name: &'a str,
    /// How many inputs, when no time is given.
    pub inputs: usize,
    /// Inputs to begin with.
    pub seeds: &'a [&'a [u8]],
    /// Pieces that mean something to the target.
    pub words: &'a [&'a str],
}

impl Drive<'_> {
    /// Runs the target. What it fails on is printed.
    ///
    /// # Panics
    ///
    /// Where the target does, or takes longer than anything may.
    pub fn run(&self, target: fn(&[u8])) {
        let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
        let seconds = number("MVM_FUZZ_SECONDS").map(Duration::from_secs);
        let mut random = Rng::with_seed(number("MVM_FUZZ_SEED").unwrap_or(0x9e37_79b9_7f4a_7c15));
        let mut pool: Vec<Vec<u8>> = self.seeds.iter().map(|seed| seed.to_vec()).collect();
        pool.extend([Vec::new(), (0..=255).collect()]);
        let (start, mut count) = (Instant::now(), 0);
        while seconds.map_or(count < self.inputs, |seconds| start.elapsed() < seconds) {
            let from = random.usize(..pool.len());
            let input = self.changed(&mut random, &pool[from]);
            let clock = Instant::now();
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| target(&input))) {
                eprintln!("the target `{}` fails on input {count}: {input:?}", self.name);
                resume_unwind(panic);
            }
            let took = clock.elapsed();
            assert!(took < PATIENCE, "`{}` took {took:?} for {input:?}", self.name);
            if pool.len() < POOL {
                pool.push(input);
            } else {
                let at = random.usize(..pool.len());
                pool[at] = input;
            }
            count += 1;
        }
        println!("{}: {count} inputs in {:.0?}", self.name, start.elapsed());
    }

    /// An input made of an earlier one.
    fn changed(&self, random: &mut Rng, from: &[u8]) -> Vec<u8> {
        let mut input = from.to_vec();
        for _ in 0..=random.usize(..6) {
            let at = random.usize(..input.len() + 1);
            match random.usize(..7) {
                0 => drop(input.drain(at..(at + random.usize(..8)).min(input.len()))),
                1 => {
                    let end = (at + random.usize(..64)).min(input.len());
                    let piece = input[at..end].repeat(1 + random.usize(..3));
                    input.splice(at..at, piece);
                }
                2 if at < input.len() => input[at] ^= 1 << random.usize(..8),
                3 => {
                    let odd = [0, 1, 2, 0x7f, 0x80, 0xff][random.usize(..6)];
                    input.splice(at..at, vec![odd; 1 + random.usize(..8)]);
                }
                4 | 5 if !self.words.is_empty() => {
                    input.splice(at..at, self.words[random.usize(..self.words.len())].bytes());
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
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    #[should_panic(expected = "found")]
    fn what_a_target_panics_on_is_found() {
        let target = |input: &[u8]| assert!(!input.windows(2).any(|w| w == b"ab"), "found");
        Drive { name: "ab", inputs: 20_000, seeds: &[b"a"], words: &["b"] }.run(target);
    }

    #[test]
    fn as_many_inputs_as_were_asked_for() {
        static SEEN: AtomicUsize = AtomicUsize::new(0);
        let target = |input: &[u8]| {
            assert!(input.len() <= LONGEST);
            SEEN.fetch_add(1, Ordering::Relaxed);
        };
        Drive { name: "count", inputs: 500, seeds: &[], words: &[] }.run(target);
        assert!(std::env::var_os("MVM_FUZZ_SECONDS").is_some() || SEEN.load(Ordering::Relaxed) == 500);
    }
}
