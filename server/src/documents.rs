//! Open documents: synchronisation in order, and analysis — at once where it is quick, on a worker where it is not,
//! superseded work dropped.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mvm_compiler::{Analysis, FileContext};
use tower_lsp::jsonrpc::{Error, Result};
use tower_lsp::ls_types::*;

use crate::config::{Configs, Configured};
use crate::edge::Reply;
use crate::files::{self, DiskFacts};
use crate::session::Session;
use crate::snapshot::Snapshot;
use crate::text::Text;

/// Analysis that took longer the last time is not done in the loop.
const QUICK: Duration = Duration::from_millis(8);
/// Text beyond this size is not analysed in the loop the first time.
const SMALL: usize = 192 << 10;
/// Stack of a worker; deeply nested input needs some.
const STACK: usize = 16 << 20;

type Waiter = Box<dyn FnOnce(&mut Session, Result<Arc<Snapshot>>) + Send>;

/// An open document.
pub struct Doc {
    path: Option<PathBuf>,
    /// Other languages are kept in step, since facts may ask for their text, but have no findings.
    is_python: bool,
    version: i32,
    pub(crate) text: Text,
    revision: u64,
    snapshot: Option<Arc<Snapshot>>,
    last_took: Option<Duration>,
    working: bool,
    waiters: Vec<Waiter>,
    published: Option<u64>,
}

/// The open documents and what their analysis shares.
#[derive(Default)]
pub struct Documents {
    open: HashMap<Uri, Doc>,
    facts: DiskFacts,
    configs: Configs,
    next_revision: u64,
    dirty: Vec<Uri>,
}

/// Everything that one analysis needs, independent of the session.
struct Work {
    uri: Uri,
    is_python: bool,
    version: Option<i32>,
    revision: u64,
    text: Text,
    file: FileContext,
    config: Arc<mvm_compiler::Config>,
    facts: DiskFacts,
}

impl Work {
    fn run(self) -> Snapshot {
        let source: Arc<str> = self.text.contents().into();
        if let (Some(path), Some(_)) = (&self.file.path, self.version) {
            self.facts.overlay.insert(path.clone(), source.clone());
        }
        let analysis = if self.is_python {
            mvm_compiler::analyze(&source, &self.file, &self.config, &self.facts)
        } else {
            Analysis::default()
        };
        Snapshot {
            uri: self.uri,
            path: self.file.path,
            version: self.version,
            revision: self.revision,
            source,
            text: self.text,
            analysis: Arc::new(analysis),
        }
    }
}

impl Doc {
    fn fresh(&self) -> Option<&Arc<Snapshot>> {
        self.snapshot.as_ref().filter(|s| s.revision == self.revision)
    }

    fn is_quick(&self) -> bool {
        match self.last_took {
            Some(took) => took <= QUICK,
            None => self.text.len() <= SMALL,
        }
    }
}

impl Documents {
    fn touch(&mut self, uri: &Uri) {
        self.next_revision += 1;
        if let Some(doc) = self.open.get_mut(uri) {
            doc.revision = self.next_revision;
        }
        if !self.dirty.contains(uri) {
            self.dirty.push(uri.clone());
        }
    }

    /// An open document.
    pub fn get(&self, uri: &Uri) -> Option<&Doc> {
        self.open.get(uri)
    }

    fn work(&mut self, uri: &Uri, settings: &crate::settings::Settings) -> Option<Work> {
        let doc = self.open.get(uri)?;
        let Configured { config, root, .. } = self.configs.of(doc.path.as_deref(), &settings.check);
        Some(Work {
            uri: uri.clone(),
            is_python: doc.is_python,
            version: Some(doc.version),
            revision: doc.revision,
            text: doc.text.clone(),
            file: FileContext { path: doc.path.clone(), root },
            config,
            facts: self.facts.at(self.next_revision),
        })
    }
}

impl Session {
    /// `textDocument/didOpen`
    pub fn did_open(&mut self, params: DidOpenTextDocumentParams) {
        let TextDocumentItem { uri, version, text, language_id } = params.text_document;
        let path = files::path_of(&uri);
        if let Some(path) = &path {
            self.docs.facts.overlay.insert(path.clone(), text.as_str().into());
        }
        let doc = Doc {
            is_python: language_id == "python" || path.as_deref().is_some_and(is_python),
            path,
            version,
            text: Text::new(&text, self.encoding),
            revision: 0,
            snapshot: None,
            last_took: None,
            working: false,
            waiters: Vec::new(),
            published: None,
        };
        self.docs.open.insert(uri.clone(), doc);
        self.docs.touch(&uri);
    }

