//! Workload IR: the contract between the compiler and everything that builds or runs a workload.
//! Types, canonical JSON (RFC 8785), hash, strict reading, validation, JSON Schema. No I/O.

pub mod arguments;
pub mod canonical;
pub mod limits;
pub mod pattern;
mod read;
mod schema;
mod shape;
mod types;
mod validate;

pub use read::{ReadError, push_pointer};
pub use schema::json_schema;
pub use types::*;
pub use validate::{Code, Problem};

/// The `schema_version` that this crate writes, and the only one that it reads. A change that older readers would
/// misread (a new field, kind or meaning) is a new version; there is no silent extension but `extensions`.
pub const SCHEMA_VERSION: &str = "0.1";

impl Workload {
    /// The canonical bytes (RFC 8785): equal workloads have equal bytes.
    pub fn canonical(&self) -> Vec<u8> {
        // The types hold nothing that JSON cannot carry (string keys, no floats), so there is no error to report.
        canonical::to_vec(&serde_json::to_value(self).unwrap_or_default())
    }

    /// The IR hash: SHA-256 of the canonical bytes, lower-case hex.
    pub fn hash(&self) -> String {
        canonical::sha256_hex(&self.canonical())
    }
}
