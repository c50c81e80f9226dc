//! Static evaluation: syntax → values, with the meaning Python would give them, or a refusal on the smallest range.

mod bind;
mod character;
mod check;
mod format;
mod keys;
mod limits;
mod literal;
mod lookup;
#[cfg(test)]
mod meaning_tests;
mod number;
mod operator;
mod refuse;
mod string;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

pub(crate) use bind::Callee;
use keys::{Key, hashable, insert, key_of};

use crate::address;
use crate::finding::{Finding, TextRange};
use crate::imports::Imports;
use crate::lower::Types;
use crate::syntax::ast::{DictItem, Expr, ExprKind};
use crate::value::{Value, ValueKind};

/// Bytes and elements that the values of one item may hold together: no bomb made of names grows beyond it.
const BUDGET: usize = 64 << 20;

/// The longest string that repetition may make.
const REPEATED: usize = 1 << 20;

/// What a name means to an item.
#[derive(Clone, Debug)]
pub(crate) enum Lookup {
    /// A module constant, and the item that defines it.
    Constant(usize, Arc<Constant>),
    /// Bound, but not so that a static reader could tell its value.
    Refused { message: String, related: Vec<(usize, TextRange, String)> },
    /// Bound nowhere in the file.
    Unknown,
}

/// The value of a module constant. Addresses are its own item's.
#[derive(Clone, Debug)]
pub(crate) struct Constant {
    pub value: Value,
    pub findings: Vec<Finding>,
    /// The items of the constants that it uses itself.
    pub dependencies: Vec<usize>,
}

/// What an item sees of the module around it.
#[derive(Default)]
pub(crate) struct Scope<'a> {
    pub imports: Arc<Imports>,
    pub names: HashMap<&'a str, Lookup>,
    /// Types that the module defines, for annotations.
    pub types: Types,
}

/// Evaluates the expressions of one item.
pub(crate) struct Evaluator<'a> {
    text: &'a str,
    scope: &'a Scope<'a>,
    pub findings: Vec<Finding>,
    /// Items that addresses with a number refer to.
    pub dependencies: Vec<usize>,
    budget: usize,
    /// A bracket is never closed: what is bound to what is a guess, so unknown and missing arguments are not told.
    pub quiet: bool,
}

impl<'a> Evaluator<'a> {
    pub fn new(text: &'a str, scope: &'a Scope<'a>) -> Self {
        let budget = BUDGET;
        Evaluator { text, scope, findings: Vec::new(), dependencies: Vec::new(), budget, quiet: false }
    }

    /// How the module imports `mvm`.
    pub fn imports(&self) -> &Imports {
        &self.scope.imports
    }

