//! The channel to the host as those see it who live longer than one session of it: listeners and the log. A machine
//! that was frozen comes back with another session.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use agent_protocol::{Mux, Stream};

/// The session of the moment.
#[derive(Clone)]
pub struct Line {
    mux: Arc<Mutex<Mux>>,
}

impl Line {
    /// Around the first session.
    pub fn new(mux: Mux) -> Line {
        Line { mux: Arc::new(Mutex::new(mux)) }
    }

    /// The session of the moment.
    pub fn mux(&self) -> Mux {
        self.mux.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Opens a stream to the host.
    pub fn open(&self) -> io::Result<Stream> {
        self.mux().open()
    }

    /// Goes over to another session.
    pub fn replace(&self, mux: Mux) {
        *self.mux.lock().unwrap_or_else(PoisonError::into_inner) = mux;
    }
}
