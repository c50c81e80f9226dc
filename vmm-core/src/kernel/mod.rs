//! The guest kernel: a stock distribution kernel, found on the host or fetched without root, unpacked to an
//! uncompressed image together with the modules that a boot needs, and cached.

mod find;
mod modules;
mod trim;
mod unpack;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub(crate) use modules::BALLOON;

use crate::digest::sha256_hex;
use crate::lock::{FileLock, Mode};
use crate::{Context, Error, ErrorKind, Event, Home, Result, Stage, fsio};

/// A kernel that is ready to boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// `6.1.0-37-cloud-amd64`.
    pub release: String,
    /// The uncompressed ELF image.
    pub image: PathBuf,
    /// Modules, in load order.
    pub modules: Vec<Module>,
    /// SHA-256 over image and modules, lower-case hex.
    pub digest: String,
}

/// A kernel module, uncompressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// `virtio_blk`.
    pub name: String,
    /// The file.
    pub file: PathBuf,
}

/// A kernel in memory, before it is stored.
struct Unpacked {
    release: String,
    image: Vec<u8>,
    /// In load order.
    modules: Vec<(String, Vec<u8>)>,
}

/// What `kernel.json` beside a stored kernel says.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    version: u32,
    release: String,
    digest: String,
    image_size: u64,
    /// Name and size, in load order.
    modules: Vec<(String, u64)>,
}

/// Changes when the same kernel would be stored otherwise.
const VERSION: u32 = 3;
const CURRENT: &str = "current.json";

/// The kernel of this home: the cached one, else one of the host's, else one from the distribution's archive.
pub fn find_or_fetch(home: &Home, offline: bool, ctx: &Context) -> Result<Kernel> {
    let dir = home.cache_dir("kernels")?;
    ctx.stage(Stage::Kernel, "guest kernel", || {
        if let Some(kernel) = cached(&dir)? {
            return Ok((kernel, true));
        }
        let _lock =
            FileLock::acquire(&dir.join(".lock"), Mode::Exclusive, "it prepares the guest kernel", ctx)?;
        // Another process may have prepared it while this one waited.
        if let Some(kernel) = cached(&dir)? {
            return Ok((kernel, true));
        }
        remove_leftovers(&dir);
        let kernel = store(&dir, &obtain(home, offline, ctx)?)?;
        Ok((kernel, false))
    })
}

/// Digest of the kernel that is booted from a home's kernels.
pub(crate) fn current(dir: &Path) -> Option<String> {
    fsio::read_json::<String>(&dir.join(CURRENT)).ok().flatten()
}

