//! The Python files below the roots: which of them declare something, what is found in them, what they are called.
//! Scanned on a thread, when somebody first asks; a file that does not name the product costs its stamp alone.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use ignore::WalkBuilder;
use mvm_compiler::Facts;
use mvm_compiler::FileContext;
use serde_json::Value;
use tower_lsp::ls_types::*;

use crate::config::{Configs, Configured};
use crate::diagnostics::result_id;
use crate::edge::Reply;
use crate::files::{self, DiskFacts};
use crate::inbox::Inbox;
use crate::session::Session;
use crate::snapshot::Snapshot;
use crate::text::{Encoding, Text};

/// More files than this are not looked at.
const MOST_FILES: usize = 200_000;
/// Files that one message to the loop brings.
const BATCH: usize = 32;

/// Tells whether a file is the one that was read.
type Stamp = (u64, Option<SystemTime>);

/// A declaration by its name.
#[derive(Clone, Debug)]
pub struct Symbol {
    /// The app's name.
    pub name: String,
    /// The workload it belongs to.
    pub workload: Option<String>,
    /// The file.
    pub uri: Uri,
    /// The function's name in it.
    pub range: Range,
}

/// What is known of a file that names the product.
pub struct Report {
    /// The file.
    pub uri: Uri,
    /// What is found in it.
    pub items: Vec<Diagnostic>,
    /// Equal items, equal id.
    pub result_id: String,
    symbols: Vec<Symbol>,
}

struct Known {
    stamp: Stamp,
    report: Option<Report>,
}

/// Work that waits for the first scan.
type Waiter = Box<dyn FnOnce(&mut Session) + Send>;

/// The files of the workspace.
#[derive(Default)]
pub struct Workspace {
    files: BTreeMap<PathBuf, Known>,
    wanted: bool,
    scanned: bool,
    scanning: bool,
    again: bool,
    waiting: Vec<Waiter>,
}

/// One file as a scan found it.
struct Seen {
    path: PathBuf,
    stamp: Stamp,
    /// `None`: it does not name the product.
    snapshot: Option<Snapshot>,
}

impl Workspace {
    /// All declarations.
    pub fn symbols(&self) -> impl Iterator<Item = &Symbol> {
        self.reports().flat_map(|r| &r.symbols)
    }

    /// The files that name the product.
    pub fn declaring(&self) -> impl Iterator<Item = &PathBuf> {
        self.files.iter().filter(|(_, k)| k.report.is_some()).map(|(path, _)| path)
    }

    /// What is known of them.
    pub fn reports(&self) -> impl Iterator<Item = &Report> {
        self.files.values().filter_map(|k| k.report.as_ref())
    }

    /// A scan has ended since the session began.
    pub fn is_scanned(&self) -> bool {
        self.scanned && !self.scanning
    }
}

