//! The JSON Schema (2020-12) of the IR, made from the same shape that strict reading walks.

use serde_json::{Map, Value, json};

use crate::SCHEMA_VERSION;
use crate::shape::{Field, Shape, WORKLOAD};

/// The JSON Schema of `workload.json`; committed as `ir/schema/workload-0.1.schema.json`.
pub fn json_schema() -> Value {
    let mut schema = of(&WORKLOAD);
    if let Value::Object(map) = &mut schema {
        map.insert("$schema".into(), json!("https://json-schema.org/draft/2020-12/schema"));
        map.insert("title".into(), json!(format!("Workload IR {SCHEMA_VERSION}")));
        map.insert(
            "description".into(),
            json!("What `mvmctl compile` writes and `mvmctl build` reads: one or more apps, a microVM each."),
        );
    }
    schema
}

fn of(shape: &Shape) -> Value {
    match shape {
        Shape::Str => json!({"type": "string"}),
        Shape::Pattern(pattern) => json!({"type": "string", "pattern": pattern}),
        Shape::Bool => json!({"type": "boolean"}),
        Shape::Int(min, max) => json!({"type": "integer", "minimum": min, "maximum": max}),
        Shape::OneOf([only]) => json!({"const": only}),
        Shape::OneOf(values) => json!({"enum": values}),
        Shape::List(inner) => json!({"type": "array", "items": of(inner)}),
        Shape::Map(inner) => json!({"type": "object", "additionalProperties": of(inner)}),
        Shape::Record(fields) => object(None, fields),
        Shape::Tagged([(kind, fields)]) => object(Some(kind), fields),
        Shape::Tagged(variants) => {
            let all: Vec<_> = variants.iter().map(|(kind, fields)| object(Some(kind), fields)).collect();
            json!({"oneOf": all})
        }
        Shape::Object => json!({"type": "object"}),
    }
}

fn object(kind: Option<&str>, fields: &[Field]) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    if let Some(kind) = kind {
        properties.insert("kind".into(), json!({"const": kind}));
        required.push("kind");
    }
    for field in fields {
        properties.insert(field.name.into(), of(&field.shape));
        if field.required {
            required.push(field.name);
        }
    }
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}
