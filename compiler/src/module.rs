//! What holds for a module as long as edits leave alone which names it binds where: its imports, who binds what, and
//! which items mention `mvm`. Kept from analysis to analysis, so that a keystroke does not walk over every item.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use foldhash::fast::RandomState;

use crate::bindings::{Binding, How};
use crate::document::{Slot, may_declare};
use crate::finding::{Finding, TextRange};
use crate::imports::{Imports, What, is_about_mvm};
use crate::items::Item;
use crate::place;

/// Where a name is bound: item index, and which of its bindings.
type Place = (u32, u32);

/// The places of one name. Hardly any name is bound twice, so one has room without a list.
#[derive(Debug)]
struct Places {
    first: Place,
    more: Vec<Place>,
}

/// See the head of this file.
#[derive(Debug, Default)]
pub(crate) struct Module {
    /// Tells modules of one document apart.
    pub epoch: u64,
    pub imports: Arc<Imports>,
    /// Fingerprint of the imports.
    pub setting: u64,
    /// What is wrong with the imports. Ranges are of the text that was read: such a module is not kept.
    pub findings: Vec<Finding>,
    names: HashMap<String, Places, RandomState>,
    /// Items with `from elsewhere import *`.
    pub stars: Vec<usize>,
    by_stamp: HashMap<usize, usize, RandomState>,
    /// Decorated items that mention `mvm`, ascending.
    pub decorated: Vec<usize>,
    /// Others that mention `mvm` where that may be read or reported, ascending.
    pub other: Vec<usize>,
    /// Stamps that are gone since the last analysis.
    pub dead: Vec<usize>,
    /// Items whose plain text no rule has read yet.
    pub unread: Vec<usize>,
    /// Items about whose plain text there are findings, ascending.
    pub noted: Vec<usize>,
}

impl Module {
    /// Reads the bindings of every item.
    pub fn read(text: &str, items: &[Item], slots: &[Slot], epoch: u64) -> Module {
        let mut module = Module { epoch, unread: (0..items.len()).collect(), ..Module::default() };
        module.names.reserve(items.len());
        let mut ours: Vec<(String, TextRange)> = Vec::new();
        let mut imports = Imports::default();
        for (i, (item, slot)) in items.iter().zip(slots).enumerate() {
            for (nth, binding) in slot.facts.bindings(text, item).iter().enumerate() {
                module.bind(i, nth, binding);
                let (How::Import(imported) | How::ConditionalImport(imported)) = &binding.how else {
                    continue;
                };
                if !is_about_mvm(imported) {
                    continue;
                }
                imports.add(imported);
                let at = item.start + binding.range.start..item.start + binding.range.end;
                if matches!(binding.how, How::ConditionalImport(_)) {
                    let message = "`mvm` is imported conditionally, so whether it is depends on what runs: \
                                   import it at the top level";
                    module.findings.push(Finding::error("MVM010", at.clone(), message));
                }
                ours.push((binding.name.clone(), at));
            }
        }
        if imports.is_empty() && !module.names.contains_key("mvm") {
            place::not_imported(text, items, &mut imports, &mut module.findings);
        } else {
            module.rebound(text, items, slots, &ours);
        }
        let mut hasher = DefaultHasher::new();
        imports.fingerprint().hash(&mut hasher);
        module.setting = hasher.finish();
        module.imports = Arc::new(imports);
        if !module.imports.is_empty() {
            module.by_stamp = slots.iter().enumerate().map(|(i, slot)| (slot.stamp, i)).collect();
            (0..items.len()).for_each(|i| module.sort_in(text, items, i));
        }
        module
    }

    fn bind(&mut self, item: usize, nth: usize, binding: &Binding) {
        if let How::Import(imported) | How::ConditionalImport(imported) = &binding.how
            && let What::Star(module) = &imported.what
        {
            if module != "mvm" {
                self.stars.push(item);
            }
            return;
        }
        // Texts and their items are far below 4 G.
        let place = (u32::try_from(item).unwrap_or(u32::MAX), u32::try_from(nth).unwrap_or(u32::MAX));
        match self.names.get_mut(&binding.name) {
            Some(places) => places.more.push(place),
            None => drop(self.names.insert(binding.name.clone(), Places { first: place, more: Vec::new() })),
        }
    }

