//! What is said around a snapshot: where a machine stops to be frozen, and what makes each of its lives its own.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Bytes of entropy that a restored machine is given.
pub const ENTROPY: usize = 64;

/// Where a machine stops to be frozen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FreezeAt {
    /// The interpreters run; nothing of the app is imported, since it may need what is not to be in a snapshot.
    Interpreter,
    /// The app's modules are imported.
    Import,
}

/// What a restored machine is told before it does anything.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Resume {
    /// Wall clock, nanoseconds since the epoch.
    pub unix_time_ns: u64,
    /// [`ENTROPY`] bytes that no other life of the machine gets.
    pub entropy: Vec<u8>,
    /// Environment that was not in the snapshot: secrets.
    pub env: BTreeMap<String, String>,
}

/// Neither entropy nor secrets are for a log.
impl std::fmt::Debug for Resume {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resume").field("unix_time_ns", &self.unix_time_ns).finish_non_exhaustive()
    }
}
