//! Collects an app's source files: what the declaration selects and the ignore files allow, without links that lead
//! out, credentials and special files. The same files give the same tree, whenever and wherever they are read.

mod archive;
mod credentials;
mod place;
mod walk;

use std::path::Path;

use workload_ir::Source;
use workload_ir::pattern::Selection;

pub use archive::{read_archive, write_archive};

use crate::tree::{Meta, Node, Spool, Tree};
use crate::{Context, Error, ErrorKind, Event, Result};

/// Most files of one app.
const MAX_FILES: u64 = 100_000;
/// Most bytes of one app.
const MAX_BYTES: u64 = 2 << 30;
/// Directories above a file.
const MAX_DEPTH: usize = 64;
/// Time of all files: 1980-01-01, the earliest that a zip archive made of them in the guest can hold.
const MTIME: u32 = 315_532_800;
/// Where the files lie in the guest.
pub const APP_DIR: &str = "/app";

/// Collects the files of a source, relative to its directory. `scratch` takes large files while they are read.
pub fn collect(source: &Source, base_dir: &Path, scratch: &Path, ctx: &Context) -> Result<Tree> {
    let home = std::env::var_os("HOME").map(std::path::PathBuf::from);
    let Source::LocalPath { path, include, exclude } = source;
    let root = place::locate(path, base_dir, home.as_deref())?;
    let selection = Selection::new(include, exclude).map_err(|(list, index, e)| {
        Error::new(ErrorKind::Usage, format!("reading the source's `{list}`: pattern {}: {e}", index + 1))
            .help("correct the pattern; patterns read as in .gitignore")
    })?;
    let mut walk = walk::Walk {
        root: &root,
        selection: &selection,
        mtime: MTIME,
        spool: Spool::new_in(scratch)?,
        ctx,
        tree: Tree::new(),
        left_out: Vec::new(),
        files: 0,
        bytes: 0,
        in_memory: 0,
        seen: 0,
    };
    walk.run()?;
    if !walk.left_out.is_empty() {
        ctx.reporter.report(Event::Note(note(&walk.left_out)));
    }
    if walk.tree.is_empty() {
        return Err(Error::new(
            ErrorKind::Usage,
            format!("collecting the source: nothing in {} is selected", root.display()),
        )
        .help("look at `include`, `exclude` and the ignore files"));
    }
    Ok(walk.tree)
}

fn note(left_out: &[String]) -> String {
    let shown = left_out.iter().take(5).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = if left_out.len() > 5 { format!(" and {} more", left_out.len() - 5) } else { String::new() };
    format!(
        "not packaged, since they look like credentials: {shown}{more} (name a file in `include` to package it)"
    )
}

/// The tree of a source layer: the files under `/app`.
pub fn under_app(files: &Tree) -> Result<Tree> {
    let mut tree = Tree::new();
    tree.insert_dir(APP_DIR, Meta { mtime: MTIME, ..Meta::DIR })?;
    for (path, node) in files.iter() {
        let path = Path::new(APP_DIR).join(path.strip_prefix("/").unwrap_or(&path));
        match node {
            Node::Dir(_) => tree.insert_dir(path, Meta { mtime: MTIME, ..Meta::DIR })?,
            Node::File { meta, content } => tree.insert_file(path, content.clone(), *meta)?,
            Node::Symlink { target, .. } => tree.insert_symlink(path, target)?,
        }
    }
    Ok(tree)
}

#[cfg(test)]
mod tests;