    /// Types that the module defines.
    pub fn types(&self) -> &'a Types {
        &self.scope.types
    }

    fn source(&self, range: &TextRange) -> &'a str {
        self.text.get(range.clone()).unwrap_or("")
    }

    fn value(&self, kind: ValueKind, range: &TextRange) -> Value {
        Value { kind, range: range.clone(), origin: None }
    }

    fn refused(&mut self, range: &TextRange, message: impl Into<String>) -> Value {
        self.findings.push(Finding::error("MVM002", range.clone(), message));
        self.value(ValueKind::Refused, range)
    }

    fn spend(&mut self, amount: usize, range: &TextRange) -> Result<(), Box<Value>> {
        match self.budget.checked_sub(amount) {
            Some(rest) => {
                self.budget = rest;
                Ok(())
            }
            None => {
                self.budget = 0;
                Err(Box::new(self.refused(range, "the values of this declaration are too large to be read")))
            }
        }
    }

    /// The value of an expression; [`ValueKind::Refused`] when a finding says why it has none.
    pub fn expr(&mut self, e: &Expr) -> Value {
        match &e.kind {
            ExprKind::None => self.value(ValueKind::None, &e.range),
            ExprKind::Bool(b) => self.value(ValueKind::Bool(*b), &e.range),
            ExprKind::Int => {
                let read = number::int(self.source(&e.range)).map(ValueKind::Int);
                self.literal(read, &e.range)
            }
            ExprKind::Float => {
                let read = number::float(self.source(&e.range)).map(ValueKind::Float);
                self.literal(read, &e.range)
            }
            ExprKind::Strings(pieces) => self.strings(pieces, &e.range),
            ExprKind::Name(name) => self.name(name, &e.range),
            ExprKind::List(items) => {
                let items = self.elements(items);
                self.value(ValueKind::List(items), &e.range)
            }
            ExprKind::Tuple(items) => {
                let items = self.elements(items);
                self.value(ValueKind::Tuple(items), &e.range)
            }
            ExprKind::Set(items) => {
                let items = self.elements(items);
                if let Some(item) = items.iter().find(|i| !hashable(i)) {
                    let (what, range) = (describe(&item.kind), item.range.clone());
                    return self.refused(&range, format!("{what} cannot be an element of a set"));
                }
                self.value(ValueKind::Set(items), &e.range)
            }
            ExprKind::Dict(items) => self.dict(items, &e.range),
            ExprKind::Unary(operator, operand) => self.unary(*operator, operand, &e.range),
            ExprKind::Chain(first, rest) => self.chain(first, rest, &e.range),
            ExprKind::Call(call) => self.call(e, call),
            ExprKind::Starred(_) => self.refused(&e.range, "`*` stands where it unpacks nothing"),
            ExprKind::Error => self.value(ValueKind::Refused, &e.range),
            ExprKind::Attribute(..) | ExprKind::Subscript(..) | ExprKind::Other(_) => self.not_static(e),
        }
    }

    fn literal(&mut self, read: Result<ValueKind, (&'static str, bool)>, range: &TextRange) -> Value {
        match read {
            Ok(kind) => self.value(kind, range),
            Err((message, syntax)) => {
                let rule = if syntax { "MVM001" } else { "MVM002" };
                self.findings.push(Finding::error(rule, range.clone(), message));
                self.value(ValueKind::Refused, range)
            }
        }
    }

    fn name(&mut self, name: &str, range: &TextRange) -> Value {
        match self.scope.names.get(name) {
            Some(Lookup::Constant(item, constant)) => {
                let (item, constant) = (*item, Arc::clone(constant));
                if let Err(refused) = self.spend(weight(&constant.value), range) {
                    return *refused;
                }
                let mut value = constant.value.clone();
                self.adopt(&mut value, range, item, &constant);
                value
            }
            Some(Lookup::Refused { message, related }) => {
                let mut finding = Finding::error("MVM002", range.clone(), message.clone());
                for (item, at, why) in related.clone() {
                    let k = self.dependency(item);
                    finding = finding.related(address::foreign(&at, k), why);
                }
                self.findings.push(finding);
                self.value(ValueKind::Refused, range)
            }
            Some(Lookup::Unknown) | None => {
                let message = match self.scope.imports.of_name(name) {
                    Some(helper) => format!("`{helper}` must be called here: `{name}(…)`"),
                    None => {
                        format!("`{name}` is not bound in this file: write the value, or bind the name above")
                    }
                };
                self.refused(range, message)
            }
        }
    }

    fn dependency(&mut self, item: usize) -> usize {
        match self.dependencies.iter().position(|i| *i == item) {
            Some(k) => k,
            None => {
                self.dependencies.push(item);
                self.dependencies.len() - 1
            }
        }
    }

    /// Makes a constant's value one of this item: used at `range`, written in the constant's item.
    fn adopt(&mut self, value: &mut Value, range: &TextRange, item: usize, constant: &Constant) {
        let own = self.dependency(item);
        let others: Vec<usize> = constant.dependencies.iter().map(|i| self.dependency(*i)).collect();
        let renumber = |at: &TextRange| {
            let (k, local) = address::split(at);
            let k = if k == 0 { own } else { others.get(k - 1).copied().unwrap_or(own) };
            address::foreign(&local, k)
        };
        renumber_value(value, range, &renumber);
    }

    fn elements(&mut self, items: &[Expr]) -> Vec<Value> {
        let mut out = Vec::with_capacity(items.len());
        for item in items {
            let ExprKind::Starred(inner) = &item.kind else {
                out.push(self.expr(item));
                continue;
            };
            let value = self.expr(inner);
            match value.kind {
                ValueKind::List(values) | ValueKind::Tuple(values) => out.extend(values),
                ValueKind::Dict(pairs) => out.extend(pairs.into_iter().map(|(k, _)| k)),
                ValueKind::Refused => out.push(value),
                ValueKind::Set(_) => {
                    out.push(self.refused(&item.range, "a set has no order: unpack a list or a tuple"));
                }
                other => {
                    let message = format!("`*` unpacks a list or a tuple, this is {}", describe(&other));
                    out.push(self.refused(&item.range, message));
                }
            }
        }
        out
    }

    fn dict(&mut self, items: &[DictItem], range: &TextRange) -> Value {
        let mut pairs: Vec<(Value, Value)> = Vec::with_capacity(items.len());
        let mut index: HashMap<Key, (usize, bool)> = HashMap::new();
        for item in items {
            match item {
                DictItem::Pair(key, value) => {
                    let mut key = self.expr(key);
                    let value = self.expr(value);
                    if !hashable(&key) {
                        let what = describe(&key.kind);
                        key = self.refused(&key.range, format!("{what} cannot be a dictionary's key"));
                    }
                    if let Some((_, true)) = key_of(&key).and_then(|k| index.get(&k)) {
                        self.duplicate_key(&key, &pairs, &index);
                    }
                    insert(&mut pairs, &mut index, key, value, true);
                }
                DictItem::Unpack(inner) => {
                    let value = self.expr(inner);
                    match value.kind {
                        ValueKind::Dict(more) => {
                            more.into_iter().for_each(|(k, v)| insert(&mut pairs, &mut index, k, v, false));
                        }
                        // One entry that is known to be unreadable: what the rest says still stands.
                        ValueKind::Refused => pairs.push((value.clone(), value)),
                        other => {
                            let what = describe(&other);
                            let refused = self
                                .refused(&inner.range, format!("`**` unpacks a dictionary, this is {what}"));
                            pairs.push((refused.clone(), refused));
                        }
                    }
                }
            }
        }
        self.value(ValueKind::Dict(pairs), range)
    }

    fn duplicate_key(&mut self, key: &Value, pairs: &[(Value, Value)], index: &HashMap<Key, (usize, bool)>) {
        let first = key_of(key).and_then(|k| index.get(&k)).and_then(|(i, _)| pairs.get(*i));
        let mut finding = Finding::error(
            "MVM011",
            key.range.clone(),
            "the key stands twice and Python keeps the last value: remove one of them",
        );
        if let Some((first, _)) = first {
            finding = finding.related(first.range.clone(), "it stands here first");
        }
        self.findings.push(finding);
    }
}

