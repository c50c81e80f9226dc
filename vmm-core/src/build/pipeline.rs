//! The steps of a build, in order, and what each is cached by. Nothing of the project is executed; what one build
//! writes, another can use.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use workload_ir::{App, Dependencies, Image};

use super::locks::LockFile;
use super::{AppBuild, BuildRecord, BuildRequest, Layer, LayerRole, RECORD_VERSION, artifacts, compiled};
use crate::deps::{self, DependencyRequest};
use crate::digest::sha256_hex;
use crate::image::{self, AssembledImage, ImageLock, ResolveOptions};
use crate::kernel::Kernel;
use crate::layer::Store;
use crate::lock::{FileLock, Mode};
use crate::tree::{Meta, Node, Tree};
use crate::{Context, Error, ErrorKind, Event, Home, Result, Stage, fsio, kernel, plan, sdk, source};

/// Changes when the same inputs would give other layers.
const LAYOUT: u32 = 1;
const MAX_LOCKFILE: u64 = 64 << 20;

/// Builds a workload and registers it under its id. Blocking: call it from a thread that may wait.
pub fn build(home: &Home, request: BuildRequest, ctx: &Context) -> Result<BuildRecord> {
    plan::check_build(&request.workload)?;
    let artifact = artifacts::dir(home, &request.workload.id);
    let _alone = FileLock::acquire(&artifact.join(".lock"), Mode::Exclusive, "it builds this workload", ctx)?;
    let store = Store::open(home)?;
    // Held until the record refers to the layers.
    let _writing = store.writing(ctx)?;
    let lock_path = request.lock.clone().unwrap_or_else(|| artifact.join(artifacts::LOCK));
    let before = LockFile::read(&lock_path)?;
    let mut lock = before.clone();
    lock.apps.retain(|name, _| request.workload.apps.iter().any(|app| app.name == *name));

    let kernel = kernel::find_or_fetch(home, request.offline, ctx)?;
    let mut apps = Vec::new();
    for app in &request.workload.apps {
        let builder = Builder { home, store: &store, request: &request, app, kernel: &kernel, ctx };
        apps.push(builder.build(&before, &mut lock)?);
    }
    ctx.check()?;
    lock.write_if_changed(&lock_path, &before)?;
    let ir_hash = request.workload.hash();
    let record = BuildRecord { version: RECORD_VERSION, ir_hash, workload: request.workload.clone(), apps };
    artifacts::save(home, &record)?;
    Ok(record)
}

/// One app's build.
pub(super) struct Builder<'a> {
    pub(super) home: &'a Home,
    pub(super) store: &'a Store,
    pub(super) request: &'a BuildRequest,
    pub(super) app: &'a App,
    pub(super) kernel: &'a Kernel,
    pub(super) ctx: &'a Context,
}

/// What the index says of a base layer.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Base {
    pub(super) layer: Layer,
    pub(super) path: String,
    pub(super) interpreters: BTreeMap<String, String>,
    pub(super) env: BTreeMap<String, String>,
}

/// What the index says of a dependency layer.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Locked {
    layer: Layer,
    path: Vec<String>,
    env: BTreeMap<String, String>,
}

