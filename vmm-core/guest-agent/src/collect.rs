//! Reads out what a task changed: the writable layer of the overlay, as a list of entries.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use agent_protocol::{Entry, MAX_CONTROL, Stream, Task, write_message};

use crate::boot::{CHANGES, MOUNT_POINTS};
use crate::sys;

/// Written by the agent itself at every boot; never part of a layer.
const OURS: [&str; 6] =
    ["etc/hosts", "etc/resolv.conf", "etc/hostname", "etc/nsswitch.conf", "etc/passwd", "etc/group"];

/// Sends the changes.
pub fn collect(stream: &Stream, task: &Task) {
    let only_byte_code = matches!(task, Task::CompilePython { .. });
    let wanted = move |path: &Path| match only_byte_code {
        true => path.extension() == Some(OsStr::new("pyc")) || path.starts_with("usr/lib/mvm"),
        false => true,
    };
    if walk(stream, Path::new(""), &wanted).is_ok() && send(stream, &Entry::End).is_ok() {
        stream.finish();
    } else {
        stream.reset();
    }
}

fn send(stream: &Stream, entry: &Entry) -> io::Result<()> {
    write_message(stream, entry, MAX_CONTROL).map_err(io::Error::other)
}

fn walk(stream: &Stream, dir: &Path, wanted: &dyn Fn(&Path) -> bool) -> io::Result<()> {
    let mut names: Vec<_> = fs::read_dir(Path::new(CHANGES).join(dir))?.collect::<io::Result<_>>()?;
    names.sort_by_key(fs::DirEntry::file_name);
    for entry in names {
        let path: PathBuf = dir.join(entry.file_name());
        let Some(text) = path.to_str().map(str::to_owned) else {
            let path = path.to_string_lossy().into_owned();
            send(stream, &Entry::Skipped { path, reason: "its name is not UTF-8".into() })?;
            continue;
        };
        if is_ours(&text) {
            continue;
        }
        let (meta, kind) = (entry.metadata()?, entry.file_type()?);
        if kind.is_dir() {
            if sys::attribute(&entry.path(), c"trusted.overlay.opaque").as_deref() == Some(b"y") {
                send(stream, &Entry::Removed { path: text.clone() })?;
            }
            if wanted(&path) || !is_only_for_byte_code(wanted) {
                send(stream, &Entry::Directory { path: text, mode: meta.mode() & 0o7777 })?;
            }
            walk(stream, &path, wanted)?;
        } else if wanted(&path) {
            leaf(stream, &entry.path(), text, &meta, kind)?;
        }
    }
    Ok(())
}

/// Directories are left out where only single files are wanted: their owners make them.
fn is_only_for_byte_code(wanted: &dyn Fn(&Path) -> bool) -> bool {
    !wanted(Path::new("any"))
}

fn leaf(
    stream: &Stream,
    file: &Path,
    path: String,
    meta: &fs::Metadata,
    kind: fs::FileType,
) -> io::Result<()> {
    if kind.is_file() {
        let mut content = File::open(file)?.take(meta.len());
        send(stream, &Entry::File { path, mode: meta.mode() & 0o7777, size: meta.len() })?;
        let copied = io::copy(&mut content, &mut &*stream)?;
        if copied == meta.len() { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    } else if kind.is_symlink() {
        let target = fs::read_link(file)?.to_string_lossy().into_owned();
        send(stream, &Entry::Symlink { path, target })
    } else if kind.is_char_device() && meta.rdev() == 0 {
        send(stream, &Entry::Removed { path })
    } else {
        send(stream, &Entry::Skipped { path, reason: "it is neither file, directory nor link".into() })
    }
}

fn is_ours(path: &str) -> bool {
    let top = path.split('/').next().unwrap_or_default();
    OURS.contains(&path) || MOUNT_POINTS.contains(&top) || top == "tmp"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_every_boot_writes_is_no_change() {
        for path in ["etc/hosts", "tmp", "tmp/x", "proc", "run/mvm", "dev/null"] {
            assert!(is_ours(path), "{path}");
        }
        for path in ["app/tool.py", "etc", "etc/hosts.d", "usr/bin/x", "tmpfiles"] {
            assert!(!is_ours(path), "{path}");
        }
    }
}