fn renumber_value(value: &mut Value, range: &TextRange, renumber: &impl Fn(&TextRange) -> TextRange) {
    let written = value.origin.take().unwrap_or_else(|| value.range.clone());
    value.origin = Some(renumber(&written));
    value.range = range.clone();
    match &mut value.kind {
        ValueKind::List(items) | ValueKind::Tuple(items) | ValueKind::Set(items) => {
            items.iter_mut().for_each(|v| renumber_value(v, range, renumber));
        }
        ValueKind::Dict(pairs) => {
            for (k, v) in pairs {
                renumber_value(k, range, renumber);
                renumber_value(v, range, renumber);
            }
        }
        ValueKind::Call(call) => {
            call.callee = renumber(&call.callee);
            call.arguments_range = renumber(&call.arguments_range);
            for argument in &mut call.arguments {
                argument.keyword = argument.keyword.as_ref().map(renumber);
                renumber_value(&mut argument.value, range, renumber);
            }
        }
        _ => {}
    }
}

/// About how many bytes a value holds.
fn weight(value: &Value) -> usize {
    64 + match &value.kind {
        ValueKind::Str(s) => s.len(),
        ValueKind::Bytes(b) => b.len(),
        ValueKind::List(items) | ValueKind::Tuple(items) | ValueKind::Set(items) => {
            items.iter().map(weight).sum()
        }
        ValueKind::Dict(pairs) => pairs.iter().map(|(k, v)| weight(k) + weight(v)).sum(),
        ValueKind::Call(call) => call.arguments.iter().map(|a| weight(&a.value)).sum(),
        _ => 0,
    }
}

/// The kind of a value, in the words of a message.
pub(crate) fn describe(kind: &ValueKind) -> String {
    match kind {
        ValueKind::None => "`None`".to_owned(),
        ValueKind::Bool(true) => "`True`".to_owned(),
        ValueKind::Bool(false) => "`False`".to_owned(),
        ValueKind::Int(_) => "an integer".to_owned(),
        ValueKind::Float(_) => "a float".to_owned(),
        ValueKind::Str(_) => "a string".to_owned(),
        ValueKind::Bytes(_) => "bytes".to_owned(),
        ValueKind::List(_) => "a list".to_owned(),
        ValueKind::Tuple(_) => "a tuple".to_owned(),
        ValueKind::Set(_) => "a set".to_owned(),
        ValueKind::Dict(_) => "a dictionary".to_owned(),
        ValueKind::Call(call) => format!("`mvm.{}(…)`", call.helper),
        ValueKind::Refused => "not static".to_owned(),
    }
}
