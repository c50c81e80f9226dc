//! What rules ask about the world during one run: answered once and kept, and written down for the cache, which may
//! believe a result only as long as every answer is still the same.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use dashmap::DashMap;
use mvm_compiler::{DirectoryEntry, EntryKind, Facts, FileKind};
use sha2::{Digest, Sha256};

use super::codec::{Reader, Writer};
use crate::files::DiskFacts;

/// Bytes of file contents that are kept at most.
const MOST_KEPT: usize = 16 << 20;

/// A question.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Query {
    /// What a path is.
    Kind(OsString),
    /// Names in a directory.
    List(OsString, u32),
    /// Names and kinds in a directory.
    Entries(OsString, u32),
    /// The contents of a file.
    Read(OsString, u32),
    /// The home directory.
    Home,
    /// CPUs and memory.
    Host,
}

#[derive(Clone)]
enum Answer {
    Kind(Option<Option<FileKind>>),
    List(Option<Vec<String>>),
    Entries(Option<Arc<[DirectoryEntry]>>),
    Read(Option<Arc<[u8]>>),
    Home(Option<PathBuf>),
    Host(Option<(u32, u64)>),
}

/// A question and what stands for its answer.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Fact {
    /// The question.
    pub query: Query,
    /// A hash of the answer.
    pub answer: u128,
}

struct Known {
    fact: Arc<Fact>,
    /// `None`: too large to keep.
    answer: Option<Answer>,
}

/// The world as one run sees it: nothing changes while it is looked at.
#[derive(Default)]
pub struct World {
    disk: DiskFacts,
    known: DashMap<Query, Arc<Known>>,
    kept: AtomicUsize,
    home: OnceLock<Arc<Known>>,
    host: OnceLock<Arc<Known>>,
}

impl World {
    fn known(&self, query: Query) -> Arc<Known> {
        let single = match query {
            Query::Home => Some(&self.home),
            Query::Host => Some(&self.host),
            _ => None,
        };
        if let Some(single) = single {
            return single.get_or_init(|| self.ask(query)).clone();
        }
        if let Some(known) = self.known.get(&query) {
            return Arc::clone(&known);
        }
        let known = self.ask(query.clone());
        self.known.entry(query).or_insert(known).clone()
    }

    fn ask(&self, query: Query) -> Arc<Known> {
        let answer = match &query {
            Query::Kind(path) => Answer::Kind(self.disk.kind(Path::new(path))),
            Query::List(path, limit) => Answer::List(self.disk.list(Path::new(path), *limit as usize)),
            Query::Entries(path, limit) => Answer::Entries(entries(Path::new(path), *limit as usize)),
            Query::Read(path, limit) => {
                Answer::Read(self.disk.read(Path::new(path), *limit as usize).map(Arc::from))
            }
            Query::Home => Answer::Home(self.disk.home()),
            Query::Host => Answer::Host(self.disk.host_limits()),
        };
        let fact = Arc::new(Fact { query, answer: hash(&answer) });
        let size = if let Answer::Read(Some(bytes)) = &answer { bytes.len() } else { 0 };
        let keep = size == 0 || self.kept.fetch_add(size, Ordering::Relaxed) + size <= MOST_KEPT;
        Arc::new(Known { fact, answer: keep.then_some(answer) })
    }

    /// Is the answer still what it was?
    pub fn holds(&self, fact: &Fact) -> bool {
        self.known(fact.query.clone()).fact.answer == fact.answer
    }
}

/// A directory's names with their kinds, sorted, in one pass over it.
fn entries(path: &Path, limit: usize) -> Option<Arc<[DirectoryEntry]>> {
    let kind = |entry: &fs::DirEntry| match entry.file_type() {
        Ok(t) if t.is_dir() => EntryKind::Directory,
        Ok(t) if t.is_symlink() => EntryKind::Symlink,
        Ok(t) if t.is_file() => EntryKind::File,
        _ => EntryKind::Other,
    };
    let found = fs::read_dir(path).ok()?.flatten().take(limit);
    let mut found: Vec<DirectoryEntry> =
        found.map(|e| DirectoryEntry::new(e.file_name().to_string_lossy().into_owned(), kind(&e))).collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Some(found.into())
}