    /// `textDocument/didChange`: each change is relative to the one before.
    pub fn did_change(&mut self, params: DidChangeTextDocumentParams) {
        let VersionedTextDocumentIdentifier { uri, version } = params.text_document;
        let Some(doc) = self.docs.open.get_mut(&uri) else {
            return self.log(
                MessageType::WARNING,
                &format!("mvm-lsp: change of a closed document: {}", uri.as_str()),
            );
        };
        for change in &params.content_changes {
            doc.text.apply(change);
        }
        doc.version = version;
        for waiter in std::mem::take(&mut doc.waiters) {
            waiter(self, Err(Error::content_modified()));
        }
        self.docs.touch(&uri);
    }

    /// `textDocument/didSave`
    pub fn did_save(&mut self, params: DidSaveTextDocumentParams) {
        // What is on disk now may matter to other documents, and this file may be a project file.
        let _ = params;
        self.reanalyse_all();
    }

    /// `textDocument/didClose`
    pub fn did_close(&mut self, params: DidCloseTextDocumentParams) {
        let uri = params.text_document.uri;
        self.previews.remove(&uri);
        if let Some(doc) = self.docs.open.remove(&uri) {
            if let Some(path) = &doc.path {
                self.docs.facts.overlay.remove(path);
            }
            for waiter in doc.waiters {
                waiter(self, Err(Error::content_modified()));
            }
            if !self.client.pulls {
                self.publish(&uri, None, Vec::new());
            }
        }
    }

    /// Settings or surroundings changed: everything is looked at again.
    pub(crate) fn reanalyse_all(&mut self) {
        self.docs.configs.forget();
        let open: Vec<Uri> = self.docs.open.keys().cloned().collect();
        for uri in &open {
            self.docs.touch(uri);
        }
        if self.client.pulls && self.client.refreshes_diagnostics && !open.is_empty() {
            self.refresh("workspace/diagnostic/refresh");
        }
    }

    /// Work for when no message waits: analyses what changed and tells the client.
    pub fn idle(&mut self) {
        for uri in std::mem::take(&mut self.docs.dirty) {
            let wanted = !self.client.pulls || self.previews.contains(&uri);
            let Some(doc) = self.docs.open.get(&uri).filter(|_| wanted) else { continue };
            if doc.is_quick() {
                self.analyse_now(&uri);
                self.announce(&uri);
            } else {
                self.start_worker(&uri);
            }
        }
    }

