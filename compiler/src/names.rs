//! What names mean: constants of the module that are bound once and before their use, and why others are not read.

mod chains;

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;
use std::sync::{Arc, Mutex, OnceLock};

use foldhash::fast::RandomState;

use crate::bindings::{self, Binding, How};
use crate::declare::{NameList, bidirectional, names_of, syntax_findings};
use crate::eval::{Constant, Evaluator, Lookup, Scope};
use crate::finding::TextRange;
use crate::items::Item;
use crate::lower::{TypeDefinition, Types};
use crate::memory::Memory;
use crate::module::Module;
use crate::syntax::ast::{Expr, SyntaxError};
use crate::syntax::parse_expr;
use crate::touches::ANY;
use crate::value::{Value, ValueKind};

/// Constants of constants of constants: deeper than this is refused.
const DEPTH: u32 = 60;
/// Names of one list: more are not looked at.
const ALIASES: usize = 50;
/// Types of types of types: more are not looked at.
const TYPES: usize = 200;

/// The value side of an assignment, parsed.
#[derive(Debug)]
pub(crate) struct ParsedValue {
    expr: Expr,
    errors: Vec<SyntaxError>,
    names: NameList,
}

/// What is known of an item by its text alone, made on demand.
#[derive(Debug, Default)]
pub(crate) struct ItemFacts {
    bindings: OnceLock<Arc<[Binding]>>,
    value: OnceLock<Box<ParsedValue>>,
    constant: Mutex<Option<(u64, Arc<Constant>)>>,
    type_definition: OnceLock<Option<Arc<TypeDefinition>>>,
}

impl ItemFacts {
    /// The value of the item's constant, when it has been looked at.
    pub fn constant(&self) -> Option<Arc<Constant>> {
        self.constant.lock().ok()?.as_ref().map(|(_, constant)| Arc::clone(constant))
    }

    /// The names that the item binds.
    pub fn bindings(&self, text: &str, item: &Item) -> Arc<[Binding]> {
        Arc::clone(self.bindings.get_or_init(|| bindings::of(text, item).into()))
    }

    fn value(&self, text: &str, start: usize) -> &ParsedValue {
        self.value.get_or_init(|| {
            let mut errors = Vec::new();
            let expr = parse_expr(text, start..text.len(), &mut errors);
            let mut names = Vec::new();
            names_of(&expr, &mut names);
            Box::new(ParsedValue { expr, errors, names: NameList::new(names) })
        })
    }
}

/// The stamp of no item, for what may depend on any.
pub(crate) const ANYTHING: usize = 0;

/// An item that a name's meaning comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Use {
    /// Its stamp.
    pub stamp: usize,
    /// It is a constant whose value is used; otherwise findings only point at it.
    pub constant: bool,
}

/// A name's meaning, its fingerprint, and the item that defines it.
#[derive(Clone, Debug)]
struct Resolved {
    lookup: Lookup,
    fingerprint: u64,
    /// Index of the item that assigns it, when that is the only binding.
    item: Option<usize>,
    /// What it comes from.
    uses: Vec<Use>,
    /// Constants that stand on each other, up to and with it.
    pile: u32,
}

impl Resolved {
    fn unknown() -> Self {
        Resolved { lookup: Lookup::Unknown, fingerprint: 0, item: None, uses: Vec::new(), pile: 0 }
    }
}

/// The item that assigns a name and where its value starts, when that is the only binding.
fn assigned(bindings: &[(usize, Binding)]) -> Option<(usize, usize)> {
    match bindings {
        [(item, Binding { how: How::Value(start), .. })] => Some((*item, *start)),
        _ => None,
    }
}

/// The names of a module.
pub(crate) struct Names<'a> {
    text: &'a str,
    items: &'a [Item],
    memory: &'a Memory,
    module: &'a Module,
    resolved: RefCell<HashMap<String, Rc<Resolved>, RandomState>>,
    /// Of constants at the end of long chains, by item: how many stand on each other below them.
    heights: RefCell<HashMap<usize, u32, RandomState>>,
}