impl Builder<'_> {
    fn build(&self, before: &LockFile, lock: &mut LockFile) -> Result<AppBuild> {
        let scratch = self.home.cache_dir("tmp")?;
        let name = self.app.name.as_str();
        let sources = self.ctx.stage(Stage::Collect, name, || {
            Ok((
                compiled::sources(
                    &self.request.workload,
                    self.app,
                    &self.request.base_dir,
                    &scratch,
                    self.ctx,
                )?,
                false,
            ))
        })?;
        let image = self.image_lock(before)?;
        lock.apps.insert(name.to_owned(), image.clone());
        let base = self.base(&image)?;
        let bytecode = self.bytecode(&base)?;
        let dependencies = self.dependencies(&sources, &base, &image)?;
        let source = self.ctx.stage(Stage::Source, name, || {
            let layer = self.store.write(&source::under_app(&sources)?, LayerRole::Source)?;
            Ok((layer, false))
        })?;

        let mut app = AppBuild {
            name: name.to_owned(),
            layers: std::iter::once(base.layer).chain(bytecode).collect(),
            path: base.path,
            interpreters: base.interpreters,
            env: base.env,
        };
        if let Some(locked) = dependencies {
            app.layers.push(locked.layer);
            app.path = locked.path.into_iter().chain([app.path]).collect::<Vec<_>>().join(":");
            merge_env(&mut app.env, locked.env);
        }
        app.layers.push(source);
        app.layers.extend(self.hooks(&app)?);
        Ok(app)
    }

    fn packages(&self) -> Result<&[String]> {
        match &self.app.image {
            Image::NixPackages { packages } => Ok(packages),
            Image::OciBase { .. } => Err(Error::new(ErrorKind::Internal, "an OCI image passed the plan")),
        }
    }

    /// The lock's answer, or a new one.
    fn image_lock(&self, before: &LockFile) -> Result<ImageLock> {
        let packages = self.packages()?;
        let detail = format!("{}: {}", self.app.name, packages.join(", "));
        self.ctx.stage(Stage::Resolve, detail, || {
            // A lock that the user hands over is agreed to as it is.
            let agreed = self.request.allow_substitute || self.request.lock.is_some();
            if let Some(lock) = before.answer(&self.app.name, packages, agreed) {
                self.tell_substitutes(lock);
                return Ok((lock.clone(), true));
            }
            let options = self.options();
            let source = image::select(self.home, None, &options, self.ctx)?;
            Ok((source.resolve(packages, &options, self.ctx)?, false))
        })
    }

    fn options(&self) -> ResolveOptions {
        ResolveOptions { allow_substitute: self.request.allow_substitute, offline: self.request.offline }
    }

    fn tell_substitutes(&self, lock: &ImageLock) {
        for package in &lock.packages {
            if let Some(wanted) = &package.substituted_for {
                let text =
                    format!("{wanted} is replaced by {} {}, as the lock says", package.name, package.version);
                self.ctx.reporter.report(Event::Note(text));
            }
        }
    }

    /// The base layer, cached by the lock.
    fn base(&self, lock: &ImageLock) -> Result<Base> {
        let key = key("base", &[&serde_json::to_vec(lock).map_err(internal)?, sdk_digest().as_bytes()]);
        let detail = format!("{}: {} packages", self.app.name, lock.packages.len());
        self.ctx.stage(Stage::Image, detail, || {
            let index = self.index("base", &key)?;
            if let Some(base) = read_index::<Base>(&index)?.filter(|b| self.store.contains(&b.layer)) {
                return Ok((base, true));
            }
            let what = "it makes the same base layer";
            let _alone = FileLock::acquire(&index.with_extension("lock"), Mode::Exclusive, what, self.ctx)?;
            if let Some(base) = read_index::<Base>(&index)?.filter(|b| self.store.contains(&b.layer)) {
                return Ok((base, true));
            }
            let source = image::select(self.home, Some(lock.source), &self.options(), self.ctx)?;
            let AssembledImage { mut tree, path, interpreters, mut env } = source.assemble(lock, self.ctx)?;
            if interpreters.contains_key("python") {
                add_sdk(&mut tree, &mut env)?;
            }
            self.ctx.check()?;
            let layer = self.store.write(&tree, LayerRole::Base)?;
            let base = Base { layer, path, interpreters, env };
            fsio::write_json(&index, &base)?;
            Ok((base, false))
        })
    }

    /// The dependency layer, cached by the lockfile and the interpreters.
    fn dependencies(&self, sources: &Tree, base: &Base, image: &ImageLock) -> Result<Option<Locked>> {
        let (Dependencies::Python { lockfile, .. } | Dependencies::Node { lockfile, .. }) =
            &self.app.dependencies
        else {
            return Ok(None);
        };
        let bytes = self.lockfile(sources, lockfile)?;
        let versions = versions(base, image);
        let declared = serde_json::to_vec(&(&self.app.dependencies, &versions)).map_err(internal)?;
        let key = key("dependencies", &[&declared, &bytes]);
        self.ctx.stage(Stage::Dependencies, format!("{}: {lockfile}", self.app.name), || {
            let index = self.index("dependencies", &key)?;
            if let Some(locked) = read_index::<Locked>(&index)?.filter(|l| self.store.contains(&l.layer)) {
                return Ok((Some(locked), true));
            }
            let request = DependencyRequest {
                dependencies: &self.app.dependencies,
                lockfile: &bytes,
                versions: &versions,
                offline: self.request.offline,
            };
            let made = deps::assemble(self.home, &request, self.ctx)?;
            let layer = self.store.write(&made.tree, LayerRole::Dependencies)?;
            let locked = Locked { layer, path: made.path, env: made.env };
            fsio::write_json(&index, &locked)?;
            Ok((Some(locked), false))
        })
    }

    fn lockfile(&self, sources: &Tree, lockfile: &str) -> Result<Vec<u8>> {
        let error = |why: &str| {
            Error::new(ErrorKind::Usage, format!("app `{}`: the lockfile {lockfile} {why}", self.app.name))
        };
        let content = sources.follow(lockfile).and_then(Node::content).ok_or_else(|| {
            error("is not among the packaged files")
                .help("write it, and see that `include` and `exclude` select it")
        })?;
        content.to_vec(MAX_LOCKFILE).map_err(|e| error(&format!("cannot be read: {e}")))
    }

    pub(super) fn index(&self, kind: &str, key: &str) -> Result<PathBuf> {
        Ok(self.home.cache_dir("index")?.join(format!("{kind}-{key}.json")))
    }
}