    /// Answers a request with a fresh snapshot of its document, now or when a worker has it.
    pub(crate) fn with_snapshot<T: Send + 'static>(
        &mut self,
        uri: &Uri,
        reply: Reply<T>,
        answer: impl FnOnce(&mut Session, Arc<Snapshot>) -> Result<T> + Send + 'static,
    ) {
        self.with_snapshot_and_reply(uri, reply, move |session, snapshot, reply| {
            reply.send(answer(session, snapshot));
        });
    }

    /// The same for work that answers later.
    pub(crate) fn with_snapshot_and_reply<T: Send + 'static>(
        &mut self,
        uri: &Uri,
        reply: Reply<T>,
        go_on: impl FnOnce(&mut Session, Arc<Snapshot>, Reply<T>) + Send + 'static,
    ) {
        let Some(doc) = self.docs.open.get(uri) else {
            return match self.read_from_disk(uri) {
                Ok(snapshot) => go_on(self, snapshot, reply),
                Err(error) => reply.send(Err(error)),
            };
        };
        if doc.fresh().is_none() && doc.is_quick() {
            self.analyse_now(uri);
        }
        if let Some(snapshot) = self.docs.open.get(uri).and_then(Doc::fresh).cloned() {
            return go_on(self, snapshot, reply);
        }
        let waiter: Waiter = Box::new(move |session, snapshot| match snapshot {
            _ if reply.is_cancelled() => {}
            Ok(snapshot) => go_on(session, snapshot, reply),
            Err(error) => reply.send(Err(error)),
        });
        if let Some(doc) = self.docs.open.get_mut(uri) {
            doc.waiters.push(waiter);
        }
        self.start_worker(uri);
    }

    fn read_from_disk(&mut self, uri: &Uri) -> Result<Arc<Snapshot>> {
        let Some(path) = files::path_of(uri) else {
            return Err(Error::invalid_params(format!("{} is not open", uri.as_str())));
        };
        let source = files::read_source(&path)
            .map_err(|e| Error::invalid_params(format!("{} is not open and {e}", path.display())))?;
        let Configured { config, root, .. } = self.docs.configs.of(Some(&path), &self.settings.check);
        let work = Work {
            uri: uri.clone(),
            is_python: true,
            version: None,
            revision: 0,
            text: Text::new(&source, self.encoding),
            file: FileContext { path: Some(path), root },
            config,
            facts: self.docs.facts.at(self.docs.next_revision),
        };
        Ok(Arc::new(work.run()))
    }

    /// Analyses in the loop.
    fn analyse_now(&mut self, uri: &Uri) {
        let Some(work) = self.docs.work(uri, &self.settings) else { return };
        let start = Instant::now();
        let snapshot = self.survive(uri, work);
        if let Some(doc) = self.docs.open.get_mut(uri) {
            doc.last_took = Some(start.elapsed());
            doc.snapshot = Some(snapshot);
        }
    }

    /// A failure of the analysis is reported once and counts as one without findings, or it would come up forever.
    fn survive(&mut self, uri: &Uri, work: Work) -> Arc<Snapshot> {
        let (version, revision, text) = (work.version, work.revision, work.text.clone());
        let path = work.file.path.clone();
        match catch_unwind(AssertUnwindSafe(|| work.run())) {
            Ok(snapshot) => Arc::new(snapshot),
            Err(payload) => {
                self.panicked(&*payload);
                let source = text.contents().into();
                let analysis = Arc::new(Analysis::default());
                Arc::new(Snapshot { uri: uri.clone(), path, version, revision, source, text, analysis })
            }
        }
    }

    /// Analyses on a thread, unless one is at it; the result of an old version starts the next.
    fn start_worker(&mut self, uri: &Uri) {
        if self.docs.open.get(uri).is_none_or(|d| d.working) {
            return;
        }
        let Some(work) = self.docs.work(uri, &self.settings) else { return };
        let (inbox, key) = (self.inbox.clone(), uri.clone());
        let job = move || {
            let start = Instant::now();
            let result = catch_unwind(AssertUnwindSafe(|| work.run()));
            let took = start.elapsed();
            inbox.task(move |s| s.analysed(&key, result.ok().map(Arc::new), took));
        };
        let started = std::thread::Builder::new().name("analysis".into()).stack_size(STACK).spawn(job);
        match started {
            Ok(_) => {
                if let Some(doc) = self.docs.open.get_mut(uri) {
                    doc.working = true;
                }
            }
            // No thread to be had: slow is better than never.
            Err(_) => {
                self.analyse_now(uri);
                self.announce(uri);
            }
        }
    }

    fn analysed(&mut self, uri: &Uri, snapshot: Option<Arc<Snapshot>>, took: Duration) {
        let Some(doc) = self.docs.open.get_mut(uri) else {
            // Closed meanwhile: its unsaved text must not outlive it.
            if let Some(path) = files::path_of(uri) {
                self.docs.facts.overlay.remove(&path);
            }
            return;
        };
        doc.working = false;
        doc.last_took = Some(took);
        let Some(snapshot) = snapshot else {
            let waiters = std::mem::take(&mut doc.waiters);
            self.panicked(&"the analysis of a document failed");
            for waiter in waiters {
                waiter(self, Err(Error::internal_error()));
            }
            return;
        };
        let stale = snapshot.revision != doc.revision;
        if doc.snapshot.as_ref().is_none_or(|s| s.revision < snapshot.revision) {
            doc.snapshot = Some(snapshot.clone());
        }
        if stale {
            return self.start_worker(uri);
        }
        for waiter in std::mem::take(&mut doc.waiters) {
            waiter(self, Ok(snapshot.clone()));
        }
        self.announce(uri);
    }

    /// Tells the client what a fresh analysis found, once.
    fn announce(&mut self, uri: &Uri) {
        let Some(doc) = self.docs.open.get_mut(uri) else { return };
        let Some(snapshot) = doc.fresh().cloned() else { return };
        if doc.published.replace(snapshot.revision) == Some(snapshot.revision) {
            return;
        }
        if !self.client.pulls {
            let items = self.diagnostics(&snapshot);
            self.publish(uri, snapshot.version, items);
        }
        if self.previews.contains(uri) {
            self.ir_changed(&snapshot);
        }
    }

    /// Requests whose client gave up need no answer any more.
    pub fn drop_cancelled(&mut self) {
        self.jobs.cancel_abandoned();
    }
}

fn is_python(path: &Path) -> bool {
    path.extension().is_some_and(|e| e == "py" || e == "pyi" || e == "pyw")
}
