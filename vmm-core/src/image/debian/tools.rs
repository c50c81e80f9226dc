//! Tools that come as binaries in a PyPI wheel: exact version and SHA-256 in the lock, read as a stream.

use std::path::{Path, PathBuf};

use super::choose::WheelChoice;
use super::names::WheelTool;
use crate::image::LockedPackage;
use crate::tree::Tree;
use crate::{Context, Error, ErrorKind, Home, Result};

/// How the lock marks them.
pub(super) const ORIGIN: &str = "wheel";

/// `2.36-9+deb12u14` → 2.36.
pub(super) fn glibc_version(version: &str) -> (u32, u32) {
    let mut parts = version.split(|c: char| !c.is_ascii_digit()).map(|p| p.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}

/// The newest wheel of a project that runs in the guest.
pub(super) fn find(
    _home: &Home,
    _ctx: &Context,
    tool: &'static WheelTool,
    _version: &[u32],
    _glibc: (u32, u32),
    _offline: bool,
) -> Result<Option<WheelChoice>> {
    Err(Error::new(ErrorKind::Build, format!("tools from wheels ({}): not built in yet", tool.project)))
}

/// The wheels on this machine.
pub(super) fn fetch(_: &Home, _: &Context, wheels: &[&LockedPackage], _: bool) -> Result<Vec<PathBuf>> {
    if wheels.is_empty() {
        return Ok(Vec::new());
    }
    Err(Error::new(ErrorKind::Build, "tools from wheels: not built in yet"))
}

/// Reads the wheels into the tree.
pub(super) fn add(_: &Context, _: &mut Tree, _: &[PathBuf], _: &Path) -> Result<()> {
    Ok(())
}
