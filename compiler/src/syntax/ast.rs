//! The syntax that evaluation reads: expressions and the heads of decorated functions. Ranges are offsets in the
//! item. Left-leaning chains are flat, so that dropping a long one does not recurse.

use crate::declaration::ParameterKind;
use crate::finding::TextRange;

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Expr {
    pub kind: ExprKind,
    pub range: TextRange,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ExprKind {
    Name(String),
    None,
    Bool(bool),
    Int,
    Float,
    Strings(Vec<StringPiece>),
    Attribute(Box<Expr>, String),
    Call(Box<Call>),
    Unary(char, Box<Expr>),
    /// Operands of left-associative binary operators: `a + b - c`.
    Chain(Box<Expr>, Vec<(&'static str, Expr)>),
    List(Vec<Expr>),
    Tuple(Vec<Expr>),
    Set(Vec<Expr>),
    Dict(Vec<DictItem>),
    Starred(Box<Expr>),
    Subscript(Box<Expr>, Vec<Expr>),
    /// Something evaluation refuses; the words name it in a message.
    Other(&'static str),
    /// A syntax error, already reported.
    Error,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum DictItem {
    Pair(Expr, Expr),
    Unpack(Expr),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Call {
    pub function: Expr,
    pub arguments: Vec<Argument>,
    /// Between the parentheses.
    pub inner: TextRange,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Argument {
    Positional(Expr),
    Keyword { name: String, name_range: TextRange, value: Expr },
    Star(Expr),
    DoubleStar(Expr),
}

/// One literal of an implicit concatenation.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StringPiece {
    /// With prefix and quotes.
    pub range: TextRange,
    /// Replacement fields of an f-string, in order.
    pub fields: Vec<Field>,
}

/// A replacement field.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Field {
    /// With its braces.
    pub range: TextRange,
    pub value: Expr,
    /// `{x=}`: the text before the value, `x=`.
    pub debug: Option<TextRange>,
    /// `!r`, `!s`, `!a`
    pub conversion: Option<char>,
    pub spec: Option<Spec>,
}

/// A format specifier with its own fields.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Spec {
    /// After the colon, before the closing brace.
    pub range: TextRange,
    pub fields: Vec<Field>,
}

/// A decorated function (or class) without its body.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Head {
    pub decorators: Vec<Decorator>,
    pub definition: Option<Definition>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Decorator {
    /// From the `@`.
    pub range: TextRange,
    pub expr: Expr,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Definition {
    pub is_class: bool,
    pub is_async: bool,
    pub name: String,
    pub name_range: TextRange,
    pub range: TextRange,
    pub parameters: Vec<ParameterSyntax>,
    pub returns: Option<Expr>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ParameterSyntax {
    pub name: String,
    pub name_range: TextRange,
    pub kind: ParameterKind,
    pub annotation: Option<Expr>,
    pub default: Option<Expr>,
}

/// An item that may define a type.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TypeItem {
    Alias { parameters: Vec<String>, target: Expr },
    Class(Class),
}

/// A class as far as types go.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Class {
    pub decorators: Vec<Expr>,
    pub bases: Vec<Expr>,
    /// `total=False`
    pub keywords: Vec<(String, Expr)>,
    /// Annotated names in its body, with their values.
    pub fields: Vec<(String, Expr, Option<Expr>)>,
}

/// A syntax error.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SyntaxError {
    pub range: TextRange,
    pub message: String,
    /// Where the bracket or string that is never closed begins, when that is the matter.
    pub unclosed: bool,
}

impl Expr {
    pub fn new(kind: ExprKind, range: TextRange) -> Self {
        Expr { kind, range }
    }
}
