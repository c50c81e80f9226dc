//! One open document: its text, its incremental analysis, and who waits for it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use mvm_compiler::{Analysis, Config, FileContext};
use tower_lsp::jsonrpc::Result;
use tower_lsp::ls_types::{TextDocumentContentChangeEvent, TextDocumentItem, Uri};

use crate::files::DiskFacts;
use crate::session::Session;
use crate::snapshot::Snapshot;
use crate::text::{Encoding, Text};

/// Analysis that took longer the last time is not done in the loop.
const QUICK: Duration = Duration::from_millis(8);
/// Text beyond this size is not analysed in the loop the first time.
const SMALL: usize = 192 << 10;
/// More edits than this between two analyses are no longer replayed: the text is read anew.
const MOST_EDITS: usize = 64;

/// Who waits for an analysis.
pub type Waiter = Box<dyn FnOnce(&mut Session, Result<Arc<Snapshot>>) + Send>;

/// An open document.
pub struct Doc {
    pub(crate) path: Option<PathBuf>,
    /// Other languages are kept in step, since facts may ask for their text, but have no findings.
    pub(crate) is_python: bool,
    pub(crate) version: i32,
    pub(crate) text: Text,
    /// Counts changes of the text, the settings and the surroundings.
    pub(crate) revision: u64,
    pub(crate) snapshot: Option<Arc<Snapshot>>,
    pub(crate) last_took: Option<Duration>,
    /// A worker is at it.
    pub(crate) working: bool,
    pub(crate) waiters: Vec<Waiter>,
    /// The revision that the client was told of.
    pub(crate) published: Option<u64>,
    /// The analysis with what it keeps between edits; away while a worker has it.
    pub(crate) engine: Option<Box<mvm_compiler::Document>>,
    /// What the engine has not seen yet; `None`: too much, it begins anew.
    edits: Option<Vec<(std::ops::Range<usize>, String)>>,
}

impl Doc {
    /// As the client opens it.
    pub fn new(item: TextDocumentItem, path: Option<PathBuf>, encoding: Encoding) -> Self {
        Doc {
            is_python: item.language_id == "python" || path.as_deref().is_some_and(is_python),
            path,
            version: item.version,
            text: Text::new(&item.text, encoding),
            revision: 0,
            snapshot: None,
            last_took: None,
            working: false,
            waiters: Vec::new(),
            published: None,
            engine: None,
            edits: None,
        }
    }

    /// Applies one change.
    pub fn apply(&mut self, change: TextDocumentContentChangeEvent) {
        let replaced = self.text.apply(&change);
        match (replaced, &mut self.edits) {
            (Some(range), Some(edits)) if edits.len() < MOST_EDITS => edits.push((range, change.text)),
            _ => self.edits = None,
        }
    }

    /// The analysis of the text as it is, if there is one.
    pub fn fresh(&self) -> Option<&Arc<Snapshot>> {
        self.snapshot.as_ref().filter(|s| s.revision == self.revision)
    }

    /// Can it be analysed in the loop?
    pub fn is_quick(&self) -> bool {
        match self.last_took {
            Some(took) => took <= QUICK,
            None => self.text.len() <= SMALL,
        }
    }

    /// Takes the engine and what it has to catch up with.
    pub fn take_engine(&mut self) -> Engine {
        let edits = self.edits.replace(Vec::new());
        match (self.engine.take(), edits) {
            (Some(document), Some(edits)) => Engine::Warm(document, edits),
            _ => Engine::Cold,
        }
    }

    /// The engine did not come back: the next analysis begins anew.
    pub fn lose_engine(&mut self) {
        self.edits = None;
    }
}

/// Where an analysis starts from.
pub enum Engine {
    /// From nothing.
    Cold,
    /// From an earlier one and the edits since.
    Warm(Box<mvm_compiler::Document>, Vec<(std::ops::Range<usize>, String)>),
}

/// Everything that one analysis needs, independent of the session.
pub struct Work {
    pub(crate) uri: Uri,
    pub(crate) is_python: bool,
    pub(crate) version: Option<i32>,
    pub(crate) revision: u64,
    pub(crate) text: Text,
    pub(crate) file: FileContext,
    pub(crate) config: Arc<Config>,
    pub(crate) facts: DiskFacts,
    pub(crate) engine: Engine,
}

impl Work {
    /// Analyses; gives the engine back for the next time.
    pub fn run(self) -> (Snapshot, Option<Box<mvm_compiler::Document>>) {
        let (analysis, engine) = if self.is_python {
            let mut engine = match self.engine {
                Engine::Cold => Box::new(mvm_compiler::Document::new(self.text.contents())),
                Engine::Warm(mut engine, edits) => {
                    edits.into_iter().for_each(|(range, text)| engine.edit(range, &text));
                    engine
                }
            };
            (engine.analyze(&self.file, &self.config, &self.facts), Some(engine))
        } else {
            (Arc::<Analysis>::default(), None)
        };
        let snapshot =
            Snapshot::new(self.uri, self.file.path, self.version, self.revision, self.text, analysis);
        (snapshot, engine)
    }
}

fn is_python(path: &Path) -> bool {
    path.extension().is_some_and(|e| e == "py" || e == "pyi" || e == "pyw")
}
