//! Workload IR: the contract between the compiler and everything that builds or runs a workload.
//! Types, canonical JSON (RFC 8785), hash, strict reading, validation, JSON Schema. No I/O.

pub mod pattern;
mod types;

pub use types::*;

/// The `schema_version` that this crate writes, and the only one that it reads.
pub const SCHEMA_VERSION: &str = "0.1";
