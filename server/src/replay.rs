//! `--replay FILE`: the client's side of a recording, message by message, each worked off before the next, all in one
//! thread. What the server says comes out as lines of JSON, the same every time. Nothing is built or run.

use std::io::{self, BufRead, Write};
use std::sync::Arc;

use serde_json::{Value, json};
use vmm_core::{Context, Error, ErrorKind};

use crate::runner::{JobFuture, JobRequest, Runner};
use crate::serve::Stepper;

/// Refuses every job.
struct Refuse;

impl Runner for Refuse {
    fn start(&self, _: JobRequest, _: Context) -> JobFuture {
        Box::pin(async { Err(Error::new(ErrorKind::Policy, "a replay builds and runs nothing")) })
    }

    fn store_secret(&self, _: &str, _: &vmm_core::secrets::Value) -> vmm_core::Result<()> {
        Err(Error::new(ErrorKind::Policy, "a replay stores nothing"))
    }
}

/// Why a recording was not replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// Reading or writing failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// A line that is none of a recording's.
    #[error("line {line} is none of a recording: {why}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// Why.
        why: String,
    },
}

/// Replays a recording; returns the exit code that the session ended with, or 0 where it did not end.
pub fn replay(recording: impl BufRead, mut out: impl Write) -> Result<i32, ReplayError> {
    let mut stepper = Stepper::new(Arc::new(Refuse));
    for (number, line) in recording.lines().enumerate() {
        let line = line?;
        let bad = |why: &str| ReplayError::Line { line: number + 1, why: why.to_owned() };
        if line.trim().is_empty() {
            continue;
        }
        let entry: Value = serde_json::from_str(&line).map_err(|e| bad(&e.to_string()))?;
        if entry.get("recording").is_some() || entry["from"] == "server" {
            continue;
        }
        let message = entry.get("message").filter(|_| entry["from"] == "client");
        let message = message.ok_or_else(|| bad("neither `client` nor `server` said it"))?;
        let body = serde_json::to_vec(message).map_err(|e| bad(&e.to_string()))?;
        let ended = stepper.step(&body);
        for said in stepper.said() {
            let said: Value = serde_json::from_slice(&said).unwrap_or_default();
            writeln!(out, "{}", json!({ "after": number + 1, "message": said }))?;
        }
        if let Some(code) = ended {
            return Ok(code);
        }
    }
    Ok(0)
}
