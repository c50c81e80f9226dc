//! A file tree in memory: what archives and packages are read into and what layers are written from. Paths are the
//! guest's; they are resolved inside the tree, and no path of the host is ever derived from them.

mod archive;
mod content;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

pub use archive::TarOptions;
pub use content::{Content, ContentReader, Spool};

use crate::{Error, ErrorKind, Result};

/// Symbolic links followed in one path, as in Linux.
const MAX_LINKS: usize = 40;
/// Directories above a node. Real trees stay below 40; a hostile one must not exhaust the stack.
const MAX_DEPTH: usize = 256;
/// Longest name, as in every file system of Linux.
const MAX_NAME: usize = 255;

/// Owner, permissions and time of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meta {
    /// Permission bits, `0o7777` at most: no file type.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Modification time, Unix seconds. Zero unless the guest needs it: a layer's bytes depend on it.
    pub mtime: u32,
}

impl Meta {
    /// Root's, with these permission bits and time zero.
    pub const fn root(mode: u32) -> Self {
        Meta { mode: mode & 0o7777, uid: 0, gid: 0, mtime: 0 }
    }
    /// A directory of root's.
    pub const DIR: Meta = Meta::root(0o755);
    /// A file of root's.
    pub const FILE: Meta = Meta::root(0o644);
    /// A program of root's.
    pub const PROGRAM: Meta = Meta::root(0o755);
}

/// A directory.
#[derive(Clone, Debug)]
pub struct Dir {
    /// Its own metadata.
    pub meta: Meta,
    children: BTreeMap<OsString, Node>,
}

impl Dir {
    fn new(meta: Meta) -> Self {
        Dir { meta, children: BTreeMap::new() }
    }
    /// Its entries, sorted by the bytes of their names.
    pub fn children(&self) -> impl ExactSizeIterator<Item = (&OsStr, &Node)> {
        self.children.iter().map(|(name, node)| (name.as_os_str(), node))
    }
}

/// A node. Devices, sockets and FIFOs have no place in an image: the guest makes its own.
#[derive(Clone, Debug)]
pub enum Node {
    /// A directory.
    Dir(Dir),
    /// A regular file.
    File {
        /// Metadata.
        meta: Meta,
        /// What it holds.
        content: Content,
    },
    /// A symbolic link.
    Symlink {
        /// Metadata; its mode is always 0777.
        meta: Meta,
        /// Where it points, as written.
        target: OsString,
    },
}

impl Node {
    /// Its metadata.
    pub fn meta(&self) -> &Meta {
        match self {
            Node::Dir(dir) => &dir.meta,
            Node::File { meta, .. } | Node::Symlink { meta, .. } => meta,
        }
    }
    /// The content of a regular file.
    pub fn content(&self) -> Option<&Content> {
        if let Node::File { content, .. } = self { Some(content) } else { None }
    }
}

/// A file tree. Cheap to clone in bytes: contents are shared.
#[derive(Clone, Debug)]
pub struct Tree {
    root: Dir,
}

impl Default for Tree {
    fn default() -> Self {
        Tree::new()
    }
}

impl Tree {
    /// Nothing but the root directory.
    pub fn new() -> Self {
        Tree { root: Dir::new(Meta::DIR) }
    }

    /// The root directory.
    pub fn root(&self) -> &Dir {
        &self.root
    }

    /// Puts a file there; its parents are made where they are missing. What was there is replaced, except a
    /// directory that is not empty, which is an error.
    pub fn insert_file(
        &mut self,
        path: impl AsRef<Path>,
        content: impl Into<Content>,
        meta: Meta,
    ) -> Result<()> {
        self.place(path.as_ref(), Node::File { meta, content: content.into() })
    }

    /// Puts a symbolic link there, under the rules of [`Tree::insert_file`]. The target is taken as it is.
    pub fn insert_symlink(&mut self, path: impl AsRef<Path>, target: impl AsRef<OsStr>) -> Result<()> {
        let target = target.as_ref().to_os_string();
        if target.is_empty() || target.len() > 4095 || target.as_bytes().contains(&0) {
            return Err(bad(path.as_ref(), "its link target is empty, too long or has a NUL byte"));
        }
        self.place(path.as_ref(), Node::Symlink { meta: Meta::root(0o777), target })
    }

