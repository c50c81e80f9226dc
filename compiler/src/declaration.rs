//! A declaration: one `@mvm.app(…)` and the function that it decorates, evaluated and lowered.
//! Its ranges are addresses of its own item (see [`crate::address`]), so that an edit elsewhere leaves it valid.

use workload_ir::{App, Source, Volume};

use crate::finding::TextRange;
use crate::value::HelperCall;

/// One decorator of the product with what it decorates.
#[derive(Clone, Debug, PartialEq)]
pub struct Declaration {
    /// `app`, or `func` for its short form.
    pub kind: DeclarationKind,
    /// The whole item: first decorator to the end of the body.
    pub range: TextRange,
    /// `@mvm.app(…)`, from the `@` to the closing parenthesis.
    pub decorator: TextRange,
    /// The call, bound against the table. `call.get("env")` is the evaluated argument.
    pub call: HelperCall,
    /// The function.
    pub function: Function,
    /// What it lowers to: as much as could be had.
    pub app: App,
    /// Volumes that its mounts declare.
    pub volumes: Vec<Volume>,
    /// JSON pointer below the app (`/env/KEY`) → use, and definition when elsewhere. Sorted by pointer.
    pub pointers: Vec<(String, TextRange, Option<TextRange>)>,
    /// Something could not be read or lowered; a finding says what.
    pub incomplete: bool,
}

/// Which decorator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeclarationKind {
    /// `@mvm.app(…)`
    App,
    /// `@mvm.func(…)`
    Func,
}

/// The decorated function's head.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// Where the name is.
    pub name_range: TextRange,
    /// From `def` (or `async`) to the colon.
    pub head: TextRange,
    /// `async def`
    pub is_async: bool,
    /// Parameters in order.
    pub parameters: Vec<Parameter>,
    /// The annotation after `->`.
    pub returns: Option<TextRange>,
}

/// One parameter of the decorated function.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Its name, without stars.
    pub name: String,
    /// Where the name is.
    pub name_range: TextRange,
    /// How an argument reaches it.
    pub kind: ParameterKind,
    /// The annotation as written.
    pub annotation: Option<TextRange>,
    /// The default as written.
    pub default: Option<TextRange>,
    /// The default as JSON, when it is a constant that JSON can carry.
    pub default_json: Option<serde_json::Value>,
}

/// Python's kinds of parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParameterKind {
    /// Before a `/`.
    PositionalOnly,
    /// Ordinary.
    Ordinary,
    /// After a `*`.
    KeywordOnly,
    /// `*args`
    Variadic,
    /// `**kwargs`
    VariadicKeyword,
}

impl Declaration {
    /// The directory that is packaged, as written.
    pub fn source(&self) -> &str {
        let Source::LocalPath { path, .. } = &self.app.source;
        path
    }

    /// The range written for a pointer below the app (`/env/KEY`); the nearest parent's when it has none itself
    /// (a default), the decorator's when nothing does.
    pub fn range_of(&self, pointer: &str) -> TextRange {
        let mut at = pointer;
        loop {
            if let Ok(i) = self.pointers.binary_search_by(|(p, ..)| p.as_str().cmp(at)) {
                return self.pointers[i].1.clone();
            }
            match at.rfind('/') {
                Some(cut) if cut > 0 => at = &at[..cut],
                _ => return self.decorator.clone(),
            }
        }
    }
}
