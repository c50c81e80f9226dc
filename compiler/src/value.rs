//! Values of static evaluation: Python constants and helper calls, each with the place it was written.

use crate::finding::TextRange;

/// An evaluated expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    /// What it is.
    pub kind: ValueKind,
    /// Where it is used: the argument's expression.
    pub range: TextRange,
    /// Where it is written, when that is elsewhere (a module constant, an unpacked element).
    pub origin: Option<TextRange>,
}

/// The kinds of value.
#[derive(Clone, Debug, PartialEq)]
pub enum ValueKind {
    /// `None`
    None,
    /// `True`, `False`
    Bool(bool),
    /// An integer (evaluation is bounded).
    Int(i128),
    /// A float.
    Float(f64),
    /// A string.
    Str(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// `[…]`
    List(Vec<Value>),
    /// `(…)`
    Tuple(Vec<Value>),
    /// `{a, b}`
    Set(Vec<Value>),
    /// `{k: v}`, in order of insertion, the last of equal keys winning.
    Dict(Vec<(Value, Value)>),
    /// A helper call.
    Call(Box<HelperCall>),
    /// Not static: a finding says why. Checks leave it alone.
    Refused,
}

/// A call such as `mvm.secret("x")`.
#[derive(Clone, Debug, PartialEq)]
pub struct HelperCall {
    /// Canonical name in the table, `secret`.
    pub helper: &'static str,
    /// The callee's text.
    pub callee: TextRange,
    /// Between the parentheses.
    pub arguments_range: TextRange,
    /// Bound arguments, in source order.
    pub arguments: Vec<Argument>,
}

/// One bound argument.
#[derive(Clone, Debug, PartialEq)]
pub struct Argument {
    /// Parameter name in the table.
    pub name: &'static str,
    /// The keyword as written; `None` for a positional argument.
    pub keyword: Option<TextRange>,
    /// Its value.
    pub value: Value,
}

impl Value {
    /// Gives back the room that lists have beyond their elements.
    pub(crate) fn shrink_to_fit(&mut self) {
        match &mut self.kind {
            ValueKind::List(items) | ValueKind::Tuple(items) | ValueKind::Set(items) => {
                items.shrink_to_fit();
                items.iter_mut().for_each(Value::shrink_to_fit);
            }
            ValueKind::Dict(pairs) => {
                pairs.shrink_to_fit();
                for (key, value) in pairs {
                    key.shrink_to_fit();
                    value.shrink_to_fit();
                }
            }
            ValueKind::Call(call) => call.shrink_to_fit(),
            ValueKind::Str(text) => text.shrink_to_fit(),
            _ => {}
        }
    }
}

impl HelperCall {
    /// Gives back the room that lists have beyond their elements.
    pub(crate) fn shrink_to_fit(&mut self) {
        self.arguments.shrink_to_fit();
        self.arguments.iter_mut().for_each(|a| a.value.shrink_to_fit());
    }

    /// The argument bound to a parameter.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.arguments.iter().find(|a| a.name == name).map(|a| &a.value)
    }
}