    /// Makes a directory, or sets the metadata of one that is there. Where a symbolic link leads to a directory
    /// of the tree, that one is meant (a package's `/lib` on a merged `/usr`).
    pub fn insert_dir(&mut self, path: impl AsRef<Path>, meta: Meta) -> Result<()> {
        let path = path.as_ref();
        let at = self.real_path(path, true)?;
        self.dir_at(&at, path)?.meta = meta;
        Ok(())
    }

    /// Makes `path` another name of the file (or link) at `target`: they share the content.
    pub fn insert_hardlink(&mut self, path: impl AsRef<Path>, target: impl AsRef<Path>) -> Result<()> {
        let (path, target) = (path.as_ref(), target.as_ref());
        match self.get(target) {
            Some(Node::Dir(_)) => {
                Err(bad(path, format!("it is a hard link to the directory {}", target.display())))
            }
            Some(node) => {
                let node = node.clone();
                self.place(path, node)
            }
            None => Err(bad(path, format!("it is a hard link to {}, which is not there", target.display()))),
        }
    }

    /// Takes a node out, with all below it. Parents are resolved, the node itself is not.
    pub fn remove(&mut self, path: impl AsRef<Path>) -> Option<Node> {
        let at = self.real_path(path.as_ref(), false).ok()?;
        let (name, parents) = at.split_last()?;
        let mut dir = &mut self.root;
        for part in parents {
            dir = if let Some(Node::Dir(next)) = dir.children.get_mut(part) { next } else { return None };
        }
        dir.children.remove(name)
    }

    /// The node at a path. Links among its parents are followed, it itself is not; the root has no node.
    pub fn get(&self, path: impl AsRef<Path>) -> Option<&Node> {
        self.node_at(&self.real_path(path.as_ref(), false).ok()?)
    }

    /// The node that a path leads to, links followed to the end.
    pub fn follow(&self, path: impl AsRef<Path>) -> Option<&Node> {
        self.node_at(&self.real_path(path.as_ref(), true).ok()?)
    }

    /// The path without links that a path leads to, whether or not anything is there.
    pub fn canonical(&self, path: impl AsRef<Path>) -> Result<PathBuf> {
        let parts = self.real_path(path.as_ref(), true)?;
        Ok(Path::new("/").join(parts.iter().collect::<PathBuf>()))
    }

