//! The JSON Schema of project files, for editors of TOML; committed as `server/schema/mvm.schema.json`.

use mvm_compiler::config::KEYS;
use serde_json::{Map, Value, json};

/// The schema of `mvm.toml`; `$defs/check` is also that of `[tool.mvm.check]`.
pub fn project_file() -> Value {
    let properties: Map<String, Value> = KEYS
        .iter()
        .map(|(key, doc)| {
            let mut schema = shape(key);
            schema["description"] = (*doc).into();
            ((*key).to_owned(), schema)
        })
        .collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "mvm.toml",
        "description": "How `mvm-lsp --check`, the editor and `mvmctl compile` check declarations. The same keys stand under `[tool.mvm.check]` in `pyproject.toml`.",
        "type": "object",
        "additionalProperties": false,
        "properties": { "check": { "$ref": "#/$defs/check" } },
        "$defs": {
            "check": { "type": "object", "additionalProperties": false, "properties": properties },
            "selector": {
                "description": "A rule's id, the beginning of some (`MVM2`), a rule's name (`unpinned-image`) or `ALL`.",
                "type": "string",
                "pattern": "^([Aa][Ll][Ll]|[Mm][Vv][Mm][0-9]{0,3}|[a-z][a-z0-9]*(-[a-z0-9]+)*)$",
            },
            "selectors": { "type": "array", "items": { "$ref": "#/$defs/selector" } },
        },
    })
}

fn shape(key: &str) -> Value {
    match key {
        "select" | "ignore" => json!({ "$ref": "#/$defs/selectors" }),
        "severity" => json!({
            "type": "object",
            "propertyNames": { "$ref": "#/$defs/selector" },
            "additionalProperties": { "enum": ["error", "warning", "information", "hint", "off"] },
        }),
        "per-file-ignores" => {
            json!({ "type": "object", "additionalProperties": { "$ref": "#/$defs/selectors" } })
        }
        _ => json!({ "type": "array", "items": { "type": "string" } }),
    }
}
