//! What clients and a supervisor say to each other: on the socket, and on the pipes between a supervisor and the
//! process that started it. Messages are framed as on the agent's channel.

use std::io;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use agent_protocol::codec::CodecError;
use agent_protocol::{CallOutcome, CallSpec, Output};
use serde::{Deserialize, Serialize};

use super::MachineInfo;
use crate::{Context, Error, ErrorKind, Result};

/// Upper bound of a message: arguments and results with their envelope.
pub const MAX_MESSAGE: usize = agent_protocol::MAX_CALL + (64 << 10);

/// One request a connection.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case")]
pub enum Request {
    /// What the machine is.
    Info,
    /// Calls a function. The connection's end gives the call up.
    Call(CallSpec),
    /// The log so far, and with `follow` what comes.
    Logs {
        /// Whether to go on.
        follow: bool,
    },
    /// Stops the machine.
    Down {
        /// Time for the guest to stop by itself, ms.
        grace_ms: u64,
    },
    /// What a task changed; raw bytes of the agent's stream follow.
    Collect,
}

/// What comes back.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub enum Reply {
    /// To `Info`.
    Info(Box<MachineInfo>),
    /// Output, of a call or the log.
    Output(Output),
    /// End of a call.
    Outcome(CallOutcome),
    /// Done; nothing follows (to `Collect`: the bytes do).
    Done,
    /// It failed.
    Failed(Failure),
}

/// What a supervisor tells the process that started it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum LaunchEvent {
    /// The guest answers.
    Ready(Box<MachineInfo>),
    /// The guest is frozen and gone, and its snapshot is where it belongs.
    Frozen,
    /// The guest's kernel did not reach user space in the time that its first try has, and is gone.
    Stuck,
    /// Our own VMM could not set the machine up on this host; another may.
    Refused {
        /// In its words.
        why: String,
    },
    /// For whoever waits; another event follows.
    Note {
        /// What to tell.
        text: String,
    },
    /// It does not.
    Failed(Failure),
}

/// An [`Error`] on its way between processes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Kind.
    pub kind: ErrorKind,
    /// What and why.
    pub message: String,
    /// Remedy.
    pub help: Option<String>,
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        Failure { kind: error.kind(), message: error.to_string(), help: error.remedy().map(str::to_owned) }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        let error = Error::new(failure.kind, failure.message);
        match failure.help {
            Some(help) => error.help(help),
            None => error,
        }
    }
}

/// How often a wait looks whether the user gave up.
const STEP: Duration = Duration::from_millis(50);

/// A socket whose reads end when the user gives up.
pub struct Patient<'a> {
    socket: &'a UnixStream,
    ctx: &'a Context,
    deadline: Option<Instant>,
}

impl<'a> Patient<'a> {
    /// Wraps a socket.
    pub fn new(socket: &'a UnixStream, ctx: &'a Context) -> io::Result<Self> {
        socket.set_read_timeout(Some(STEP))?;
        Ok(Patient { socket, ctx, deadline: None })
    }

    /// Ends by itself at a moment, too.
    pub fn until(self, deadline: Instant) -> Self {
        Patient { deadline: Some(deadline), ..self }
    }
}

impl io::Read for Patient<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.ctx.cancel.is_cancelled() {
                return Err(io::Error::other("cancelled"));
            }
            if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Err(io::ErrorKind::TimedOut.into());
            }
            match self.socket.read(buffer) {
                Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }
}

/// The error of a conversation that broke off.
pub fn broken(doing: &str, error: &CodecError, ctx: &Context) -> Error {
    match ctx.check() {
        Err(cancelled) => cancelled,
        Ok(()) => Error::new(ErrorKind::Transport, format!("{doing}: {error}"))
            .help("look at `mvmctl ps` and `mvmctl logs`: the machine may have ended"),
    }
}

/// Whether a machine's name can be a directory's.
pub fn check_name(name: &str) -> Result<()> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.' || c == '_';
    if name.is_empty() || name.len() > 100 || name.starts_with(['.', '-']) || !name.chars().all(fits) {
        let shown: String = name.chars().take(100).collect();
        return Err(Error::new(ErrorKind::Usage, format!("`{shown}` is not a name for a machine"))
            .help("use lower-case letters, digits, `-`, `_` and `.`, at most 100"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_leave_the_state_directory() {
        for name in ["hello", "a-b.c_1", "0"] {
            check_name(name).unwrap();
        }
        for name in ["", ".", "..", "../x", "a/b", "-x", "A", "a b", "a\0", &"x".repeat(101)] {
            assert_eq!(check_name(name).unwrap_err().kind(), ErrorKind::Usage, "{name:?}");
        }
    }

    #[test]
    fn every_event_of_a_launch_comes_through() {
        let failure = Failure::from(&Error::new(ErrorKind::Boot, "m"));
        for event in [
            LaunchEvent::Frozen,
            LaunchEvent::Stuck,
            LaunchEvent::Refused { why: "w".into() },
            LaunchEvent::Note { text: "t".into() },
            LaunchEvent::Failed(failure),
        ] {
            let mut bytes = Vec::new();
            agent_protocol::write_message(&mut bytes, &event, MAX_MESSAGE).unwrap();
            let back: LaunchEvent = agent_protocol::read_message(bytes.as_slice(), MAX_MESSAGE).unwrap();
            assert_eq!(format!("{back:?}"), format!("{event:?}"));
        }
    }

    #[test]
    fn an_error_keeps_kind_message_and_remedy_between_processes() {
        let error = Error::new(ErrorKind::Policy, "m").help("h");
        let back = Error::from(Failure::from(&error));
        assert_eq!(
            (back.kind(), back.to_string().as_str(), back.remedy()),
            (ErrorKind::Policy, "m", Some("h"))
        );
    }
}
