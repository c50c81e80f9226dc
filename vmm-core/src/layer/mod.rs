//! The content-addressed store of layers: read-only file-system images, each written once, atomically, and named by
//! its digest. What no artifact and no machine refers to is removed by [`Store::gc`].

mod squashfs;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufWriter, Seek as _};
use std::path::{Path, PathBuf};

use crate::build::{Layer, LayerRole};
use crate::digest::{is_sha256_hex, sha256_reader};
use crate::lock::{FileLock, Mode};
use crate::tree::Tree;
use crate::{Context, Error, ErrorKind, Home, Result, fsio};

const EXTENSION: &str = ".squashfs";

/// The store.
#[derive(Clone, Debug)]
pub struct Store {
    dir: PathBuf,
}

/// What [`Store::gc`] removed, or would.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Removed {
    /// File names.
    pub files: Vec<String>,
    /// Bytes freed.
    pub bytes: u64,
}

impl Store {
    /// The store of a home; made if it is missing.
    pub fn open(home: &Home) -> Result<Self> {
        Ok(Store { dir: home.cache_dir("layers")? })
    }

    /// Held while layers are written and until something refers to them: [`Store::gc`] waits for it.
    pub fn writing(&self, ctx: &Context) -> Result<FileLock> {
        FileLock::acquire(&self.dir.join(".lock"), Mode::Shared, "garbage collection", ctx)
    }

    /// Writes a tree as a layer. The same tree gives the same digest; what is there already is not replaced.
    pub fn write(&self, tree: &Tree, role: LayerRole) -> Result<Layer> {
        let mut temporary = fsio::temporary_beside(&self.dir.join("layer"))?;
        let doing = "writing a layer in";
        let mut out = BufWriter::with_capacity(1 << 20, temporary.as_file_mut());
        squashfs::write(tree, &mut out).map_err(|e| fsio::error(doing, &self.dir, e))?;
        let file = out.into_inner().map_err(|e| fsio::error(doing, &self.dir, e.into_error()))?;
        file.rewind().map_err(|e| fsio::error(doing, &self.dir, e))?;
        let (digest, size) = sha256_reader(file).map_err(|e| fsio::error(doing, &self.dir, e))?;
        let layer = Layer { role, digest, size };
        if !self.contains(&layer) {
            fsio::publish(temporary, &self.path(&layer.digest))?;
        }
        Ok(layer)
    }

    /// Where a layer lies, whether or not it is there.
    pub fn path(&self, digest: &str) -> PathBuf {
        self.dir.join(format!("{digest}{EXTENSION}"))
    }

    /// Whether a layer is there, of the right size.
    pub fn contains(&self, layer: &Layer) -> bool {
        is_sha256_hex(&layer.digest)
            && std::fs::symlink_metadata(self.path(&layer.digest))
                .is_ok_and(|m| m.is_file() && m.len() == layer.size)
    }

    /// Opens a layer for reading, if it is there and of the right size.
    pub fn get(&self, layer: &Layer) -> Result<File> {
        if !self.contains(layer) {
            return Err(Error::new(
                ErrorKind::Build,
                format!("opening the layer {}: it is not in {}", layer.digest, self.dir.display()),
            )
            .help("build the workload again: `mvmctl build`"));
        }
        let path = self.path(&layer.digest);
        File::open(&path).map_err(|e| fsio::error("opening", &path, e))
    }

    /// Reads a layer whole and compares its digest.
    pub fn verify(&self, layer: &Layer) -> Result<()> {
        let path = self.path(&layer.digest);
        let (digest, _) =
            sha256_reader(&mut self.get(layer)?).map_err(|e| fsio::error("reading", &path, e))?;
        if digest == layer.digest {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Build, format!("checking the layer {}: it is damaged", path.display()))
            .help("remove that file and build again"))
    }

    /// Removes every layer that is not in use, and what interrupted writers left. Waits until nobody writes;
    /// `in_use` is asked for then, so that it sees what was written last.
    pub fn gc(
        &self,
        in_use: impl FnOnce() -> Result<BTreeSet<String>>,
        dry_run: bool,
        ctx: &Context,
    ) -> Result<Removed> {
        let _lock = self.exclusive(ctx)?;
        self.collect(&in_use()?, dry_run, ctx)
    }

    /// Held while nobody may build.
    pub fn exclusive(&self, ctx: &Context) -> Result<FileLock> {
        FileLock::acquire(&self.dir.join(".lock"), Mode::Exclusive, "a build", ctx)
    }

    /// The digest of a layer of this store, by its file.
    pub fn digest_of(&self, path: &Path) -> Option<String> {
        let name = path.strip_prefix(&self.dir).ok()?.to_str()?;
        name.strip_suffix(EXTENSION).filter(|digest| is_sha256_hex(digest)).map(str::to_owned)
    }

    /// [`Store::gc`], by one that holds [`Store::exclusive`].
    pub fn collect(&self, in_use: &BTreeSet<String>, dry_run: bool, ctx: &Context) -> Result<Removed> {
        let mut removed = Removed::default();
        for (name, path, size) in files(&self.dir)? {
            ctx.check()?;
            let digest = name.strip_suffix(EXTENSION).filter(|d| is_sha256_hex(d));
            let unused = digest.map_or_else(|| name.starts_with(".tmp-"), |digest| !in_use.contains(digest));
            if !unused {
                continue;
            }
            if !dry_run {
                std::fs::remove_file(&path).map_err(|e| fsio::error("removing", &path, e))?;
            }
            removed.files.push(name);
            removed.bytes += size;
        }
        Ok(removed)
    }
}

/// Regular files of a directory with their sizes, sorted by name.
fn files(dir: &Path) -> Result<Vec<(String, PathBuf, u64)>> {
    let list = || -> std::io::Result<Vec<_>> {
        let mut out = Vec::new();
        for entry in std::fs::read_dir(dir)? {
            let entry = entry?;
            let meta = entry.metadata()?;
            if let (true, Ok(name)) = (meta.is_file(), entry.file_name().into_string()) {
                out.push((name, entry.path(), meta.len()));
            }
        }
        out.sort();
        Ok(out)
    };
    list().map_err(|e| fsio::error("reading the directory", dir, e))
}

#[cfg(test)]
mod tests;