    /// Reports names of `mvm` that are bound again.
    fn rebound(&mut self, text: &str, items: &[Item], slots: &[Slot], ours: &[(String, TextRange)]) {
        let mut seen: Vec<&str> = Vec::new();
        for (name, import) in ours {
            if seen.contains(&name.as_str()) {
                continue;
            }
            seen.push(name);
            for (i, binding) in self.bindings(text, items, slots, name) {
                if matches!(&binding.how, How::Import(i) | How::ConditionalImport(i) if is_about_mvm(i)) {
                    continue;
                }
                let at = items[i].start + binding.range.start..items[i].start + binding.range.end;
                let message = format!(
                    "`{name}` is rebound here, so a static reader cannot tell what it means: use another name"
                );
                self.findings.push(
                    Finding::error("MVM010", at, message)
                        .related(import.clone(), format!("`{name}` is imported here")),
                );
            }
        }
    }

    /// Every binding of a name, in order: item index and binding.
    pub fn bindings<'s>(
        &self,
        text: &str,
        items: &[Item],
        slots: &'s [Slot],
        name: &str,
    ) -> Vec<(usize, &'s Binding)> {
        let Some(places) = self.names.get(name) else { return Vec::new() };
        let read = |(item, nth): Place| {
            let (item, nth) = (usize::try_from(item).ok()?, usize::try_from(nth).ok()?);
            Some((item, slots.get(item)?.facts.bindings(text, items.get(item)?).get(nth)?))
        };
        std::iter::once(places.first).chain(places.more.iter().copied()).filter_map(read).collect()
    }

    /// The item with this stamp.
    pub fn item_of(&self, stamp: usize) -> Option<usize> {
        self.by_stamp.get(&stamp).copied()
    }

    /// Puts an item among those that mention `mvm`, or takes it out.
    fn sort_in(&mut self, text: &str, items: &[Item], index: usize) {
        let Some(item) = items.get(index) else { return };
        let (decorated, other) = (may_declare(item), place::may_be_unusual(item));
        let mentioned =
            (decorated || other) && self.imports.mentioned_in(text.get(item.range()).unwrap_or(""));
        set(&mut self.decorated, index, mentioned && decorated);
        set(&mut self.other, index, mentioned && other);
    }

    /// Takes in that items `first..` were replaced by as many, if that changes nothing else; `false` if it does.
    pub fn replace(&mut self, text: &str, items: &[Item], first: usize, old: &[Slot], new: &[Slot]) -> bool {
        if old.len() != new.len() || !self.findings.is_empty() || self.imports.is_empty() {
            return false;
        }
        let same = |(i, (old, new)): (usize, (&Slot, &Slot))| {
            let Some(item) = items.get(first + i) else { return false };
            let (Some(was), is) = (old.facts.known_bindings(), new.facts.bindings(text, item)) else {
                return false;
            };
            was.len() == is.len() && was.iter().zip(is).all(|(was, is)| was.name == is.name && alike(was, is))
        };
        if !old.iter().zip(new).enumerate().all(same) {
            return false;
        }
        for (i, (old, new)) in old.iter().zip(new).enumerate() {
            self.by_stamp.remove(&old.stamp);
            self.by_stamp.insert(new.stamp, first + i);
            self.dead.push(old.stamp);
            self.unread.push(first + i);
            self.sort_in(text, items, first + i);
        }
        true
    }
}

/// Is a name bound in the same way? Where in the item does not matter: users of the item look again.
fn alike(was: &Binding, is: &Binding) -> bool {
    match (&was.how, &is.how) {
        (How::Value(_), How::Value(_)) | (How::Function, How::Function) => true,
        (How::Other(was), How::Other(is)) => was == is,
        _ => false,
    }
}

/// Puts a number into a sorted list, or takes it out.
pub(crate) fn set(list: &mut Vec<usize>, n: usize, present: bool) {
    match (list.binary_search(&n), present) {
        (Err(at), true) => list.insert(at, n),
        (Ok(at), false) => drop(list.remove(at)),
        _ => {}
    }
}
