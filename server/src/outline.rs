//! The declarations of a file as the editor sees them: name, place, workload, and the function they decorate.

use std::ops::Range;

use serde_json::{Map, Value};

use crate::snapshot::Snapshot;

/// One declaration.
#[derive(Clone, Debug)]
pub struct Declared {
    /// The app's name.
    pub name: String,
    /// Id of its workload.
    pub workload: String,
    /// Index of its workload in the analysis.
    pub index: usize,
    /// Decorator and function.
    pub range: Range<usize>,
    /// The decorator.
    pub head: Range<usize>,
    /// The function's head, from `def` to the colon.
    pub function: Range<usize>,
}

/// The declarations, in the order of the file.
pub fn declarations(snapshot: &Snapshot) -> Vec<Declared> {
    let mut all = Vec::new();
    for (index, lowered) in snapshot.analysis.workloads.iter().enumerate() {
        for (i, app) in lowered.workload.apps.iter().enumerate() {
            let entries = &lowered.source_map.entries;
            let of = |pointer: &str| entries.iter().find(|(p, ..)| p == pointer).map(|(_, r, _)| r.clone());
            let Some(head) = of(&format!("/apps/{i}")).or_else(|| of(&format!("/apps/{i}/name"))) else {
                continue;
            };
            let function = function_after(&snapshot.source, head.end);
            all.push(Declared {
                name: app.name.clone(),
                workload: lowered.workload.id.clone(),
                index,
                range: head.start..function.end.max(head.end),
                head,
                function,
            });
        }
    }
    all.sort_by_key(|d| d.range.start);
    all
}

fn function_after(source: &str, from: usize) -> Range<usize> {
    let rest = &source[from.min(source.len())..];
    let mut at = from;
    for line in rest.split_inclusive('\n') {
        if line.starts_with("def ") || line.starts_with("async def ") {
            let head = line.trim_end();
            return at..at + head.len();
        }
        at += line.len();
    }
    from..from
}

/// Keyword arguments for a run nobody gave arguments for: the parameters without default get a neutral value of
/// their annotation. `Err` names the first for which there is none.
pub fn neutral_arguments(head: &str) -> Result<Map<String, Value>, String> {
    let mut arguments = Map::new();
    let (Some(open), Some(close)) = (head.find('('), head.rfind(')')) else { return Ok(arguments) };
    let Some(list) = head.get(open + 1..close) else { return Ok(arguments) };
    for part in split_top(list) {
        let part = part.trim();
        if part.is_empty() || part.starts_with('*') || part == "/" || part.contains('=') {
            continue;
        }
        let (name, annotation) = part.split_once(':').map_or((part, ""), |(n, a)| (n.trim(), a.trim()));
        let value = match annotation.split('[').next().unwrap_or("").trim() {
            "str" => Value::from(""),
            "int" => Value::from(0),
            "float" => Value::from(0.0),
            "bool" => Value::from(false),
            "list" | "List" => Value::Array(Vec::new()),
            "dict" | "Dict" => Value::Object(Map::new()),
            "Optional" | "None" | "Any" => Value::Null,
            _ if annotation.contains("None") => Value::Null,
            _ => return Err(name.to_owned()),
        };
        arguments.insert(name.to_owned(), value);
    }
    Ok(arguments)
}

fn split_top(list: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0i32, 0);
    for (i, c) in list.char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&list[start..i]);
                start = i + 1;
            }
            _ => {}
        }
    }
    parts.push(&list[start..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn arguments_come_from_the_signature() {
        let head = "def run(prompt: str, n: int, *, tags: list[str], deep: bool = True, x=(1, 2)) -> str:";
        let arguments = neutral_arguments(head).unwrap();
        assert_eq!(Value::Object(arguments), json!({ "prompt": "", "n": 0, "tags": [] }));
        assert_eq!(neutral_arguments("def f(a: Thing): ...").unwrap_err(), "a");
        assert!(neutral_arguments("def f").unwrap().is_empty());
    }
}
