//! `--watch`: checks again and again, from the cache, and prints when something is different. Nothing has to be told
//! which files matter: the check itself knows, lock files and project files included.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use super::cli::CheckOptions;
use super::print::say;
use super::{Outcome, USAGE, check, finish, machine};

const SHORTEST: Duration = Duration::from_millis(300);
/// A check takes at most one part in so many of the time.
const SHARE: u32 = 10;

/// Checks until interrupted.
pub fn run(options: &CheckOptions) -> u8 {
    let mut last: Option<Result<String, String>> = None;
    loop {
        let start = Instant::now();
        let outcome = check(options);
        let now = outcome.as_ref().map(shown).map_err(Clone::clone);
        if last.as_ref() != Some(&now) {
            if std::io::stdout().is_terminal() {
                let _ = super::print::to_stdout("\x1b[2J\x1b[3J\x1b[H");
            }
            match &outcome {
                // A file that cannot be read now may be readable soon; a command line does not get better.
                Ok(outcome) => {
                    finish(options, outcome);
                }
                Err(why) if last.is_none() => {
                    say(&format!("mvm-lsp: {why}"));
                    return USAGE;
                }
                Err(why) => say(&format!("mvm-lsp: {why}")),
            }
            say("Watching for changes; end with Ctrl-C.");
            last = Some(now);
        }
        drop(outcome);
        std::thread::sleep(SHORTEST.max(start.elapsed() * SHARE));
    }
}

/// Everything that the user would see.
fn shown(outcome: &Outcome) -> String {
    let notices = outcome.notices.join("\n");
    format!("{notices}\n{}", machine::json_lines(&outcome.reports, &outcome.summary))
}
