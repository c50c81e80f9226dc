//! How far a check is, on a terminal and only when it takes longer than half a second.

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::report::grouped;

/// When it is shown.
#[derive(Clone, Copy)]
struct Pace {
    /// Nothing for so long.
    quiet: Duration,
    /// Then so often.
    every: Duration,
}

const PACE: Pace = Pace { quiet: Duration::from_millis(500), every: Duration::from_millis(100) };

/// Runs work; meanwhile the terminal shows how many files were seen.
pub fn with<T>(seen: &AtomicUsize, work: impl FnOnce() -> T) -> T {
    let dumb = std::env::var_os("TERM").is_none_or(|t| t == "dumb");
    if dumb || !std::io::stderr().is_terminal() {
        return work();
    }
    with_pace(PACE, &mut std::io::stderr(), seen, work)
}

fn with_pace<T>(
    pace: Pace,
    out: &mut (impl Write + Send),
    seen: &AtomicUsize,
    work: impl FnOnce() -> T,
) -> T {
    let (done, ended) = (Mutex::new(false), Condvar::new());
    std::thread::scope(|scope| {
        scope.spawn(|| show(pace, out, seen, &done, &ended));
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

fn show(pace: Pace, err: &mut impl Write, seen: &AtomicUsize, done: &Mutex<bool>, ended: &Condvar) {
    let mut shown = false;
    let mut wait = pace.quiet;
    let mut guard = done.lock().unwrap_or_else(PoisonError::into_inner);
    while !*guard {
        let (next, timeout) = ended.wait_timeout(guard, wait).unwrap_or_else(PoisonError::into_inner);
        guard = next;
        if timeout.timed_out() && !*guard {
            let _ = write!(err, "\r\x1b[KChecking: {} files", grouped(seen.load(Ordering::Relaxed)));
            let _ = err.flush();
            (shown, wait) = (true, pace.every);
        }
    }
    if shown {
        let _ = write!(err, "\r\x1b[K");
        let _ = err.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    /// Hands over what is written.
    struct Sent(mpsc::Sender<String>);

    impl Write for Sent {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let _ = self.0.send(String::from_utf8_lossy(bytes).into_owned());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_takes_long_is_shown_and_wiped_away() {
        let (sender, shown) = mpsc::channel();
        let pace = Pace { quiet: Duration::ZERO, every: Duration::from_millis(1) };
        let seen = AtomicUsize::new(1234);
        // The work ends when it has been seen, however long that takes.
        let mut text = String::new();
        with_pace(pace, &mut Sent(sender), &seen, || {
            while !text.contains("1,234 files") {
                text.push_str(&shown.recv().unwrap());
            }
        });
        text.extend(shown.iter());
        assert!(text.starts_with("\r\u{1b}[KChecking: 1,234 files"), "{text:?}");
        assert!(text.ends_with("\r\u{1b}[K"), "{text:?}");
    }

    #[test]
    fn what_is_quick_leaves_no_trace() {
        let (sender, shown) = mpsc::channel();
        let pace = Pace { quiet: Duration::from_secs(3600), every: Duration::ZERO };
        assert_eq!(with_pace(pace, &mut Sent(sender), &AtomicUsize::new(0), || 7), 7);
        assert_eq!(shown.iter().collect::<String>(), "");
    }
}
