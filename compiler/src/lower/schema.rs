//! JSON Schemas of a function's arguments and result, from its annotations. What cannot be derived is left out, not
//! guessed: a parameter of an unknown type takes anything.

use std::cell::Cell;
use std::collections::HashMap;

use serde_json::{Map, Value as Json, json};

use super::types::{Form, TypeDefinition, Types, known_name};
use crate::declaration::ParameterKind;
use crate::eval::{Evaluator, Scope};
use crate::syntax::ast::{Definition, Expr, ExprKind, ParameterSyntax};
use crate::syntax::parse_expr;
use crate::value::ValueKind;

/// Annotations within annotations.
const DEPTH: u32 = 20;
/// Parts of one function's schemas: types of types of types grow without end.
const PARTS: usize = 2_000;

/// The schemas of one function.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Annotations {
    pub arguments: Option<Json>,
    pub result: Option<Json>,
}

impl Annotations {
    /// Derives them. Without any annotation there is no schema.
    pub fn of(definition: &Definition, text: &str, types: &Types) -> Annotations {
        let reader = Reader { types, parts: Cell::new(PARTS) };
        let place = Place { text, bound: &HashMap::new(), within: &[] };
        let result = definition.returns.as_ref().and_then(|e| reader.schema(e, place, 0));
        Annotations { arguments: reader.arguments(definition, place), result }
    }
}

/// Derives schemas of one function.
struct Reader<'a> {
    types: &'a Types,
    /// Parts that schemas may still have.
    parts: Cell<usize>,
}

/// Where an annotation is written.
#[derive(Clone, Copy)]
struct Place<'p> {
    text: &'p str,
    /// Parameters of a generic alias.
    bound: &'p HashMap<String, Option<Json>>,
    /// Types that are being read: one that holds itself cannot be written out.
    within: &'p [&'p str],
}

/// A record's fields in order: schema, if it can be derived, and whether the field must be there.
type Fields = Vec<(String, Option<Json>, bool)>;

