//! Reads tar archives into a tree, entry by entry; nothing is ever unpacked onto the host. Bounded in entries,
//! in bytes and in the length of names.

use std::io::Read;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::{Content, Meta, Node, Spool, Tree};
use crate::{Error, ErrorKind, Result};

/// Files above this go to the spool, if there is one.
const SPOOL_ABOVE: u64 = 64 * 1024;

/// How an archive is read.
#[derive(Debug)]
pub struct TarOptions<'a> {
    /// Named in errors.
    pub name: &'a str,
    /// OCI layer rules: `.wh.` entries remove what lies below, and a directory replaces a link.
    pub whiteouts: bool,
    /// Keep modification times; else they are zero and the image does not depend on them.
    pub keep_mtime: bool,
    /// Most entries accepted.
    pub max_entries: u64,
    /// Most bytes of file contents accepted.
    pub max_bytes: u64,
    /// Takes large files out of memory.
    pub spool: Option<&'a mut Spool>,
}

impl<'a> TarOptions<'a> {
    /// A package archive: no whiteouts, times dropped, at most a million entries and 8 GiB, in memory.
    pub fn package(name: &'a str) -> Self {
        TarOptions {
            name,
            whiteouts: false,
            keep_mtime: false,
            max_entries: 1_000_000,
            max_bytes: 8 << 30,
            spool: None,
        }
    }

    fn error(&self, why: impl std::fmt::Display) -> Error {
        Error::new(ErrorKind::Build, format!("reading the archive {}: {why}", self.name))
    }
}

impl Tree {
    /// Reads an uncompressed tar archive into a new tree.
    pub fn from_tar(reader: impl Read, options: &mut TarOptions<'_>) -> Result<Tree> {
        let mut tree = Tree::new();
        tree.apply_tar(reader, options)?;
        Ok(tree)
    }

    /// Reads an uncompressed tar archive over what is there.
    pub fn apply_tar(&mut self, reader: impl Read, options: &mut TarOptions<'_>) -> Result<()> {
        let mut archive = tar::Archive::new(reader);
        let entries = archive.entries().map_err(|e| options.error(e))?;
        let (mut count, mut bytes) = (0, 0);
        for entry in entries {
            let mut entry = entry.map_err(|e| options.error(e))?;
            count += 1;
            if count > options.max_entries {
                return Err(options.error(format!("more than {} entries", options.max_entries)));
            }
            bytes += entry.size();
            if bytes > options.max_bytes {
                return Err(options.error(format!("more than {} bytes of contents", options.max_bytes)));
            }
            self.apply_entry(&mut entry, options)?;
        }
        Ok(())
    }

    fn apply_entry<R: Read>(
        &mut self,
        entry: &mut tar::Entry<'_, R>,
        options: &mut TarOptions<'_>,
    ) -> Result<()> {
        let kind = entry.header().entry_type();
        if kind.is_pax_global_extensions() {
            return Ok(());
        }
        let path =
            guest_path(&entry_path(entry)).ok_or_else(|| options.error("an entry's path has `..` in it"))?;
        if options.whiteouts && self.whiteout(&path) {
            return Ok(());
        }
        let meta = meta(entry.header(), options)?;
        if options.whiteouts && !(kind.is_dir() && matches!(self.get(&path), Some(Node::Dir(_)))) {
            self.remove(&path);
        }
        let placed = if kind.is_dir() {
            self.insert_dir(&path, meta)
        } else if kind.is_symlink() {
            self.clear_for_link(&path, options);
            self.insert_symlink(&path, link_name(entry, options)?)
        } else if kind.is_hard_link() {
            self.insert_hardlink(&path, link_name(entry, options)?)
        } else if kind.is_file() || kind.is_contiguous() || kind.is_gnu_sparse() {
            let content = content(entry, options)?;
            self.insert_file(&path, content, meta)
        } else {
            // Devices, FIFOs and unknown kinds: the guest makes its own devices.
            Ok(())
        };
        placed.map_err(|e| options.error(e))
    }

    /// An empty directory gives way to a link of its name, whatever the rules.
    fn clear_for_link(&mut self, path: &Path, options: &TarOptions<'_>) {
        if options.whiteouts || matches!(self.get(path), Some(Node::Dir(d)) if d.children().len() == 0) {
            self.remove(path);
        }
    }

    /// Applies a whiteout entry; false when it is an ordinary one.
    fn whiteout(&mut self, path: &Path) -> bool {
        let Some(name) = path.file_name().and_then(|n| n.as_bytes().strip_prefix(b".wh.")) else {
            return false;
        };
        let parent = path.parent().unwrap_or(Path::new("/"));
        if name == b".wh..opq" {
            let names: Vec<PathBuf> = match self.follow(parent) {
                Some(Node::Dir(dir)) => dir.children().map(|(name, _)| parent.join(name)).collect(),
                _ => Vec::new(),
            };
            for path in names {
                self.remove(path);
            }
        } else {
            self.remove(parent.join(std::ffi::OsStr::from_bytes(name)));
        }
        true
    }
}

/// The entry's path. An empty PAX value means that the header's own counts; real images carry them.
fn entry_path<R: Read>(entry: &tar::Entry<'_, R>) -> Vec<u8> {
    let path = entry.path_bytes();
    if path.is_empty() { entry.header().path_bytes().into_owned() } else { path.into_owned() }
}

fn link_name<R: Read>(entry: &tar::Entry<'_, R>, options: &TarOptions<'_>) -> Result<std::ffi::OsString> {
    let name = entry.link_name_bytes().filter(|n| !n.is_empty()).or_else(|| entry.header().link_name_bytes());
    let name = name.ok_or_else(|| options.error("a link without a target"))?;
    Ok(std::ffi::OsStr::from_bytes(&name).to_os_string())
}

fn meta(header: &tar::Header, options: &TarOptions<'_>) -> Result<Meta> {
    let id = |value: std::io::Result<u64>| -> Result<u32> {
        let value = value.map_err(|e| options.error(e))?;
        u32::try_from(value).map_err(|_| options.error("an owner above 32 bits"))
    };
    let mode = header.mode().map_err(|e| options.error(e))? & 0o7777;
    let mtime =
        if options.keep_mtime { header.mtime().unwrap_or(0).min(u64::from(u32::MAX)) as u32 } else { 0 };
    Ok(Meta { mode, uid: id(header.uid())?, gid: id(header.gid())?, mtime })
}

fn content<R: Read>(entry: &mut tar::Entry<'_, R>, options: &mut TarOptions<'_>) -> Result<Content> {
    let size = entry.size();
    if let Some(spool) = options.spool.as_deref_mut().filter(|_| size > SPOOL_ABOVE) {
        return spool.take(entry, size).map_err(|e| options.error(e));
    }
    // The header's size is a claim: memory grows with what really comes.
    let mut bytes = Vec::with_capacity(size.min(1 << 20) as usize);
    entry.take(size).read_to_end(&mut bytes).map_err(|e| options.error(e))?;
    if bytes.len() as u64 != size {
        return Err(options.error("it ends in the middle of a file"));
    }
    Ok(bytes.into())
}

/// An absolute guest path; none if the archive's has `..`, which no honest archive has.
fn guest_path(bytes: &[u8]) -> Option<PathBuf> {
    let path = Path::new(std::ffi::OsStr::from_bytes(bytes));
    let mut out = PathBuf::from("/");
    for part in path.components() {
        match part {
            std::path::Component::Normal(name) => out.push(name),
            std::path::Component::ParentDir => return None,
            _ => {}
        }
    }
    Some(out)
}
