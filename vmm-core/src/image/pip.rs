//! Fetches wheels through the machine's own pip, so that its index, proxy and credentials apply. Wheels only:
//! nothing is built, so no project's code runs here.

use std::path::{Path, PathBuf};

use super::blobs::{Blobs, hash_file, io_error};
use super::command::{Tool, complaint, lock_file};
use crate::{Context, Error, ErrorKind, Home, Result};

/// How pip may be called, best first.
const PIPS: [(&str, &[&str]); 4] =
    [("python3", &["-m", "pip"]), ("pip3", &[]), ("pip", &[]), ("/usr/bin/python3", &["-m", "pip"])];

/// The guest that wheels must run in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Platform {
    /// Python's major and minor version; none when the wheel must not care.
    pub python: Option<(u32, u32)>,
    /// The C library's.
    pub glibc: (u32, u32),
}

impl Platform {
    /// Platform tags that the guest takes, best first: PEP 600 and the names before it.
    pub fn tags(&self) -> Vec<String> {
        let arch = std::env::consts::ARCH;
        let mut tags = Vec::new();
        for minor in (5..=self.glibc.1.min(99)).rev() {
            tags.push(format!("manylinux_{}_{minor}_{arch}", self.glibc.0));
            match minor {
                17 => tags.push(format!("manylinux2014_{arch}")),
                12 => tags.push(format!("manylinux2010_{arch}")),
                5 => tags.push(format!("manylinux1_{arch}")),
                _ => {}
            }
        }
        tags.push(format!("linux_{arch}"));
        tags
    }

    /// ABI tags that the guest takes, best first.
    pub fn abis(&self) -> Vec<String> {
        match self.python {
            Some((major, minor)) => vec![format!("cp{major}{minor}"), "abi3".to_owned(), "none".to_owned()],
            None => vec!["none".to_owned()],
        }
    }

    fn arguments(&self) -> Vec<String> {
        let mut args = Vec::new();
        for tag in self.tags() {
            args.extend(["--platform".to_owned(), tag]);
        }
        for abi in self.abis() {
            args.extend(["--abi".to_owned(), abi]);
        }
        if let Some((major, minor)) = self.python {
            args.extend(["--implementation".to_owned(), "cp".to_owned()]);
            args.extend(["--python-version".to_owned(), format!("{major}.{minor}")]);
        }
        args
    }
}

/// A wheel that was fetched, in the content cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fetched {
    /// SHA-256 of the wheel.
    pub sha256: String,
    /// Where it lies.
    pub path: PathBuf,
    /// The name it had.
    pub file_name: String,
}

/// Fetches what the requirement lines name, no dependencies, and puts it into the content cache. With hashes in
/// the lines, pip accepts nothing else. `None`: the index has no such wheel.
pub(crate) fn download(
    home: &Home,
    ctx: &Context,
    requirements: &[String],
    platform: &Platform,
) -> Result<Option<Vec<Fetched>>> {
    if requirements.is_empty() {
        return Ok(Some(Vec::new()));
    }
    let blobs = Blobs::new(home);
    let staging = blobs.staging()?;
    // One at a time: pip's own cache is shared, and so is the user's patience with an index.
    let _lock = lock_file(ctx, &staging.path().with_file_name("pip.lock"), "another build fetches wheels")?;
    let list = staging.path().join("requirements.txt");
    let wheels = staging.path().join("wheels");
    std::fs::create_dir(&wheels).map_err(|e| io_error("create the directory", &wheels, e))?;
    std::fs::write(&list, requirements.join("\n") + "\n").map_err(|e| io_error("write", &list, e))?;
    let hashed = requirements.iter().all(|r| r.contains("--hash="));
    let done = pip(ctx)?
        .args([
            "download",
            "--quiet",
            "--no-deps",
            "--only-binary=:all:",
            "--no-input",
            "--disable-pip-version-check",
        ])
        .args(hashed.then_some("--require-hashes"))
        .args(platform.arguments())
        .arg("--dest")
        .arg(&wheels)
        .arg("--requirement")
        .arg(&list)
        .dir(&wheels)
        .run(ctx)?;
    if done.status.success() {
        return take_in(&blobs, &wheels).map(Some);
    }
    if done.stderr.contains("No matching distribution found") {
        return Ok(None);
    }
    Err(failed(&done.stderr))
}

