//! What names mean: constants of the module that are bound once and before their use, and why others are not read.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, OnceLock};

use crate::bindings::{self, Binding, How};
use crate::declare::{bidirectional, names_of, syntax_findings};
use crate::eval::{Constant, Evaluator, Lookup, Scope};
use crate::finding::TextRange;
use crate::imports::{Imports, What};
use crate::items::Item;
use crate::syntax::ast::{Expr, SyntaxError};
use crate::syntax::parse_expr;

/// Constants of constants of constants: deeper than this is refused.
const DEPTH: u32 = 60;

/// The value side of an assignment, parsed.
#[derive(Debug)]
pub(crate) struct ParsedValue {
    expr: Expr,
    errors: Vec<SyntaxError>,
    names: Vec<String>,
}

/// What is known of an item by its text alone, made on demand.
#[derive(Debug, Default)]
pub(crate) struct ItemFacts {
    bindings: OnceLock<Vec<Binding>>,
    value: OnceLock<ParsedValue>,
    constant: Mutex<Option<(u64, Arc<Constant>)>>,
}

impl ItemFacts {
    /// The names that the item binds.
    pub fn bindings(&self, text: &str, item: &Item) -> &[Binding] {
        self.bindings.get_or_init(|| bindings::of(text, item))
    }

    fn value(&self, text: &str, start: usize) -> &ParsedValue {
        self.value.get_or_init(|| {
            let mut errors = Vec::new();
            let expr = parse_expr(text, start..text.len(), &mut errors);
            let mut names = Vec::new();
            names_of(&expr, &mut names);
            names.sort();
            names.dedup();
            ParsedValue { expr, errors, names }
        })
    }
}

/// A name's meaning, its fingerprint, and the item that defines it.
#[derive(Clone, Debug)]
struct Resolved {
    lookup: Lookup,
    fingerprint: u64,
    /// Index and stamp of the defining item.
    item: Option<usize>,
}

/// One item as names see it.
pub(crate) struct NamedItem<'a> {
    pub item: Item,
    pub stamp: usize,
    pub facts: &'a ItemFacts,
}

/// The names of a module.
pub(crate) struct Names<'a> {
    text: &'a str,
    items: Vec<NamedItem<'a>>,
    imports: Arc<Imports>,
    index: HashMap<&'a str, Vec<(usize, &'a Binding)>>,
    /// Items with `from elsewhere import *`.
    stars: Vec<usize>,
    resolved: RefCell<HashMap<String, Resolved>>,
}

