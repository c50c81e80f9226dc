//! Tools that come as binaries in a PyPI wheel: exact version and SHA-256 in the lock, read as a stream.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::base;
use super::choose::WheelChoice;
use super::names::{WheelTool, dotted, wheel_tool};
use crate::digest::sha256_hex;
use crate::image::LockedPackage;
use crate::image::blobs::Blobs;
use crate::image::pip::{self, Platform};
use crate::image::wheel::{Place, Wheel, normalize};
use crate::tree::{Spool, Tree};
use crate::{Context, Error, ErrorKind, Event, Home, Result, fsio};

/// How the lock marks them.
pub(super) const ORIGIN: &str = "wheel";

/// A tool's wheel on this machine.
pub(super) struct ToolWheel {
    tool: &'static WheelTool,
    version: String,
    path: PathBuf,
}

/// `2.36-9+deb12u14` → 2.36.
pub(super) fn glibc_version(version: &str) -> (u32, u32) {
    let mut parts = version.split(|c: char| !c.is_ascii_digit()).map(|p| p.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}

/// The newest wheel of a project that runs in the guest; `version` is how its version must begin.
pub(super) fn find(
    home: &Home,
    ctx: &Context,
    tool: &'static WheelTool,
    version: &[u32],
    glibc: (u32, u32),
    offline: bool,
) -> Result<Option<WheelChoice>> {
    let requirement = match version {
        [] => tool.project.to_owned(),
        version => format!("{}=={}.*", tool.project, dotted(version)),
    };
    let memory = Memory::of(home, &requirement, glibc)?;
    if offline {
        let known = memory.recall().ok_or_else(|| not_cached(tool.project))?;
        return Ok(Some(known.choice(tool)));
    }
    let asked = ask(home, ctx, tool, requirement, glibc);
    let known = match asked {
        Ok(Some(known)) => {
            memory.keep(&known)?;
            known
        }
        Err(error) if error.kind() == ErrorKind::Cancelled => return Err(error),
        // Without network, pip says that the index has none.
        nothing => {
            let Some(known) = memory.recall() else { return nothing.map(|_| None) };
            ctx.reporter.report(Event::Note(format!(
                "the Python package index does not give `{}` now: {} is used, which it gave before",
                tool.project, known.version
            )));
            known
        }
    };
    Ok(Some(known.choice(tool)))
}

fn ask(
    home: &Home,
    ctx: &Context,
    tool: &'static WheelTool,
    requirement: String,
    glibc: (u32, u32),
) -> Result<Option<Known>> {
    let platform = Platform { python: None, glibc };
    let Some(fetched) = pip::download(home, ctx, &[requirement], &platform)? else { return Ok(None) };
    let Some(wheel) = fetched.into_iter().next() else { return Ok(None) };
    let identity = Wheel::open(&wheel.path, &wheel.file_name)?.identity();
    if identity.name != normalize(tool.project) {
        let why = format!("pip was asked for `{}` and fetched `{}`", tool.project, wheel.file_name);
        return Err(Error::new(ErrorKind::Build, why).help("check the index that pip is configured for"));
    }
    Ok(Some(Known { version: identity.version, sha256: wheel.sha256 }))
}

/// A wheel that an index gave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    version: String,
    sha256: String,
}

impl Known {
    fn choice(self, tool: &'static WheelTool) -> WheelChoice {
        WheelChoice { tool, version: self.version, sha256: self.sha256 }
    }
}

/// What the index answered last: as apt's lists do, it serves when the network is gone.
struct Memory {
    path: PathBuf,
    blobs: Blobs,
}

impl Memory {
    fn of(home: &Home, requirement: &str, glibc: (u32, u32)) -> Result<Memory> {
        let key = sha256_hex(format!("{requirement} glibc {}.{}", glibc.0, glibc.1).as_bytes());
        Ok(Memory { path: home.cache_dir("wheels")?.join(format!("{key}.json")), blobs: Blobs::new(home) })
    }

    fn keep(&self, known: &Known) -> Result<()> {
        fsio::write_json(&self.path, known)
    }

    /// The answer, as long as its wheel is here. A damaged one is as good as none.
    fn recall(&self) -> Option<Known> {
        let known: Option<Known> = fsio::read_json(&self.path).unwrap_or_default();
        known.filter(|known| {
            let there = self.blobs.get_verified(&known.sha256);
            pip::is_version(&known.version) && there.is_ok_and(|path| path.is_some())
        })
    }
}

/// The locked wheels on this machine, fetched by hash where they are missing.
pub(super) fn fetch(
    home: &Home,
    ctx: &Context,
    locked: &[&LockedPackage],
    glibc: (u32, u32),
    offline: bool,
) -> Result<Vec<ToolWheel>> {
    let blobs = Blobs::new(home);
    let mut wheels = Vec::new();
    for package in locked {
        let tool =
            wheel_tool(&package.name).filter(|_| pip::is_version(&package.version)).ok_or_else(|| {
                let what = format!(
                    "the lock's tool `{}` `{}` is not one that comes from a wheel",
                    package.name, package.version
                );
                Error::new(ErrorKind::Usage, what).help("delete the lock and build again")
            })?;
        let path = match blobs.get_verified(&package.sha256)? {
            Some(path) => path,
            None if offline => return Err(not_cached(tool.project)),
            None => fetch_one(home, ctx, package, glibc)?,
        };
        wheels.push(ToolWheel { tool, version: package.version.clone(), path });
    }
    Ok(wheels)
}

