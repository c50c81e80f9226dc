//! Results of earlier runs, by content. A result is believed when tool, configuration, path, contents and every answer
//! that its rules had from the file system are the same; a file's stamp spares reading it. One file per project in the
//! user's cache, replaced whole: two runs at once lose nothing but speed, and deleting it costs nothing but time.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use mvm_compiler::{Finding, secrets};
use sha2::{Digest, Sha256};

use super::codec::{Reader, Writer};
use super::facts::{Fact, World, first_bits};
use super::mask;
use super::report::fingerprint;
use super::stamp::Stamp;
use super::stored::{Index, Known, Stored, StoredResult};

/// Results that nobody asked for in so many days go.
const KEPT_DAYS: u32 = 30;
/// How seldom it is written down that a result was used.
const USED_DAYS: u32 = 7;
/// Results of one project at most.
const MOST_RESULTS: usize = 200_000;

/// Content of a file that says nothing about us.
pub const FOREIGN: u128 = 0;

/// A result's key: everything but the facts.
pub type Key = u128;

/// What the caches of all projects share.
pub struct Cache {
    directory: PathBuf,
    tool: String,
    now: SystemTime,
    today: u32,
    projects: Mutex<HashMap<OsString, Arc<Project>>>,
}

/// The cache of one project.
pub struct Project {
    file: PathBuf,
    today: u32,
    old: Index,
    /// Whether the facts of `old` hold: not known yet, yes, no.
    holds: Vec<AtomicU8>,
    new: Mutex<New>,
}

/// A result, what it rests on, and its findings.
type Learnt = (Key, Vec<Arc<Fact>>, Box<[u8]>);

#[derive(Default)]
struct New {
    files: Vec<(OsString, Known)>,
    results: Vec<Learnt>,
    used: Vec<Key>,
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Cache {
    /// In a directory.
    pub fn open(directory: PathBuf) -> Self {
        let now = SystemTime::now();
        let days = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_secs() / 86_400);
        let today = u32::try_from(days).unwrap_or(0);
        Cache { directory, tool: tool(), now, today, projects: Mutex::default() }
    }

    /// The cache of the project at a root.
    pub fn project(&self, root: &Path) -> Arc<Project> {
        let mut projects = locked(&self.projects);
        if let Some(known) = projects.get(root.as_os_str()) {
            return Arc::clone(known);
        }
        let name = fingerprint(&[&self.tool, &root.to_string_lossy()]);
        let file = self.directory.join(format!("{name}.results"));
        let old = Index::load(&file, &self.tool).unwrap_or_default();
        let holds = old.facts.iter().map(|_| AtomicU8::new(0)).collect();
        let project = Arc::new(Project { file, today: self.today, old, holds, new: Mutex::default() });
        projects.insert(root.into(), Arc::clone(&project));
        project
    }

    /// Keeps what is known of a file of this stamp.
    pub fn learn_file(&self, project: &Project, path: &Path, known: Known) {
        if known.stamp.is_settled(self.now) {
            locked(&project.new).files.push((path.into(), known));
        }
    }

    /// Writes what is new. The cache is a convenience: where it cannot be written, the next run is as slow as this.
    pub fn save(&self) {
        for project in locked(&self.projects).values() {
            let new = std::mem::take(&mut *locked(&project.new));
            if !new.files.is_empty() || !new.results.is_empty() || !new.used.is_empty() {
                let _ = self.store(project, new);
            }
        }
    }

