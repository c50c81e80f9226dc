//! JSON Schemas of a function's arguments and result, from its annotations. What cannot be derived is left out, not
//! guessed: a parameter of an unknown type takes anything.

use serde_json::{Map, Value as Json, json};

use crate::declaration::ParameterKind;
use crate::eval::{Evaluator, Scope};
use crate::syntax::ast::{Definition, Expr, ExprKind};
use crate::syntax::parse_expr;
use crate::value::ValueKind;

/// Annotations within annotations.
const DEPTH: u32 = 20;

/// The schemas of one function.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Annotations {
    pub arguments: Option<Json>,
    pub result: Option<Json>,
}

impl Annotations {
    /// Derives them. Without any annotation there is no schema.
    pub fn of(definition: &Definition, text: &str) -> Annotations {
        let result = definition.returns.as_ref().and_then(|e| schema(e, text, 0));
        Annotations { arguments: arguments(definition, text), result }
    }
}

fn arguments(definition: &Definition, text: &str) -> Option<Json> {
    let annotated = |p: &crate::syntax::ast::ParameterSyntax| p.annotation.is_some();
    // Arguments arrive by name, so what only takes a position cannot be described.
    if !definition.parameters.iter().any(annotated)
        || definition.parameters.iter().any(|p| p.kind == ParameterKind::PositionalOnly)
    {
        return None;
    }
    let mut properties = Map::new();
    let mut required = Vec::new();
    let mut open = false;
    for p in &definition.parameters {
        match p.kind {
            ParameterKind::Variadic => continue,
            ParameterKind::VariadicKeyword => {
                open = true;
                continue;
            }
            _ => {}
        }
        let mut property =
            p.annotation.as_ref().and_then(|e| schema(e, text, 0)).unwrap_or_else(|| json!({}));
        match &p.default {
            None => required.push(Json::String(p.name.clone())),
            Some(default) => {
                let scope = Scope::default();
                let value = Evaluator::new(text, &scope).expr(default);
                if let (Some(value), Json::Object(map)) = (crate::declare::json(&value), &mut property) {
                    map.insert("default".into(), value);
                }
            }
        }
        properties.insert(p.name.clone(), property);
    }
    let mut schema = json!({"type": "object", "properties": properties, "additionalProperties": open});
    if let (false, Json::Object(map)) = (required.is_empty(), &mut schema) {
        map.insert("required".into(), Json::Array(required));
    }
    Some(schema)
}

/// The schema of one annotation; `None` when it cannot be derived.
fn schema(e: &Expr, text: &str, depth: u32) -> Option<Json> {
    if depth > DEPTH {
        return None;
    }
    match &e.kind {
        ExprKind::None => Some(json!({"type": "null"})),
        ExprKind::Name(name) => named(name),
        ExprKind::Attribute(object, name) if is_typing(object) => named(name),
        // `int | None`
        ExprKind::Chain(first, rest) if rest.iter().all(|(operator, _)| *operator == "|") => {
            let all = std::iter::once(&**first).chain(rest.iter().map(|(_, e)| e));
            union(all, text, depth)
        }
        ExprKind::Subscript(base, parameters) => {
            let parameters = match &parameters[..] {
                [Expr { kind: ExprKind::Tuple(items), .. }] => items,
                parameters => parameters,
            };
            generic(last_name(base)?, parameters, text, depth)
        }
        ExprKind::Strings(pieces) => {
            // A forward reference: the annotation is what the string holds.
            let [piece] = &pieces[..] else { return None };
            let literal = text.get(piece.range.clone())?;
            let quotes = literal.bytes().position(|b| b != b'"' && b != b'\'')?;
            let inner = piece.range.start + quotes..piece.range.end.checked_sub(quotes)?;
            if literal.starts_with(char::is_alphabetic) || literal.contains('\\') || inner.start > inner.end {
                return None;
            }
            let mut errors = Vec::new();
            let expr = parse_expr(text, inner, &mut errors);
            errors.is_empty().then(|| schema(&expr, text, depth + 1))?
        }
        _ => None,
    }
}

fn is_typing(e: &Expr) -> bool {
    matches!(&e.kind, ExprKind::Name(name) if matches!(name.as_str(), "typing" | "t" | "typing_extensions"))
}

fn last_name(e: &Expr) -> Option<&str> {
    match &e.kind {
        ExprKind::Name(name) => Some(name),
        ExprKind::Attribute(object, name) if is_typing(object) => Some(name),
        _ => None,
    }
}

fn named(name: &str) -> Option<Json> {
    Some(match name {
        "str" => json!({"type": "string"}),
        "int" => json!({"type": "integer"}),
        "float" => json!({"type": "number"}),
        "bool" => json!({"type": "boolean"}),
        "None" => json!({"type": "null"}),
        "list" | "List" | "Sequence" => json!({"type": "array"}),
        "dict" | "Dict" | "Mapping" => json!({"type": "object"}),
        "Any" | "object" => json!({}),
        _ => return None,
    })
}

fn union<'e>(members: impl Iterator<Item = &'e Expr>, text: &str, depth: u32) -> Option<Json> {
    let mut schemas: Vec<Json> = Vec::new();
    for member in members {
        let schema = schema(member, text, depth + 1)?;
        if !schemas.contains(&schema) {
            schemas.push(schema);
        }
    }
    match schemas.len() {
        1 => schemas.pop(),
        _ => Some(json!({"anyOf": schemas})),
    }
}

fn generic(name: &str, parameters: &[Expr], text: &str, depth: u32) -> Option<Json> {
    match (name, parameters) {
        ("list" | "List" | "Sequence", [item]) => {
            Some(json!({"type": "array", "items": schema(item, text, depth + 1)?}))
        }
        ("dict" | "Dict" | "Mapping", [key, value]) => {
            // JSON has string keys only.
            (last_name(key) == Some("str"))
                .then(|| schema(value, text, depth + 1))?
                .map(|value| json!({"type": "object", "additionalProperties": value}))
        }
        ("Optional", [member]) => {
            Some(json!({"anyOf": [schema(member, text, depth + 1)?, {"type": "null"}]}))
        }
        ("Union", members) => union(members.iter(), text, depth),
        ("Annotated", [first, ..]) => schema(first, text, depth + 1),
        ("Literal", members) => {
            let scope = Scope::default();
            let values: Option<Vec<Json>> = members
                .iter()
                .map(|m| {
                    let value = Evaluator::new(text, &scope).expr(m);
                    matches!(
                        value.kind,
                        ValueKind::Str(_) | ValueKind::Int(_) | ValueKind::Bool(_) | ValueKind::None
                    )
                    .then(|| crate::declare::json(&value))?
                })
                .collect();
            Some(json!({"enum": values?}))
        }
        _ => None,
    }
}