fn take_in(blobs: &Blobs, dir: &Path) -> Result<Vec<Fetched>> {
    let mut fetched = Vec::new();
    let entries = std::fs::read_dir(dir).map_err(|e| io_error("read the directory", dir, e))?;
    for entry in entries {
        let path = entry.map_err(|e| io_error("read the directory", dir, e))?.path();
        let file_name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !file_name.ends_with(".whl") {
            return Err(Error::new(
                ErrorKind::Build,
                format!("pip fetched `{file_name}`, which is not a wheel"),
            )
            .help("only wheels are used, since building anything else would run its code"));
        }
        let sha256 = hash_file(&path)?;
        fetched.push(Fetched { path: blobs.insert(&path, &sha256)?, sha256, file_name });
    }
    fetched.sort_by(|a, b| a.file_name.cmp(&b.file_name));
    Ok(fetched)
}

fn failed(stderr: &str) -> Error {
    if stderr.contains("DO NOT MATCH THE HASHES") {
        return Error::new(ErrorKind::Build, "pip fetched a wheel whose hash is not the locked one")
            .help("somebody changed the file after it was locked: do not use it, and check the index");
    }
    Error::new(ErrorKind::Build, format!("pip cannot fetch wheels: {}", complaint(stderr)))
        .help("check the network and the index that pip is configured for (`pip config list`)")
}

/// The machine's pip.
fn pip(ctx: &Context) -> Result<Tool> {
    for (program, args) in PIPS {
        let tool = Tool::new(program).args(args).env("PIP_DISABLE_PIP_VERSION_CHECK", "1");
        // Not there is not an answer; the next one may be.
        match tool.clone().arg("--version").run(ctx) {
            Ok(done) if done.status.success() => return Ok(tool),
            Err(e) if e.kind() == ErrorKind::Cancelled => return Err(e),
            _ => {}
        }
    }
    Err(Error::new(ErrorKind::Environment, "wheels are fetched with pip, and this machine has none")
        .help("install `python3-pip`"))
}

/// Whether this may be the name of a project; anything else never becomes a line that pip reads.
pub(crate) fn is_project_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    let edges = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    name.len() <= 128
        && name.bytes().all(plain)
        && edges(name.as_bytes().first())
        && edges(name.as_bytes().last())
}

/// Whether this may be a version: what stands after `==` in a line that pip reads.
pub(crate) fn is_version(version: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b".+!_-".contains(&b);
    !version.is_empty() && version.len() <= 64 && version.bytes().all(plain) && !version.starts_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platforms_go_from_the_newest_glibc_down() {
        let tags = Platform { python: Some((3, 11)), glibc: (2, 36) }.tags();
        assert!(tags[0].starts_with("manylinux_2_36_"));
        let at = |tag: &str| tags.iter().position(|t| t.starts_with(tag)).unwrap();
        assert!(at("manylinux_2_17_") + 1 == at("manylinux2014_") && at("manylinux1_") < at("linux_"));
        assert_eq!(Platform { python: None, glibc: (2, 4) }.tags().len(), 1);
    }

    #[test]
    fn names_and_versions_never_become_options() {
        assert!(is_project_name("ruamel.yaml") && is_version("1!2.0.post1+cpu"));
        for bad in ["-r x", "a b", "", ".a", "a;b", "a@http"] {
            assert!(!is_project_name(bad), "{bad}");
        }
        for bad in ["1 --hash", "", "-1", "1;x", "1\n"] {
            assert!(!is_version(bad), "{bad}");
        }
    }
}