    fn store(&self, project: &Project, new: New) -> std::io::Result<()> {
        private_directory(&self.directory)?;
        let lock = File::create(project.file.with_extension("lock"))?;
        // Another run writes: what we know is lost, and found again.
        if lock.try_lock().is_err() {
            return Ok(());
        }
        // What another run wrote since we began stays.
        let mut stored = Stored::load(&project.file, &self.tool).unwrap_or_default();
        let mut index: HashMap<Arc<Fact>, u32> =
            stored.facts.iter().enumerate().map(|(i, f)| (Arc::clone(f), i as u32)).collect();
        for (key, facts, findings) in new.results {
            let mut intern = |fact: Arc<Fact>| {
                *index.entry(fact).or_insert_with_key(|fact| {
                    stored.facts.push(Arc::clone(fact));
                    (stored.facts.len() - 1) as u32
                })
            };
            let facts = facts.into_iter().map(&mut intern).collect();
            stored.results.insert(key, StoredResult { day: self.today, facts, findings });
        }
        stored.files.extend(new.files);
        for key in new.used {
            if let Some(result) = stored.results.get_mut(&key) {
                result.day = self.today;
            }
        }
        stored.results.retain(|_, r| r.day.saturating_add(KEPT_DAYS) >= self.today);
        if stored.results.len() > MOST_RESULTS || stored.files.len() > 2 * MOST_RESULTS {
            stored = Stored::default();
        }
        let bytes = stored.bytes(&self.tool);
        super::atomic::write_cache(&project.file, &bytes)
    }
}

impl Project {
    /// What is known of a file, if it has not been touched since it was read.
    pub fn known(&self, path: &Path, stamp: Option<Stamp>) -> Option<Known> {
        self.old.file(path).filter(|known| Some(known.stamp) == stamp)
    }

    /// The findings under a key, if every fact they rest on still holds.
    pub fn result(&self, key: Key, world: &World) -> Option<Vec<Finding>> {
        const YES: u8 = 1;
        const NO: u8 = 2;
        let (day, facts, findings) = self.old.result(key)?;
        for index in facts {
            let (fact, state) = (self.old.facts.get(index as usize)?, self.holds.get(index as usize)?);
            let known = match state.load(Ordering::Relaxed) {
                0 => {
                    let holds = if world.holds(fact) { YES } else { NO };
                    state.store(holds, Ordering::Relaxed);
                    holds
                }
                known => known,
            };
            if known == NO {
                return None;
            }
        }
        let findings = Reader { bytes: findings }.findings()?;
        if day.saturating_add(USED_DAYS) < self.today {
            locked(&self.new).used.push(key);
        }
        Some(findings)
    }

    /// Keeps a result. One that asked for a path with a credential in it is not kept: the credential would be.
    pub fn learn(&self, key: Key, facts: Vec<Arc<Fact>>, findings: &[Finding]) {
        if findings.iter().any(|finding| mask::is_of_credentials(finding.rule)) {
            let mut asked = Writer::default();
            facts.iter().for_each(|fact| fact.write(&mut asked));
            if !secrets::certain(&String::from_utf8_lossy(&asked.bytes)).is_empty() {
                return;
            }
        }
        let mut writer = Writer::default();
        writer.findings(findings);
        locked(&self.new).results.push((key, facts, writer.bytes.into()));
    }
}

/// What a content is called.
pub fn content(bytes: &[u8]) -> u128 {
    first_bits(Sha256::new().chain_update(bytes)).max(FOREIGN + 1)
}

/// What a project's root and a configuration are called together.
pub fn setting(root: Option<&Path>, config: u128) -> u128 {
    let bytes = root.map_or(&b""[..], |root| root.as_os_str().as_encoded_bytes());
    first_bits(Sha256::new().chain_update(config.to_le_bytes()).chain_update(bytes))
}

/// What a result is called.
pub fn key(path: &Path, setting: u128, content: u128) -> Key {
    let mut hasher = Sha256::new();
    hasher.update(setting.to_le_bytes());
    hasher.update(content.to_le_bytes());
    hasher.update(path.as_os_str().as_encoded_bytes());
    first_bits(hasher)
}

/// What tells this program from every other build of it.
fn tool() -> String {
    let program = std::env::current_exe().and_then(|path| fs::metadata(&path).map(|meta| (path, meta)));
    let built = program.map(|(path, meta)| {
        let at = meta.modified().ok().and_then(|t| t.duration_since(SystemTime::UNIX_EPOCH).ok());
        format!("{} {} {at:?}", path.display(), meta.len())
    });
    format!("{} {}", env!("CARGO_PKG_VERSION"), built.unwrap_or_default())
}

fn private_directory(directory: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)
}
