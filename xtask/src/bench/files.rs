//! The files of a build, for the plain recipe: the same packages and the same kernel, out of the same cache.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::Bench;
use crate::sh;

/// The packages of the built `hello`, as its lock has them.
pub fn packages(bench: &Bench) -> Result<Vec<PathBuf>> {
    let lock = bench.home.join("data/builds/hello/mvm.lock");
    let text = std::fs::read(&lock).with_context(|| format!("reading {}", lock.display()))?;
    let lock: Value = serde_json::from_slice(&text)?;
    if lock["apps"]["hello"]["source"] != "debian" {
        bail!("the plain recipe is made of Debian packages, and `hello` was built from others");
    }
    let packages = lock["apps"]["hello"]["packages"].as_array().context("the lock has no packages")?;
    packages
        .iter()
        .map(|p| p["sha256"].as_str().map(|digest| blob(bench, digest)).context("a package has no digest"))
        .collect()
}

fn blob(bench: &Bench, digest: &str) -> PathBuf {
    bench.home.join("cache/blobs/sha256").join(digest)
}

/// Unpacks the package of the guest kernel and gives its directory.
pub fn kernel(bench: &Bench, to: &Path) -> Result<PathBuf> {
    for blob in std::fs::read_dir(bench.home.join("cache/blobs/sha256"))?.flatten() {
        let name = sh::command("dpkg-deb").arg("--field").arg(blob.path()).arg("Package").output()?;
        if String::from_utf8_lossy(&name.stdout).starts_with("linux-image-") {
            unpack(&blob.path(), to)?;
            return Ok(to.to_path_buf());
        }
    }
    bail!(
        "the cache has no package of a guest kernel; `mvmctl build` fetches it where the host has none of its own"
    )
}

/// Unpacks a package.
pub fn unpack(package: &Path, to: &Path) -> Result<()> {
    sh::run(sh::command("dpkg-deb").arg("--extract").arg(package).arg(to))
}

/// The first file below a directory whose name starts so.
pub fn find(dir: &Path, starts: &str) -> Result<PathBuf> {
    let mut open = vec![dir.to_path_buf()];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(&dir)?.flatten() {
            if entry.file_type()?.is_dir() {
                open.push(entry.path());
            } else if entry.file_name().to_string_lossy().starts_with(starts) {
                return Ok(entry.path());
            }
        }
    }
    bail!("there is no {starts}… below {}", dir.display())
}
