//! Walks a source directory by descriptors: every step is relative to an open directory and follows no link, so that
//! swapping a directory for a link in the middle of a walk leads nowhere.

use std::fs::File;
use std::io::Read as _;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::fs::{self, AtFlags, FileType, Mode, OFlags};
use workload_ir::pattern::{IGNORE_FILES, IgnoreFile, Selection};

use super::{MAX_BYTES, MAX_DEPTH, MAX_FILES, credentials};
use crate::tree::{Content, Meta, Spool, Tree};
use crate::{Context, Error, ErrorKind, Result, fsio};

/// Files above this go to the spool, and all files once so much is in memory.
const SPOOL_ABOVE: u64 = 1 << 20;
const MAX_IN_MEMORY: u64 = 64 << 20;
/// How much of a file is looked at for key material.
const HEAD: usize = 64 * 1024;
/// Largest ignore file that is obeyed.
const MAX_IGNORE_FILE: u64 = 1 << 20;

pub(super) struct Walk<'a> {
    pub(super) root: &'a Path,
    pub(super) selection: &'a Selection,
    pub(super) mtime: u32,
    pub(super) spool: Spool,
    pub(super) ctx: &'a Context,
    pub(super) tree: Tree,
    /// Credential-looking paths that were left out.
    pub(super) left_out: Vec<String>,
    pub(super) files: u64,
    pub(super) bytes: u64,
    pub(super) in_memory: u64,
    pub(super) seen: u64,
}

/// A directory on the way: its ignore files and where it lies, relative to the source.
struct Level {
    path: String,
    rules: Vec<IgnoreFile>,
}

/// A directory entry.
struct Entry {
    name: String,
    path: String,
    kind: FileType,
    ignored: bool,
    /// Looks like a credential by where it lies.
    credential: bool,
}

