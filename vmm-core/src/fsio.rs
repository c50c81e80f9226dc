//! Files of ours on the host: private directories, atomic writes, bounded reads, and errors that say what to do.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Error, ErrorKind, Result};

/// An I/O error as one of ours. `doing` ends in a gerund's object: "writing the layer".
pub(crate) fn error(doing: &str, path: &Path, e: io::Error) -> Error {
    let (kind, help) = match e.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => (
            ErrorKind::Environment,
            "free some space (`mvmctl gc` removes what no artifact needs) and try again",
        ),
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
            (ErrorKind::Environment, "make it accessible, or set MVM_HOME to a directory that you can write")
        }
        io::ErrorKind::NotFound => (ErrorKind::Usage, "check the path"),
        _ => (ErrorKind::Environment, "look at the disk and try again; `mvmctl doctor` checks it"),
    };
    Error::new(kind, format!("{doing} {}: {}", path.display(), reason(&e))).help(help).source(e)
}

/// The reason without Rust's `(os error N)`.
pub(crate) fn reason(e: &io::Error) -> String {
    let text = e.to_string();
    let plain = text.split(" (os error").next().unwrap_or(&text);
    let mut chars = plain.chars();
    chars.next().map_or_else(String::new, |c| c.to_lowercase().chain(chars).collect())
}

/// Makes a directory, and what is missing above it, for this user alone.
pub(crate) fn private_dir(path: &Path) -> Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|e| {
        // `create_dir_all` reports a file in the way as "exists".
        let e =
            if e.kind() == io::ErrorKind::AlreadyExists { io::ErrorKind::NotADirectory.into() } else { e };
        error("making the directory", path, e)
    })
}

/// The directory that a path's file lies in; a bare name's is the current one.
fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(dir) if dir.as_os_str().is_empty() => Path::new("."),
        Some(dir) => dir,
        None => Path::new("/"),
    }
}

/// A temporary file beside `path`, which [`publish`] turns into it.
pub(crate) fn temporary_beside(path: &Path) -> Result<tempfile::NamedTempFile> {
    let dir = directory_of(path);
    tempfile::Builder::new()
        .prefix(".tmp-")
        .tempfile_in(dir)
        .map_err(|e| error("making a temporary file in", dir, e))
}

/// Makes a written temporary file durable under its real name, in one step.
pub(crate) fn publish(temporary: tempfile::NamedTempFile, path: &Path) -> Result<()> {
    let doing = "writing";
    temporary.as_file().sync_all().map_err(|e| error(doing, path, e))?;
    temporary.persist(path).map_err(|e| error(doing, path, e.error))?;
    sync_dir(directory_of(path))
}

/// Makes a rename in a directory durable.
pub(crate) fn sync_dir(dir: &Path) -> Result<()> {
    File::open(dir).and_then(|d| d.sync_all()).map_err(|e| error("writing", dir, e))
}

/// Writes a whole file atomically: the old one or the new one, never half of it. Mode 0600.
pub(crate) fn write_atomic(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut temporary = temporary_beside(path)?;
    temporary.write_all(bytes).map_err(|e| error("writing", path, e))?;
    publish(temporary, path)
}

/// Writes a value as readable JSON, atomically.
pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let mut text = serde_json::to_vec_pretty(value)
        .map_err(|e| Error::new(ErrorKind::Internal, format!("writing {}: {e}", path.display())).source(e))?;
    text.push(b'\n');
    write_atomic(path, &text)
}

/// Reads a whole regular file of at most `limit` bytes. A FIFO does not hang it, a device is refused.
pub(crate) fn read_bounded(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let read = || -> io::Result<Vec<u8>> {
        let nonblock = rustix::fs::OFlags::NONBLOCK.bits() as i32;
        let file = OpenOptions::new().read(true).custom_flags(nonblock).open(path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
        }
        let mut bytes = Vec::new();
        file.take(limit + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > limit {
            let why = format!("it is larger than {limit} bytes");
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        Ok(bytes)
    };
    read().map_err(|e| error("reading", path, e))
}

/// Reads JSON that we wrote; `None` if the file is not there.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    if !path.exists() {
        return Ok(None);
    }
    let bytes = read_bounded(path, 64 << 20)?;
    serde_json::from_slice(&bytes).map(Some).map_err(|e| {
        Error::new(ErrorKind::Usage, format!("reading {}: {e}", path.display()))
            .help("it is damaged or of another version of mvm; remove it and build again")
            .source(e)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_nothing_else_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.json");
        write_json(&path, &[1, 2]).unwrap();
        write_json(&path, &[3]).unwrap();
        assert_eq!(read_json::<Vec<u32>>(&path).unwrap(), Some(vec![3]));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        assert_eq!(read_json::<Vec<u32>>(&dir.path().join("none")).unwrap(), None);
    }

    #[test]
    fn damaged_large_and_odd_files_are_clear_errors() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.json");
        std::fs::write(&path, "{").unwrap();
        assert!(read_json::<Vec<u32>>(&path).unwrap_err().remedy().unwrap().contains("build again"));
        assert!(read_bounded(&path, 0).is_err());
        assert!(read_bounded(dir.path(), 10).is_err());
        let error = private_dir(&path.join("below")).unwrap_err();
        assert!(error.to_string().contains("not a directory"), "{error}");
    }
}