impl Reader<'_> {
    fn arguments(&self, definition: &Definition, place: Place<'_>) -> Option<Json> {
        let annotated = |p: &ParameterSyntax| p.annotation.is_some();
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
            let schema = p.annotation.as_ref().and_then(|e| self.schema(e, place, 0));
            let mut property = schema.unwrap_or_else(|| json!({}));
            match &p.default {
                None => required.push(Json::String(p.name.clone())),
                Some(default) => {
                    let scope = Scope::default();
                    let value = Evaluator::new(place.text, &scope).expr(default);
                    if let (Some(value), Json::Object(map)) = (crate::declare::json(&value), &mut property) {
                        map.insert("default".into(), value);
                    }
                }
            }
            properties.insert(p.name.clone(), property);
        }
        Some(object(properties, required, open))
    }

    /// The schema of one annotation; `None` when it cannot be derived.
    fn schema(&self, e: &Expr, place: Place<'_>, depth: u32) -> Option<Json> {
        self.parts.set(self.parts.get().checked_sub(1)?);
        if depth > DEPTH {
            return None;
        }
        match &e.kind {
            ExprKind::None => Some(json!({"type": "null"})),
            ExprKind::Name(name) => self.named(name, place, depth),
            ExprKind::Attribute(..) => named(known_name(e)?),
            // `int | None`
            ExprKind::Chain(first, rest) if rest.iter().all(|(operator, _)| *operator == "|") => {
                let all = std::iter::once(&**first).chain(rest.iter().map(|(_, e)| e));
                self.union(all, place, depth)
            }
            ExprKind::Subscript(base, parameters) => {
                let parameters = match &parameters[..] {
                    [Expr { kind: ExprKind::Tuple(items), .. }] => items,
                    parameters => parameters,
                };
                self.generic(base, parameters, place, depth)
            }
            ExprKind::Strings(pieces) => {
                // A forward reference: the annotation is what the string holds.
                let [piece] = &pieces[..] else { return None };
                let literal = place.text.get(piece.range.clone())?;
                let quotes = literal.bytes().position(|b| b != b'"' && b != b'\'')?;
                let inner = piece.range.start + quotes..piece.range.end.checked_sub(quotes)?;
                if literal.starts_with(char::is_alphabetic)
                    || literal.contains('\\')
                    || inner.start > inner.end
                {
                    return None;
                }
                let mut errors = Vec::new();
                let expr = parse_expr(place.text, inner, &mut errors);
                errors.is_empty().then(|| self.schema(&expr, place, depth + 1))?
            }
            _ => None,
        }
    }

    fn named(&self, name: &str, place: Place<'_>, depth: u32) -> Option<Json> {
        if let Some(argument) = place.bound.get(name) {
            return argument.clone();
        }
        match self.types.get(name) {
            None => named(name),
            Some(None) => None,
            Some(Some(definition)) => self.defined(name, definition, &HashMap::new(), place, depth),
        }
    }

    /// A type of the module, whose parameters have these schemas.
    fn defined(
        &self,
        name: &str,
        definition: &TypeDefinition,
        bound: &HashMap<String, Option<Json>>,
        place: Place<'_>,
        depth: u32,
    ) -> Option<Json> {
        if place.within.contains(&name) {
            return None;
        }
        let within: Vec<&str> = place.within.iter().copied().chain([name]).collect();
        let place = Place { text: &definition.text, bound, within: &within };
        match &definition.form {
            Form::Alias { parameters, .. } if parameters.len() != bound.len() => None,
            Form::Alias { target, .. } => self.schema(target, place, depth + 1),
            Form::Record { .. } => {
                let (fields, _) = self.fields(definition, place, depth + 1)?;
                let required = fields.iter().filter(|f| f.2).map(|f| Json::String(f.0.clone())).collect();
                let property = |(name, schema, _): (String, Option<Json>, bool)| {
                    (name, schema.unwrap_or_else(|| json!({})))
                };
                Some(object(fields.into_iter().map(property).collect(), required, false))
            }
        }
    }

    /// The fields of a record, those of its bases first, and whether it is a dataclass.
    fn fields(&self, definition: &TypeDefinition, place: Place<'_>, depth: u32) -> Option<(Fields, bool)> {
        let Form::Record { bases, is_dataclass, fields } = &definition.form else { return None };
        if depth > DEPTH {
            return None;
        }
        let mut all: Fields = Vec::new();
        let mut is_typed_dict = false;
        for base in bases {
            match self.types.get(base) {
                None if base == "TypedDict" => is_typed_dict = true,
                None if base == "object" => {}
                Some(Some(base)) => {
                    let place = Place { text: &base.text, ..place };
                    let (inherited, dataclass) = self.fields(base, place, depth + 1)?;
                    is_typed_dict |= !dataclass;
                    inherited.into_iter().for_each(|field| put(&mut all, field));
                }
                _ => return None,
            }
        }
        if is_typed_dict == *is_dataclass {
            return None;
        }
        for field in fields {
            let (annotation, required) = match &field.annotation.kind {
                ExprKind::Subscript(base, inner) => match (known_name(base), &inner[..]) {
                    (Some("Required"), [inner]) if is_typed_dict => (inner, true),
                    (Some("NotRequired"), [inner]) if is_typed_dict => (inner, false),
                    (Some("ReadOnly"), [inner]) if is_typed_dict => (inner, field.required),
                    (Some("InitVar"), [inner]) if *is_dataclass => (inner, field.required),
                    _ => (&field.annotation, field.required),
                },
                _ => (&field.annotation, field.required),
            };
            put(&mut all, (field.name.clone(), self.schema(annotation, place, depth), required));
        }
        Some((all, *is_dataclass))
    }

    fn union<'e>(
        &self,
        members: impl Iterator<Item = &'e Expr>,
        place: Place<'_>,
        depth: u32,
    ) -> Option<Json> {
        let mut schemas: Vec<Json> = Vec::new();
        for member in members {
            let schema = self.schema(member, place, depth + 1)?;
            if !schemas.contains(&schema) {
                schemas.push(schema);
            }
        }
        match schemas.len() {
            1 => schemas.pop(),
            _ => Some(json!({"anyOf": schemas})),
        }
    }

    fn generic(&self, base: &Expr, parameters: &[Expr], place: Place<'_>, depth: u32) -> Option<Json> {
        let name = known_name(base)?;
        if let (ExprKind::Name(name), Some(local)) = (&base.kind, self.types.get(name)) {
            let definition = local.as_ref()?;
            let Form::Alias { parameters: formal, .. } = &definition.form else { return None };
            if formal.len() != parameters.len() {
                return None;
            }
            let schemas = parameters.iter().map(|e| self.schema(e, place, depth + 1));
            let bound = formal.iter().cloned().zip(schemas).collect();
            return self.defined(name, definition, &bound, place, depth);
        }
        let schema = |e: &Expr| self.schema(e, place, depth + 1);
        match (name, parameters) {
            ("list" | "List" | "Sequence", [item]) => Some(json!({"type": "array", "items": schema(item)?})),
            ("dict" | "Dict" | "Mapping", [key, value]) => {
                // JSON has string keys only.
                (schema(key) == named("str"))
                    .then(|| schema(value))?
                    .map(|value| json!({"type": "object", "additionalProperties": value}))
            }
            ("Optional", [member]) => Some(json!({"anyOf": [schema(member)?, {"type": "null"}]})),
            ("Union", members) => self.union(members.iter(), place, depth),
            ("Annotated", [first, ..]) => schema(first),
            ("Literal", members) => literals(members, place.text),
            _ => None,
        }
    }
}

fn object(properties: Map<String, Json>, required: Vec<Json>, open: bool) -> Json {
    let mut schema = json!({"type": "object", "properties": properties, "additionalProperties": open});
    if let (false, Json::Object(map)) = (required.is_empty(), &mut schema) {
        map.insert("required".into(), Json::Array(required));
    }
    schema
}

/// A field of a subclass takes the place of its base's.
fn put(fields: &mut Fields, field: (String, Option<Json>, bool)) {
    match fields.iter_mut().find(|f| f.0 == field.0) {
        Some(known) => *known = field,
        None => fields.push(field),
    }
}

fn literals(members: &[Expr], text: &str) -> Option<Json> {
    let scope = Scope::default();
    let one = |e: &Expr| {
        let value = Evaluator::new(text, &scope).expr(e);
        let carried = matches!(
            value.kind,
            ValueKind::Str(_) | ValueKind::Int(_) | ValueKind::Bool(_) | ValueKind::None
        );
        carried.then(|| crate::declare::json(&value))?
    };
    let values: Option<Vec<Json>> = members.iter().map(one).collect();
    Some(json!({"enum": values?}))
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
