//! What a document remembers of its items from analysis to analysis. Most items are ordinary code of which nothing
//! need be known beyond their stamp, so what is known lies beside them, by stamp.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use foldhash::fast::RandomState;

use crate::declare::HeadNames;
use crate::finding::Finding;
use crate::names::{ItemFacts, Use};
use crate::outline::Outline;

/// A result and what it depends on.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    /// Fingerprint of imports and names.
    pub fingerprint: u64,
    /// The module it was last seen to hold in.
    pub epoch: u64,
    /// The names that the item's head speaks of.
    pub names: Arc<HeadNames>,
    /// The items behind these names.
    pub uses: Arc<[Use]>,
    pub checked: Arc<Checked>,
}

/// An item's declarations and all findings about them. Ranges are addresses of the item.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    pub declarations: Box<[Outline]>,
    pub findings: Box<[Finding]>,
    /// Stamps of the items that addresses refer to.
    pub dependencies: Box<[usize]>,
    /// The revision of the facts that rules asked for, if they asked: `Some(None)` cannot be reused.
    pub facts: Option<Option<u64>>,
}

/// See the head of this file.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// One per item: equal stamps, equal text.
    stamps: Vec<u32>,
    last: u32,
    facts: Mutex<HashMap<u32, Arc<ItemFacts>, RandomState>>,
    results: HashMap<u32, Known, RandomState>,
    /// Findings of the rules that read the plain text, where there are any.
    plain: HashMap<u32, Box<[Finding]>, RandomState>,
    /// Rules have read the plain text of items with stamps up to this one.
    read: u32,
}

fn key(stamp: usize) -> u32 {
    u32::try_from(stamp).unwrap_or(u32::MAX)
}

impl Memory {
    /// The items `first..kept` give way to `count` new ones. Answers with the stamps that are gone; `None` when
    /// nothing is known of any item any more.
    pub fn replace(&mut self, first: usize, kept: usize, count: usize) -> Option<Vec<usize>> {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        let again = self.last.checked_add(count).is_none();
        if again {
            // Every number has been given out.
            let length = u32::try_from(self.stamps.len()).unwrap_or(u32::MAX);
            *self = Memory { stamps: (1..=length).collect(), last: length, ..Memory::default() };
        }
        let from = self.last;
        self.last = from.saturating_add(count);
        let kept = kept.min(self.stamps.len());
        let gone: Vec<u32> = self.stamps.splice(first.min(kept)..kept, from + 1..=self.last).collect();
        let facts = self.facts.get_mut().unwrap_or_else(PoisonError::into_inner);
        for stamp in &gone {
            facts.remove(stamp);
            self.results.remove(stamp);
            self.plain.remove(stamp);
        }
        (!again).then(|| gone.into_iter().map(|stamp| stamp as usize).collect())
    }

    /// Results that were made with another configuration.
    pub fn forget(&mut self) {
        self.results.clear();
        self.plain.clear();
        self.read = 0;
    }

    /// The stamps, by item.
    pub fn stamps(&self) -> &[u32] {
        &self.stamps
    }

    /// The stamp of an item; 0 is nobody's.
    pub fn stamp(&self, item: usize) -> usize {
        self.stamps.get(item).map_or(0, |stamp| *stamp as usize)
    }

    /// What its text says, as far as somebody asked.
    pub fn facts(&self, item: usize) -> Arc<ItemFacts> {
        let mut facts = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(facts.entry(key(self.stamp(item))).or_default())
    }

    /// What has been found out about its declarations.
    pub fn result(&self, item: usize) -> Option<&Known> {
        self.results.get(&key(self.stamp(item)))
    }

    pub fn set_result(&mut self, item: usize, known: Known) {
        self.results.insert(key(self.stamp(item)), known);
    }

    /// Findings about its plain text.
    pub fn plain(&self, item: usize) -> &[Finding] {
        self.plain.get(&key(self.stamp(item))).map_or(&[], |found| found)
    }

    /// Items whose plain text no rule has read.
    pub fn never_read(&self) -> Vec<usize> {
        (0..self.stamps.len()).filter(|i| self.stamps[*i] > self.read).collect()
    }

    /// Rules have read them all.
    pub fn all_read(&mut self) {
        self.read = self.last;
    }

    /// Items about whose plain text there are findings.
    pub fn noted(&self) -> Vec<usize> {
        if self.plain.is_empty() {
            return Vec::new();
        }
        (0..self.stamps.len()).filter(|i| self.plain.contains_key(&self.stamps[*i])).collect()
    }

    pub fn set_plain(&mut self, item: usize, found: Vec<Finding>) {
        if !found.is_empty() {
            self.plain.insert(key(self.stamp(item)), found.into_boxed_slice());
        }
    }
}