/// What killed processes left half-written. The lock is held, so nobody writes there now.
fn remove_leftovers(dir: &Path) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(".tmp-") {
            // If it cannot be removed, it is only in the way of nothing.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// The cached kernel, without looking anywhere else.
pub fn find_cached(home: &Home) -> Result<Option<Kernel>> {
    cached(&home.cache().join("kernels"))
}

/// Release of the kernel of this host that would be unpacked.
pub fn on_host() -> Option<String> {
    find::on_host(Path::new("/")).into_iter().next().map(|k| k.release)
}

fn obtain(home: &Home, offline: bool, ctx: &Context) -> Result<Unpacked> {
    if std::env::consts::ARCH != "x86_64" {
        let arch = std::env::consts::ARCH;
        return Err(Error::new(
            ErrorKind::Environment,
            format!("guests run on x86_64 so far, and this is {arch}"),
        ));
    }
    for found in find::on_host(Path::new("/")) {
        ctx.check()?;
        match found.unpack() {
            Ok(kernel) => return Ok(kernel),
            Err(e) => {
                ctx.reporter.report(Event::Note(format!("{} is passed over: {e}", found.image.display())))
            }
        }
    }
    find::from_archive(home, offline, ctx)
}

/// Reads the cached kernel; none if anything of it is missing or of another size.
fn cached(dir: &Path) -> Result<Option<Kernel>> {
    let Ok(Some(digest)) = fsio::read_json::<String>(&dir.join(CURRENT)) else { return Ok(None) };
    if !crate::digest::is_sha256_hex(&digest) {
        return Ok(None);
    }
    let dir = dir.join(&digest);
    let Ok(Some(manifest)) = fsio::read_json::<Manifest>(&dir.join("kernel.json")) else { return Ok(None) };
    let whole = |file: &Path, size| std::fs::metadata(file).is_ok_and(|m| m.is_file() && m.len() == size);
    let image = dir.join("vmlinux");
    if manifest.version != VERSION || manifest.digest != digest || !whole(&image, manifest.image_size) {
        return Ok(None);
    }
    let mut modules = Vec::new();
    for (name, size) in manifest.modules {
        let file = dir.join(format!("{name}.ko"));
        if !whole(&file, size) {
            return Ok(None);
        }
        modules.push(Module { name, file });
    }
    Ok(Some(Kernel { release: manifest.release, image, modules, digest }))
}

/// Stores a kernel under its digest and makes it the current one.
fn store(dir: &Path, kernel: &Unpacked) -> Result<Kernel> {
    let digest = digest(kernel);
    let target = dir.join(&digest);
    let staging = tempfile::Builder::new()
        .prefix(".tmp-")
        .tempdir_in(dir)
        .map_err(|e| fsio::error("making a directory in", dir, e))?;
    let at = staging.path();
    fsio::write_atomic(&at.join("vmlinux"), &kernel.image)?;
    for (name, bytes) in &kernel.modules {
        fsio::write_atomic(&at.join(format!("{name}.ko")), bytes)?;
    }
    let manifest = Manifest {
        version: VERSION,
        release: kernel.release.clone(),
        digest: digest.clone(),
        image_size: kernel.image.len() as u64,
        modules: kernel.modules.iter().map(|(name, bytes)| (name.clone(), bytes.len() as u64)).collect(),
    };
    fsio::write_json(&at.join("kernel.json"), &manifest)?;
    // A damaged one may be in the way; nobody runs from it, since it was not found.
    if target.exists() {
        std::fs::remove_dir_all(&target).map_err(|e| fsio::error("replacing", &target, e))?;
    }
    std::fs::rename(at, &target).map_err(|e| fsio::error("storing the kernel in", &target, e))?;
    // The directory has moved: there is nothing left to clean up.
    let _ = staging.keep();
    fsio::sync_dir(dir)?;
    fsio::write_json(&dir.join(CURRENT), &digest)?;
    cached(dir)?
        .ok_or_else(|| Error::new(ErrorKind::Internal, format!("storing the kernel in {}", target.display())))
}

fn digest(kernel: &Unpacked) -> String {
    let mut lines =
        format!("mvm-kernel {VERSION}\n{}\nvmlinux {}\n", kernel.release, sha256_hex(&kernel.image));
    for (name, bytes) in &kernel.modules {
        lines.push_str(&format!("{name} {}\n", sha256_hex(bytes)));
    }
    sha256_hex(lines.as_bytes())
}

/// Puts a kernel that cannot boot into a home's cache, for tests that only build.
#[cfg(test)]
pub(crate) fn store_fake(home: &Home) -> Kernel {
    let kernel = Unpacked { release: "test".into(), image: b"\x7fELF".to_vec(), modules: Vec::new() };
    store(&home.cache_dir("kernels").unwrap(), &kernel).unwrap()
}

#[cfg(test)]
mod tests {
    use super::modules::tests::module_elf;
    use super::*;

    fn kernel() -> Unpacked {
        Unpacked {
            release: "6.1.0-test".into(),
            image: b"\x7fELF kernel".to_vec(),
            modules: vec![("virtio".into(), module_elf("")), ("virtio_blk".into(), module_elf("virtio"))],
        }
    }

    #[test]
    fn a_stored_kernel_is_found_again_until_it_is_damaged() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path());
        let kernels = home.cache_dir("kernels").unwrap();
        assert_eq!(find_cached(&home).unwrap(), None);
        let stored = store(&kernels, &kernel()).unwrap();
        assert_eq!(find_cached(&home).unwrap(), Some(stored.clone()));
        assert_eq!(
            stored.modules.iter().map(|m| m.name.as_str()).collect::<Vec<_>>(),
            ["virtio", "virtio_blk"]
        );
        assert_eq!(find_or_fetch(&home, true, &Context::silent()).unwrap(), stored);

        std::fs::write(&stored.modules[1].file, "cut").unwrap();
        assert_eq!(find_cached(&home).unwrap(), None);
        assert_eq!(store(&kernels, &kernel()).unwrap(), stored);
        let left = std::fs::read_dir(&kernels)
            .unwrap()
            .filter(|e| e.as_ref().unwrap().file_name().to_string_lossy().starts_with(".tmp"));
        assert_eq!(left.count(), 0);
    }
}
