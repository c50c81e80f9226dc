//! Open documents: synchronisation in order, and analysis — at once where it is quick, on a worker where it is not,
//! superseded work dropped.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mvm_compiler::{Analysis, FileContext};
use tower_lsp::jsonrpc::{Error, Result};
use tower_lsp::ls_types::*;

use crate::config::{Configs, Configured};
use crate::document::{Doc, Engine, Waiter, Work};
use crate::edge::Reply;
use crate::files::{self, DiskFacts};
use crate::session::Session;
use crate::settings::Settings;
use crate::snapshot::Snapshot;
use crate::text::Text;

/// Stack of a worker; deeply nested input needs some.
const STACK: usize = 16 << 20;

/// The open documents and what their analysis shares.
#[derive(Default)]
pub struct Documents {
    open: HashMap<Uri, Doc>,
    facts: DiskFacts,
    configs: Configs,
    /// Counts every change of any document, of settings and of watched files.
    changes: u64,
    /// Counts those that may change an answer to another declaration's question: a keystroke rarely does.
    surroundings: u64,
    /// The client tells of files that change.
    watched: bool,
    /// Counts the documents that were opened: one that is opened again is another one.
    opened: u64,
    dirty: Vec<Uri>,
}

/// What a worker brings back.
type Worked = (Arc<Snapshot>, Option<Box<mvm_compiler::Document>>);

impl Documents {
    /// Something changed that others may have asked about.
    fn surroundings_changed(&mut self) {
        self.surroundings += 1;
    }

    fn touch(&mut self, uri: &Uri) {
        self.changes += 1;
        if let Some(doc) = self.open.get_mut(uri) {
            doc.revision = self.changes;
            if let Some(path) = &doc.path {
                self.facts.overlay.insert(path.clone(), doc.text.clone());
            }
        }
        if !self.dirty.contains(uri) {
            self.dirty.push(uri.clone());
        }
    }

    /// What facts are asked of now.
    pub fn facts_now(&self) -> DiskFacts {
        self.facts.at(self.surroundings, self.watched)
    }

    /// The same, kept for the next question.
    fn facts(&mut self) -> DiskFacts {
        self.facts = self.facts_now();
        self.facts.clone()
    }

    /// The open text of a path.
    pub fn overlay_of(&self, path: &std::path::Path) -> Option<Text> {
        self.facts.overlay.get(path).map(|text| text.clone())
    }

    /// An open document.
    pub fn get(&self, uri: &Uri) -> Option<&Doc> {
        self.open.get(uri)
    }

    /// The texts that are open, each file once.
    pub fn open_texts(&self) -> impl Iterator<Item = (Uri, Text)> {
        let mut seen = std::collections::HashSet::new();
        let first = move |doc: &Doc| doc.path.clone().is_none_or(|path| seen.insert(path));
        let python = self.open.iter().filter(|(_, doc)| doc.is_python);
        python
            .scan(first, |first, (uri, doc)| Some(first(doc).then(|| (uri.clone(), doc.text.clone()))))
            .flatten()
    }

    fn work(&mut self, uri: &Uri, settings: &Settings) -> Option<(Work, Option<Arc<str>>)> {
        let facts = self.facts();
        let doc = self.open.get_mut(uri)?;
        let Configured { config, root, problem, excluded, .. } =
            self.configs.of(doc.path.as_deref(), &settings.check);
        let work = Work {
            uri: uri.clone(),
            is_python: doc.is_python && !excluded,
            version: Some(doc.version),
            revision: doc.revision,
            opened: doc.opened,
            text: doc.text.clone(),
            file: FileContext { path: doc.path.clone(), root },
            config,
            facts,
            engine: doc.take_engine(),
        };
        Some((work, problem))
    }
}

impl Session {
    /// `textDocument/didOpen`
    pub fn did_open(&mut self, params: DidOpenTextDocumentParams) {
        let uri = params.text_document.uri.clone();
        let mut doc = Doc::new(params.text_document, files::path_of(&uri), self.encoding);
        self.docs.watched = self.client.registers_watchers;
        self.docs.surroundings_changed();
        self.docs.opened += 1;
        doc.opened = self.docs.opened;
        let older = self.docs.open.insert(uri.clone(), doc);
        self.docs.touch(&uri);
        // Opened twice without being closed: a breach of the protocol, and the newer text counts.
        for waiter in older.into_iter().flat_map(|d| d.waiters) {
            waiter(self, Err(Error::content_modified()));
        }
    }

    /// `textDocument/didChange`: each change is relative to the one before.
    pub fn did_change(&mut self, params: DidChangeTextDocumentParams) {
        let VersionedTextDocumentIdentifier { uri, version } = params.text_document;
        let Some(doc) = self.docs.open.get_mut(&uri) else {
            let message = format!("mvm-lsp: change of a document that is not open: {}", uri.as_str());
            return self.log(MessageType::WARNING, &message);
        };
        let mut names_changed = false;
        for change in params.content_changes {
            names_changed |= doc.apply(change);
        }
        doc.version = version;
        for waiter in std::mem::take(&mut doc.waiters) {
            waiter(self, Err(Error::content_modified()));
        }
        if names_changed {
            self.docs.surroundings_changed();
        }
        self.docs.touch(&uri);
    }

    /// `textDocument/didSave`
    pub fn did_save(&mut self, _: DidSaveTextDocumentParams) {
        // What is on disk now may matter to other documents, and this file may be a project file.
        self.reanalyse_all();
    }

