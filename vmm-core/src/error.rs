//! One error type for the room: what was being done, to what, why it failed, what to do next, and which kind it
//! is, since callers must tell kinds apart.

use std::fmt;

/// Result of this room.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Kinds that callers tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// The caller's words are off: a bad argument, a missing file, a malformed IR.
    Usage,
    /// The declaration asks for what policy or the host refuses.
    Policy,
    /// The image could not be built.
    Build,
    /// The machine did not come up.
    Boot,
    /// The guest failed: crashed, ran out of memory, ended early.
    Guest,
    /// A time limit passed.
    Timeout,
    /// Host and agent lost each other.
    Transport,
    /// The environment lacks something; `mvmctl doctor` explains.
    Environment,
    /// The user gave up.
    Cancelled,
    /// A defect of ours.
    Internal,
}

/// An error. `Display` is one line: what, why. `help` is the remedy.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    help: Option<String>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of a kind. The message names what was being done and to what.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Error { kind, message: message.into(), help: None, source: None }
    }
    /// The remedy: one sentence, imperative.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
    /// The cause.
    #[must_use]
    pub fn source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
    /// The user gave up.
    pub fn cancelled() -> Self {
        Error::new(ErrorKind::Cancelled, "cancelled")
    }
    /// Which kind.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
    /// The remedy.
    pub fn remedy(&self) -> Option<&str> {
        self.help.as_deref()
    }
    /// Exit code of a program that ends with this error: 1 the workload failed, 2 usage or configuration,
    /// 3 the environment lacks something, 4 internal, 130 cancelled.
    pub fn exit_code(&self) -> u8 {
        match self.kind {
            ErrorKind::Usage | ErrorKind::Policy => 2,
            ErrorKind::Build | ErrorKind::Guest | ErrorKind::Timeout => 1,
            ErrorKind::Boot | ErrorKind::Environment => 3,
            ErrorKind::Transport | ErrorKind::Internal => 4,
            ErrorKind::Cancelled => 130,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|e| e as _)
    }
}
