//! Files are replaced in one step: written beside their place, synced, renamed. On any error the original is as it was
//! and nothing half-written is left.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Replaces or makes a file.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // What is written through a link stays where the link leads.
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let special = fs::metadata(&target).is_ok_and(|m| !m.is_file() && !m.is_dir());
    if special {
        // `/dev/stdout` and its like can only be written to.
        return fs::OpenOptions::new().write(true).open(&target)?.write_all(bytes);
    }
    let permissions = fs::metadata(&target).ok().map(|m| m.permissions());
    replace(&target, bytes, permissions, true, || Ok(()))
}

/// The same for a cache, which may be lost when the machine stops.
pub fn write_cache(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace(path, bytes, None, false, || Ok(()))
}

/// Replaces a file that still has the contents that it was read with.
pub fn exchange(path: &Path, old: &[u8], new: &[u8]) -> io::Result<()> {
    let target = fs::canonicalize(path)?;
    let permissions = fs::metadata(&target)?.permissions();
    if permissions.readonly() {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "the file is read-only"));
    }
    replace(&target, new, Some(permissions), true, || match fs::read(&target)? == old {
        true => Ok(()),
        false => Err(io::Error::other("somebody changed it meanwhile; check it again")),
    })
}

fn replace(
    target: &Path,
    bytes: &[u8],
    permissions: Option<Permissions>,
    sync: bool,
    check: impl FnOnce() -> io::Result<()>,
) -> io::Result<()> {
    let temporary = beside(target);
    let result = fill(&temporary, bytes, permissions, sync)
        .and_then(|()| check())
        .and_then(|()| fs::rename(&temporary, target));
    if result.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    result
}

fn fill(temporary: &Path, bytes: &[u8], permissions: Option<Permissions>, sync: bool) -> io::Result<()> {
    let mut file = File::create_new(temporary)?;
    file.write_all(bytes)?;
    if let Some(permissions) = permissions {
        file.set_permissions(permissions)?;
    }
    if sync { file.sync_all() } else { Ok(()) }
}

fn beside(target: &Path) -> PathBuf {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    target.with_file_name(format!(".mvm-{}-{n}.tmp", std::process::id()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_or_not_at_all() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.py");
        write(&path, b"old").unwrap();
        exchange(&path, b"old", b"new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        let refused = exchange(&path, b"old", b"newer").unwrap_err();
        assert!(refused.to_string().contains("meanwhile"), "{refused}");
        assert!(exchange(&directory.path().join("missing.py"), b"", b"x").is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        let names: Vec<_> =
            fs::read_dir(directory.path()).unwrap().flatten().map(|e| e.file_name()).collect();
        assert_eq!(names, ["a.py"]);
    }
}