    /// `textDocument/didClose`
    pub fn did_close(&mut self, params: DidCloseTextDocumentParams) {
        let uri = params.text_document.uri;
        self.previews.remove(&uri);
        let Some(doc) = self.docs.open.remove(&uri) else { return };
        if let Some(path) = &doc.path {
            self.docs.facts.overlay.remove(path);
            // The same file may be open under another spelling of its name.
            if let Some(other) = self.docs.open.values().find(|d| d.path.as_ref() == Some(path)) {
                self.docs.facts.overlay.insert(path.clone(), other.text.clone());
            }
        }
        self.docs.surroundings_changed();
        for waiter in doc.waiters {
            waiter(self, Err(Error::content_modified()));
        }
        self.contents.retain(|_, source| *source != uri);
        if !self.client.pulls {
            self.publish(&uri, None, Vec::new());
        }
        self.workspace_changed();
    }

    /// Settings or surroundings changed: everything is looked at again.
    pub(crate) fn reanalyse_all(&mut self) {
        self.docs.configs.forget();
        self.docs.surroundings_changed();
        let open: Vec<Uri> = self.docs.open.keys().cloned().collect();
        for uri in &open {
            self.docs.touch(uri);
        }
        if self.client.pulls && self.client.refreshes_diagnostics && !open.is_empty() {
            self.refresh("workspace/diagnostic/refresh");
        }
        self.workspace_changed();
    }

    /// Work for when no message waits: analyses what changed and tells the client.
    pub fn idle(&mut self) {
        for uri in std::mem::take(&mut self.docs.dirty) {
            let wanted = !self.client.pulls || self.is_previewed(&uri);
            let Some(doc) = self.docs.open.get(&uri).filter(|_| wanted) else { continue };
            if (doc.is_quick() || self.deterministic) && !doc.working {
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
        if doc.fresh().is_none() && (doc.is_quick() || self.deterministic) && !doc.working {
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

    /// The newest analysis of an open document that is to be had without waiting.
    pub(crate) fn newest(&mut self, uri: &Uri) -> Option<Arc<Snapshot>> {
        let doc = self.docs.open.get(uri)?;
        if doc.fresh().is_none() && (doc.is_quick() || self.deterministic) && !doc.working {
            self.analyse_now(uri);
        }
        self.docs.open.get(uri)?.snapshot.clone()
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
            opened: 0,
            text: Text::new(&source, self.encoding),
            file: FileContext { path: Some(path), root },
            config,
            facts: self.docs.facts(),
            engine: Engine::Cold,
        };
        Ok(Arc::new(work.run().0))
    }

    fn prepare(&mut self, uri: &Uri) -> Option<Work> {
        let (work, problem) = self.docs.work(uri, &self.settings)?;
        if let Some(problem) = problem {
            self.tell_once(MessageType::ERROR, format!("mvm: {problem}"));
        }
        Some(work)
    }

    /// Analyses in the loop.
    fn analyse_now(&mut self, uri: &Uri) {
        let Some(work) = self.prepare(uri) else { return };
        let start = Instant::now();
        let (snapshot, engine) = self.survive(work);
        if let Some(doc) = self.docs.open.get_mut(uri) {
            doc.last_took = Some(start.elapsed());
            doc.snapshot = Some(snapshot);
            doc.engine = engine;
        }
    }

    /// A failure of the analysis is reported once and counts as one without findings, or it would come up forever.
    fn survive(&mut self, work: Work) -> Worked {
        let (uri, path, text) = (work.uri.clone(), work.file.path.clone(), work.text.clone());
        let (version, revision) = (work.version, work.revision);
        match catch_unwind(AssertUnwindSafe(|| work.run())) {
            Ok((snapshot, engine)) => (Arc::new(snapshot), engine),
            Err(payload) => {
                self.panicked(&*payload);
                let nothing = Arc::<Analysis>::default();
                (Arc::new(Snapshot::new(uri, path, version, revision, text, nothing)), None)
            }
        }
    }

    /// Analyses on a thread, unless one is at it; the result of an old version starts the next.
    fn start_worker(&mut self, uri: &Uri) {
        if self.docs.open.get(uri).is_none_or(|d| d.working) {
            return;
        }
        let Some(work) = self.prepare(uri) else { return };
        let (inbox, key, opened) = (self.inbox.clone(), uri.clone(), work.opened);
        let job = move || {
            let start = Instant::now();
            let result = catch_unwind(AssertUnwindSafe(|| work.run()));
            let took = start.elapsed();
            let result = result.ok().map(|(snapshot, engine)| (Arc::new(snapshot), engine));
            inbox.task(move |s| s.analysed(&key, opened, result, took));
        };
        let started = std::thread::Builder::new().name("analysis".into()).stack_size(STACK).spawn(job);
        let Some(doc) = self.docs.open.get_mut(uri) else { return };
        match started {
            Ok(_) => doc.working = true,
            // No thread to be had: slow is better than never.
            Err(_) => {
                doc.lose_engine();
                self.analyse_now(uri);
                self.announce(uri);
            }
        }
    }

    fn analysed(&mut self, uri: &Uri, opened: u64, result: Option<Worked>, took: Duration) {
        // Closed meanwhile, and perhaps opened again: then the result, and the engine in it, are of another text.
        let Some(doc) = self.docs.open.get_mut(uri).filter(|d| d.opened == opened) else { return };
        doc.working = false;
        doc.last_took = Some(took);
        let Some((snapshot, engine)) = result else {
            doc.lose_engine();
            let waiters = std::mem::take(&mut doc.waiters);
            self.panicked(&"the analysis of a document failed");
            for waiter in waiters {
                waiter(self, Err(Error::internal_error()));
            }
            return;
        };
        doc.engine = engine;
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
        self.content_changed(uri);
    }

    /// Requests whose client gave up need no answer any more.
    pub fn drop_cancelled(&mut self) {
        self.jobs.cancel_abandoned();
        self.pinnings.cancel_abandoned();
        self.release_workspace(false);
    }
}
