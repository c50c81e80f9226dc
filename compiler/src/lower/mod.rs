//! Bound helper calls → IR, with the source map. What was refused is left at its default and the result is marked
//! incomplete, so that everything else can still be shown and checked.

mod app;
mod module;
mod parts;
mod schema;
mod types;

pub(crate) use app::{Input, app};
pub(crate) use module::import_path;
pub(crate) use schema::Annotations;
pub(crate) use types::{TypeDefinition, Types, definition, identifiers};

use workload_ir::push_pointer;

use crate::outline::Pointers;
use crate::value::{HelperCall, Value, ValueKind};

/// Collects what lowering yields beside the IR.
#[derive(Default)]
struct Lowerer {
    pointers: Pointers,
    incomplete: bool,
}

/// A pointer and a token below it.
fn below(at: &str, token: &str) -> String {
    let mut pointer = String::with_capacity(at.len() + token.len() + 1);
    pointer.push_str(at);
    push_pointer(&mut pointer, token);
    pointer
}

impl Lowerer {
    fn mark(&mut self, at: impl Into<String>, value: &Value) {
        self.pointers.push((at.into(), value.range.clone(), value.origin.clone()));
    }

    /// A string argument; `None` when it is absent or refused.
    fn str(&mut self, at: String, value: Option<&Value>) -> Option<String> {
        let value = present(value)?;
        match &value.kind {
            ValueKind::Str(s) => {
                self.mark(at, value);
                Some(s.clone())
            }
            _ => {
                self.incomplete = true;
                None
            }
        }
    }

    fn str_or(&mut self, at: String, value: Option<&Value>, default: &str) -> String {
        self.str(at, value).unwrap_or_else(|| default.to_owned())
    }

    /// A string that must be given; a finding says so when it is not.
    fn required(&mut self, at: String, value: Option<&Value>) -> String {
        match self.str(at, value) {
            Some(s) => s,
            None => {
                self.incomplete = true;
                String::new()
            }
        }
    }

    /// An integer that fits; bounds are rules' business, but what the type cannot hold is not lowered.
    fn int<T: TryFrom<i128>>(&mut self, at: String, value: Option<&Value>) -> Option<T> {
        let value = present(value)?;
        if let ValueKind::Int(n) = value.kind {
            self.mark(at, value);
            if let Ok(n) = T::try_from(n) {
                return Some(n);
            }
        }
        self.incomplete = true;
        None
    }

    fn int_or<T: TryFrom<i128>>(&mut self, at: String, value: Option<&Value>, default: T) -> T {
        self.int(at, value).unwrap_or(default)
    }

    /// A list's elements with their indices in the IR; refused ones are left out.
    fn strs(&mut self, at: &str, value: Option<&Value>) -> Option<Vec<String>> {
        let value = present(value)?;
        let Some(items) = elements(value) else {
            self.incomplete = true;
            return None;
        };
        self.mark(at, value);
        let mut out = Vec::with_capacity(items.len());
        for item in items {
            match self.str(format!("{at}/{}", out.len()), Some(item)) {
                Some(s) => out.push(s),
                None => self.incomplete = true,
            }
        }
        Some(out)
    }

    /// A helper call; `None` when it is absent or refused.
    fn call<'v>(&mut self, at: &str, value: Option<&'v Value>) -> Option<&'v HelperCall> {
        let value = present(value)?;
        match &value.kind {
            ValueKind::Call(call) => {
                self.mark(at, value);
                Some(call)
            }
            _ => {
                self.incomplete = true;
                None
            }
        }
    }
}

/// `None` is the same as nothing.
fn present(value: Option<&Value>) -> Option<&Value> {
    value.filter(|v| v.kind != ValueKind::None)
}

fn elements(value: &Value) -> Option<&[Value]> {
    match &value.kind {
        ValueKind::List(items) | ValueKind::Tuple(items) => Some(items),
        _ => None,
    }
}
