//! `mvmctl gc`: removes from the cache what no artifact and no running machine refers to. It waits until nobody builds,
//! so that what a build has just fetched or written is never taken from under it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::build::artifacts;
use crate::digest::is_sha256_hex;
use crate::layer::{Removed, Store};
use crate::lock::{FileLock, Mode};
use crate::{Context, Home, Result, fsio, kernel, machine};

/// Removes what is unused, or with `dry_run` says what that is. File names are relative to the cache directory.
pub fn collect(home: &Home, dry_run: bool, ctx: &Context) -> Result<Removed> {
    let store = Store::open(home)?;
    let _nobody_builds = store.exclusive(ctx)?;
    let kernels = home.cache_dir("kernels")?;
    let what = "it prepares the guest kernel";
    let _no_kernel_comes = FileLock::acquire(&kernels.join(".lock"), Mode::Exclusive, what, ctx)?;
    let machines = machine::files_in_use(home, ctx)?;

    let mut layers = artifacts::layers_in_use(home)?;
    layers.extend(machines.iter().filter_map(|path| store.digest_of(path)));
    let mut gone = Collector { cache: home.cache(), dry_run, ctx, removed: Removed::default() };
    let unused = store.collect(&layers, dry_run, ctx)?;
    gone.removed.bytes += unused.bytes;
    gone.removed.files.extend(unused.files.into_iter().map(|name| format!("layers/{name}")));
    gone.index(&home.cache().join("index"), &layers)?;
    gone.blobs(&home.cache().join("blobs/sha256"), &artifacts::blobs_in_use(home)?)?;
    gone.kernels(&kernels, &machines)?;
    Ok(gone.removed)
}

struct Collector<'a> {
    cache: &'a Path,
    dry_run: bool,
    ctx: &'a Context,
    removed: Removed,
}

impl Collector<'_> {
    /// Entries whose layer is gone, and locks that only builds take.
    fn index(&mut self, dir: &Path, layers: &BTreeSet<String>) -> Result<()> {
        for (name, path) in entries(dir)? {
            let used = name.ends_with(".json")
                && fsio::read_json::<serde_json::Value>(&path).ok().flatten().is_some_and(|entry| {
                    let layer = entry.get("layer").unwrap_or(&entry);
                    layer["digest"].as_str().is_some_and(|digest| layers.contains(digest))
                });
            if !used {
                self.remove(&path)?;
            }
        }
        Ok(())
    }

    fn blobs(&mut self, dir: &Path, used: &BTreeSet<String>) -> Result<()> {
        for (name, path) in entries(dir)? {
            if is_sha256_hex(&name) && !used.contains(&name) {
                self.remove(&path)?;
            }
        }
        Ok(())
    }

    /// All but the current one and those that machines run.
    fn kernels(&mut self, dir: &Path, machines: &[PathBuf]) -> Result<()> {
        let current = kernel::current(dir);
        for (name, path) in entries(dir)? {
            let kernel = is_sha256_hex(&name);
            let used = current.as_deref() == Some(name.as_str())
                || machines.iter().any(|file| file.starts_with(&path));
            if kernel && !used || name.starts_with(".tmp-") {
                self.remove(&path)?;
            }
        }
        Ok(())
    }

    fn remove(&mut self, path: &Path) -> Result<()> {
        self.ctx.check()?;
        let meta = std::fs::symlink_metadata(path).map_err(|e| fsio::error("looking at", path, e))?;
        let bytes = if meta.is_dir() { size_below(path)? } else { meta.len() };
        if !self.dry_run {
            let gone = if meta.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
            gone.map_err(|e| fsio::error("removing", path, e))?;
        }
        let name = path.strip_prefix(self.cache).unwrap_or(path);
        self.removed.files.push(name.display().to_string());
        self.removed.bytes += bytes;
        Ok(())
    }
}

fn size_below(dir: &Path) -> Result<u64> {
    let size = |(_, path): (String, PathBuf)| std::fs::symlink_metadata(path).map_or(0, |meta| meta.len());
    Ok(entries(dir)?.into_iter().map(size).sum())
}

/// Names and paths in a directory, sorted; none if it is not there.
fn entries(dir: &Path) -> Result<Vec<(String, PathBuf)>> {
    let read = match std::fs::read_dir(dir) {
        Ok(read) => read,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(fsio::error("reading the directory", dir, e)),
    };
    let named = |e: std::fs::DirEntry| Some((e.file_name().into_string().ok()?, e.path()));
    let mut found: Vec<_> = read.flatten().filter_map(named).collect();
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::tests::Setup;
    use crate::build::tests::workload;
    use crate::digest::sha256_hex;

    fn put(path: &Path, text: &str) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    #[test]
    fn what_a_build_or_a_machine_uses_stays_and_the_rest_goes() {
        let setup = Setup::new().with_packages();
        let (home, ctx) = (&setup.home, Context::silent());
        let first = crate::build::build(home, setup.request(workload()), &ctx).unwrap();
        std::fs::write(setup.project().join("tool.py"), "def run(): return 2\n").unwrap();
        crate::build::build(home, setup.request(workload()), &ctx).unwrap();
        let store = Store::open(home).unwrap();
        let edited = first.apps[0].layers.last().unwrap();
        let cache = home.cache();
        let (stale, old) = (sha256_hex(b"stale"), sha256_hex(b"old kernel"));
        put(&cache.join("blobs/sha256").join(&stale), "12345");
        put(&cache.join("kernels").join(&old).join("vmlinux"), "123");
        put(&cache.join("index/source-x.json"), &format!(r#"{{"digest": "{stale}"}}"#));
        let current = cache.join("kernels").join(kernel::current(&cache.join("kernels")).unwrap());

        // A machine that runs what was built first, on the old kernel.
        let files = [store.path(&edited.digest), cache.join("kernels").join(&old).join("vmlinux")];
        let machine = machine::tests_support::running(home, "m", &files);
        let would = collect(home, true, &ctx).unwrap();
        assert!(would.files.contains(&format!("blobs/sha256/{stale}")), "{would:?}");
        assert!(would.files.contains(&"index/source-x.json".to_owned()), "{would:?}");
        assert!(cache.join("blobs/sha256").join(&stale).exists(), "a dry run removes nothing");
        assert_eq!(collect(home, false, &ctx).unwrap(), would);
        assert!(!cache.join("blobs/sha256").join(&stale).exists());
        assert!(store.contains(edited) && files[1].exists(), "the machine's");

        drop(machine);
        let rest = collect(home, false, &ctx).unwrap();
        let names = [format!("layers/{}.squashfs", edited.digest), format!("kernels/{old}")];
        assert_eq!(rest.files, names, "{rest:?}");
        assert_eq!(rest.bytes, edited.size + 3);
        assert!(current.exists());
        // All that the artifact needs is there: it is built again from the cache.
        crate::build::build(home, setup.request(workload()), &ctx).unwrap();
        assert_eq!(collect(home, false, &ctx).unwrap(), Removed::default());
    }

    #[test]
    fn a_machine_of_which_nothing_is_known_stops_it() {
        let setup = Setup::new();
        let _machine = machine::tests_support::starting(&setup.home, "m");
        let ctx = Context::silent();
        let error = collect(&setup.home, true, &ctx).unwrap_err();
        assert!(error.to_string().contains("the machine m"), "{error}");
    }
}
