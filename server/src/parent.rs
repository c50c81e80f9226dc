//! Watches the process that started the server: when it is gone without a word, the server ends too.

use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use crate::inbox::{Event, Inbox};

const EVERY: Duration = Duration::from_secs(2);

/// Starts watching where processes can be seen in `/proc`. Elsewhere the end of the stream has to do.
pub fn watch(pid: u32, inbox: Inbox) {
    let process = PathBuf::from(format!("/proc/{pid}"));
    if !PathBuf::from("/proc/self").exists() {
        return;
    }
    if !process.exists() {
        // A client in another process namespace (a container) has an id that means nothing here.
        return;
    }
    let watch = move || {
        while process.exists() {
            thread::sleep(EVERY);
        }
        inbox.push(Event::Gone("the client's process is gone"));
    };
    // Without the thread the end of the stream still ends the session.
    let _ = thread::Builder::new().name("parent".into()).stack_size(64 << 10).spawn(watch);
}
