//! Paths, URIs and what the compiler asks about the file system, unsaved text first.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use dashmap::DashMap;
use mvm_compiler::{Facts, FileKind};
use tower_lsp::ls_types::Uri;

use crate::text::Text;

/// Largest source file that is read.
pub const MAX_SOURCE: u64 = 32 << 20;

/// The path of a `file:` URI.
pub fn path_of(uri: &Uri) -> Option<PathBuf> {
    if !uri.scheme().as_str().eq_ignore_ascii_case("file") {
        return None;
    }
    uri.to_file_path().map(std::borrow::Cow::into_owned)
}

/// The `file:` URI of a path.
pub fn uri_of(path: &Path) -> Option<Uri> {
    Uri::from_file_path(path)
}

/// Why a file was not read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The system refused.
    #[error("cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// A directory.
    #[error("is a directory")]
    Directory,
    /// A socket, FIFO or device.
    #[error("is not a regular file")]
    NotRegular,
    /// Beyond the limit.
    #[error("is too large: {0} bytes, the limit is {MAX_SOURCE}")]
    TooLarge(u64),
    /// Not text.
    #[error("is not UTF-8: first invalid byte at offset {0}")]
    NotUtf8(usize),
}

/// Reads a source file; never blocks on a FIFO, never reads without bound.
pub fn read_source(path: &Path) -> Result<String, ReadError> {
    decode(read_bytes(path)?)
}

