//! The process of a supervisor, as who started it sees it: left to its machine, or waited for until nothing of it is left.

use std::process::Child;
use std::time::{Duration, Instant};

/// How long a supervisor may take to end once it has no reason to live.
pub const END_LIMIT: Duration = Duration::from_secs(20);

/// A supervisor that is waited for, so that no zombie remains.
pub struct Reaped {
    child: Option<Child>,
}

impl Reaped {
    /// One that has just been started.
    pub fn new(child: Child) -> Self {
        Reaped { child: Some(child) }
    }

    /// Its machine is ready: it goes on, and is waited for beside.
    pub fn let_live(mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = std::thread::Builder::new().stack_size(64 * 1024).spawn(move || child.wait());
        }
    }

    /// Waits for its end, and makes one if it takes too long. Whether it ended by itself, and left nothing.
    pub fn wait(mut self) -> bool {
        let Some(mut child) = self.child.take() else { return true };
        let deadline = Instant::now() + END_LIMIT;
        while Instant::now() < deadline {
            match child.try_wait() {
                Ok(None) => std::thread::sleep(Duration::from_millis(3)),
                ended => return ended.is_ok_and(|status| status.is_some_and(|s| s.code().is_some())),
            }
        }
        let _ = child.kill();
        let _ = child.wait();
        false
    }
}
