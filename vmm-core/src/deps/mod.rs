//! Locked language dependencies, from wheels only and by hash, as a file tree.

mod markers;
mod requirements;
mod tags;
mod uv_lock;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use workload_ir::Dependencies;

use crate::digest::sha256_hex;
use crate::fsio;
use crate::image::blobs::Blobs;
use crate::image::pip::{self, Fetched, Platform};
use crate::image::wheel::{Place, Wheel};
use crate::tree::{Spool, Tree};
use crate::{Context, Error, ErrorKind, Event, Home, Result, Stage};
use markers::Environment;

/// Where modules lie in the guest.
const SITE: &str = "/opt/mvm/site-packages";
/// Where the wheels' programs lie.
const SCRIPTS: &str = "/opt/mvm/bin";
/// The C library of a guest whose lock does not say: older than any supported distribution's.
const OLDEST_GLIBC: (u32, u32) = (2, 31);

/// What dependencies are assembled for.
#[derive(Clone, Copy, Debug)]
pub struct DependencyRequest<'a> {
    /// As declared; never `None`.
    pub dependencies: &'a Dependencies,
    /// The lockfile's bytes.
    pub lockfile: &'a [u8],
    /// The image's interpreters, and their versions as the lock names them: `python` → `3.11`. Also `glibc`,
    /// where it is known, for the choice of binary wheels.
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

/// A package of a lock file.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Locked {
    /// Normalized.
    name: String,
    version: String,
    source: Source,
}

/// Which files are accepted for it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Source {
    /// The wheel of this SHA-256.
    Exactly(String),
    /// A wheel of any of these, whichever runs in the guest.
    AnyOf(Vec<String>),
}

/// Fetches and assembles locked dependencies. The same lockfile gives the same tree.
pub fn assemble(
    home: &Home,
    request: &DependencyRequest<'_>,
    ctx: &Context,
) -> Result<AssembledDependencies> {
    match request.dependencies {
        Dependencies::Python { lockfile, tool } => python(home, request, lockfile, tool, ctx),
        Dependencies::Node { lockfile, .. } => Err(Error::new(
            ErrorKind::Build,
            format!("the Node dependencies of {lockfile} cannot be built yet: only Python's can"),
        )
        .help(
            "ship what the function needs among its source files, as a bundle, and declare `mvm.no_deps()`",
        )),
        Dependencies::None => {
            Ok(AssembledDependencies { tree: Tree::new(), env: BTreeMap::new(), path: Vec::new() })
        }
    }
}

fn python(
    home: &Home,
    request: &DependencyRequest<'_>,
    lockfile: &str,
    tool: &str,
    ctx: &Context,
) -> Result<AssembledDependencies> {
    let text = std::str::from_utf8(request.lockfile).map_err(|_| refused(lockfile, "it is not UTF-8"))?;
    let python = request.versions.get("python").and_then(|v| major_minor(v)).ok_or_else(|| {
        Error::new(
            ErrorKind::Usage,
            format!("{lockfile} declares Python dependencies, and the image has no Python"),
        )
        .help("add `python3` to the image's packages")
    })?;
    let glibc = request.versions.get("glibc").and_then(|v| major_minor(v)).unwrap_or(OLDEST_GLIBC);
    let platform = Platform { python: Some(python), glibc };
    let environment = Environment { python };
    let locked = match tool {
        "uv" => uv_lock::parse(text, &environment, &platform),
        "pip-tools" => requirements::parse(text, &environment).map(|read| {
            for option in read.left_out {
                ctx.reporter.report(Event::Note(format!(
                    "{lockfile}: `{option}` is left to the configuration of pip"
                )));
            }
            read.locked
        }),
        other => Err(format!("`{other}` is no tool whose lock files are understood: use uv or pip-tools")),
    }
    .map_err(|why| refused(lockfile, &why))?;

    let wheels = fetch(home, &locked, &platform, request.offline, ctx)?;
    let mut tree = Tree::new();
    let mut spool = Spool::new_in(&home.cache_dir("tmp")?)?;
    let place = Place {
        site: SITE,
        scripts: SCRIPTS,
        data: "/opt/mvm",
        prefix: None,
        python: "/usr/bin/env python3",
    };
    for (done, (package, path)) in locked.iter().zip(wheels).enumerate() {
        let wheel = Wheel::open(&path, &format!("of {} {}", package.name, package.version))?;
        if wheel.identity().name != package.name {
            let what = format!(
                "{lockfile} locks `{}`, and the wheel of that hash is `{}`",
                package.name,
                wheel.identity().name
            );
            return Err(Error::new(ErrorKind::Build, what).help("write the lock file anew"));
        }
        wheel.read_into(ctx, &mut tree, &place, Some(&mut spool))?;
        let (done, total) = (done as u64 + 1, locked.len() as u64);
        ctx.reporter.report(Event::Progress { stage: Stage::Dependencies, done, total });
    }
    let env = BTreeMap::from([("PYTHONPATH".to_owned(), SITE.to_owned())]);
    let path = if tree.get(SCRIPTS).is_some() { vec![SCRIPTS.to_owned()] } else { Vec::new() };
    Ok(AssembledDependencies { tree, env, path })
}

