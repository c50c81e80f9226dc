//! The content-addressed store of layers: read-only file-system images, written once, atomically, named by digest.

use std::path::PathBuf;

use crate::build::{Layer, LayerRole};
use crate::tree::Tree;
use crate::{Error, ErrorKind, Home, Result};

/// The store.
#[derive(Clone, Debug)]
pub struct Store {
    dir: PathBuf,
}

impl Store {
    /// The store of a home; made if it is missing.
    pub fn open(home: &Home) -> Result<Self> {
        Ok(Store { dir: home.cache().join("layers") })
    }
    /// Writes a tree as a layer. The same tree gives the same digest; what is there already is not written again.
    pub fn write(&self, _tree: &Tree, _role: LayerRole) -> Result<Layer> {
        Err(Error::new(ErrorKind::Build, "writing a layer: not built in yet"))
    }
    /// Where a layer lies, whether or not it is there.
    pub fn path(&self, digest: &str) -> PathBuf {
        self.dir.join(format!("{digest}.squashfs"))
    }
    /// Whether a layer is there, whole.
    pub fn contains(&self, layer: &Layer) -> bool {
        std::fs::metadata(self.path(&layer.digest)).is_ok_and(|m| m.len() == layer.size)
    }
}
