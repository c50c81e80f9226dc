//! The control stream: what agent and host tell each other about the machine itself.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use agent_protocol::{
    GuestMessage, Hello, HostMessage, MAX_CONTROL, Mux, PROTOCOL_VERSIONS, Stream, read_message,
    write_message,
};

use crate::boot::BootError;
use crate::sys;

/// Why a machine is not ready.
pub struct Failure {
    /// What was being done.
    pub stage: &'static str,
    /// Why it failed, one line.
    pub message: String,
    /// More to read.
    pub detail: String,
}

impl Failure {
    /// Without more to read.
    pub fn new(stage: &'static str, message: impl ToString) -> Self {
        Failure { stage, message: message.to_string(), detail: String::new() }
    }
}

impl From<BootError> for Failure {
    fn from(error: BootError) -> Self {
        Failure::new("setting up the guest", error)
    }
}

/// Says things on the control stream, from any thread.
#[derive(Clone)]
pub struct Control {
    stream: Arc<Stream>,
    writing: Arc<Mutex<()>>,
}

impl Control {
    /// Greets the host on the stream that it opens first; `None` when the channel has ended.
    pub fn greet(mux: &Mux, started: Duration) -> Option<Control> {
        let control = Control { stream: Arc::new(mux.accept()?), writing: Arc::default() };
        control.say(&GuestMessage::Hello(Hello {
            protocol: PROTOCOL_VERSIONS,
            agent: env!("CARGO_PKG_VERSION").into(),
            started_us: started.as_micros() as u64,
            uptime_us: sys::uptime().as_micros() as u64,
        }));
        Some(control)
    }

    /// Says something.
    pub fn say(&self, message: &GuestMessage) {
        let _one_at_a_time = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = write_message(&*self.stream, message, MAX_CONTROL);
    }

    /// The host's next word; `None` when the channel has ended.
    pub fn hear(&self) -> Option<HostMessage> {
        read_message(&*self.stream, MAX_CONTROL).ok()
    }

    /// Says why the machine ends, and waits until the host has read it.
    pub fn fail(&self, failure: Failure) {
        let Failure { stage, message, detail } = failure;
        self.say(&GuestMessage::Failed { stage: stage.into(), message, detail });
        self.stream.finish();
        // Until the host has read it; the host then ends the machine.
        let _ = self.stream.read_until(&mut [0; 1], Some(Instant::now() + Duration::from_secs(30)));
    }
}
