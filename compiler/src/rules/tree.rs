//! The source directory as the rules about it see it: listed once a declaration, bounded, ignore files read on the way.
//! Of a thousand names hardly one is of interest to any rule, so paths are only put together on demand.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use workload_ir::Source;
use workload_ir::pattern::{IGNORE_FILES, IgnoreFile, Selection};

use super::modules::source_dir;
use crate::analysis::FileContext;
use crate::declaration::Declaration;
use crate::facts::{DirectoryEntry, EntryKind, Facts};

/// What the walk may cost: entries looked at, and how deep.
const MAX_ENTRIES: usize = 1000;
const MAX_DEPTH: usize = 8;

/// A directory that is entered.
#[derive(Debug)]
pub struct Directory {
    /// Relative to the source, parted by `/`; empty for the source itself.
    pub path: String,
    /// What is in it.
    entries: Arc<[DirectoryEntry]>,
    /// Ignore files on the way, each with the directory that it stands in.
    ignores: Vec<(String, Arc<IgnoreFile>)>,
}

impl Directory {
    /// The path of an entry of it, relative to the source.
    pub fn path_of(&self, entry: &DirectoryEntry) -> String {
        if self.path.is_empty() { entry.name.clone() } else { format!("{}/{}", self.path, entry.name) }
    }

    /// The last ignore file that speaks of the path decides.
    fn is_ignored(&self, path: &str, directory: bool) -> bool {
        let below = |base: &str| {
            if base.is_empty() { Some(path) } else { path.strip_prefix(base)?.strip_prefix('/') }
        };
        let verdict = |(base, file): &(String, Arc<IgnoreFile>)| file.verdict(below(base)?, directory);
        self.ignores.iter().rev().find_map(verdict).unwrap_or(false)
    }
}

/// The walked directory.
#[derive(Debug)]
pub struct Tree {
    /// Its absolute path.
    pub dir: PathBuf,
    /// What is packaged.
    selection: Selection,
    /// Directories that are entered.
    directories: Vec<Directory>,
    /// Nothing was left out for want of budget, and every question was answered.
    pub whole: bool,
}

impl Tree {
    /// Walks the source of a declaration. `None`: it is not known, or a directory that MVM101 refuses.
    pub fn walk(declaration: &Declaration, file: &FileContext, facts: &dyn Facts) -> Option<Tree> {
        let Source::LocalPath { path, include, exclude } = &declaration.app.source;
        if super::mvm101_broad_source::is_broad(path) {
            return None;
        }
        let dir = source_dir(declaration.source(), file)?;
        let selection = Selection::new(include, exclude).ok()?;
        let mut tree = Tree { dir: dir.clone(), selection, directories: Vec::new(), whole: true };
        let mut walk = Walk { facts, left: MAX_ENTRIES, tree: &mut tree };
        walk.directory(&dir, String::new(), Vec::new(), 0);
        Some(tree)
    }

    /// Every entry and its directory.
    pub fn entries(&self) -> impl Iterator<Item = (&Directory, &DirectoryEntry)> {
        self.directories.iter().flat_map(|d| d.entries.iter().map(move |e| (d, e)))
    }

    /// Every entry that is more than a file of text, and its directory.
    pub fn notable(&self) -> impl Iterator<Item = (&Directory, &DirectoryEntry)> {
        self.entries().filter(|(_, entry)| !entry.is_plain())
    }

    /// Is there a file of this path? No pattern: a name as it stands.
    pub fn has(&self, path: &str) -> bool {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        let holds = |dir: &Directory| dir.path == parent && find(&dir.entries, name);
        !path.contains(['*', '?', '[', '{', '!', '\\']) && self.directories.iter().any(holds)
    }

    /// Is this file or link packaged?
    pub fn selects(&self, directory: &Directory, path: &str) -> bool {
        self.selection.selects(path, directory.is_ignored(path, false))
    }

    /// Can this directory hold what is packaged?
    pub fn enters(&self, directory: &Directory, path: &str) -> bool {
        self.selection.enters(path, directory.is_ignored(path, true))
    }
}

/// Is the name among entries, which are sorted?
fn find(entries: &[DirectoryEntry], name: &str) -> bool {
    entries.binary_search_by(|entry| entry.name.as_str().cmp(name)).is_ok()
}

/// Of such a file no rule about the source wants to know more: it is text, which is never large, and its name is not one
/// of those that hold credentials.
pub(crate) fn is_plain(name: &str) -> bool {
    super::mvm106_large_source::is_text(name) && !super::mvm103_packaged_credentials::is_private(name)
}

/// Directories of other programs, whose inside is nobody's source.
pub const CLOSED: &[&str] =
    &[".git", ".aws", ".ssh", ".gnupg", ".kube", ".docker", ".azure", ".gcloud", ".hg", ".svn"];

struct Walk<'a> {
    facts: &'a dyn Facts,
    left: usize,
    tree: &'a mut Tree,
}

impl Walk<'_> {
    fn directory(
        &mut self,
        dir: &Path,
        path: String,
        mut ignores: Vec<(String, Arc<IgnoreFile>)>,
        depth: usize,
    ) {
        let Some(entries) = self.facts.entries(dir, self.left) else {
            self.tree.whole = false;
            return;
        };
        // A full answer may have been cut off.
        self.tree.whole &= entries.len() < self.left && entries.iter().all(|e| e.kind != EntryKind::Other);
        self.left = self.left.saturating_sub(entries.len());
        for name in IGNORE_FILES.iter().filter(|n| find(&entries, n)) {
            if let Some(bytes) = self.facts.read(&dir.join(name), 1 << 16) {
                let file = IgnoreFile::parse(&String::from_utf8_lossy(&bytes));
                ignores.push((path.clone(), Arc::new(file)));
            }
        }
        let here = Directory { path, entries: Arc::clone(&entries), ignores };
        let mut inner = Vec::new();
        for entry in entries.iter().filter(|e| e.kind == EntryKind::Directory) {
            let below = here.path_of(entry);
            if !CLOSED.contains(&entry.name.as_str()) && self.tree.enters(&here, &below) {
                inner.push((dir.join(&entry.name), below));
            }
        }
        let ignores = here.ignores.clone();
        self.tree.directories.push(here);
        for (full, below) in inner {
            if depth >= MAX_DEPTH || self.left == 0 {
                self.tree.whole = false;
                return;
            }
            self.directory(&full, below, ignores.clone(), depth + 1);
        }
    }
}
