//! Strict reading: an unknown field, another version or a truncated text is refused, and the error names the place.

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::shape::{Field, Shape, WORKLOAD};
use crate::{SCHEMA_VERSION, Workload};

/// Why a text is no Workload IR.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The bytes are no JSON: malformed, truncated or with a key twice.
    #[error("reading Workload IR: not valid JSON at line {line}, column {column}: {reason}")]
    Json {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What is wrong.
        reason: String,
    },
    /// Another version.
    #[error(
        "reading Workload IR: /schema_version is {found}, this mvm reads \"{SCHEMA_VERSION}\" only; \
         compile the declaration again with this version"
    )]
    Version {
        /// The version found, as JSON.
        found: String,
    },
    /// JSON, but of another shape.
    #[error("reading Workload IR: {} {reason}", if pointer.is_empty() { "the document" } else { pointer.as_str() })]
    Shape {
        /// JSON pointer (RFC 6901) of the offending value.
        pointer: String,
        /// What is wrong.
        reason: String,
    },
}

impl Workload {
    /// Reads a workload, strictly. It is well-formed then, not yet valid: see [`Workload::validate`].
    pub fn from_json(bytes: &[u8]) -> Result<Workload, ReadError> {
        if let Some(reason) = no_json(bytes) {
            return Err(ReadError::Json { line: 1, column: 1, reason: reason.to_owned() });
        }
        let Strict(value) = serde_json::from_slice(bytes).map_err(|e| ReadError::Json {
            line: e.line(),
            column: e.column(),
            reason: reason_of(&e),
        })?;
        Self::from_value(value)
    }

    /// As [`Workload::from_json`], from a parsed value.
    pub fn from_value(value: Value) -> Result<Workload, ReadError> {
        if let Some(version) = value.get("schema_version")
            && version != SCHEMA_VERSION
        {
            return Err(ReadError::Version { found: version.to_string() });
        }
        check(&WORKLOAD, &value, &mut String::new())?;
        serde_json::from_value(value)
            .map_err(|e| ReadError::Shape { pointer: String::new(), reason: format!("is refused: {e}") })
    }
}

/// What a parser would only call an unexpected character.
fn no_json(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [] => Some("the text is empty, perhaps truncated"),
        [0xef, 0xbb, 0xbf, ..] => {
            Some("the text begins with a byte order mark, which JSON has not: save it without")
        }
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => {
            Some("the text is UTF-16, and JSON is UTF-8: save it as UTF-8")
        }
        _ => None,
    }
}

/// serde_json appends the place, which [`ReadError::Json`] tells itself.
fn reason_of(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let reason = text.rfind(" at line ").map_or(text.as_str(), |cut| &text[..cut]);
    if error.is_eof() { format!("{reason}: the text is truncated") } else { reason.to_owned() }
}

/// Appends a token to a JSON pointer, escaped as RFC 6901 has it.
pub fn push_pointer(pointer: &mut String, token: &str) {
    pointer.push('/');
    for c in token.chars() {
        match c {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            c => pointer.push(c),
        }
    }
}

fn wrong(pointer: &str, reason: String) -> ReadError {
    ReadError::Shape { pointer: pointer.to_owned(), reason }
}

fn check(shape: &Shape, value: &Value, pointer: &mut String) -> Result<(), ReadError> {
    match (shape, value) {
        (Shape::Str | Shape::Pattern(_), Value::String(_))
        | (Shape::Bool, Value::Bool(_))
        | (Shape::Object, Value::Object(_)) => Ok(()),
        (Shape::Int(_, max), Value::Number(n)) => {
            // The least value is validation's business; what the type cannot hold is refused here.
            let top = if *max <= u32::from(u16::MAX) && *max > 64 {
                u64::from(u16::MAX)
            } else {
                u64::from(u32::MAX)
            };
            match n.as_u64() {
                Some(n) if n <= top => Ok(()),
                _ => Err(wrong(pointer, format!("must be an integer from 0 to {top}, found {n}"))),
            }
        }
        (Shape::OneOf(values), Value::String(s)) if values.contains(&s.as_str()) => Ok(()),
        (Shape::OneOf(values), found) => {
            let values: Vec<_> = values.iter().map(|v| format!("\"{v}\"")).collect();
            Err(wrong(pointer, format!("must be {}, found {}", values.join(" or "), brief(found))))
        }
        (Shape::List(inner), Value::Array(items)) => {
            for (i, item) in items.iter().enumerate() {
                nested(inner, item, pointer, &i.to_string())?;
            }
            Ok(())
        }
        (Shape::Map(inner), Value::Object(map)) => {
            map.iter().try_for_each(|(key, item)| nested(inner, item, pointer, key))
        }
        (Shape::Record(fields), Value::Object(map)) => check_fields(fields, map, false, pointer),
        (Shape::Tagged(variants), Value::Object(map)) => {
            let kind = map.get("kind").and_then(Value::as_str);
            match variants.iter().find(|(name, _)| Some(*name) == kind) {
                Some((_, fields)) => check_fields(fields, map, true, pointer),
                None => {
                    let names: Vec<_> = variants.iter().map(|(name, _)| format!("\"{name}\"")).collect();
                    let found = map.get("kind").map_or("nothing".to_owned(), brief);
                    Err(wrong(pointer, format!("needs `kind` {}, found {found}", names.join(" or "))))
                }
            }
        }
        (shape, found) => {
            Err(wrong(pointer, format!("must be {}, found {}", shape.describe(), brief(found))))
        }
    }
}