fn fetch_one(home: &Home, ctx: &Context, package: &LockedPackage, glibc: (u32, u32)) -> Result<PathBuf> {
    let line = format!("{}=={} --hash=sha256:{}", package.name, package.version, package.sha256);
    let fetched = pip::download(home, ctx, &[line], &Platform { python: None, glibc })?;
    fetched.into_iter().flatten().find(|f| f.sha256 == package.sha256).map(|f| f.path).ok_or_else(|| {
        let what =
            format!("the index has no wheel of `{}` {} with the locked hash", package.name, package.version);
        Error::new(ErrorKind::Build, what).help("delete the lock to take the version that the index has now")
    })
}

/// Reads the wheels into the tree: programs to `/usr/local/bin`, modules to where Debian's Python looks.
pub(super) fn add(
    ctx: &Context,
    tree: &mut Tree,
    wheels: &[ToolWheel],
    spool_dir: &std::path::Path,
) -> Result<()> {
    if wheels.is_empty() {
        return Ok(());
    }
    let python = base::interpreters(tree, &["/usr/bin"]).remove("python");
    let version = python.as_deref().and_then(|p| p.rsplit_once('/')).map_or("python3", |(_, name)| name);
    let site = format!("/usr/local/lib/{version}/dist-packages");
    let mut spool = Spool::new_in(spool_dir)?;
    for ToolWheel { tool, version, path } in wheels {
        let place = Place {
            site: &site,
            scripts: "/usr/local/bin",
            data: "/usr/local",
            prefix: tool.prefix,
            python: python.as_deref().unwrap_or("/usr/bin/python3"),
        };
        let label = format!("of {} {version}", tool.project);
        Wheel::open(path, &label)?.read_into(ctx, tree, &place, Some(&mut spool))?;
        for (link, target) in tool.links {
            // A wheel has no links; what was one is a copy that cannot find its neighbours.
            let link = format!("/usr/local/bin/{link}");
            if tree.follow(format!("/usr/local/bin/{target}")).is_some() {
                tree.insert_symlink(link, target)?;
            }
        }
    }
    Ok(())
}

fn not_cached(project: &str) -> Error {
    let what = format!("the wheel of `{project}` is not cached, and the build must not use the network");
    Error::new(ErrorKind::Environment, what).help("build once without --offline")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::wheel::tests::make_wheel;

    #[test]
    fn the_c_librarys_version_is_read() {
        assert_eq!(glibc_version("2.36-9+deb12u14"), (2, 36));
        assert_eq!(glibc_version(""), (0, 0));
    }

    #[test]
    fn tools_come_out_of_the_cache_by_hash_and_nothing_else_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path());
        let blobs = Blobs::new(&home);
        let staging = blobs.staging().unwrap();
        let wheel = make_wheel(
            staging.path(),
            "uv",
            "1.2",
            &[("uv-1.2.data/scripts/uv", "elf"), ("uv/__init__.py", "")],
        );
        let sha256 = crate::image::blobs::hash_file(&wheel).unwrap();
        blobs.insert(&wheel, &sha256).unwrap();
        let locked = |name: &str| LockedPackage {
            name: name.to_owned(),
            version: "1.2".to_owned(),
            sha256: sha256.clone(),
            origin: Some(ORIGIN.to_owned()),
            declared: None,
            substituted_for: None,
        };
        let ctx = Context::silent();
        assert!(fetch(&home, &ctx, &[&locked("evil")], (2, 36), true).is_err());
        let wheels = fetch(&home, &ctx, &[&locked("uv")], (2, 36), true).unwrap();
        let mut tree = Tree::new();
        tree.insert_file("/usr/bin/python3.11", "p", crate::tree::Meta::PROGRAM).unwrap();
        add(&ctx, &mut tree, &wheels, dir.path()).unwrap();
        assert_eq!(tree.get("/usr/local/bin/uv").unwrap().meta().mode, 0o755);
        assert!(tree.get("/usr/local/lib/python3.11/dist-packages/uv/__init__.py").is_some());
        // What the index gave is known when it cannot be asked, as long as the wheel is there.
        let uv = wheel_tool("uv").unwrap();
        let known = || find(&home, &ctx, uv, &[], (2, 36), true);
        assert_eq!(known().err().unwrap().kind(), ErrorKind::Environment);
        let memory = Memory::of(&home, "uv", (2, 36)).unwrap();
        memory.keep(&Known { version: "1.2".into(), sha256: sha256.clone() }).unwrap();
        assert_eq!(known().unwrap().unwrap().sha256, sha256);
        memory.keep(&Known { version: "1.2".into(), sha256: "00".repeat(32) }).unwrap();
        assert!(known().is_err());
        let missing = LockedPackage { sha256: "00".repeat(32), ..locked("uv") };
        let error = fetch(&home, &ctx, &[&missing], (2, 36), true).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Environment);
    }
}