fn hash(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

impl<'a> Names<'a> {
    pub fn new(text: &'a str, items: &'a [Item], memory: &'a Memory, module: &'a Module) -> Self {
        let (resolved, heights) = Default::default();
        Names { text, items, memory, module, resolved, heights }
    }

    fn stamp(&self, item: usize) -> Option<usize> {
        Some(self.memory.stamp(item)).filter(|stamp| *stamp != 0)
    }

    fn bindings(&self, name: &str) -> Vec<(usize, Binding)> {
        self.module.bindings(self.text, self.items, self.memory, name)
    }

    /// A fingerprint of all that an item at `position` sees under these names.
    pub fn fingerprint(&self, names: &NameList, position: usize) -> u64 {
        self.seen_by(names, position, 0).0
    }

    /// The fingerprint, and how high these names are piled.
    fn seen_by(&self, names: &NameList, position: usize, depth: u32) -> (u64, u32) {
        let seen = names.iter().filter(|name| !self.is_helper(name));
        seen.fold((0, 0), |(all, height): (u64, u32), name| {
            let one = self.resolve(name, position, depth);
            // Odd and arbitrary: the order of the names counts.
            let all = (all.rotate_left(23) ^ one.fingerprint).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            (all, height.max(one.pile))
        })
    }

    fn is_helper(&self, name: &str) -> bool {
        self.module.imports.is_module(name) || self.module.imports.of_name(name).is_some()
    }

    /// What an item at `position` sees under these names.
    pub fn scope<'n>(&self, names: &'n NameList, position: usize) -> Scope<'n> {
        self.scope_at(names, position, 0)
    }

    fn scope_at<'n>(&self, names: &'n NameList, position: usize, depth: u32) -> Scope<'n> {
        let seen = names.iter().filter(|name| !self.is_helper(name));
        let names = seen.map(|name| (name, self.resolve(name, position, depth).lookup.clone()));
        let imports = Arc::clone(&self.module.imports);
        Scope { imports, names: names.collect(), types: Types::default() }
    }

    fn resolve(&self, name: &str, position: usize, depth: u32) -> Rc<Resolved> {
        let known = self.resolved.borrow().get(name).cloned();
        if let Some(resolved) = known {
            return match resolved.item {
                Some(item) if item >= position => Rc::new(self.below(name, item)),
                _ => resolved,
            };
        }
        let bindings = self.bindings(name);
        // Asked before anything is evaluated: what constants stand on is always above them, so this ends.
        if let Some((item, _)) = assigned(&bindings)
            && item >= position
        {
            return Rc::new(self.below(name, item));
        }
        let resolved = Rc::new(self.resolve_anywhere(name, &bindings, depth));
        self.resolved.borrow_mut().insert(name.to_owned(), Rc::clone(&resolved));
        resolved
    }

    fn star_after(&self, item: usize) -> Option<&usize> {
        self.module.stars.iter().find(|star| **star > item)
    }

    fn below(&self, name: &str, item: usize) -> Resolved {
        let why = format!("`{name}` is bound below its use: move it above");
        self.refused(why, &[(item, None, "it is bound here")], name)
    }

    fn refused(&self, message: String, places: &[(usize, Option<&TextRange>, &str)], name: &str) -> Resolved {
        let related: Vec<_> = places
            .iter()
            .filter_map(|(item, range, why)| {
                let stamp = self.stamp(*item)?;
                let range = match range {
                    Some(range) => (*range).clone(),
                    None => {
                        let bindings = self.bindings(name);
                        bindings.iter().find(|(i, _)| i == item)?.1.range.clone()
                    }
                };
                Some((stamp, range, (*why).to_owned()))
            })
            .collect();
        let fingerprint =
            hash((&message, related.iter().map(|(s, r, _)| (*s, r.clone())).collect::<Vec<_>>()));
        let lookup = Lookup::Refused { message, related };
        Resolved { fingerprint, lookup, ..Resolved::unknown() }
    }

    fn resolve_anywhere(&self, name: &str, bindings: &[(usize, Binding)], depth: u32) -> Resolved {
        let item = assigned(bindings).map(|(item, _)| item);
        Resolved { item, ..self.meaning(name, bindings, depth) }
    }

    fn meaning(&self, name: &str, bindings: &[(usize, Binding)], depth: u32) -> Resolved {
        let stars = &self.module.stars;
        let [(first, binding), more @ ..] = bindings else {
            let Some(star) = stars.first() else { return Resolved::unknown() };
            let why = format!("`{name}` can only come from a star import, and other files are not read");
            return self.refused(why, &[(*star, Some(&(0..0)), "perhaps from here")], name);
        };
        let first = *first;
        if let [(second, again), ..] = more {
            if let Some((item, other)) =
                bindings.iter().find(|(_, b)| !matches!(b.how, How::Value(_) | How::Import(_)))
                && let How::Other(why) = other.how
            {
                let why = format!("`{name}` {why}: give the value a name of its own");
                return self.refused(why, &[(*item, Some(&other.range), "here")], name);
            }
            let why =
                format!("`{name}` is bound more than once: a static reader cannot tell which value counts");
            let places = [
                (first, Some(&binding.range), "first here"),
                (*second, Some(&again.range), "and again here"),
            ];
            return self.refused(why, &places, name);
        }
        let here = [(first, Some(&binding.range), "it is bound here")];
        match &binding.how {
            How::Value(start) => {
                if let Some(star) = self.star_after(first) {
                    let why = format!("`{name}` may be rebound by a star import: import names one by one");
                    return self.refused(why, &[(*star, Some(&(0..0)), "the star import")], name);
                }
                if let Some((item, any)) = self.bindings(ANY).first() {
                    let why = format!("`{name}` may be rebound by code that is put together as it runs");
                    return self.refused(why, &[(*item, Some(&any.range), "here")], name);
                }
                let constant = self.constant(name, first, *start, depth);
                match &constant.lookup {
                    Lookup::Constant(_, c) if may_change(&c.value) => {
                        let Some(refused) = self.changed(name, name, &mut Vec::new()) else {
                            return constant;
                        };
                        // With another value it would not be refused.
                        let uses = constant.uses.into_iter().map(|u| Use { constant: false, ..u }).collect();
                        Resolved { uses, pile: constant.pile, ..refused }
                    }
                    _ => constant,
                }
            }
            How::Import(_) | How::ConditionalImport(_) => {
                let why = format!("`{name}` is imported, and other files are not read: write the value here");
                self.refused(why, &here, name)
            }
            How::Function => {
                self.refused(format!("`{name}` is a function: its result is not static"), &here, name)
            }
            How::Other(why) | How::Touched(why) => self.refused(format!("`{name}` {why}"), &here, name),
            How::Alias(_) => Resolved::unknown(),
        }
    }

    /// The refusal of a list whose elements are not those that it was written with, by this name or another.
    fn changed(&self, name: &str, other: &str, seen: &mut Vec<String>) -> Option<Resolved> {
        seen.push(other.to_owned());
        if other != name {
            let again = self.bindings(other);
            let why = again.iter().find_map(|(item, b)| match &b.how {
                How::Other(why) => Some((*item, b, *why)),
                _ => None,
            });
            if let Some((item, binding, why)) = why {
                let why =
                    format!("`{name}` is also `{other}`, which {why}: give the value a name of its own");
                return Some(self.refused(why, &[(item, Some(&binding.range), "here")], name));
            }
        }
        for (item, touch) in self.module.touches(self.text, self.items, self.memory, other) {
            let why = match &touch.how {
                How::Touched(why) => format!("`{other}` {why}: give the value a name of its own"),
                How::Alias(next) if seen.len() < ALIASES && !seen.contains(next) => {
                    match self.changed(name, next, seen) {
                        Some(refused) => return Some(refused),
                        None => continue,
                    }
                }
                _ => continue,
            };
            return Some(self.refused(why, &[(item, Some(&touch.range), "here")], name));
        }
        None
    }

    fn constant(&self, name: &str, item: usize, start: usize, depth: u32) -> Resolved {
        let (Some(named), Some(stamp)) = (self.items.get(item), self.stamp(item)) else {
            return Resolved::unknown();
        };
        let facts = self.memory.facts(item);
        let text = self.text.get(named.range()).unwrap_or("");
        if depth >= DEPTH && self.height(item, start) >= DEPTH {
            return self.too_high(name);
        }
        let parsed = facts.value(text, start);
        let (below, height) = self.seen_by(&parsed.names, item, depth + 1);
        if height >= DEPTH {
            return self.too_high(name);
        }
        let fingerprint = hash((stamp, self.module.setting, below));
        let cached = match facts.constant.lock() {
            Ok(cache) => cache.as_ref().filter(|(f, _)| *f == fingerprint).map(|(_, c)| Arc::clone(c)),
            Err(_) => None,
        };
        let constant = cached.unwrap_or_else(|| {
            let scope = self.scope_at(&parsed.names, item, depth + 1);
            let constant = Arc::new(evaluate(text, parsed, &scope));
            if let Ok(mut cache) = facts.constant.lock() {
                *cache = Some((fingerprint, Arc::clone(&constant)));
            }
            constant
        });
        let mut uses = self.uses(&parsed.names, item, depth + 1);
        uses.extend(constant.dependencies.iter().map(|stamp| Use { stamp: *stamp, constant: false }));
        uses.push(Use { stamp, constant: true });
        let lookup = Lookup::Constant(stamp, constant);
        Resolved { lookup, fingerprint, uses, pile: height + 1, item: None }
    }

    /// Every item behind these names.
    pub fn uses(&self, names: &NameList, position: usize, depth: u32) -> Vec<Use> {
        let mut uses: Vec<Use> = Vec::new();
        for name in names.iter().filter(|name| !self.is_helper(name)) {
            uses.extend(&self.resolve(name, position, depth).uses);
        }
        uses.sort_unstable();
        uses.dedup();
        uses
    }
}

/// Can the value, or a part of it, be changed in place?
fn may_change(value: &Value) -> bool {
    match &value.kind {
        ValueKind::List(_) | ValueKind::Dict(_) | ValueKind::Set(_) => true,
        ValueKind::Tuple(items) => items.iter().any(may_change),
        _ => false,
    }
}

fn evaluate(text: &str, parsed: &ParsedValue, scope: &Scope<'_>) -> Constant {
    let mut evaluator = Evaluator::new(text, scope);
    let value = evaluator.expr(&parsed.expr);
    let mut findings = syntax_findings(&parsed.errors);
    findings.extend(evaluator.findings);
    findings.extend(bidirectional(text));
    Constant { value, findings, dependencies: evaluator.dependencies }
}