impl Session {
    /// Goes on when the files of the workspace are known, at once when they are.
    pub(crate) fn with_workspace<T: Send + 'static>(
        &mut self,
        reply: Reply<T>,
        go_on: impl FnOnce(&mut Session, Reply<T>) + Send + 'static,
    ) {
        if self.workspace.scanned {
            return go_on(self, reply);
        }
        self.workspace.waiting.push(Box::new(move |session| {
            if !reply.is_cancelled() {
                go_on(session, reply);
            }
        }));
        self.scan_workspace();
    }

    /// Something outside changed: what was looked at is looked at again.
    pub(crate) fn workspace_changed(&mut self) {
        if self.workspace.wanted {
            self.scan_workspace();
        }
    }

    /// Starts a scan, or has the one under way followed by another.
    pub(crate) fn scan_workspace(&mut self) {
        self.workspace.wanted = true;
        if std::mem::replace(&mut self.workspace.scanning, true) {
            self.workspace.again = true;
            return;
        }
        let plain =
            |(path, known): (&PathBuf, &Known)| known.report.is_none().then(|| (path.clone(), known.stamp));
        let scan = Scan {
            roots: self.roots.clone(),
            plain: self.workspace.files.iter().filter_map(plain).collect(),
            settings: self.settings.check.clone(),
            encoding: self.encoding,
            facts: self.docs.facts_now(),
            inbox: self.inbox.clone(),
        };
        let inline = self.deterministic;
        let job = move || {
            let inbox = scan.inbox.clone();
            let seen = catch_unwind(AssertUnwindSafe(|| scan.run())).unwrap_or_default();
            inbox.task(move |s| s.workspace_scanned(&seen));
        };
        if inline {
            return job();
        }
        let started = std::thread::Builder::new().name("workspace".into()).stack_size(16 << 20).spawn(job);
        if started.is_err() {
            self.workspace_scanned(&[]);
        }
    }

    fn workspace_seen(&mut self, batch: Vec<Seen>) {
        let mut changed = Vec::new();
        for seen in batch {
            let report = seen.snapshot.map(|snapshot| {
                let items = self.diagnostics(&snapshot);
                changed.push(snapshot.uri.clone());
                Report { result_id: result_id(&items), symbols: symbols(&snapshot), uri: snapshot.uri, items }
            });
            self.workspace.files.insert(seen.path, Known { stamp: seen.stamp, report });
        }
        self.stream_workspace(&changed);
    }

    fn workspace_scanned(&mut self, seen: &[PathBuf]) {
        let kept: HashSet<&PathBuf> = seen.iter().collect();
        self.workspace.files.retain(|path, _| kept.contains(path));
        self.workspace.scanning = false;
        self.workspace.scanned = true;
        for waiter in std::mem::take(&mut self.workspace.waiting) {
            waiter(self);
        }
        if std::mem::take(&mut self.workspace.again) {
            self.scan_workspace();
        } else {
            self.answer_workspace();
        }
    }

    /// The files below the roots that declare something, as they are in the editor or on disk; and whatever else is
    /// open, wherever it lies.
    pub(crate) fn declaring_texts(&self) -> Vec<(Uri, Text)> {
        let mut all: Vec<(Uri, Text)> = self.docs.open_texts().collect();
        let open: HashSet<PathBuf> = all.iter().filter_map(|(uri, _)| files::path_of(uri)).collect();
        for path in self.workspace.declaring().filter(|p| !open.contains(*p)) {
            all.extend(files::uri_of(path).zip(self.text_of(path)));
        }
        all.sort_by(|a, b| a.0.as_str().cmp(b.0.as_str()));
        all
    }

    /// The same without one file.
    pub(crate) fn other_texts(&self, than: &Snapshot) -> Vec<(Uri, Text)> {
        let same = |uri: &Uri| *uri == than.uri || than.path.is_some() && files::path_of(uri) == than.path;
        self.declaring_texts().into_iter().filter(|(uri, _)| !same(uri)).collect()
    }

    /// `workspace/symbol`
    pub fn symbol(&mut self, params: &WorkspaceSymbolParams) -> Option<WorkspaceSymbolResponse> {
        let query = params.query.to_lowercase();
        let (open, paths) = self.open_symbols();
        let elsewhere = |s: &&Symbol| files::path_of(&s.uri).is_none_or(|path| !paths.contains(&path));
        let all = open.iter().chain(self.workspace.symbols().filter(elsewhere));
        #[allow(deprecated)] // The field is deprecated, the type has no other constructor.
        let found = all.filter(|s| is_within(&query, &s.name)).map(|s| SymbolInformation {
            name: s.name.clone(),
            kind: SymbolKind::MODULE,
            tags: None,
            deprecated: None,
            location: Location::new(s.uri.clone(), s.range),
            container_name: s.workload.clone(),
        });
        Some(WorkspaceSymbolResponse::Flat(found.take(1000).collect()))
    }

    /// The declarations of what is open, saved or not, and the paths that they stand for: what lies below the roots, and
    /// what lies nowhere. Without roots all that is open is the workspace.
    fn open_symbols(&mut self) -> (Vec<Symbol>, HashSet<PathBuf>) {
        let mut uris: Vec<Uri> = self.docs.open_texts().map(|(uri, _)| uri).collect();
        uris.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        let (mut found, mut paths) = (Vec::new(), HashSet::new());
        let snapshots: Vec<_> = uris.iter().filter_map(|uri| self.newest(uri)).collect();
        for snapshot in snapshots {
            let below = |path: &PathBuf| self.roots.iter().any(|root| path.starts_with(root));
            if self.roots.is_empty() || snapshot.path.as_ref().is_none_or(below) {
                found.extend(symbols(&snapshot));
                paths.extend(snapshot.path.clone());
            }
        }
        (found, paths)
    }
}