    /// All nodes with their absolute paths, each directory before what it holds, names sorted by their bytes. The
    /// root itself is not among them.
    pub fn iter(&self) -> Iter<'_> {
        Iter { stack: vec![(PathBuf::from("/"), self.root.children.iter())] }
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.root.children.is_empty()
    }

    /// Number of nodes and sum of the file sizes.
    pub fn totals(&self) -> (u64, u64) {
        self.iter()
            .fold((0, 0), |(n, bytes), (_, node)| (n + 1, bytes + node.content().map_or(0, Content::len)))
    }

    /// Lays another tree over this one, as one package is unpacked after another: directories are united, and one
    /// that meets a link to a directory goes where the link leads. A link that meets a directory takes its place,
    /// and what was in the directory moves to where the link leads.
    pub fn merge(&mut self, other: Tree) -> Result<()> {
        self.root.meta = other.root.meta;
        self.merge_dir(Path::new("/"), other.root)
    }

    fn merge_dir(&mut self, at: &Path, dir: Dir) -> Result<()> {
        for (name, node) in dir.children {
            let path = at.join(&name);
            match node {
                Node::Dir(inner) => {
                    self.insert_dir(&path, inner.meta)?;
                    self.merge_dir(&path, inner)?;
                }
                Node::Symlink { .. } => {
                    let displaced = match self.get(&path) {
                        Some(Node::Dir(_)) => self.remove(&path),
                        _ => None,
                    };
                    self.place(&path, node)?;
                    if let Some(Node::Dir(moved)) =
                        displaced.filter(|n| matches!(n, Node::Dir(d) if !d.children.is_empty()))
                    {
                        self.merge_dir(&path, moved)?;
                    }
                }
                Node::File { .. } => self.place(&path, node)?,
            }
        }
        Ok(())
    }

    fn place(&mut self, path: &Path, node: Node) -> Result<()> {
        let at = self.real_path(path, false)?;
        let Some((name, parents)) = at.split_last() else {
            return Err(bad(path, "the root can only be a directory"));
        };
        let dir = self.dir_at(parents, path)?;
        if matches!(dir.children.get(name), Some(Node::Dir(d)) if !d.children.is_empty()) {
            return Err(bad(path, "a directory with files in it is already there"));
        }
        dir.children.insert(name.clone(), node);
        Ok(())
    }

    fn node_at(&self, parts: &[OsString]) -> Option<&Node> {
        let (name, parents) = parts.split_last()?;
        let mut dir = &self.root;
        for part in parents {
            dir = if let Some(Node::Dir(next)) = dir.children.get(part) { next } else { return None };
        }
        dir.children.get(name)
    }

    /// The directory at a resolved path, made where it is missing.
    fn dir_at(&mut self, parts: &[OsString], asked: &Path) -> Result<&mut Dir> {
        let mut dir = &mut self.root;
        for part in parts {
            let node = dir.children.entry(part.clone()).or_insert_with(|| Node::Dir(Dir::new(Meta::DIR)));
            match node {
                Node::Dir(next) => dir = next,
                _ => return Err(bad(asked, format!("{:?} in it is not a directory", part.as_os_str()))),
            }
        }
        Ok(dir)
    }

    /// Resolves a path inside the tree: `..` stops at the root, links are followed (the last one only if asked).
    /// What does not exist yet resolves to itself, so that it can be made.
    fn real_path(&self, path: &Path, follow_last: bool) -> Result<Vec<OsString>> {
        let mut todo: Vec<OsString> = Vec::new();
        push_reversed(&mut todo, path, path)?;
        let mut done: Vec<OsString> = Vec::new();
        let mut links = 0;
        while let Some(part) = todo.pop() {
            if part == ".." {
                done.pop();
                continue;
            }
            done.push(part);
            if done.len() > MAX_DEPTH {
                return Err(bad(path, format!("it lies more than {MAX_DEPTH} directories deep")));
            }
            if todo.is_empty() && !follow_last {
                break;
            }
            if let Some(Node::Symlink { target, .. }) = self.node_at(&done) {
                links += 1;
                if links > MAX_LINKS {
                    return Err(bad(path, "its symbolic links go round in circles"));
                }
                let target = Path::new(target);
                if target.is_absolute() {
                    done.clear()
                } else {
                    done.truncate(done.len() - 1)
                };
                push_reversed(&mut todo, target, path)?;
            }
        }
        Ok(done)
    }
}

/// Puts a path's parts on a stack, the first on top.
fn push_reversed(todo: &mut Vec<OsString>, path: &Path, asked: &Path) -> Result<()> {
    let at = todo.len();
    for part in path.components() {
        match part {
            Component::ParentDir => todo.push("..".into()),
            Component::Normal(name) if name.len() > MAX_NAME || name.as_bytes().contains(&0) => {
                return Err(bad(
                    asked,
                    format!("a name in it is longer than {MAX_NAME} bytes or has a NUL byte"),
                ));
            }
            Component::Normal(name) => todo.push(name.to_os_string()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    if todo.len() > 4096 {
        return Err(bad(asked, "the path is too long"));
    }
    todo[at..].reverse();
    Ok(())
}

fn bad(path: &Path, why: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Build, format!("placing {} in an image: {why}", path.display()))
}

/// See [`Tree::iter`].
pub struct Iter<'a> {
    stack: Vec<(PathBuf, std::collections::btree_map::Iter<'a, OsString, Node>)>,
}

impl<'a> Iterator for Iter<'a> {
    type Item = (PathBuf, &'a Node);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (base, children) = self.stack.last_mut()?;
            let Some((name, node)) = children.next() else {
                self.stack.pop();
                continue;
            };
            let path = base.join(name);
            if let Node::Dir(dir) = node {
                self.stack.push((path.clone(), dir.children.iter()));
            }
            return Some((path, node));
        }
    }
}

#[cfg(test)]
mod tests;
