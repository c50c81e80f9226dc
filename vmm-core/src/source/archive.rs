//! A collected source as a deterministic tar archive, and back.

use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::{MAX_BYTES, MAX_FILES, MTIME};
use crate::tree::{Meta, Node, Spool, TarOptions, Tree};
use crate::{Error, ErrorKind, Result};

/// Writes a tree as a tar archive: sorted, root's, fixed times. The same tree gives the same bytes.
pub fn write_archive<W: Write>(tree: &Tree, out: W) -> io::Result<W> {
    let mut builder = tar::Builder::new(out);
    for (path, node) in tree.iter() {
        let path = path.strip_prefix("/").unwrap_or(&path);
        let meta = node.meta();
        let mut header = tar::Header::new_gnu();
        header.set_mode(meta.mode);
        header.set_uid(u64::from(meta.uid));
        header.set_gid(u64::from(meta.gid));
        header.set_mtime(u64::from(MTIME));
        match node {
            Node::Dir(_) => {
                header.set_entry_type(tar::EntryType::Directory);
                header.set_size(0);
                builder.append_data(&mut header, path.join(""), io::empty())?;
            }
            Node::File { content, .. } => {
                header.set_size(content.len());
                builder.append_data(&mut header, path, content.reader())?;
            }
            Node::Symlink { target, .. } => {
                header.set_entry_type(tar::EntryType::Symlink);
                header.set_size(0);
                // `append_link` takes long targets; the bytes are the link's own.
                builder.append_link(
                    &mut header,
                    path,
                    Path::new(std::ffi::OsStr::from_bytes(target.as_bytes())),
                )?;
            }
        }
    }
    builder.into_inner()
}

/// Reads an archive that [`write_archive`] wrote, with the bounds and the owners of a collected source.
pub fn read_archive(reader: impl Read, name: &str, scratch: &Path) -> Result<Tree> {
    let mut spool = Spool::new_in(scratch)?;
    let mut options = TarOptions {
        max_entries: 2 * MAX_FILES,
        max_bytes: MAX_BYTES,
        keep_mtime: true,
        spool: Some(&mut spool),
        ..TarOptions::package(name)
    };
    let read = Tree::from_tar(reader, &mut options)?;
    let mut tree = Tree::new();
    for (path, node) in read.iter() {
        match node {
            Node::Dir(_) => tree.insert_dir(path, Meta::DIR)?,
            Node::File { meta, content } => {
                let mode = if meta.mode & 0o111 != 0 { 0o755 } else { 0o644 };
                tree.insert_file(path, content.clone(), Meta { mtime: MTIME, ..Meta::root(mode) })?;
            }
            Node::Symlink { target, .. } => tree.insert_symlink(path, target)?,
        }
    }
    if tree.is_empty() {
        return Err(Error::new(
            ErrorKind::Usage,
            format!("reading the archive {name}: there is nothing in it"),
        ));
    }
    Ok(tree)
}
