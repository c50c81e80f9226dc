//! The repository as data: its tracked files and what cargo knows of its packages.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Something that should have worked, in words: tests end with it.
pub type Result<T> = std::result::Result<T, String>;

/// The workspace's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("/")).to_path_buf()
}

/// Paths of all files that belong to the repository, relative to its root: tracked, or new and not ignored.
pub fn files() -> Result<Vec<String>> {
    let arguments = ["ls-files", "--cached", "--others", "--exclude-standard", "-z"];
    let output =
        Command::new("git").args(arguments).current_dir(root()).output().map_err(|e| e.to_string())?;
    if !output.status.success() {
        return Err(format!("git ls-files: {}", String::from_utf8_lossy(&output.stderr)));
    }
    let list = String::from_utf8(output.stdout).map_err(|e| e.to_string())?;
    let mut files: Vec<String> =
        list.split('\0').filter(|f| !f.is_empty() && root().join(f).is_file()).map(str::to_owned).collect();
    files.sort_unstable();
    files.dedup();
    Ok(files)
}

/// Text of a file of the repository; `None` for what is not text.
pub fn text(file: &str) -> Option<String> {
    String::from_utf8(std::fs::read(root().join(file)).ok()?).ok()
}

/// `cargo metadata` with all dependencies, resolved as the lock says. Needs no network.
pub fn metadata() -> Result<Value> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let arguments = ["metadata", "--format-version=1", "--locked", "--offline"];
    let filter = ["--filter-platform", "x86_64-unknown-linux-gnu"];
    let output = Command::new(cargo)
        .args(arguments)
        .args(filter)
        .current_dir(root())
        .output()
        .map_err(|e| e.to_string())?;
    if !output.status.success() {
        return Err(format!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr)));
    }
    serde_json::from_slice(&output.stdout).map_err(|e| e.to_string())
}

/// The packages of `cargo metadata`.
pub fn packages(metadata: &Value) -> impl Iterator<Item = &Value> {
    metadata["packages"].as_array().into_iter().flatten()
}

/// Whether a package is one of ours.
pub fn is_ours(package: &Value) -> bool {
    package["source"].is_null()
}

/// A package's name.
pub fn name(package: &Value) -> &str {
    package["name"].as_str().unwrap_or_default()
}
