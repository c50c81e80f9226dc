//! Package sources: from the declared package names to a lock of exact versions and digests, and from the lock to
//! a file tree.

pub mod blobs;
pub(crate) mod command;
pub mod debian;
pub mod nix;
pub mod oci;
pub(crate) mod pip;
pub mod registry;
pub(crate) mod wheel;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::tree::Tree;
use crate::{Context, Error, ErrorKind, Event, Home, Result};

/// Resolves package names and assembles their files. One per source (Nix, the distribution's archive).
pub trait PackageSource {
    /// From declared names to exact versions. Refuses, naming what there is, when a name or version is not
    /// available and substitution is not allowed.
    fn resolve(&self, packages: &[String], options: &ResolveOptions, ctx: &Context) -> Result<ImageLock>;
    /// Fetches what the lock names (from the cache where it is there), verifies every digest, and reads it into a
    /// tree. The same lock gives the same tree.
    fn assemble(&self, lock: &ImageLock, ctx: &Context) -> Result<AssembledImage>;
}

/// How packages are resolved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResolveOptions {
    /// Take the nearest version the source has.
    pub allow_substitute: bool,
    /// Use only what is in the cache.
    pub offline: bool,
}

/// Where packages come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceKind {
    /// The `nix` on this host.
    Nix,
    /// The archive of the Debian or Ubuntu this host runs.
    Debian,
}

/// Exact versions and digests of everything a base image holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageLock {
    /// Where the packages come from.
    pub source: SourceKind,
    /// Which release of the source: `debian-12`, or a nixpkgs revision.
    pub release: String,
    /// The names as declared, in IR order: what the lock answers.
    pub declared: Vec<String>,
    /// All packages, dependencies included, sorted by name.
    pub packages: Vec<LockedPackage>,
}

impl ImageLock {
    /// Version of the guest's C library, which decides which binary wheels run there: `2.36`.
    pub fn glibc(&self) -> Option<String> {
        let version = match self.source {
            SourceKind::Debian => {
                &self.packages.iter().find(|p| p.name == "libc6" && p.origin.is_none())?.version
            }
            // `<hash>-glibc-2.39-52`, not `…-glibc-2.39-52-bin`.
            SourceKind::Nix => {
                let of_glibc = |p: &&LockedPackage| {
                    let version = p.name.split_once("-glibc-").map(|(_, version)| version);
                    version.is_some_and(|v| v.bytes().all(|b| b.is_ascii_digit() || b".-".contains(&b)))
                };
                &self.packages.iter().find(of_glibc)?.version
            }
        };
        version.split(['-', '+']).next().map(str::to_owned)
    }
}

/// One package of a lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedPackage {
    /// The source's own name, `libpython3.11-minimal`.
    pub name: String,
    /// Exact version.
    pub version: String,
    /// SHA-256 of the package file, lower-case hex.
    pub sha256: String,
    /// Where the file comes from when it is not the lock's source (`wheel` for a tool from a Python wheel).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// The declared name it answers; absent for dependencies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declared: Option<String>,
    /// What was asked for, when this is a substitute: `python312`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub substituted_for: Option<String>,
}

/// A base image's files, and how the guest uses them.
#[derive(Clone, Debug)]
pub struct AssembledImage {
    /// The files.
    pub tree: Tree,
    /// `PATH` in the guest.
    pub path: String,
    /// Interpreter of each language: `python` → `/usr/bin/python3.11`.
    pub interpreters: BTreeMap<String, String>,
    /// Further environment (certificate bundle, library paths).
    pub env: BTreeMap<String, String>,
}

/// The package source of this host: Nix where it is installed, else the distribution's archive, else a refusal
/// that says what to install. With a lock: the source that the lock names.
pub fn select(
    home: &Home,
    lock: Option<SourceKind>,
    options: &ResolveOptions,
    ctx: &Context,
) -> Result<Box<dyn PackageSource>> {
    let has_apt = debian::Apt::available();
    match lock {
        Some(SourceKind::Debian) if !has_apt => {
            Err(unavailable("a Debian archive", "apt", "build on Debian or Ubuntu"))
        }
        Some(SourceKind::Debian) => Ok(Box::new(debian::Debian::open(home, options)?)),
        Some(SourceKind::Nix) if !nix::Nix::available() => Err(unavailable("Nix", "nix", "install Nix")),
        Some(SourceKind::Nix) => Ok(Box::new(nix::Nix::open(home, options))),
        None => choose(home, has_apt, options, ctx),
    }
}

/// Nix where it has packages to give, else apt, else what to install.
fn choose(
    home: &Home,
    has_apt: bool,
    options: &ResolveOptions,
    ctx: &Context,
) -> Result<Box<dyn PackageSource>> {
    if nix::Nix::available() {
        let source = nix::Nix::open(home, options);
        if source.package_set(ctx)?.is_some() {
            return Ok(Box::new(source));
        }
        if !has_apt {
            return Err(nix::no_package_set());
        }
        let text =
            "Nix is installed without a package set (no `<nixpkgs>`): the distribution's archive is used";
        ctx.reporter.report(Event::Note(text.to_owned()));
    }
    if has_apt {
        return Ok(Box::new(debian::Debian::open(home, options)?));
    }
    Err(Error::new(ErrorKind::Environment, "no package source: neither `nix-build` nor `apt-get` is on PATH")
        .help("install Nix, or build on Debian or Ubuntu"))
}

fn unavailable(source: &str, tool: &str, help: &str) -> Error {
    let what = format!("the lock names packages of {source}, and this machine has no `{tool}`");
    Error::new(ErrorKind::Environment, what).help(format!("{help}, or delete the lock to choose anew"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock(source: SourceKind, packages: &[(&str, &str)]) -> ImageLock {
        let package = |(name, version): &(&str, &str)| LockedPackage {
            name: (*name).to_owned(),
            version: (*version).to_owned(),
            sha256: "ab".repeat(32),
            origin: None,
            declared: None,
            substituted_for: None,
        };
        let packages = packages.iter().map(package).collect();
        ImageLock { source, release: String::new(), declared: Vec::new(), packages }
    }

    #[test]
    fn the_c_library_is_found_in_the_lock_of_either_source() {
        let debian = lock(SourceKind::Debian, &[("libc-bin", "1"), ("libc6", "2.36-9+deb12u14")]);
        assert_eq!(debian.glibc().as_deref(), Some("2.36"));
        let nix =
            lock(SourceKind::Nix, &[("h-glibc-2.39-52-bin", "2.39-52-bin"), ("h-glibc-2.39-52", "2.39-52")]);
        assert_eq!(nix.glibc().as_deref(), Some("2.39"));
        assert_eq!(lock(SourceKind::Nix, &[]).glibc(), None);
    }
}