/// Do the letters of the query stand in the name, in this order?
fn is_within(query: &str, name: &str) -> bool {
    let mut letters = name.chars().flat_map(char::to_lowercase);
    query.chars().all(|q| letters.any(|c| c == q))
}

fn symbols(snapshot: &Snapshot) -> Vec<Symbol> {
    let of = |d: &mvm_compiler::AppDeclaration| Symbol {
        name: d.name.clone(),
        workload: snapshot.workload_id(d),
        uri: snapshot.uri.clone(),
        range: snapshot.text.range(&d.function_name),
    };
    snapshot.analysis.declarations.iter().map(of).collect()
}

/// One scan, independent of the session.
struct Scan {
    roots: Vec<PathBuf>,
    /// Files known not to name the product.
    plain: HashMap<PathBuf, Stamp>,
    settings: Value,
    encoding: Encoding,
    facts: DiskFacts,
    inbox: Inbox,
}

impl Scan {
    /// Looks at every file; returns those that are there.
    fn run(&self) -> Vec<PathBuf> {
        let Some((first, rest)) = self.roots.split_first() else { return Vec::new() };
        let mut walk = WalkBuilder::new(first);
        rest.iter().for_each(|root| {
            walk.add(root);
        });
        walk.follow_links(false).require_git(false);
        let mut configs = Configs::default();
        let (mut paths, mut batch) = (Vec::new(), Vec::new());
        for entry in walk.build().flatten().filter(is_python).take(MOST_FILES) {
            let path = entry.into_path();
            if let Some(seen) = self.look(&path, &mut configs) {
                batch.push(seen);
            }
            if batch.len() >= BATCH {
                self.send(&mut batch);
            }
            paths.push(path);
        }
        self.send(&mut batch);
        paths
    }

    fn send(&self, batch: &mut Vec<Seen>) {
        if !batch.is_empty() {
            let batch = std::mem::take(batch);
            self.inbox.task(move |s| s.workspace_seen(batch));
        }
    }

    /// `None`: as it was, and of no interest.
    fn look(&self, path: &Path, configs: &mut Configs) -> Option<Seen> {
        let meta = std::fs::metadata(path).ok()?;
        let stamp = (meta.len(), meta.modified().ok());
        let open = self.facts.overlay.contains_key(path);
        if !open && self.plain.get(path) == Some(&stamp) {
            return None;
        }
        let Configured { config, root, excluded, .. } = configs.of(Some(path), &self.settings);
        let source = self.facts.read(path, files::MAX_SOURCE as usize).filter(|_| !excluded);
        let names_it = |bytes: &Vec<u8>| memchr::memmem::find(bytes, b"mvm").is_some();
        let source = source.filter(names_it).and_then(|b| String::from_utf8(b).ok());
        let snapshot = source.and_then(|source| {
            let file = FileContext { path: Some(path.to_owned()), root };
            let analyse = || mvm_compiler::analyze(&source, &file, &config, &self.facts);
            let analysis = catch_unwind(AssertUnwindSafe(analyse)).ok()?;
            let (text, uri) = (Text::new(&source, self.encoding), files::uri_of(path)?);
            Some(Snapshot::new(uri, file.path, None, 0, text, Arc::new(analysis)))
        });
        Some(Seen { path: path.to_owned(), stamp, snapshot })
    }
}

fn is_python(entry: &ignore::DirEntry) -> bool {
    let named = entry.path().extension().is_some_and(|e| e == "py" || e == "pyw");
    named && entry.file_type().is_some_and(|t| t.is_file())
}
