//! IR → artifact: collect the source, resolve and fetch packages, write layers, find a kernel.
//! What comes out is a [`BuildRecord`], everything that a boot needs, by digest.

pub mod artifacts;
mod compiled;
mod locks;
mod pipeline;
mod prepare;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use workload_ir::Workload;

pub use compiled::{compile, load_compiled};
pub use pipeline::build;

/// What to build.
#[derive(Clone, Debug)]
pub struct BuildRequest {
    /// The workload.
    pub workload: Workload,
    /// Directory of the declaring file: `source.path` is relative to it.
    pub base_dir: PathBuf,
    /// Take the nearest version a package source has when the declared one is not there.
    pub allow_substitute: bool,
    /// Do not reach for the network.
    pub offline: bool,
    /// Lock to obey and to update; `None`: beside the artifact.
    pub lock: Option<PathBuf>,
}

/// Everything a boot needs, by digest. Written as `build.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BuildRecord {
    /// Version of this record's format: [`RECORD_VERSION`].
    pub version: u32,
    /// Hash of the IR that was built.
    pub ir_hash: String,
    /// The IR.
    pub workload: Workload,
    /// One per app, in IR order.
    pub apps: Vec<AppBuild>,
}

/// The version of [`BuildRecord`] that is written and read.
pub const RECORD_VERSION: u32 = 1;

/// One app's image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppBuild {
    /// The app's name.
    pub name: String,
    /// Read-only layers, lowest first.
    pub layers: Vec<Layer>,
    /// `PATH` in the guest.
    pub path: String,
    /// Interpreter of each language in the image: `python` → `/usr/bin/python3`.
    pub interpreters: BTreeMap<String, String>,
    /// Further environment the image needs (certificate bundle, library paths).
    pub env: BTreeMap<String, String>,
}

/// A read-only file-system image in the content-addressed store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layer {
    /// What it holds.
    pub role: LayerRole,
    /// SHA-256 of the image, lower-case hex: its name in the store.
    pub digest: String,
    /// Bytes.
    pub size: u64,
}

/// What a layer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LayerRole {
    /// Packages or OCI layers.
    Base,
    /// Python's byte code for what the harness imports, made in a microVM.
    Bytecode,
    /// Locked dependencies.
    Dependencies,
    /// The app's files, under `/app`.
    Source,
    /// What `before_build` changed.
    Hooks,
}

#[cfg(test)]
pub(crate) mod tests;
