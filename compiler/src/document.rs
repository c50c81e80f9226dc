//! A text under edits. Items that an edit leaves alone keep what is known of them, so that a keystroke costs the item
//! it falls into; the result is always that of a fresh analysis.

use std::sync::Arc;

use crate::analysis::{Analysis, Config, FileContext};
use crate::compose::{self, Setting};
use crate::facts::Facts;
use crate::finding::TextRange;
use crate::items::{Item, ItemKind, Splitter};
use crate::memory::Memory;
use crate::module::Module;

/// A text that is edited and analysed again and again.
#[derive(Debug, Default)]
pub struct Document {
    text: String,
    items: Vec<Item>,
    memory: Memory,
    /// What is known of the whole module, while edits leave its names alone.
    module: Option<Module>,
    next_epoch: u64,
    /// What the cached results were made with.
    setting: Option<(FileContext, Config)>,
    /// It is analysed once.
    once: bool,
}

impl Document {
    /// A document with this text.
    pub fn new(text: impl Into<String>) -> Self {
        let mut document = Document { text: text.into(), ..Document::default() };
        document.split_again(0, 0, 0);
        document
    }

    /// Analyses it once, without a thought of edits.
    pub(crate) fn analyze_once(mut self, file: &FileContext, config: &Config, facts: &dyn Facts) -> Analysis {
        self.once = true;
        Arc::unwrap_or_clone(self.analyze(file, config, facts))
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The top-level items.
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    #[cfg(test)]
    pub(crate) fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Replaces a range of bytes. A range that is not in the text or cuts a character is moved to the nearest place
    /// that is.
    pub fn edit(&mut self, range: TextRange, replacement: &str) {
        let start = floor(&self.text, range.start);
        let end = floor(&self.text, range.end.max(range.start)).max(start);
        self.text.replace_range(start..end, replacement);
        self.split_again(start, end, replacement.len());
    }

    /// Splits what the edit `start..old_end` → `new_length` bytes may have changed, and keeps the slots of the rest.
    fn split_again(&mut self, start: usize, old_end: usize, new_length: usize) {
        let old = std::mem::take(&mut self.items);
        // The first item whose reading looked at the edit, and one before: it may grow into it.
        let touched = old.iter().position(|item| item.reach >= start).unwrap_or(old.len());
        let mut first = touched.saturating_sub(1);
        // Items of one line, between semicolons, are read together.
        while first > 0 && old[first].shares_line {
            first -= 1;
        }
        let at = if first == 0 { 0 } else { old[first].start };
        let delta = new_length as isize - (old_end - start) as isize;
        let edit_end = start + new_length;

        let mut splitter = Splitter::new(&self.text, at);
        // Where the old items go on unchanged.
        let mut kept = old.len();
        let mut candidate = first;
        loop {
            let before = splitter.items.len();
            if !splitter.step() {
                break;
            }
            let Some(new) = splitter.items.get(before).copied() else { continue };
            if new.start <= edit_end {
                continue;
            }
            while candidate < old.len() && shifted(old[candidate].start, delta) < new.start {
                candidate += 1;
            }
            let same = old.get(candidate).is_some_and(|o| {
                o.start > old_end
                    && shifted(o.start, delta) == new.start
                    && !o.shares_line
                    && !new.shares_line
            });
            if same {
                kept = candidate;
                splitter.items.truncate(before);
                break;
            }
        }
        let fresh = splitter.items;
        let fresh_count = fresh.len();
        let mut items = old;
        items.splice(first..kept, fresh);
        items[first + fresh_count..].iter_mut().for_each(|item| *item = item.shifted(delta));
        self.items = items;

        let gone = self.memory.replace(first, kept, fresh_count);
        let new = first..first + fresh_count;
        let holds = |module: &mut Module| {
            gone.is_some_and(|gone| module.replace(&self.text, &self.items, new, &gone, &self.memory))
        };
        if !self.module.as_mut().is_some_and(holds) {
            self.module = None;
        }
    }

    /// Analyses the text as it stands.
    pub fn analyze(&mut self, file: &FileContext, config: &Config, facts: &dyn Facts) -> Arc<Analysis> {
        let same = self.setting.as_ref().is_some_and(|(f, c)| f == file && c == config);
        if !same && !self.once {
            self.memory.forget();
            self.module = None;
            self.setting = Some((file.clone(), config.clone()));
        }
        if memchr::memmem::find(self.text.as_bytes(), b"mvm").is_none() {
            return Arc::default();
        }
        let mut module = self.module.take().unwrap_or_else(|| {
            self.next_epoch += 1;
            Module::read(&self.text, &self.items, &self.memory, self.next_epoch)
        });
        let setting = Setting { file, config, facts, once: self.once };
        let analysis = compose::analysis(&self.text, &self.items, &mut self.memory, &mut module, &setting);
        module.dead.clear();
        self.module = module.findings.is_empty().then_some(module);
        Arc::new(analysis)
    }
}

fn shifted(offset: usize, delta: isize) -> usize {
    offset.saturating_add_signed(delta)
}

/// The nearest character boundary at or before an offset.
fn floor(text: &str, offset: usize) -> usize {
    let mut at = offset.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// Is this an item whose head may declare something?
pub(crate) fn may_declare(item: &Item) -> bool {
    item.kind == ItemKind::Decorated
}