fn hash(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

impl<'a> Names<'a> {
    pub fn new(text: &'a str, items: Vec<NamedItem<'a>>, imports: Arc<Imports>) -> Self {
        let mut index: HashMap<&'a str, Vec<(usize, &'a Binding)>> = HashMap::with_capacity(items.len());
        let mut stars = Vec::new();
        for (i, named) in items.iter().enumerate() {
            for binding in named.facts.bindings(text, &named.item) {
                match &binding.how {
                    How::Import(imported) | How::ConditionalImport(imported) => {
                        if let What::Star(module) = &imported.what {
                            if module != "mvm" {
                                stars.push(i);
                            }
                            continue;
                        }
                    }
                    _ => {}
                }
                index.entry(&binding.name).or_default().push((i, binding));
            }
        }
        Names { text, items, imports, index, stars, resolved: RefCell::default() }
    }

    /// Every binding of a name: item index and binding.
    pub fn bindings(&self, name: &str) -> &[(usize, &'a Binding)] {
        self.index.get(name).map_or(&[], Vec::as_slice)
    }

    /// What an item at `position` sees under these names, and a fingerprint of all of it.
    pub fn scope<'n>(&self, names: &'n [String], position: usize) -> (Scope<'n>, u64) {
        self.scope_at(names, position, 0)
    }

    fn scope_at<'n>(&self, names: &'n [String], position: usize, depth: u32) -> (Scope<'n>, u64) {
        let mut scope = Scope { imports: Arc::clone(&self.imports), names: HashMap::new() };
        let mut hasher = DefaultHasher::new();
        for name in names {
            if self.imports.is_module(name) || self.imports.of_name(name).is_some() {
                continue;
            }
            let resolved = self.resolve(name, position, depth);
            resolved.fingerprint.hash(&mut hasher);
            scope.names.insert(name, resolved.lookup);
        }
        (scope, hasher.finish())
    }

    fn resolve(&self, name: &str, position: usize, depth: u32) -> Resolved {
        let known = self.resolved.borrow().get(name).cloned();
        let resolved = match known {
            Some(resolved) => resolved,
            None => {
                let resolved = self.resolve_anywhere(name, depth);
                self.resolved.borrow_mut().insert(name.to_owned(), resolved.clone());
                resolved
            }
        };
        match resolved.item {
            Some(item) if item >= position => {
                let why = format!("`{name}` is bound below its use: move it above");
                self.refused(why, &[(item, None, "it is bound here")], name)
            }
            _ => resolved,
        }
    }

    fn refused(&self, message: String, places: &[(usize, Option<&TextRange>, &str)], name: &str) -> Resolved {
        let related: Vec<_> = places
            .iter()
            .filter_map(|(item, range, why)| {
                let named = self.items.get(*item)?;
                let range = match range {
                    Some(range) => (*range).clone(),
                    None => {
                        let binding = self.bindings(name).iter().find(|(i, _)| i == item)?;
                        binding.1.range.clone()
                    }
                };
                Some((named.stamp, range, (*why).to_owned()))
            })
            .collect();
        let fingerprint =
            hash((&message, related.iter().map(|(s, r, _)| (*s, r.clone())).collect::<Vec<_>>()));
        Resolved { lookup: Lookup::Refused { message, related }, fingerprint, item: None }
    }

    fn resolve_anywhere(&self, name: &str, depth: u32) -> Resolved {
        let bindings = self.bindings(name);
        let (first, binding) = match bindings {
            [] if !self.stars.is_empty() => {
                let places: Vec<_> =
                    self.stars.iter().map(|s| (*s, Some(&(0..0)), "perhaps from here")).collect();
                let why = format!("`{name}` can only come from a star import, and other files are not read");
                return self.refused(why, &places[..1], name);
            }
            [] => return Resolved { lookup: Lookup::Unknown, fingerprint: 0, item: None },
            [(first, binding)] => (*first, *binding),
            [(first, a), (second, b), ..] => {
                if let Some((item, other)) =
                    bindings.iter().find(|(_, b)| !matches!(b.how, How::Value(_) | How::Import(_)))
                    && let How::Other(why) = other.how
                {
                    let why = format!("`{name}` {why}: give the value a name of its own");
                    return self.refused(why, &[(*item, Some(&other.range), "here")], name);
                }
                let why = format!(
                    "`{name}` is bound more than once: a static reader cannot tell which value counts"
                );
                let places =
                    [(*first, Some(&a.range), "first here"), (*second, Some(&b.range), "and again here")];
                return self.refused(why, &places, name);
            }
        };
        let here = [(first, Some(&binding.range), "it is bound here")];
        match &binding.how {
            How::Value(start) => {
                if let Some(star) = self.stars.iter().find(|s| **s > first) {
                    let why = format!("`{name}` may be rebound by a star import: import names one by one");
                    return self.refused(why, &[(*star, Some(&(0..0)), "the star import")], name);
                }
                self.constant(name, first, *start, depth)
            }
            How::Import(_) | How::ConditionalImport(_) => {
                let why = format!("`{name}` is imported, and other files are not read: write the value here");
                self.refused(why, &here, name)
            }
            How::Function => {
                self.refused(format!("`{name}` is a function: its result is not static"), &here, name)
            }
            How::Other(why) => self.refused(format!("`{name}` {why}"), &here, name),
        }
    }

    fn constant(&self, name: &str, item: usize, start: usize, depth: u32) -> Resolved {
        let Some(named) = self.items.get(item) else {
            return Resolved { lookup: Lookup::Unknown, fingerprint: 0, item: None };
        };
        if depth >= DEPTH {
            let why = format!("`{name}` is at the end of a chain of names too long to be followed");
            return self.refused(why, &[], name);
        }
        let text = self.text.get(named.item.range()).unwrap_or("");
        let parsed = named.facts.value(text, start);
        let (scope, below) = self.scope_at(&parsed.names, item, depth + 1);
        let fingerprint = hash((named.stamp, below));
        let cached = match named.facts.constant.lock() {
            Ok(cache) => cache.as_ref().filter(|(f, _)| *f == fingerprint).map(|(_, c)| Arc::clone(c)),
            Err(_) => None,
        };
        let constant = cached.unwrap_or_else(|| {
            let constant = Arc::new(evaluate(text, parsed, &scope));
            if let Ok(mut cache) = named.facts.constant.lock() {
                *cache = Some((fingerprint, Arc::clone(&constant)));
            }
            constant
        });
        Resolved { lookup: Lookup::Constant(named.stamp, constant), fingerprint, item: Some(item) }
    }

    /// Findings of the constants that were used, with their items' stamps.
    pub fn used_constants(&self) -> Vec<(usize, Arc<Constant>)> {
        let resolved = self.resolved.borrow();
        let mut out: Vec<_> = resolved
            .values()
            .filter_map(|r| match &r.lookup {
                Lookup::Constant(stamp, constant) => Some((*stamp, Arc::clone(constant))),
                _ => None,
            })
            .collect();
        out.sort_by_key(|(stamp, _)| *stamp);
        out.dedup_by_key(|(stamp, _)| *stamp);
        out
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

impl Names<'_> {
    /// Where the item with this stamp starts.
    pub fn start_of_stamp(&self, stamp: usize) -> usize {
        self.items.iter().find(|n| n.stamp == stamp).map_or(0, |n| n.item.start)
    }
}
