//! Addresses: how a declaration's cached results speak of text without knowing where their item lies.
//! Low bits are an offset in an item; high bits say which: 0 the declaration's own, `k` its `k`-th dependency
//! (the item of a module constant that it uses).

use crate::finding::{Finding, TextRange};

const SHIFT: u32 = 40;
const MASK: usize = (1 << SHIFT) - 1;

/// Range of a dependency's text as an address.
pub(crate) fn foreign(range: &TextRange, dependency: usize) -> TextRange {
    let high = (dependency + 1) << SHIFT;
    (range.start & MASK) | high..(range.end & MASK) | high
}

/// Is the range in the declaration's own item?
pub fn is_own(range: &TextRange) -> bool {
    range.start <= MASK
}

/// The item index (0 own, k dependency) and the offset range in it.
pub(crate) fn split(range: &TextRange) -> (usize, TextRange) {
    (range.start >> SHIFT, range.start & MASK..range.end & MASK)
}

/// The starts of a declaration's items: its own first, then its dependencies'.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bases<'a>(pub &'a [usize]);

/// [`Bases`] that are kept: thousands of declarations with few dependencies need no memory beyond their own.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    few: [usize; 3],
    count: usize,
    /// All of them, when they are more than fit.
    many: Vec<usize>,
}

impl Places {
    pub fn new(own: usize, dependencies: &[usize], place: impl Fn(usize) -> usize) -> Self {
        let mut places = Places { few: [own, 0, 0], count: 1 + dependencies.len(), many: Vec::new() };
        if places.count > places.few.len() {
            places.many = std::iter::once(own).chain(dependencies.iter().map(|s| place(*s))).collect();
        } else {
            places.few[1..].iter_mut().zip(dependencies).for_each(|(at, s)| *at = place(*s));
        }
        places
    }

    pub fn as_bases(&self) -> Bases<'_> {
        Bases(if self.many.is_empty() { &self.few[..self.count] } else { &self.many })
    }
}

impl Bases<'_> {
    /// Address → range in the file.
    pub fn resolve(&self, range: &TextRange) -> TextRange {
        let (item, local) = split(range);
        let base = self.0.get(item).copied().unwrap_or(0);
        base + local.start..base + local.end
    }

    /// Rewrites every address of a finding.
    pub fn resolve_finding(&self, finding: &Finding) -> Finding {
        let mut f = finding.clone();
        f.range = self.resolve(&f.range);
        for r in &mut f.related {
            r.range = self.resolve(&r.range);
        }
        for fix in &mut f.fixes {
            for e in &mut fix.edits {
                e.range = self.resolve(&e.range);
            }
            fix.edits.sort_by_key(|e| e.range.start);
        }
        f
    }
}