fn hash(answer: &Answer) -> u128 {
    let mut hasher = Sha256::new();
    let mut part = |bytes: &[u8]| {
        hasher.update((bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    match answer {
        Answer::Read(Some(bytes)) => part(bytes),
        Answer::List(Some(names)) => names.iter().for_each(|n| part(n.as_bytes())),
        Answer::Entries(Some(entries)) => {
            for entry in entries.iter() {
                part(entry.name.as_bytes());
                part(&[entry.kind as u8]);
            }
        }
        Answer::Kind(kind) => part(format!("{kind:?}").as_bytes()),
        Answer::Home(home) => part(format!("{home:?}").as_bytes()),
        Answer::Host(host) => part(format!("{host:?}").as_bytes()),
        Answer::Read(None) | Answer::List(None) | Answer::Entries(None) => part(b"not known"),
    }
    first_bits(hasher)
}

/// The first 128 bits of a hash.
pub fn first_bits(hasher: Sha256) -> u128 {
    let mut bits = [0; 16];
    bits.iter_mut().zip(hasher.finalize()).for_each(|(to, from)| *to = from);
    u128::from_le_bytes(bits)
}

/// The world as one file's rules see it; remembers what they asked.
pub struct Recorder<'a> {
    world: &'a World,
    /// The checked file itself, a regular one, and its text: a result depends on that anyway.
    own: Option<(&'a Path, &'a str)>,
    asked: Mutex<Vec<Arc<Fact>>>,
}

impl<'a> Recorder<'a> {
    /// For one file.
    pub fn new(world: &'a World, own: Option<(&'a Path, &'a str)>) -> Self {
        Recorder { world, own, asked: Mutex::default() }
    }

    /// What was asked.
    pub fn asked(self) -> Vec<Arc<Fact>> {
        self.asked.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(&self, query: Query) -> Arc<Known> {
        let known = self.world.known(query);
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if !asked.iter().any(|f| Arc::ptr_eq(f, &known.fact)) {
            asked.push(Arc::clone(&known.fact));
        }
        known
    }

    fn own(&self, path: &Path) -> Option<&'a str> {
        self.own.filter(|(own, _)| *own == path).map(|(_, text)| text)
    }
}

impl Facts for Recorder<'_> {
    fn kind(&self, path: &Path) -> Option<Option<FileKind>> {
        if let Some(text) = self.own(path) {
            return Some(Some(FileKind::File(text.len() as u64)));
        }
        match &self.ask(Query::Kind(path.into())).answer {
            Some(Answer::Kind(kind)) => kind.clone(),
            _ => None,
        }
    }

    fn list(&self, path: &Path, limit: usize) -> Option<Vec<String>> {
        match &self.ask(Query::List(path.into(), limit as u32)).answer {
            Some(Answer::List(names)) => names.clone(),
            _ => None,
        }
    }

    fn entries(&self, path: &Path, limit: usize) -> Option<Arc<[DirectoryEntry]>> {
        match &self.ask(Query::Entries(path.into(), limit as u32)).answer {
            Some(Answer::Entries(entries)) => entries.clone(),
            _ => None,
        }
    }

    fn read(&self, path: &Path, limit: usize) -> Option<Vec<u8>> {
        if let Some(text) = self.own(path) {
            return (text.len() <= limit).then(|| text.as_bytes().to_vec());
        }
        match &self.ask(Query::Read(path.into(), limit as u32)).answer {
            Some(Answer::Read(bytes)) => bytes.as_ref().map(|b| b.to_vec()),
            _ => {
                // Too large to keep: read again, and what is used is what is written down.
                let bytes = self.world.disk.read(path, limit)?;
                let answer = hash(&Answer::Read(Some(bytes.as_slice().into())));
                let fact = Arc::new(Fact { query: Query::Read(path.into(), limit as u32), answer });
                self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(fact);
                Some(bytes)
            }
        }
    }

    fn home(&self) -> Option<PathBuf> {
        match &self.ask(Query::Home).answer {
            Some(Answer::Home(home)) => home.clone(),
            _ => None,
        }
    }

    fn host_limits(&self) -> Option<(u32, u64)> {
        match &self.ask(Query::Host).answer {
            Some(Answer::Host(host)) => *host,
            _ => None,
        }
    }

    fn revision(&self) -> Option<u64> {
        // Nothing changes under a run.
        Some(0)
    }
}

impl Fact {
    /// Appends itself.
    pub fn write(&self, writer: &mut Writer) {
        let (tag, path, limit): (u32, &[u8], u32) = match &self.query {
            Query::Kind(path) => (0, path.as_encoded_bytes(), 0),
            Query::List(path, limit) => (1, path.as_encoded_bytes(), *limit),
            Query::Entries(path, limit) => (2, path.as_encoded_bytes(), *limit),
            Query::Read(path, limit) => (3, path.as_encoded_bytes(), *limit),
            Query::Home => (4, b"", 0),
            Query::Host => (5, b"", 0),
        };
        writer.u32(tag);
        writer.u32(limit);
        writer.block(path);
        writer.u128(self.answer);
    }

    /// Reads one.
    pub fn read(reader: &mut Reader<'_>) -> Option<Fact> {
        let (tag, limit) = (reader.u32()?, reader.u32()?);
        let path = os_string(reader.block()?)?;
        let query = match tag {
            0 => Query::Kind(path),
            1 => Query::List(path, limit),
            2 => Query::Entries(path, limit),
            3 => Query::Read(path, limit),
            4 => Query::Home,
            5 => Query::Host,
            _ => return None,
        };
        Some(Fact { query, answer: reader.u128()? })
    }
}

/// A path from its bytes.
#[cfg(unix)]
pub fn os_string(bytes: &[u8]) -> Option<OsString> {
    use std::os::unix::ffi::OsStringExt;
    Some(OsString::from_vec(bytes.to_vec()))
}

/// A path from its bytes.
#[cfg(not(unix))]
pub fn os_string(bytes: &[u8]) -> Option<OsString> {
    String::from_utf8(bytes.to_vec()).ok().map(OsString::from)
}
