//! PID 1 inherits every orphan, and a process that waits for any child must not take the status that another
//! thread waits for. So one thread reaps them all and keeps the statuses of those that were started here.

use std::collections::HashMap;
use std::io;
use std::process::{Child, Command};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::sys;

#[derive(Default)]
struct Shared {
    /// Children started here; `None` while they run.
    children: Mutex<HashMap<i32, Option<i32>>>,
    changed: Condvar,
}

/// Starts processes and knows how they ended.
#[derive(Clone, Default)]
pub struct Reaper {
    shared: Arc<Shared>,
}

impl Reaper {
    /// Starts the reaping thread.
    pub fn start() -> io::Result<Reaper> {
        let reaper = Reaper::default();
        let shared = Arc::clone(&reaper.shared);
        crate::spawn("reaper", move || reap_forever(&shared))?;
        Ok(reaper)
    }

    /// Starts a command. Its status is kept until [`Reaper::forget`].
    pub fn spawn(&self, command: &mut Command) -> io::Result<Child> {
        // Held until the child is registered, so that the reaping thread cannot take it for an orphan.
        let mut children = self.shared.children.lock().unwrap_or_else(PoisonError::into_inner);
        let child = command.spawn()?;
        children.insert(child.id() as i32, None);
        self.shared.changed.notify_all();
        Ok(child)
    }

    /// How a process ended, if it has.
    pub fn status(&self, pid: i32) -> Option<i32> {
        *self.shared.children.lock().unwrap_or_else(PoisonError::into_inner).get(&pid)?
    }

    /// Waits for a process to end, no longer than until the deadline.
    pub fn wait(&self, pid: i32, deadline: Option<Instant>) -> Option<i32> {
        let mut children = self.shared.children.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(status) = children.get(&pid)? {
                return Some(*status);
            }
            let step = match deadline {
                None => Duration::from_secs(60),
                Some(deadline) => deadline.saturating_duration_since(Instant::now()),
            };
            if step.is_zero() {
                return None;
            }
            children =
                self.shared.changed.wait_timeout(children, step).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Lets go of a status.
    pub fn forget(&self, pid: i32) {
        self.shared.children.lock().unwrap_or_else(PoisonError::into_inner).remove(&pid);
    }
}

fn reap_forever(shared: &Shared) {
    loop {
        // Only a look; the status is taken under the lock below.
        match sys::wait_any() {
            Ok(pid) => {
                let mut children = shared.children.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(status) = sys::reap(pid)
                    && let Some(entry) = children.get_mut(&pid)
                {
                    *entry = Some(status);
                    shared.changed.notify_all();
                }
            }
            Err(_) => {
                // No child at all: sleep until one is started (or a moment, if it was a signal).
                let children = shared.children.lock().unwrap_or_else(PoisonError::into_inner);
                let _ = shared.changed.wait_timeout(children, Duration::from_millis(200));
            }
        }
    }
}
