//! What the VMM tells who asks for it: JSON lines on the status descriptor. `{"event":"entered","us":…}` when the
//! first virtual CPU is about to run, and one last line that says why the machine ended.

use std::fs::File;
use std::io::Write;
use std::sync::Mutex;
use std::time::Instant;

/// Why a machine ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The guest powered off.
    PowerOff,
    /// The guest asked for a reset: to this machine the same as its end.
    Reset,
    /// The supervisor closed the channel or asked for the end.
    Stopped,
    /// The guest or the host's KVM failed.
    Failed(String),
}

impl Exit {
    /// KVM's system events.
    pub fn from_system_event(kind: u32) -> Exit {
        match kind {
            kvm_bindings::KVM_SYSTEM_EVENT_SHUTDOWN => Exit::PowerOff,
            kvm_bindings::KVM_SYSTEM_EVENT_RESET => Exit::Reset,
            kind => Exit::Failed(format!("system event {kind}")),
        }
    }

    fn json(&self) -> serde_json::Value {
        let (reason, detail) = match self {
            Exit::PowerOff => ("power_off", None),
            Exit::Reset => ("reset", None),
            Exit::Stopped => ("stopped", None),
            Exit::Failed(detail) => ("failed", Some(detail)),
        };
        serde_json::json!({"event": "exit", "reason": reason, "detail": detail})
    }

    /// The process's exit code: 0 for an orderly end.
    pub fn code(&self) -> u8 {
        u8::from(matches!(self, Exit::Failed(_)))
    }
}

/// The status descriptor.
pub struct Status {
    file: Option<Mutex<Lines>>,
    start: Instant,
}

/// The lock covers the flag too: no CPU runs before the first line is written, so the last line is the last.
struct Lines {
    file: File,
    entered: bool,
}

impl Status {
    /// Writes to a file; `start` is when the process began.
    pub fn new(file: Option<File>, start: Instant) -> Self {
        Status { file: file.map(|file| Mutex::new(Lines { file, entered: false })), start }
    }

    /// A virtual CPU is about to run; said once.
    pub fn entered(&self) {
        let us = u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX);
        if let Some(Ok(mut lines)) = self.file.as_ref().map(Mutex::lock)
            && !std::mem::replace(&mut lines.entered, true)
        {
            lines.write(&serde_json::json!({"event": "entered", "us": us}));
        }
    }

    /// The machine ended.
    pub fn exit(&self, exit: &Exit) {
        if let Some(Ok(mut lines)) = self.file.as_ref().map(Mutex::lock) {
            lines.write(&exit.json());
        }
    }
}

impl Lines {
    fn write(&mut self, value: &serde_json::Value) {
        // A supervisor that is gone needs no status; its end ends this process by other means.
        let _ = self.file.write_all(format!("{value}\n").as_bytes());
    }
}
