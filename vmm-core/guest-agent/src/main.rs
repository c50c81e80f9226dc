//! PID 1 in the guest: serves the declared entrypoints and nothing else. It takes no command from anyone but the
//! host, runs everything of the app's as an unprivileged user, and powers the machine off when it is done.

mod boot;
mod cgroup;
mod collect;
mod commands;
mod control;
mod freeze;
mod line;
mod net;
mod output;
mod pool;
mod process;
mod proxy;
mod python;
mod reaper;
mod serve;
mod sys;
mod worker;

use std::io;
use std::thread::{Builder, JoinHandle};

/// Starts a thread with a small stack: guests are small, and connections many.
pub(crate) fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<()> {
    spawn_joinable(name, body).map(drop)
}

/// Same, for those who wait for its end.
pub(crate) fn spawn_joinable(name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    Builder::new().name(name.into()).stack_size(256 * 1024).spawn(body)
}

fn main() {
    if std::process::id() != 1 {
        if std::env::args().nth(1).is_some_and(|told| told == freeze::OVERWRITE) {
            return freeze::overwrite_free_memory();
        }
        eprintln!("mvm-guest-agent is the init process of a guest; it does nothing elsewhere");
        std::process::exit(2);
    }
    let started = sys::uptime();
    if let Err(error) = serve::run(started) {
        // The console is the only way left to say so; the host shows its last lines.
        eprintln!("mvm-guest-agent: {error}");
    }
    sys::power_off();
    // Were the kernel to refuse, ending PID 1 makes it panic, and a panic ends the machine too.
}
