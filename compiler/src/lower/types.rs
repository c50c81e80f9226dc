//! Types that a module defines itself: aliases, `TypedDict`s and dataclasses, as their item is written.

use std::collections::HashMap;
use std::sync::Arc;

use crate::items::is_name_byte;
use crate::syntax::ast::{Class, Expr, ExprKind, TypeItem};
use crate::syntax::parse_type_item;

/// A type that one item defines.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TypeDefinition {
    /// The item's text, which expressions refer to.
    pub text: String,
    pub form: Form,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Form {
    /// `Alias = …`, `type Alias[T] = …`
    Alias { parameters: Vec<String>, target: Expr },
    /// A class, whose bases decide what it is.
    Record { bases: Vec<String>, is_dataclass: bool, fields: Vec<Field> },
}

/// A field of a record.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Field {
    pub name: String,
    pub annotation: Expr,
    pub required: bool,
}

/// What names mean as types: `None` for a name of which only this is known, that it means something else than usual.
pub(crate) type Types = HashMap<String, Option<Arc<TypeDefinition>>>;

/// Every identifier in a text, those in strings (forward references) included.
pub(crate) fn identifiers(text: &str, out: &mut Vec<String>) {
    let words = text.split(|c: char| !c.is_ascii() && !c.is_alphanumeric() || c.is_ascii() && !is_word(c));
    out.extend(
        words.filter(|w| !w.is_empty() && !w.starts_with(|c: char| c.is_ascii_digit())).map(str::to_owned),
    );
}

fn is_word(c: char) -> bool {
    u8::try_from(c).is_ok_and(is_name_byte)
}

/// The type that an item defines under a name, if it is of a form that is read. `value` is where the value of a plain
/// assignment starts.
pub(crate) fn definition(text: &str, value: Option<usize>) -> Option<TypeDefinition> {
    let form = match parse_type_item(text, value)? {
        TypeItem::Alias { parameters, target } => Form::Alias { parameters, target },
        TypeItem::Class(class) => record(text, class)?,
    };
    Some(TypeDefinition { text: text.to_owned(), form })
}

/// The last word of `a.b.c`, when what is before it is a module that defines such types.
pub(super) fn known_name(e: &Expr) -> Option<&str> {
    match &e.kind {
        ExprKind::Name(name) => Some(name),
        ExprKind::Attribute(object, name) => match &object.kind {
            ExprKind::Name(module)
                if matches!(module.as_str(), "typing" | "t" | "typing_extensions" | "dataclasses") =>
            {
                Some(name)
            }
            _ => None,
        },
        _ => None,
    }
}

fn record(text: &str, class: Class) -> Option<Form> {
    let mut is_dataclass = false;
    for decorator in &class.decorators {
        let (function, arguments) = match &decorator.kind {
            ExprKind::Call(call) => (&call.function, &text[call.inner.clone()]),
            _ => (decorator, ""),
        };
        match known_name(function)? {
            "dataclass" if !arguments.contains("init") => is_dataclass = true,
            "final" => {}
            _ => return None,
        }
    }
    let mut total = true;
    for (name, value) in &class.keywords {
        match (name.as_str(), &value.kind) {
            ("total", ExprKind::Bool(given)) => total = *given,
            _ => return None,
        }
    }
    let bases: Option<Vec<String>> = class.bases.iter().map(|e| known_name(e).map(str::to_owned)).collect();
    let fields = class.fields.into_iter().filter_map(|(name, annotation, default)| {
        let (required, default) = match default.map(|d| field_call(text, &d)) {
            None => (total, None),
            Some(Default::Plain) => (false, None),
            Some(Default::Field { optional, init }) => (!optional, Some(init)),
        };
        let outer = match &annotation.kind {
            ExprKind::Subscript(base, _) => known_name(base),
            _ => known_name(&annotation),
        };
        let skipped = matches!(outer, Some("ClassVar" | "KW_ONLY")) || default == Some(false);
        (!skipped).then_some(Field { name, annotation, required })
    });
    Some(Form::Record { bases: bases?, is_dataclass, fields: fields.collect() })
}

enum Default {
    Plain,
    /// `field(…)`: whether it has a default, and whether the field is an argument of the class.
    Field {
        optional: bool,
        init: bool,
    },
}

fn field_call(text: &str, default: &Expr) -> Default {
    match &default.kind {
        ExprKind::Call(call) if known_name(&call.function) == Some("field") => {
            let inner: String = text[call.inner.clone()].split_whitespace().collect();
            let has = |word: &str| inner.starts_with(word) || inner.contains(&format!(",{word}"));
            Default::Field { optional: has("default=") || has("default_factory="), init: !has("init=False") }
        }
        _ => Default::Plain,
    }
}
