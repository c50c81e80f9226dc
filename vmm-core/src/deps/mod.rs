//! Locked language dependencies, from wheels only and by hash, as a file tree.

use std::collections::BTreeMap;

use workload_ir::Dependencies;

use crate::tree::Tree;
use crate::{Context, Error, ErrorKind, Home, Result};

/// What dependencies are assembled for.
#[derive(Clone, Copy, Debug)]
pub struct DependencyRequest<'a> {
    /// As declared; never `None`.
    pub dependencies: &'a Dependencies,
    /// The lockfile's bytes.
    pub lockfile: &'a [u8],
    /// The image's interpreters, and their versions as the lock names them: `python` → `3.11`.
    pub versions: &'a BTreeMap<String, String>,
    /// Use only what is in the cache.
    pub offline: bool,
}

/// Dependencies, ready for a layer.
#[derive(Clone, Debug)]
pub struct AssembledDependencies {
    /// The files, at their place in the guest.
    pub tree: Tree,
    /// Environment that makes them visible (`PYTHONPATH`).
    pub env: BTreeMap<String, String>,
    /// Directories to put in front of `PATH`.
    pub path: Vec<String>,
}

/// Fetches and assembles locked dependencies. The same lockfile gives the same tree.
pub fn assemble(
    _home: &Home,
    _request: &DependencyRequest<'_>,
    _ctx: &Context,
) -> Result<AssembledDependencies> {
    Err(Error::new(ErrorKind::Build, "assembling dependencies: not built in yet"))
}
