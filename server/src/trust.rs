//! Whose project files count. A file in a parent directory may have been put there by somebody else, to turn off the
//! rules that would have found them out.

use std::path::Path;

/// Who could write what is checked; they may configure its check, too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Owner {
    uid: Option<u32>,
    /// Everybody could: on some mounts all files look like that.
    anybody: bool,
}

/// Who could write into a directory.
#[cfg(unix)]
pub fn owner(directory: &Path) -> Owner {
    use std::os::unix::fs::MetadataExt;
    const STICKY: u32 = 0o1000;
    let Ok(meta) = std::fs::metadata(directory) else { return Owner::default() };
    Owner { uid: Some(meta.uid()), anybody: meta.mode() & (WRITABLE_BY_ALL | STICKY) == WRITABLE_BY_ALL }
}

#[cfg(unix)]
const WRITABLE_BY_ALL: u32 = 0o002;

/// May this project file configure the check? It must belong to us, to root or to the owner of what is checked, and
/// nobody else may be able to write it.
#[cfg(unix)]
pub fn may_configure(file: &Path, owner: Owner) -> bool {
    use std::os::unix::fs::MetadataExt;
    // A link counts as where it lies and as what it leads to.
    let trusted = |meta: std::io::Result<std::fs::Metadata>| {
        meta.is_ok_and(|m| {
            let uid = m.uid();
            let known = uid == 0 || uid == rustix::process::geteuid().as_raw() || Some(uid) == owner.uid;
            known && (m.is_symlink() || owner.anybody || m.mode() & WRITABLE_BY_ALL == 0)
        })
    };
    trusted(std::fs::symlink_metadata(file)) && trusted(std::fs::metadata(file))
}

/// See the other.
#[cfg(not(unix))]
pub fn owner(_: &Path) -> Owner {
    Owner::default()
}

/// See the other.
#[cfg(not(unix))]
pub fn may_configure(_: &Path, _: Owner) -> bool {
    true
}
