//! What holds for a module as long as edits leave alone which names it binds where: its imports, who binds what, and
//! which items mention `mvm`. Kept from analysis to analysis, so that a keystroke does not walk over every item.

use std::hash::{BuildHasher, DefaultHasher, Hash, Hasher};
use std::mem::discriminant;
use std::sync::{Arc, LazyLock};

use foldhash::fast::RandomState;

use crate::bindings::{Binding, How};
use crate::document::may_declare;
use crate::finding::{Finding, TextRange};
use crate::imports::{Imported, Imports, What, is_about_mvm};
use crate::items::{Item, is_name_byte};
use crate::memory::Memory;
use crate::touches::ANY;
use crate::{bindings, parallel, place, table};

/// Items that are read at a time.
const BATCH: usize = 512;
/// What larger items bind is kept; what smaller ones bind is read again when somebody asks.
const LARGE: usize = 4_096;
/// The signature of an item with imports: it is never like another.
const IMPORTS: u32 = 0;

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
    /// Which items bind a name: its hash and the item's index, ascending.
    names: Vec<(u32, u32)>,
    /// Per item, a hash of which names it binds how.
    signatures: Vec<u32>,
    /// Items with `from elsewhere import *`.
    pub stars: Vec<usize>,
    /// Stamps and the items that bear them, by stamp.
    by_stamp: Vec<(u32, u32)>,
    /// Decorated items that mention `mvm`, ascending.
    pub decorated: Vec<usize>,
    /// Others that mention `mvm` where that may be read or reported, ascending.
    pub other: Vec<usize>,
    /// Stamps that are gone since the last analysis.
    pub dead: Vec<usize>,
    /// Items whose plain text no rule has read since the last analysis; `None`: the memory knows.
    pub unread: Option<Vec<usize>>,
    /// Items about whose plain text there are findings, ascending.
    pub noted: Vec<usize>,
}

/// What one run of items binds.
#[derive(Default)]
struct Bound {
    names: Vec<(u32, u32)>,
    signatures: Vec<u32>,
    /// Items with imports.
    imports: Vec<usize>,
}

/// The names that an item binds.
pub(crate) fn bindings_of(text: &str, items: &[Item], memory: &Memory, index: usize) -> Arc<[Binding]> {
    let Some(item) = items.get(index) else { return Arc::default() };
    if item.range().len() < LARGE {
        return bindings::of(text, item).into();
    }
    memory.facts(index).bindings(text, item)
}

fn small_hash(value: impl Hash) -> u32 {
    static STATE: LazyLock<RandomState> = LazyLock::new(RandomState::default);
    (STATE.hash_one(value) >> 16) as u32
}