/// The wheels of all packages, in order, from the cache where they are there.
fn fetch(
    home: &Home,
    locked: &[Locked],
    platform: &Platform,
    offline: bool,
    ctx: &Context,
) -> Result<Vec<PathBuf>> {
    let blobs = Blobs::new(home);
    let mut missing = Vec::new();
    for package in locked {
        if cached(home, &blobs, package, platform)?.is_none() {
            missing.push(package);
        }
    }
    if offline && !missing.is_empty() {
        let names: Vec<String> =
            missing.iter().take(5).map(|p| format!("{} {}", p.name, p.version)).collect();
        let what =
            format!("wheels are not cached, and the build must not use the network: {}", names.join(", "));
        return Err(Error::new(ErrorKind::Environment, what).help("build once without --offline"));
    }
    let lines: Vec<String> = missing.iter().map(|p| p.requirement()).collect();
    let fetched = pip::download(home, ctx, &lines, platform)?.ok_or_else(|| no_wheel(&missing))?;
    for package in missing {
        let file = fetched.iter().find(|f| package.takes(f)).ok_or_else(|| no_wheel(&[package]))?;
        fsio::write_json(&choice_path(home, package, platform)?, &Choice { sha256: file.sha256.clone() })?;
    }
    let found = locked.iter().map(|p| cached(home, &blobs, p, platform)?.ok_or_else(|| no_wheel(&[p])));
    found.collect()
}

/// Which of several acceptable wheels was taken.
#[derive(Serialize, Deserialize)]
struct Choice {
    sha256: String,
}

fn cached(home: &Home, blobs: &Blobs, package: &Locked, platform: &Platform) -> Result<Option<PathBuf>> {
    match &package.source {
        Source::Exactly(sha256) => blobs.get_verified(sha256),
        Source::AnyOf(hashes) => {
            // A damaged note is as good as none.
            let choice: Option<Choice> =
                fsio::read_json(&choice_path(home, package, platform)?).unwrap_or_default();
            match choice.filter(|c| hashes.contains(&c.sha256)) {
                Some(choice) => blobs.get_verified(&choice.sha256),
                None => Ok(None),
            }
        }
    }
}

fn choice_path(home: &Home, package: &Locked, platform: &Platform) -> Result<PathBuf> {
    let key = sha256_hex(format!("{package:?} {platform:?}").as_bytes());
    Ok(home.cache_dir("index")?.join(format!("wheel-{key}.json")))
}

impl Locked {
    /// The line that pip gets.
    fn requirement(&self) -> String {
        let hashes = match &self.source {
            Source::Exactly(sha256) => std::slice::from_ref(sha256),
            Source::AnyOf(hashes) => hashes,
        };
        let hashes: String = hashes.iter().map(|h| format!(" --hash=sha256:{h}")).collect();
        format!("{}=={}{hashes}", self.name, self.version)
    }

    fn takes(&self, file: &Fetched) -> bool {
        match &self.source {
            Source::Exactly(sha256) => file.sha256 == *sha256,
            Source::AnyOf(hashes) => hashes.contains(&file.sha256),
        }
    }
}

fn no_wheel(packages: &[&Locked]) -> Error {
    let names: Vec<String> = packages.iter().take(5).map(|p| format!("{} {}", p.name, p.version)).collect();
    let what =
        format!("the index has no wheel for the guest with a locked hash: one of {}", names.join(", "));
    Error::new(ErrorKind::Build, what).help(
        "take versions that have wheels for this Python and Linux: building from source would run their code",
    )
}

fn refused(lockfile: &str, why: &str) -> Error {
    Error::new(ErrorKind::Usage, format!("{lockfile} cannot be used: {why}"))
}

/// `3.11.2` → 3.11.
fn major_minor(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests;