/// A damaged or older index entry is as good as none: it is only a cache.
pub(super) fn read_index<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    Ok(fsio::read_json(path).unwrap_or_default())
}

/// A digest over a kind and parts, each preceded by its length.
pub(super) fn key(kind: &str, parts: &[&[u8]]) -> String {
    let mut text = format!("mvm-{kind}-{LAYOUT}\n").into_bytes();
    for part in parts {
        text.extend_from_slice(format!("{}\n", part.len()).as_bytes());
        text.extend_from_slice(part);
    }
    sha256_hex(&text)
}

fn internal(e: serde_json::Error) -> Error {
    Error::new(ErrorKind::Internal, format!("writing JSON: {e}")).source(e)
}

fn sdk_digest() -> String {
    let parts: Vec<&[u8]> = sdk::files().iter().flat_map(|(name, bytes)| [name.as_bytes(), *bytes]).collect();
    key("sdk", &parts)
}

/// Puts the Python package `mvm` where the guest's Python finds it.
fn add_sdk(tree: &mut Tree, env: &mut BTreeMap<String, String>) -> Result<()> {
    for (name, bytes) in sdk::files() {
        tree.insert_file(Path::new(sdk::DIRECTORY).join(name), *bytes, Meta::FILE)?;
    }
    let (name, value) = sdk::GUEST_VARIABLE;
    let added = [(name.to_owned(), value.to_owned()), ("PYTHONPATH".to_owned(), sdk::DIRECTORY.to_owned())];
    merge_env(env, added);
    Ok(())
}

/// Adds variables; those that are lists of directories are put in front of what is there.
fn merge_env(env: &mut BTreeMap<String, String>, added: impl IntoIterator<Item = (String, String)>) {
    for (name, value) in added {
        let value = match env.get(&name) {
            Some(old) if matches!(name.as_str(), "PYTHONPATH" | "NODE_PATH" | "LD_LIBRARY_PATH") => {
                format!("{value}:{old}")
            }
            _ => value,
        };
        env.insert(name, value);
    }
}

/// What dependencies are chosen by: `python` → `3.11`, `glibc` → `2.36`.
fn versions(base: &Base, image: &ImageLock) -> BTreeMap<String, String> {
    let interpreters = base.interpreters.iter().filter_map(|(l, path)| Some((l.clone(), version_in(path)?)));
    let libc = image.glibc().map(|version| ("glibc".to_owned(), version));
    interpreters.chain(libc).collect()
}

/// `/usr/bin/python3.11` → `3.11`
fn version_in(interpreter: &str) -> Option<String> {
    let name = interpreter.rsplit('/').next()?;
    let version = name.trim_start_matches(|c: char| !c.is_ascii_digit());
    (!version.is_empty()).then(|| version.to_owned())
}

/// Puts a lock and a base layer where a build looks for them, for tests that fetch nothing.
#[cfg(test)]
pub(super) fn seed(home: &Home, app: &str, lock: ImageLock, layer: Layer) -> Result<()> {
    let key = key("base", &[&serde_json::to_vec(&lock).map_err(internal)?, sdk_digest().as_bytes()]);
    // No Python: byte code would be made for it, in a guest.
    let base = Base { layer, path: "/usr/bin".into(), interpreters: BTreeMap::new(), env: BTreeMap::new() };
    fsio::write_json(&home.cache_dir("index")?.join(format!("base-{key}.json")), &base)?;
    let mut file = LockFile::default();
    file.apps.insert(app.to_owned(), lock);
    let path = home.data_dir("builds/hello")?.join(artifacts::LOCK);
    file.write_if_changed(&path, &LockFile::default())
}

#[cfg(test)]
mod unit_tests {
    use super::*;

    #[test]
    fn search_paths_grow_at_the_front_and_others_are_replaced() {
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        let mut env = BTreeMap::from([pair("PYTHONPATH", "/sdk"), pair("X", "old")]);
        merge_env(&mut env, [pair("PYTHONPATH", "/site"), pair("X", "new"), pair("Y", "y")]);
        assert_eq!(env, BTreeMap::from([pair("PYTHONPATH", "/site:/sdk"), pair("X", "new"), pair("Y", "y")]));
    }

    #[test]
    fn versions_are_read_from_interpreters() {
        assert_eq!(version_in("/usr/bin/python3.11"), Some("3.11".into()));
        assert_eq!(version_in("/nix/store/x-3.12/bin/node22"), Some("22".into()));
        assert_eq!(version_in("/usr/bin/python"), None);
    }

    #[test]
    fn keys_tell_apart_what_concatenation_would_not() {
        assert_ne!(key("a", &[b"xy", b"z"]), key("a", &[b"x", b"yz"]));
        assert_ne!(key("a", &[b"x"]), key("b", &[b"x"]));
    }
}