impl Walk<'_> {
    pub(super) fn run(&mut self) -> Result<()> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let root = fs::open(self.root, flags, Mode::empty()).map_err(|e| self.io("", e.into()))?;
        self.directory(root, "", &mut Vec::new(), false, false)
    }

    fn directory(
        &mut self,
        dir: OwnedFd,
        path: &str,
        levels: &mut Vec<Level>,
        ignored: bool,
        credential: bool,
    ) -> Result<()> {
        if levels.len() >= MAX_DEPTH {
            return Err(self.refuse(path, &format!("it lies more than {MAX_DEPTH} directories deep")));
        }
        let mut names = self.names(&dir, path)?;
        names.sort();
        levels.push(Level { path: path.to_owned(), rules: self.ignore_files(&dir, path)? });
        for name in names {
            self.ctx.check()?;
            let below = if path.is_empty() { name.clone() } else { format!("{path}/{name}") };
            let stat =
                fs::statat(&dir, &name, AtFlags::SYMLINK_NOFOLLOW).map_err(|e| self.io(&below, e.into()))?;
            let kind = FileType::from_raw_mode(stat.st_mode);
            let ignored = ignored || is_ignored(levels, &below, kind == FileType::Directory);
            self.entry(&dir, Entry { name, path: below, kind, ignored, credential }, levels)?;
        }
        levels.pop();
        Ok(())
    }

    fn entry(&mut self, dir: &OwnedFd, entry: Entry, levels: &mut Vec<Level>) -> Result<()> {
        if entry.kind == FileType::Directory {
            let credential = entry.credential || credentials::is_directory(&entry.name);
            if !self.selection.enters(&entry.path, entry.ignored || credential) {
                if credential && self.selection.enters(&entry.path, entry.ignored) {
                    self.left_out.push(format!("{}/", entry.path));
                }
                return Ok(());
            }
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let inner = fs::openat(dir, &entry.name, flags, Mode::empty())
                .map_err(|e| self.io(&entry.path, e.into()))?;
            return self.directory(inner, &entry.path, levels, entry.ignored, credential);
        }
        if !self.selection.selects(&entry.path, entry.ignored) {
            return Ok(());
        }
        match entry.kind {
            FileType::RegularFile => self.file(dir, &entry),
            FileType::Symlink => self.symlink(dir, &entry),
            other => Err(self.refuse(&entry.path, &format!("it is {}, not a file", kind_name(other)))),
        }
    }

    fn file(&mut self, dir: &OwnedFd, entry: &Entry) -> Result<()> {
        // NONBLOCK: should it have become a FIFO since, opening it must not wait for a writer.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd =
            fs::openat(dir, &entry.name, flags, Mode::empty()).map_err(|e| self.io(&entry.path, e.into()))?;
        let mut file = File::from(fd);
        let meta = file.metadata().map_err(|e| self.io(&entry.path, e))?;
        if !meta.is_file() {
            return Err(self.refuse(&entry.path, "it changed while it was collected"));
        }
        let size = meta.len();
        self.bytes += size;
        self.files += 1;
        if self.bytes > MAX_BYTES || self.files > MAX_FILES {
            let why = format!("the source exceeds {MAX_FILES} files or {} MiB", MAX_BYTES >> 20);
            return Err(self
                .refuse(&entry.path, &why)
                .help("leave files out with `exclude` or a .mvmignore file"));
        }
        let content = if size > SPOOL_ABOVE || self.in_memory + size > MAX_IN_MEMORY {
            self.spool.take(&mut file, size)
        } else {
            self.in_memory += size;
            read_exactly(&mut file, size)
        };
        let content = content.map_err(|e| self.io(&entry.path, e))?;
        if self.withheld(entry, &content)? {
            return Ok(());
        }
        use std::os::unix::fs::PermissionsExt as _;
        let mode = if meta.permissions().mode() & 0o111 != 0 { 0o755 } else { 0o644 };
        self.tree.insert_file(&entry.path, content, Meta { mtime: self.mtime, ..Meta::root(mode) })
    }

    /// Whether a file looks like a credential and no include names it.
    fn withheld(&mut self, entry: &Entry, content: &Content) -> Result<bool> {
        let mut head = Vec::new();
        content.reader().take(HEAD as u64).read_to_end(&mut head).map_err(|e| self.io(&entry.path, e))?;
        let credential = entry.credential || credentials::is_file(&entry.name, &head);
        if !credential || self.selection.selects(&entry.path, true) {
            return Ok(false);
        }
        self.left_out.push(entry.path.clone());
        Ok(true)
    }

    fn symlink(&mut self, dir: &OwnedFd, entry: &Entry) -> Result<()> {
        let target =
            fs::readlinkat(dir, &entry.name, Vec::new()).map_err(|e| self.io(&entry.path, e.into()))?;
        let target = std::ffi::OsStr::from_bytes(target.as_bytes());
        if !stays_inside(&entry.path, Path::new(target)) {
            let why =
                format!("it is a symbolic link that leaves the source directory (to {})", target.display());
            return Err(self
                .refuse(&entry.path, &why)
                .help("leave it out with `exclude`, or replace it by a copy"));
        }
        self.files += 1;
        self.tree.insert_symlink(&entry.path, target)
    }

    fn names(&mut self, dir: &OwnedFd, path: &str) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::Dir::read_from(dir.as_fd()).map_err(|e| self.io(path, e.into()))? {
            let entry = entry.map_err(|e| self.io(path, e.into()))?;
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            self.seen += 1;
            if self.seen > 10 * MAX_FILES {
                return Err(
                    self.refuse(path, &format!("the source has more than {} entries", 10 * MAX_FILES))
                );
            }
            match std::str::from_utf8(name) {
                Ok(name) => names.push(name.to_owned()),
                Err(_) => {
                    let shown = String::from_utf8_lossy(name).into_owned();
                    return Err(self.refuse(&format!("{path}/{shown}"), "its name is not UTF-8"));
                }
            }
        }
        Ok(names)
    }

    fn ignore_files(&self, dir: &OwnedFd, path: &str) -> Result<Vec<IgnoreFile>> {
        let mut rules = Vec::new();
        for name in IGNORE_FILES {
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
            let Ok(fd) = fs::openat(dir, *name, flags, Mode::empty()) else { continue };
            let file = File::from(fd);
            if !file.metadata().is_ok_and(|m| m.is_file()) {
                continue;
            }
            let mut bytes = Vec::new();
            file.take(MAX_IGNORE_FILE).read_to_end(&mut bytes).map_err(|e| self.io(path, e))?;
            rules.push(IgnoreFile::parse(&String::from_utf8_lossy(&bytes)));
        }
        Ok(rules)
    }

    fn io(&self, path: &str, e: std::io::Error) -> Error {
        fsio::error("collecting the source file", &self.root.join(path), e)
    }

    fn refuse(&self, path: &str, why: &str) -> Error {
        let path = self.root.join(path);
        Error::new(ErrorKind::Policy, format!("packaging {} is refused: {why}", path.display()))
            .help("leave it out with `exclude`")
    }
}

/// The deepest ignore file that mentions a path decides; of two in one directory, the later name.
fn is_ignored(levels: &[Level], path: &str, is_directory: bool) -> bool {
    levels
        .iter()
        .rev()
        .flat_map(|level| {
            let relative = path[level.path.len()..].trim_start_matches('/');
            level.rules.iter().rev().map(move |rules| rules.verdict(relative, is_directory))
        })
        .flatten()
        .next()
        .unwrap_or(false)
}

fn read_exactly(file: &mut File, size: u64) -> std::io::Result<Content> {
    let mut bytes = Vec::with_capacity(size as usize);
    file.take(size).read_to_end(&mut bytes)?;
    if bytes.len() as u64 != size {
        return Err(std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "it shrank while it was read"));
    }
    Ok(bytes.into())
}

/// Whether a link's target stays in the source, by its text.
fn stays_inside(link: &str, target: &Path) -> bool {
    use std::path::Component;
    let mut depth = link.matches('/').count();
    for part in target.components() {
        match part {
            Component::Normal(_) => depth += 1,
            Component::ParentDir if depth == 0 => return false,
            Component::ParentDir => depth -= 1,
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => return false,
        }
    }
    true
}

fn kind_name(kind: FileType) -> &'static str {
    match kind {
        FileType::Fifo => "a FIFO",
        FileType::Socket => "a socket",
        FileType::CharacterDevice | FileType::BlockDevice => "a device",
        _ => "of an unknown kind",
    }
}
