//! The guest kernel: a stock distribution kernel, found on the host or fetched, unpacked to an uncompressed image
//! together with the modules that a boot needs.

use std::path::PathBuf;

use crate::{Context, Error, ErrorKind, Home, Result};

/// A kernel that is ready to boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// `6.1.0-37-cloud-amd64`.
    pub release: String,
    /// The uncompressed ELF image.
    pub image: PathBuf,
    /// Modules, in load order.
    pub modules: Vec<Module>,
    /// SHA-256 over image and modules, lower-case hex.
    pub digest: String,
}

/// A kernel module, uncompressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// `virtio_blk`.
    pub name: String,
    /// The file.
    pub file: PathBuf,
}

/// Finds a kernel on the host or in the cache, or fetches one.
pub fn find_or_fetch(_home: &Home, _offline: bool, _ctx: &Context) -> Result<Kernel> {
    Err(Error::new(ErrorKind::Environment, "looking for a guest kernel: not built in yet"))
}
