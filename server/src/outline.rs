//! What a run is called with when nobody says: neutral values for the parameters that have no default.

use mvm_compiler::{Parameter, ParameterKind};
use serde_json::{Map, Value};

/// Keyword arguments for a run nobody gave arguments for: each parameter without default gets a neutral value of its
/// annotation. `Err` names the first for which there is none.
pub fn neutral_arguments(parameters: &[Parameter], source: &str) -> Result<Map<String, Value>, String> {
    let mut arguments = Map::new();
    for parameter in parameters.iter().filter(|p| p.default.is_none()) {
        if matches!(parameter.kind, ParameterKind::Variadic | ParameterKind::VariadicKeyword) {
            continue;
        }
        let annotation = parameter.annotation.clone().and_then(|r| source.get(r)).unwrap_or("");
        let value = neutral(annotation.trim()).ok_or_else(|| parameter.name.clone())?;
        arguments.insert(parameter.name.clone(), value);
    }
    Ok(arguments)
}

fn neutral(annotation: &str) -> Option<Value> {
    let head = annotation.split('[').next().unwrap_or("").trim();
    let head = head.rsplit('.').next().unwrap_or(head);
    Some(match head {
        "str" => Value::from(""),
        "int" => Value::from(0),
        "float" => Value::from(0.0),
        "bool" => Value::from(false),
        "list" | "List" | "Sequence" | "Iterable" => Value::Array(Vec::new()),
        "dict" | "Dict" | "Mapping" => Value::Object(Map::new()),
        "Optional" | "None" | "Any" | "object" => Value::Null,
        _ if annotation.split('|').any(|part| part.trim() == "None") => Value::Null,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parameter(source: &str, name: &str, annotation: &str, default: bool) -> Parameter {
        let at = source.find(annotation).unwrap_or_default();
        Parameter {
            name: name.into(),
            name_range: 0..0,
            kind: ParameterKind::Ordinary,
            annotation: (!annotation.is_empty()).then_some(at..at + annotation.len()),
            default: default.then_some(0..0),
            default_json: None,
        }
    }

    #[test]
    fn arguments_come_from_the_signature() {
        let source =
            "def run(prompt: str, n: int, tags: list[str], x: A | None, deep: bool = True, t: Thing)";
        let mut parameters = vec![
            parameter(source, "prompt", "str", false),
            parameter(source, "n", "int", false),
            parameter(source, "tags", "list[str]", false),
            parameter(source, "x", "A | None", false),
            parameter(source, "deep", "bool", true),
        ];
        let arguments = neutral_arguments(&parameters, source).unwrap();
        assert_eq!(Value::Object(arguments), json!({ "prompt": "", "n": 0, "tags": [], "x": null }));
        parameters.push(parameter(source, "t", "Thing", false));
        assert_eq!(neutral_arguments(&parameters, source).unwrap_err(), "t");
        assert_eq!(neutral_arguments(&[parameter(source, "bare", "", false)], source).unwrap_err(), "bare");
    }
}
