//! How far a check is, on a terminal and only when it takes longer than half a second.

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::report::grouped;

const QUIET: Duration = Duration::from_millis(500);
const EVERY: Duration = Duration::from_millis(100);

/// Runs work; meanwhile the terminal shows how many files were seen.
pub fn with<T>(seen: &AtomicUsize, work: impl FnOnce() -> T) -> T {
    let dumb = std::env::var_os("TERM").is_none_or(|t| t == "dumb");
    if dumb || !std::io::stderr().is_terminal() {
        return work();
    }
    let (done, ended) = (Mutex::new(false), Condvar::new());
    std::thread::scope(|scope| {
        scope.spawn(|| show(seen, &done, &ended));
        // Whatever happens in the work, the other thread must hear of its end.
        let _end = End { done: &done, ended: &ended };
        work()
    })
}

struct End<'a> {
    done: &'a Mutex<bool>,
    ended: &'a Condvar,
}

impl Drop for End<'_> {
    fn drop(&mut self) {
        *self.done.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.ended.notify_all();
    }
}

fn show(seen: &AtomicUsize, done: &Mutex<bool>, ended: &Condvar) {
    let mut err = std::io::stderr();
    let mut shown = false;
    let mut wait = QUIET;
    let mut guard = done.lock().unwrap_or_else(PoisonError::into_inner);
    while !*guard {
        let (next, timeout) = ended.wait_timeout(guard, wait).unwrap_or_else(PoisonError::into_inner);
        guard = next;
        if timeout.timed_out() && !*guard {
            let _ = write!(err, "\r\x1b[KChecking: {} files", grouped(seen.load(Ordering::Relaxed)));
            let _ = err.flush();
            (shown, wait) = (true, EVERY);
        }
    }
    if shown {
        let _ = write!(err, "\r\x1b[K");
        let _ = err.flush();
    }
}
