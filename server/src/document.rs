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
    /// Which opening of the document this is.
    pub(crate) opened: u64,
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
            opened: 0,
            snapshot: None,
            last_took: None,
            working: false,
            waiters: Vec::new(),
            published: None,
            engine: None,
            edits: None,
        }
    }

    /// Applies one change; says whether it may have changed what others ask of this file: the names that it binds.
    pub fn apply(&mut self, change: TextDocumentContentChangeEvent) -> bool {
        let lines = change.range.map(|r| (r.start.line, r.end.line.max(r.start.line)));
        let before = lines.map(|(first, last)| self.heads(first, last));
        let replaced = self.text.apply(&change);
        let added = change.text.bytes().filter(|b| matches!(b, b'\n' | b'\r')).count();
        let after = lines.map(|(first, _)| self.heads(first, first.saturating_add(added as u32)));
        let names_changed = !self.is_python || before.is_none() || before != after;
        match (replaced, &mut self.edits) {
            (Some(range), Some(edits)) if edits.len() < MOST_EDITS => edits.push((range, change.text)),
            _ => self.edits = None,
        }
        names_changed
    }

    fn heads(&self, first: u32, last: u32) -> Vec<String> {
        (first..=last.min(first.saturating_add(10_000)))
            .filter_map(|line| head(&self.text.line(line as usize)))
            .collect()
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
    pub(crate) opened: u64,
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

/// What a line may bind: `name =`, `name:`, `name,`, a definition, an import. `None` for all other lines.
fn head(line: &str) -> Option<String> {
    let body = line.trim_start();
    let indented = if body.len() < line.len() { " " } else { "" };
    if ["def ", "async ", "class ", "import ", "from "].iter().any(|s| body.starts_with(s)) {
        return Some(format!("{indented}{}", body.trim_end()));
    }
    let end = body.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(body.len());
    let (name, rest) = body.split_at(end);
    let next = rest.trim_start().chars().next().filter(|c| "=:,".contains(*c) && !name.is_empty())?;
    Some(format!("{indented}{name}{next}"))
}

fn is_python(path: &Path) -> bool {
    path.extension().is_some_and(|e| e == "py" || e == "pyi" || e == "pyw")
}

#[cfg(test)]
mod tests {
    use super::*;
    use tower_lsp::ls_types::{Position, Range};

    #[test]
    fn a_keystroke_in_a_value_changes_no_name_and_others_do() {
        let text = "import mvm\n\n@mvm.app(\n    memory_mb=512,\n    name=\"x\",\n)\ndef run(a):\n    return a + 1\nX = 1\n";
        let changed = |line: u32, from: u32, to: u32, new: &str| {
            let item =
                TextDocumentItem::new("file:///a.py".parse().unwrap(), "python".into(), 1, text.into());
            let mut doc = Doc::new(item, None, Encoding::Utf8);
            let range = Some(Range::new(Position::new(line, from), Position::new(line, to)));
            doc.apply(TextDocumentContentChangeEvent { range, range_length: None, text: new.into() })
        };
        assert!(!changed(3, 14, 15, "6"), "a value");
        assert!(!changed(4, 10, 11, "yz"), "inside a string");
        assert!(!changed(7, 11, 12, "b"), "a body");
        assert!(!changed(4, 13, 13, "\n"), "a blank line");
        for (line, from, to, new) in
            [(6, 4, 7, "go"), (0, 7, 10, "os"), (8, 0, 1, "Y"), (3, 4, 13, "cpu"), (8, 0, 0, " ")]
        {
            assert!(changed(line, from, to, new), "line {line}: {new}");
        }
        assert!(changed(2, 0, 0, "def other(): ...\n"), "a new definition");
    }
}
