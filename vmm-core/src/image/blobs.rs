//! Fetched packages, wheels and kernels by SHA-256: verified on the way in and again when read, so a damaged
//! file is fetched anew instead of ending up in an image.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::digest::{is_sha256_hex, sha256_reader};
use crate::{Error, ErrorKind, Home, Result};

/// The store of fetched files.
#[derive(Clone, Debug)]
pub struct Blobs {
    dir: PathBuf,
}

impl Blobs {
    /// The store of a home.
    pub fn new(home: &Home) -> Self {
        Blobs { dir: home.cache().join("blobs").join("sha256") }
    }

    /// Where a blob lies, if it is there.
    pub fn get(&self, sha256: &str) -> Result<Option<PathBuf>> {
        let path = self.path(sha256)?;
        Ok(path.is_file().then_some(path))
    }

    /// Where a blob lies, if it is there and whole. A damaged one is removed.
    pub fn get_verified(&self, sha256: &str) -> Result<Option<PathBuf>> {
        let Some(path) = self.get(sha256)? else { return Ok(None) };
        if hash_file(&path)? == sha256 {
            return Ok(Some(path));
        }
        fs::remove_file(&path).map_err(|e| io_error("remove the damaged file", &path, e))?;
        Ok(None)
    }

    /// Moves a file into the store under the digest it must have. It has to lie in [`Blobs::staging`].
    pub fn insert(&self, file: &Path, sha256: &str) -> Result<PathBuf> {
        let target = self.path(sha256)?;
        let actual = hash_file(file)?;
        if actual != sha256 {
            let _ = fs::remove_file(file);
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            return Err(Error::new(
                ErrorKind::Build,
                format!("`{name}` was fetched with SHA-256 {actual}, but {sha256} is required"),
            )
            .help(
                "somebody changed the file between the index and here: do not use it, and check the mirror",
            ));
        }
        fs::create_dir_all(&self.dir).map_err(|e| io_error("create the directory", &self.dir, e))?;
        fs::rename(file, &target).map_err(|e| io_error("move a fetched file to", &target, e))?;
        Ok(target)
    }

    /// A fresh directory on the store's file system, removed with the value.
    pub fn staging(&self) -> Result<Staging> {
        static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let n = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.sweep();
        let dir = self.dir.with_file_name(format!("staging-{}-{n}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).map_err(|e| io_error("create the directory", &dir, e))?;
        Ok(Staging(dir))
    }

    /// Removes what processes that were killed have left behind.
    fn sweep(&self) {
        let Some(Ok(entries)) = self.dir.parent().map(fs::read_dir) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let owner = name
                .to_str()
                .and_then(|n| n.strip_prefix("staging-")?.split('-').next()?.parse::<u32>().ok());
            if owner.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    }

    fn path(&self, sha256: &str) -> Result<PathBuf> {
        if is_sha256_hex(sha256) {
            return Ok(self.dir.join(sha256));
        }
        let shown: String = sha256.chars().take(80).collect();
        Err(Error::new(ErrorKind::Usage, format!("`{shown}` is not a SHA-256 in lower-case hex")))
    }
}

/// A directory for files on their way into the store.
#[derive(Debug)]
pub struct Staging(PathBuf);

impl Staging {
    /// Its path.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// SHA-256 of a file, lower-case hex.
pub(crate) fn hash_file(path: &Path) -> Result<String> {
    let mut file = File::open(path).map_err(|e| io_error("open", path, e))?;
    let (digest, _) = sha256_reader(&mut file).map_err(|e| io_error("read", path, e))?;
    Ok(digest)
}

/// A small text file, if it is there and small.
pub(crate) fn read_small(path: &Path, limit: u64) -> Option<String> {
    use std::io::Read;
    let mut text = String::new();
    File::open(path).ok()?.take(limit).read_to_string(&mut text).ok()?;
    Some(text)
}

pub(crate) fn io_error(what: &str, path: &Path, e: io::Error) -> Error {
    let help = match e.kind() {
        io::ErrorKind::StorageFull => "free some space: `mvmctl gc` removes what nothing uses",
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "check the owner and mode of mvm's cache directory, or set MVM_HOME to one you own"
        }
        _ => "check that mvm's cache directory is there and healthy",
    };
    Error::new(ErrorKind::Environment, format!("cannot {what} `{}`: {e}", path.display()))
        .help(help)
        .source(e)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::sha256_hex as hash_bytes;

    fn store() -> (tempfile::TempDir, Blobs) {
        let dir = tempfile::tempdir().unwrap();
        let blobs = Blobs::new(&Home::at(dir.path()));
        (dir, blobs)
    }

    #[test]
    fn keeps_what_has_the_right_digest_and_nothing_else() {
        let (_dir, blobs) = store();
        let staging = blobs.staging().unwrap();
        let file = staging.path().join("a");
        let digest = hash_bytes(b"hello");
        fs::write(&file, b"hellO").unwrap();
        let error = blobs.insert(&file, &digest).unwrap_err();
        assert!(error.to_string().contains(&digest), "{error}");
        assert!(!file.exists());
        fs::write(&file, b"hello").unwrap();
        blobs.insert(&file, &digest).unwrap();
        assert!(blobs.get_verified(&digest).unwrap().is_some());
    }

    #[test]
    fn a_damaged_blob_is_gone() {
        let (_dir, blobs) = store();
        let staging = blobs.staging().unwrap();
        let file = staging.path().join("a");
        fs::write(&file, b"hello").unwrap();
        let digest = hash_bytes(b"hello");
        let path = blobs.insert(&file, &digest).unwrap();
        fs::write(&path, b"HELLO").unwrap();
        assert_eq!(blobs.get_verified(&digest).unwrap(), None);
        assert!(!path.exists());
    }

    #[test]
    fn what_a_killed_process_left_is_swept_and_a_living_ones_is_not() {
        let (_dir, blobs) = store();
        let mine = blobs.staging().unwrap();
        let mut child = std::process::Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        let dead = mine.path().with_file_name(format!("staging-{}-0", child.id()));
        fs::create_dir(&dead).unwrap();
        let _other = blobs.staging().unwrap();
        assert!(mine.path().exists() && !dead.exists());
    }

    #[test]
    fn a_digest_is_never_a_path() {
        let (_dir, blobs) = store();
        assert!(blobs.get("../../../etc/passwd").is_err());
        assert!(blobs.get(&"A".repeat(64)).is_err());
    }
}