/// The same without looking at the encoding.
pub fn read_bytes(path: &Path) -> Result<Vec<u8>, ReadError> {
    let kind = fs::metadata(path)?;
    if kind.is_dir() {
        return Err(ReadError::Directory);
    }
    if !kind.is_file() {
        return Err(ReadError::NotRegular);
    }
    if kind.len() > MAX_SOURCE {
        return Err(ReadError::TooLarge(kind.len()));
    }
    let mut bytes = Vec::with_capacity(kind.len() as usize + 1);
    fs::File::open(path)?.take(MAX_SOURCE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_SOURCE {
        return Err(ReadError::TooLarge(bytes.len() as u64));
    }
    Ok(bytes)
}

/// Bytes to text.
pub fn decode(bytes: Vec<u8>) -> Result<String, ReadError> {
    if bytes.len() as u64 > MAX_SOURCE {
        return Err(ReadError::TooLarge(bytes.len() as u64));
    }
    String::from_utf8(bytes).map_err(|e| ReadError::NotUtf8(e.utf8_error().valid_up_to()))
}

/// Texts that are open in the editor, by path; they win over the disk.
pub type Overlay = Arc<DashMap<PathBuf, Text>>;

/// Answers from the disk and the open documents.
#[derive(Clone, Default)]
pub struct DiskFacts {
    /// Open texts.
    pub overlay: Overlay,
    /// What [`Facts::revision`] answers.
    pub revision: Option<u64>,
    /// Answers of this revision: many declarations ask the same.
    asked: Arc<Asked>,
}

/// Answers that were given already.
#[derive(Default)]
struct Asked {
    kinds: DashMap<PathBuf, Option<Option<FileKind>>>,
    lists: DashMap<(PathBuf, usize), Option<Vec<String>>>,
    texts: DashMap<(PathBuf, usize), Option<Vec<u8>>>,
}

/// Answers that are kept at most, of each kind; and the largest text among them.
const MOST_ANSWERS: usize = 20_000;
const MOST_TEXTS: usize = 64;
const LARGEST_TEXT: usize = 64 << 10;

/// How long an answer from the disk is believed. Files change without a word where the client watches none.
const BELIEVED: Duration = Duration::from_secs(2);
/// And where it watches those that matter most: not all of them.
const BELIEVED_WATCHED: Duration = Duration::from_secs(10);

impl DiskFacts {
    /// The same facts after so many changes of the surroundings that were told. `watched`: the client tells of files
    /// that change, so that answers are believed longer.
    pub fn at(&self, changes: u64, watched: bool) -> Self {
        static START: OnceLock<Instant> = OnceLock::new();
        let believed = if watched { BELIEVED_WATCHED } else { BELIEVED };
        let age = START.get_or_init(Instant::now).elapsed().as_secs() / believed.as_secs();
        let revision = Some((changes << 24) ^ age);
        let asked = if revision == self.revision { self.asked.clone() } else { Arc::default() };
        DiskFacts { overlay: self.overlay.clone(), revision, asked }
    }

    /// Nothing is kept where nothing says when it is no longer true.
    fn keeps(&self) -> bool {
        self.revision.is_some()
    }

    fn kind_on_disk(path: &Path) -> Option<Option<FileKind>> {
        let meta = match fs::symlink_metadata(path) {
            Ok(meta) => meta,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Some(None),
            Err(e) if e.kind() == std::io::ErrorKind::NotADirectory => return Some(None),
            Err(_) => return None,
        };
        let kind = meta.file_type();
        Some(Some(if kind.is_dir() {
            FileKind::Directory
        } else if kind.is_symlink() {
            FileKind::Symlink(fs::read_link(path).ok()?)
        } else if kind.is_file() {
            FileKind::File(meta.len())
        } else {
            FileKind::Other
        }))
    }

    fn list_on_disk(path: &Path, limit: usize) -> Option<Vec<String>> {
        let entries = fs::read_dir(path).ok()?.flatten().take(limit);
        let mut names: Vec<String> = entries.map(|e| e.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        Some(names)
    }

    fn read_on_disk(path: &Path, limit: usize) -> Option<Vec<u8>> {
        // `metadata` first: opening a FIFO would wait for its other end.
        let meta = fs::metadata(path).ok()?;
        if !meta.is_file() || meta.len() > limit as u64 {
            return None;
        }
        let mut bytes = Vec::with_capacity(meta.len() as usize);
        fs::File::open(path).ok()?.take(limit as u64 + 1).read_to_end(&mut bytes).ok()?;
        (bytes.len() <= limit).then_some(bytes)
    }
}

impl Facts for DiskFacts {
    fn kind(&self, path: &Path) -> Option<Option<FileKind>> {
        if let Some(text) = self.overlay.get(path) {
            return Some(Some(FileKind::File(text.len() as u64)));
        }
        if let Some(known) = self.asked.kinds.get(path) {
            return known.clone();
        }
        let kind = Self::kind_on_disk(path);
        if self.keeps() && self.asked.kinds.len() < MOST_ANSWERS {
            self.asked.kinds.insert(path.to_owned(), kind.clone());
        }
        kind
    }

    fn list(&self, path: &Path, limit: usize) -> Option<Vec<String>> {
        let key = (path.to_owned(), limit);
        if let Some(known) = self.asked.lists.get(&key) {
            return known.clone();
        }
        let names = Self::list_on_disk(path, limit);
        if self.keeps() && self.asked.lists.len() < MOST_ANSWERS {
            self.asked.lists.insert(key, names.clone());
        }
        names
    }

    fn read(&self, path: &Path, limit: usize) -> Option<Vec<u8>> {
        if let Some(text) = self.overlay.get(path) {
            return (text.len() <= limit).then(|| text.contents().into_bytes());
        }
        let key = (path.to_owned(), limit);
        if let Some(known) = self.asked.texts.get(&key) {
            return known.clone();
        }
        let text = Self::read_on_disk(path, limit);
        let small = text.as_ref().is_none_or(|t| t.len() <= LARGEST_TEXT);
        if self.keeps() && small && self.asked.texts.len() < MOST_TEXTS {
            self.asked.texts.insert(key, text.clone());
        }
        text
    }

    fn revision(&self) -> Option<u64> {
        self.revision
    }

    fn home(&self) -> Option<PathBuf> {
        std::env::home_dir().filter(|h| h.is_absolute())
    }

    fn host_limits(&self) -> Option<(u32, u64)> {
        let cpus = std::thread::available_parallelism().ok()?;
        let memory = fs::read_to_string("/proc/meminfo").ok()?;
        let total = memory.lines().find_map(|l| l.strip_prefix("MemTotal:"))?;
        let kib: u64 = total.trim().trim_end_matches("kB").trim().parse().ok()?;
        Some((u32::try_from(cpus.get()).ok()?, kib >> 10))
    }
}

/// The directory that a file's project begins at: the nearest ancestor with a project file, else with `.git`.
pub fn project_root(file: &Path) -> Option<PathBuf> {
    let has = |dir: &Path, names: &[&str]| names.iter().any(|n| dir.join(n).symlink_metadata().is_ok());
    let ancestors = || file.ancestors().skip(1).take(64);
    let found = ancestors().find(|d| has(d, &["mvm.toml", "pyproject.toml"]));
    found.or_else(|| ancestors().find(|d| has(d, &[".git"]))).map(Path::to_path_buf)
}
