//! What the compiler must know of the world outside the text. The caller answers, so that the compiler itself
//! does no I/O and the editor's unsaved text counts.

use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a path leads to, symbolic links not followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file and its size in bytes.
    File(u64),
    /// A directory.
    Directory,
    /// A symbolic link and its target as written.
    Symlink(PathBuf),
    /// A socket, device, FIFO …
    Other,
}

/// A name in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectoryEntry {
    /// The name.
    pub name: String,
    /// What it is, links not followed.
    pub kind: EntryKind,
    /// A file of text whose name says nothing else: of most names in a source no rule wants to know more.
    plain: bool,
}

impl DirectoryEntry {
    /// A name and what it is.
    pub fn new(name: String, kind: EntryKind) -> Self {
        let plain = kind == EntryKind::File && crate::rules::tree::is_plain(&name);
        DirectoryEntry { name, kind, plain }
    }

    /// A regular file of text, and no name of a file that holds credentials?
    pub fn is_plain(&self) -> bool {
        self.plain
    }
}

/// What a name in a directory is, without its size or target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A socket, device, FIFO …, or not known.
    Other,
}

/// Answers about the file system and the host. Every answer may be `None`: not known.
pub trait Facts: Send + Sync {
    /// What the path is; `Some(None)` when it is known not to exist.
    fn kind(&self, path: &Path) -> Option<Option<FileKind>>;
    /// Names in a directory, sorted; at most `limit`.
    fn list(&self, path: &Path, limit: usize) -> Option<Vec<String>>;
    /// The same with what each name is. Asked for by rules that look through whole directories: an implementation that
    /// can keep the answer should.
    fn entries(&self, path: &Path, limit: usize) -> Option<Arc<[DirectoryEntry]>> {
        let kind = |name: &String| match self.kind(&path.join(name)) {
            Some(Some(FileKind::File(_))) => EntryKind::File,
            Some(Some(FileKind::Directory)) => EntryKind::Directory,
            Some(Some(FileKind::Symlink(_))) => EntryKind::Symlink,
            _ => EntryKind::Other,
        };
        let names = self.list(path, limit)?;
        let entry = |name: String| {
            let kind = kind(&name);
            DirectoryEntry::new(name, kind)
        };
        Some(names.into_iter().map(entry).collect())
    }
    /// Text of a file of at most `limit` bytes (unsaved text wins in an editor).
    fn read(&self, path: &Path, limit: usize) -> Option<Vec<u8>>;
    /// The user's home directory.
    fn home(&self) -> Option<PathBuf>;
    /// Host CPUs and memory in MiB.
    fn host_limits(&self) -> Option<(u32, u64)>;
    /// A number that changes whenever an answer may have changed. `None`: answers may change at any time, so nothing
    /// that depends on them is cached.
    fn revision(&self) -> Option<u64> {
        None
    }
}

/// Knows nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoFacts;

impl Facts for NoFacts {
    fn kind(&self, _: &Path) -> Option<Option<FileKind>> {
        None
    }
    fn list(&self, _: &Path, _: usize) -> Option<Vec<String>> {
        None
    }
    fn read(&self, _: &Path, _: usize) -> Option<Vec<u8>> {
        None
    }
    fn home(&self) -> Option<PathBuf> {
        None
    }
    fn host_limits(&self) -> Option<(u32, u64)> {
        None
    }
    fn revision(&self) -> Option<u64> {
        Some(0)
    }
}