/// Texts and their items are far below 4 G.
fn small(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

impl Module {
    /// Reads the bindings of every item.
    pub fn read(text: &str, items: &[Item], memory: &Memory, epoch: u64) -> Module {
        let mut module = Module { epoch, ..Module::default() };
        let starts: Vec<usize> = (0..items.len()).step_by(BATCH).collect();
        let bound = parallel::batches(&starts, |&start| {
            let mut bound = Bound::default();
            (start..(start + BATCH).min(items.len())).for_each(|i| bound.read(text, items, memory, i));
            bound
        });
        let mut ours: Vec<(Imported, TextRange)> = Vec::new();
        let mut imports = Imports::default();
        module.names.reserve_exact(bound.iter().map(|b| b.names.len()).sum());
        module.signatures.reserve_exact(items.len());
        for part in bound {
            module.names.extend(part.names);
            module.signatures.extend(part.signatures);
            for i in part.imports {
                module.import(text, items, memory, i, &mut imports, &mut ours);
            }
        }
        module.names.sort_unstable();
        if imports.is_empty() && module.bindings(text, items, memory, "mvm").is_empty() {
            place::not_imported(text, items, &mut imports, &mut module.findings);
        } else {
            module.rebound(text, items, memory, &ours);
        }
        let mut hasher = DefaultHasher::new();
        imports.fingerprint().hash(&mut hasher);
        module.setting = hasher.finish();
        module.imports = Arc::new(imports);
        if !module.imports.is_empty() {
            let stamps = memory.stamps().iter().enumerate();
            module.by_stamp = stamps.map(|(i, stamp)| (*stamp, small(i))).collect();
            module.by_stamp.sort_unstable();
            (0..items.len()).for_each(|i| module.sort_in(text, items, i));
        }
        module
    }

    /// Takes the imports of one item in.
    fn import(
        &mut self,
        text: &str,
        items: &[Item],
        memory: &Memory,
        index: usize,
        imports: &mut Imports,
        ours: &mut Vec<(Imported, TextRange)>,
    ) {
        let Some(item) = items.get(index) else { return };
        for binding in bindings_of(text, items, memory, index).iter() {
            let (How::Import(imported) | How::ConditionalImport(imported)) = &binding.how else { continue };
            if !is_about_mvm(imported) {
                if matches!(imported.what, What::Star(_)) {
                    self.stars.push(index);
                }
                continue;
            }
            imports.add(imported);
            let at = item.start + binding.range.start..item.start + binding.range.end;
            if matches!(binding.how, How::ConditionalImport(_)) {
                let message = "`mvm` is imported conditionally, so whether it is depends on what runs: \
                               import it at the top level";
                self.findings.push(Finding::error("MVM010", at.clone(), message));
            }
            ours.push(((**imported).clone(), at));
        }
    }

    /// Reports names of `mvm` that are bound again.
    fn rebound(&mut self, text: &str, items: &[Item], memory: &Memory, ours: &[(Imported, TextRange)]) {
        let mut seen: Vec<&str> = Vec::new();
        for (imported, import) in ours {
            let helpers = table::HELPERS.iter().map(|h| h.name);
            // What stands before a star import is bound by it.
            let (names, from): (Vec<&str>, usize) = match imported.what {
                What::Star(_) => (helpers.collect(), import.start),
                _ => (vec![&imported.local], 0),
            };
            for name in names {
                if seen.contains(&name) {
                    continue;
                }
                seen.push(name);
                let spelt = |(i, _): &(usize, Binding)| {
                    text.get(items[*i].range()).is_some_and(|text| has_word(text, name))
                };
                let dynamic = self.bindings(text, items, memory, ANY).into_iter().filter(spelt);
                for (i, binding) in self.bindings(text, items, memory, name).into_iter().chain(dynamic) {
                    let same = |other: &Imported| match (&other.what, &imported.what) {
                        (What::Member(_, original), What::Star(_)) => is_about_mvm(other) && original == name,
                        (other, what) => other == what,
                    };
                    let at = items[i].start + binding.range.start..items[i].start + binding.range.end;
                    if at.start < from
                        || matches!(&binding.how, How::Import(i) | How::ConditionalImport(i) if same(i))
                    {
                        continue;
                    }
                    self.findings.push(rebound(name, at, import));
                }
            }
        }
    }

    /// Every binding of a name, in order: item index and binding.
    pub fn bindings(&self, text: &str, items: &[Item], memory: &Memory, name: &str) -> Vec<(usize, Binding)> {
        let hash = small_hash(name);
        let from = self.names.partition_point(|(h, _)| *h < hash);
        let mut found: Vec<(usize, Binding)> = Vec::new();
        let mut last = None;
        for (_, item) in self.names[from..].iter().take_while(|(h, _)| *h == hash) {
            let item = *item as usize;
            // An item that binds it twice stands there twice.
            if last != Some(item) {
                last = Some(item);
                let all = bindings_of(text, items, memory, item);
                let binds = |b: &&Binding| b.name == name && !is_star(b) && !is_touch(b);
                found.extend(all.iter().filter(binds).map(|b| (item, b.clone())));
            }
        }
        found
    }

    /// Whatever may change the value behind a name, and its other names, in order.
    pub fn touches(&self, text: &str, items: &[Item], memory: &Memory, name: &str) -> Vec<(usize, Binding)> {
        let hash = small_hash(name);
        let from = self.names.partition_point(|(h, _)| *h < hash);
        let mut items_of: Vec<u32> =
            self.names[from..].iter().take_while(|(h, _)| *h == hash).map(|(_, item)| *item).collect();
        items_of.dedup();
        let mut found = Vec::new();
        for item in items_of.into_iter().map(|item| item as usize) {
            let all = bindings_of(text, items, memory, item);
            found.extend(all.iter().filter(|b| b.name == name && is_touch(b)).map(|b| (item, b.clone())));
        }
        found
    }

    /// The item with this stamp.
    pub fn item_of(&self, stamp: usize) -> Option<usize> {
        let at = self.by_stamp.binary_search_by_key(&small(stamp), |(stamp, _)| *stamp).ok()?;
        Some(self.by_stamp[at].1).filter(|item| *item != u32::MAX).map(|item| item as usize)
    }

    /// Puts an item among those that mention `mvm`, or takes it out.
    fn sort_in(&mut self, text: &str, items: &[Item], index: usize) {
        let Some(item) = items.get(index) else { return };
        let text = text.get(item.range()).unwrap_or("");
        let decorated = may_declare(item);
        let other = place::may_be_unusual(text, item, &self.imports);
        let mentioned = (decorated || other) && self.imports.mentioned_in(text);
        set(&mut self.decorated, index, mentioned && decorated);
        set(&mut self.other, index, mentioned && other);
    }

    /// Takes in that the items `new` stand in place of those with the stamps `gone`, if that changes nothing else;
    /// `false` if it does.
    pub fn replace(
        &mut self,
        text: &str,
        items: &[Item],
        new: std::ops::Range<usize>,
        gone: &[usize],
        memory: &Memory,
    ) -> bool {
        if gone.len() != new.len() || !self.findings.is_empty() || self.imports.is_empty() {
            return false;
        }
        let same = |i: usize| {
            let is = signature(&bindings_of(text, items, memory, i));
            is != IMPORTS && self.signatures.get(i) == Some(&is)
        };
        if !new.clone().all(same) {
            return false;
        }
        for (i, old) in new.zip(gone) {
            if let Ok(at) = self.by_stamp.binary_search_by_key(&small(*old), |(stamp, _)| *stamp) {
                self.by_stamp[at].1 = u32::MAX;
            }
            // Stamps grow: the last is the largest.
            self.by_stamp.push((small(memory.stamp(i)), small(i)));
            self.dead.push(*old);
            if let Some(unread) = &mut self.unread {
                unread.push(i);
            }
            self.sort_in(text, items, i);
        }
        true
    }
}

/// Does a text speak of this name?
fn has_word(text: &str, word: &str) -> bool {
    let bytes = text.as_bytes();
    memchr::memmem::find_iter(bytes, word.as_bytes()).any(|at| {
        let around = [at.checked_sub(1).map(|n| bytes[n]), bytes.get(at + word.len()).copied()];
        !around.into_iter().flatten().any(is_name_byte)
    })
}

fn rebound(name: &str, at: TextRange, import: &TextRange) -> Finding {
    let message =
        format!("`{name}` is rebound here, so a static reader cannot tell what it means: use another name");
    Finding::error("MVM010", at, message).related(import.clone(), format!("`{name}` is imported here"))
}

impl Bound {
    fn read(&mut self, text: &str, items: &[Item], memory: &Memory, index: usize) {
        let bindings = bindings_of(text, items, memory, index);
        for binding in bindings.iter().filter(|b| !is_star(b)) {
            self.names.push((small_hash(binding.name.as_str()), small(index)));
        }
        self.signatures.push(signature(&bindings));
        if bindings.iter().any(|b| matches!(b.how, How::Import(_) | How::ConditionalImport(_))) {
            self.imports.push(index);
        }
    }
}

/// Does it bind nothing?
fn is_touch(binding: &Binding) -> bool {
    matches!(binding.how, How::Touched(_) | How::Alias(_))
}

fn is_star(binding: &Binding) -> bool {
    let (How::Import(imported) | How::ConditionalImport(imported)) = &binding.how else { return false };
    matches!(imported.what, What::Star(_))
}

/// Equal for items that bind the same names in the same way. Where in the item does not matter: users of the item
/// look again.
fn signature(bindings: &[Binding]) -> u32 {
    let mut all = 1;
    for binding in bindings {
        let how = match &binding.how {
            How::Import(_) | How::ConditionalImport(_) => return IMPORTS,
            // What it binds stands in a string.
            _ if binding.name == ANY => return IMPORTS,
            How::Value(_) | How::Function => "",
            How::Other(why) | How::Touched(why) => why,
            How::Alias(other) => other,
        };
        // What is bound in one way and changed in another may be said in the same words.
        all = small_hash((all, &binding.name, discriminant(&binding.how), how));
    }
    all.max(1)
}

/// Puts a number into a sorted list, or takes it out.
pub(crate) fn set(list: &mut Vec<usize>, n: usize, present: bool) {
    match (list.binary_search(&n), present) {
        (Err(at), true) => list.insert(at, n),
        (Ok(at), false) => drop(list.remove(at)),
        _ => {}
    }
}
