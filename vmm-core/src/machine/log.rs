//! A machine's log: lines in two files of bounded size, and live to those who follow. Values of secrets are taken
//! out before anything is written.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};
use std::sync::{Mutex, PoisonError};

use agent_protocol::Output;
use zeroize::Zeroizing;

/// Size at which the log is turned over; one older file is kept.
const TURN_OVER: u64 = 2 << 20;
/// Pieces that wait for a follower who reads slowly, before pieces are left out.
const FOLLOWER_QUEUE: usize = 1024;
/// Pieces of the console that are kept for an error's text.
const CONSOLE_LINES: usize = 12;
/// Shorter values would turn ordinary words into holes.
const SHORTEST_SECRET: usize = 6;

/// Writes the log.
pub struct Log {
    path: PathBuf,
    secrets: Vec<Zeroizing<String>>,
    state: Mutex<State>,
}

struct State {
    file: Option<File>,
    size: u64,
    followers: Vec<SyncSender<Output>>,
    console: VecDeque<String>,
}

impl Log {
    /// Opens a machine's log.
    pub fn new(dir: &Path, secrets: Vec<Zeroizing<String>>) -> Log {
        let secrets = secrets.into_iter().filter(|value| value.len() >= SHORTEST_SECRET).collect();
        let state = State { file: None, size: 0, followers: Vec::new(), console: VecDeque::new() };
        Log { path: dir.join("log"), secrets, state: Mutex::new(state) }
    }

    /// Text without the values of secrets.
    pub fn redact(&self, text: String) -> String {
        self.secrets.iter().fold(text, |text, secret| match text.contains(secret.as_str()) {
            true => text.replace(secret.as_str(), "[secret]"),
            false => text,
        })
    }

    /// Adds output.
    pub fn write(&self, output: Output) {
        let output = Output { stream: output.stream, text: self.redact(output.text) };
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if output.stream == "console" {
            state
                .console
                .extend(output.text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned));
            let surplus = state.console.len().saturating_sub(CONSOLE_LINES);
            state.console.drain(..surplus);
        }
        self.append(&mut state, &output);
        state.followers.retain(|follower| {
            !matches!(follower.try_send(output.clone()), Err(TrySendError::Disconnected(_)))
        });
    }

    /// Adds a line of the supervisor's own.
    pub fn note(&self, text: impl Into<String>) {
        self.write(Output { stream: "agent".into(), text: text.into() + "\n" });
    }

    /// A log that cannot be written (a full disk) must not stop the machine.
    fn append(&self, state: &mut State, output: &Output) {
        if state.size > TURN_OVER {
            state.file = None;
            state.size = 0;
            let _ = fs::rename(&self.path, older(&self.path));
        }
        if state.file.is_none() {
            state.file = OpenOptions::new().append(true).create(true).mode(0o600).open(&self.path).ok();
        }
        let Ok(mut line) = serde_json::to_vec(output) else { return };
        line.push(b'\n');
        if let Some(file) = &mut state.file
            && file.write_all(&line).is_ok()
        {
            state.size += line.len() as u64;
        }
    }

    /// What is in the files, and what comes from now on, without a gap.
    pub fn follow(&self) -> (Vec<Output>, Receiver<Output>) {
        let (sender, receiver) = mpsc::sync_channel(FOLLOWER_QUEUE);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.followers.push(sender);
        (read_files(&self.path), receiver)
    }

    /// The last lines of the console.
    pub fn console_tail(&self) -> String {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.console.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }
}

fn older(path: &Path) -> PathBuf {
    path.with_extension("1")
}

/// The log of a machine's directory, running or not.
pub fn read(dir: &Path) -> Vec<Output> {
    read_files(&dir.join("log"))
}

fn read_files(path: &Path) -> Vec<Output> {
    let mut pieces = Vec::new();
    for path in [older(path), path.to_owned()] {
        let Ok(file) = File::open(path) else { continue };
        let lines = BufReader::new(file).lines().map_while(Result::ok);
        pieces.extend(lines.filter_map(|line| serde_json::from_str(&line).ok()));
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(stream: &str, text: &str) -> Output {
        Output { stream: stream.into(), text: text.into() }
    }

    #[test]
    fn what_is_written_is_read_and_followed() {
        let dir = tempfile::tempdir().unwrap();
        let log = Log::new(dir.path(), vec![]);
        log.write(output("stdout", "one\n"));
        let (before, after) = log.follow();
        log.note("two");
        assert_eq!(before, [output("stdout", "one\n")]);
        assert_eq!(after.try_recv().unwrap(), output("agent", "two\n"));
        assert_eq!(read(dir.path()).len(), 2);
    }

    #[test]
    fn a_machine_that_prints_without_end_fills_no_disk_and_no_memory() {
        let dir = tempfile::tempdir().unwrap();
        let log = Log::new(dir.path(), vec![]);
        let (_, follower) = log.follow();
        let text = "x".repeat(64 << 10);
        for _ in 0..200 {
            log.write(output("stdout", &text));
        }
        let sizes: u64 =
            fs::read_dir(dir.path()).unwrap().map(|f| f.unwrap().metadata().unwrap().len()).sum();
        assert!(sizes <= 2 * (TURN_OVER + (70 << 10)), "{sizes}");
        assert!(follower.try_iter().count() <= FOLLOWER_QUEUE);
    }

    #[test]
    fn secrets_are_taken_out() {
        let dir = tempfile::tempdir().unwrap();
        let value = ["tok", "en-", "12345"].concat();
        let log = Log::new(dir.path(), vec![Zeroizing::new(value.clone()), Zeroizing::new("a".into())]);
        log.write(output("stdout", &format!("my {value} and a word\n")));
        let text = fs::read_to_string(dir.path().join("log")).unwrap();
        assert!(!text.contains(&value) && text.contains("[secret] and a word"), "{text}");
    }

    #[test]
    fn the_console_keeps_its_last_lines() {
        let dir = tempfile::tempdir().unwrap();
        let log = Log::new(dir.path(), vec![]);
        for n in 0..100 {
            log.write(output("console", &format!("line {n}\n")));
        }
        assert!(
            log.console_tail().ends_with("line 99") && log.console_tail().lines().count() == CONSOLE_LINES
        );
    }
}
