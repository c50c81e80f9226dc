//! Work on many items with every core; little work stays on the caller's thread.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Fewer items than this are not worth a thread.
const FEW: usize = 64;
/// Threads at most.
const THREADS: usize = 8;
/// Items that a thread takes at a time.
const BATCH: usize = 32;

/// How many threads; asking the system costs more than a keystroke's work, so it is asked once.
fn cores() -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from).min(THREADS))
}

/// The results of `work`, in the order of the items.
pub(crate) fn map<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    if items.len() < FEW {
        return items.iter().map(work).collect();
    }
    run(items, BATCH, work)
}

/// As [`map`], for items that are much work each.
pub(crate) fn batches<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    run(items, 1, work)
}

fn run<T: Sync, R: Send>(items: &[T], size: usize, work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    if items.len() <= size || cores() < 2 {
        return items.iter().map(work).collect();
    }
    let batches: Vec<&[T]> = items.chunks(size).collect();
    let next = AtomicUsize::new(0);
    let run = || {
        let mut done = Vec::new();
        loop {
            let batch = next.fetch_add(1, Ordering::Relaxed);
            let Some(items) = batches.get(batch) else { return done };
            done.push((batch, items.iter().map(&work).collect::<Vec<R>>()));
        }
    };
    let mut all = std::thread::scope(|scope| {
        let others: Vec<_> = (1..cores()).map(|_| scope.spawn(run)).collect();
        let mut all = run();
        for other in others {
            match other.join() {
                Ok(done) => all.extend(done),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        all
    });
    all.sort_unstable_by_key(|(batch, _)| *batch);
    all.into_iter().flat_map(|(_, results)| results).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn results_keep_the_order_of_the_items() {
        for n in [0, 1, 63, 64, 1_000] {
            let items: Vec<usize> = (0..n).collect();
            assert_eq!(super::map(&items, |i| i * 2), items.iter().map(|i| i * 2).collect::<Vec<_>>());
        }
    }
}
