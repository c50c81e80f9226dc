//! Arguments of a call against an entrypoint's `args_schema`, in the words of somebody who called a function. Reads the
//! keywords that the compiler writes (`type`, `properties`, `required`, `additionalProperties`, `items`, `anyOf`,
//! `enum`); what it does not know it lets through, for the guest has the last word.

use serde_json::{Map, Value};

/// Schemas within schemas; deeper is let through.
const DEPTH: u32 = 64;

/// Why the arguments do not fit; `None` when they do.
pub fn misfit(schema: &Value, arguments: &Map<String, Value>) -> Option<String> {
    object(schema, arguments, "", 0)
}

/// Positional arguments by name, where the schema tells their order: it lists the parameters that must be given as they
/// are declared, so it does when all must be given. Otherwise `None`: the guest has the last word.
pub fn by_name(schema: &Value, positional: &[Value]) -> Option<Map<String, Value>> {
    let required: Vec<&str> = schema["required"].as_array()?.iter().filter_map(Value::as_str).collect();
    if required.len() != schema["properties"].as_object()?.len() {
        return None;
    }
    let named = required.into_iter().map(str::to_owned).zip(positional.iter().cloned());
    Some(named.collect())
}

fn check(schema: &Value, value: &Value, at: &str, depth: u32) -> Option<String> {
    if depth > DEPTH {
        return None;
    }
    if let Some(choices) = schema["enum"].as_array()
        && !choices.contains(value)
    {
        let all: Vec<String> = choices.iter().map(Value::to_string).collect();
        return Some(format!("`{at}` must be one of {}", all.join(", ")));
    }
    if let Some(members) = schema["anyOf"].as_array() {
        let mut misfits = members.iter().map(|member| check(member, value, at, depth + 1));
        if misfits.all(|misfit| misfit.is_some()) {
            // The member of the value's own kind knows best what is wrong.
            let own = members.iter().find(|m| m["type"].as_str().is_some_and(|t| is(t, value)));
            return own.and_then(|m| check(m, value, at, depth + 1)).or_else(|| {
                let kinds: Vec<String> = members.iter().map(kind).collect();
                Some(format!("`{at}` must be {}, it is {}", kinds.join(" or "), of(value)))
            });
        }
    }
    if let Some(wanted) = schema["type"].as_str()
        && !is(wanted, value)
    {
        return Some(format!("`{at}` must be {}, it is {}", kind(schema), of(value)));
    }
    match value {
        Value::Object(map) => object(schema, map, at, depth),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .find_map(|(i, item)| check(&schema["items"], item, &format!("{at}[{i}]"), depth + 1)),
        _ => None,
    }
}

fn object(schema: &Value, map: &Map<String, Value>, at: &str, depth: u32) -> Option<String> {
    let below = |name: &str| if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") };
    let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    if let Some(missing) = required.into_iter().find(|name| !map.contains_key(*name)) {
        return Some(format!("`{}` is missing", below(missing)));
    }
    let properties = schema["properties"].as_object();
    map.iter().find_map(|(name, value)| {
        match (properties.and_then(|p| p.get(name)), &schema["additionalProperties"]) {
            (Some(property), _) => check(property, value, &below(name), depth + 1),
            (None, Value::Bool(false)) => {
                let known: Vec<String> =
                    properties.into_iter().flatten().map(|(name, _)| format!("`{name}`")).collect();
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                Some(format!("there is no `{}`: there are {known}", below(name)))
            }
            (None, more) => check(more, value, &below(name), depth + 1),
        }
    })
}

fn is(kind: &str, value: &Value) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "number" => value.is_number(),
        "integer" => value.as_f64().is_some_and(|n| value.is_i64() || value.is_u64() || n.fract() == 0.0),
        _ => true,
    }
}

/// What a schema asks for, in words.
fn kind(schema: &Value) -> String {
    match schema["type"].as_str() {
        Some("null") => "null",
        Some("boolean") => "true or false",
        Some("string") => "a string",
        Some("array") => "a list",
        Some("object") => "an object",
        Some("number") => "a number",
        Some("integer") => "an integer",
        _ if schema["enum"].is_array() => return format!("one of {}", schema["enum"]),
        _ => "something else",
    }
    .to_owned()
}

/// The kind of a value. Never the value: it may be a secret.
fn of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
        Value::Number(_) => "a number",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(schema: &Value, arguments: Value) -> String {
        misfit(schema, arguments.as_object().unwrap()).unwrap_or_default()
    }

    #[test]
    fn positions_have_names_when_every_parameter_must_be_given() {
        let schema = json!({"type": "object", "properties": {"b": {"type": "string"}, "a": {"type": "integer"}},
                            "required": ["b", "a"], "additionalProperties": false});
        let named = |arguments: Value| by_name(&schema, arguments.as_array().unwrap());
        assert_eq!(Value::Object(named(json!(["x", 1])).unwrap()), json!({"b": "x", "a": 1}));
        let told = |arguments: Value| misfit(&schema, &named(arguments).unwrap()).unwrap_or_default();
        assert_eq!(told(json!(["x", 1])), "");
        assert_eq!(told(json!([1, 1])), "`b` must be a string, it is a number");
        assert_eq!(told(json!(["x"])), "`a` is missing");
        // More than have names may be meant for `*args`.
        assert_eq!(told(json!(["x", 1, 2])), "");
        let open = json!({"properties": {"a": {}, "b": {"default": 1}}, "required": ["a"]});
        assert_eq!(by_name(&open, &[json!(1)]), None);
    }

    #[test]
    fn what_does_not_fit_is_named_and_never_shown() {
        let point = json!({"type": "object", "properties": {"x": {"type": "number"}}, "required": ["x"],
                           "additionalProperties": false});
        let schema = json!({"type": "object", "additionalProperties": false, "required": ["name"], "properties": {
            "name": {"type": "string"}, "n": {"type": "integer", "default": 1}, "level": {"enum": ["low", 1]},
            "points": {"type": "array", "items": point}, "free": {},
            "table": {"type": "object", "additionalProperties": {"type": "boolean"}},
            "maybe": {"anyOf": [point, {"type": "null"}]},
        }});
        for fine in [
            json!({"name": "a"}),
            json!({"name": "a", "n": 2.0, "level": 1, "points": [{"x": 1}], "free": [{}], "table": {"k": true}}),
            json!({"name": "a", "maybe": null}),
            json!({"name": "a", "maybe": {"x": 0.5}}),
        ] {
            assert_eq!(told(&schema, fine.clone()), "", "{fine}");
        }
        for (wrong, words) in [
            (json!({}), "`name` is missing"),
            (json!({"name": 1}), "`name` must be a string, it is a number"),
            (json!({"name": "a", "n": 1.5}), "`n` must be an integer, it is a number"),
            (json!({"name": "a", "level": "high"}), "`level` must be one of \"low\", 1"),
            (json!({"name": "a", "points": [{"x": 1}, {}]}), "`points[1].x` is missing"),
            (
                json!({"name": "a", "table": {"k": "hunter2"}}),
                "`table.k` must be true or false, it is a string",
            ),
            (json!({"name": "a", "maybe": {}}), "`maybe.x` is missing"),
            (json!({"name": "a", "maybe": 3}), "`maybe` must be an object or null, it is a number"),
        ] {
            assert_eq!(told(&schema, wrong), words);
        }
        assert!(
            told(&schema, json!({"name": "a", "nmae": 1}))
                .starts_with("there is no `nmae`: there are `free`")
        );
        assert_eq!(told(&json!({}), json!({"a": 1})), "");
    }
}
