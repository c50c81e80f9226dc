//! Where things are kept on the host: cache (safe to delete), data (artifacts, secrets), state (machines).

use std::path::{Path, PathBuf};

/// The three directories. `MVM_HOME` puts all of them under one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    cache: PathBuf,
    data: PathBuf,
    state: PathBuf,
}

impl Home {
    /// All three under one directory, for tests and for `MVM_HOME`.
    pub fn at(root: &Path) -> Self {
        Home { cache: root.join("cache"), data: root.join("data"), state: root.join("state") }
    }
    /// Layers, packages, kernels: safe to delete.
    pub fn cache(&self) -> &Path {
        &self.cache
    }
    /// Artifacts, secrets.
    pub fn data(&self) -> &Path {
        &self.data
    }
    /// Running machines.
    pub fn state(&self) -> &Path {
        &self.state
    }
}