fn nested(shape: &Shape, value: &Value, pointer: &mut String, token: &str) -> Result<(), ReadError> {
    let length = pointer.len();
    push_pointer(pointer, token);
    check(shape, value, pointer)?;
    pointer.truncate(length);
    Ok(())
}

fn check_fields(
    fields: &[Field],
    map: &Map<String, Value>,
    tagged: bool,
    pointer: &mut String,
) -> Result<(), ReadError> {
    for key in map.keys() {
        if !(fields.iter().any(|f| f.name == key) || tagged && key == "kind") {
            let mut at = pointer.clone();
            push_pointer(&mut at, key);
            let known: Vec<_> = fields.iter().map(|f| f.name).collect();
            return Err(wrong(&at, format!("is an unknown field; known here: {}", known.join(", "))));
        }
    }
    for field in fields {
        match map.get(field.name) {
            Some(value) => nested(&field.shape, value, pointer, field.name)?,
            None if field.required => {
                return Err(wrong(pointer, format!("lacks the field `{}`", field.name)));
            }
            None => {}
        }
    }
    Ok(())
}

impl Shape {
    fn describe(&self) -> &'static str {
        match self {
            Shape::Str | Shape::Pattern(_) | Shape::OneOf(_) => "a string",
            Shape::Bool => "true or false",
            Shape::Int(..) => "an integer",
            Shape::List(_) => "a list",
            Shape::Map(_) | Shape::Record(_) | Shape::Tagged(_) | Shape::Object => "an object",
        }
    }
}

/// The kind of a value, never its text: that may be a secret.
fn brief(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(b) => b.to_string(),
        Value::Number(n) => n.to_string(),
        Value::String(s) if s.len() <= 16 && s.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') => {
            format!("\"{s}\"")
        }
        Value::String(_) => "a string".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

/// A JSON value in which no object has a key twice.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Strict;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_unit<E>(self) -> Result<Strict, E> {
        Ok(Strict(Value::Null))
    }
    fn visit_bool<E>(self, v: bool) -> Result<Strict, E> {
        Ok(Strict(Value::Bool(v)))
    }
    fn visit_i64<E>(self, v: i64) -> Result<Strict, E> {
        Ok(Strict(Value::Number(v.into())))
    }
    fn visit_u64<E>(self, v: u64) -> Result<Strict, E> {
        Ok(Strict(Value::Number(v.into())))
    }
    fn visit_f64<E: serde::de::Error>(self, v: f64) -> Result<Strict, E> {
        Number::from_f64(v).map(|n| Strict(Value::Number(n))).ok_or_else(|| E::custom("number out of range"))
    }
    fn visit_str<E>(self, v: &str) -> Result<Strict, E> {
        Ok(Strict(Value::String(v.to_owned())))
    }
    fn visit_string<E>(self, v: String) -> Result<Strict, E> {
        Ok(Strict(Value::String(v)))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Strict, A::Error> {
        let mut items = Vec::new();
        while let Some(Strict(item)) = seq.next_element()? {
            items.push(item);
        }
        Ok(Strict(Value::Array(items)))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Strict, A::Error> {
        let mut map = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            if map.contains_key(&key) {
                return Err(serde::de::Error::custom(format!("the key `{key}` stands twice in one object")));
            }
            let Strict(item) = access.next_value()?;
            map.insert(key, item);
        }
        Ok(Strict(Value::Object(map)))
    }
}
