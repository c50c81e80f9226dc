//! IR as a user meets it: read with errors that say what to do, and compared value by value.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;
use vmm_core::{Error, ErrorKind, Result};
use workload_ir::Workload;

/// How many problems of one IR are told.
const SHOWN: usize = 10;

/// One difference between two workloads.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// JSON pointer.
    pub pointer: String,
    /// Value in the old one; absent when it was added.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old: Option<Value>,
    /// Value in the new one; absent when it was removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new: Option<Value>,
}

/// Differences, in the order of the document.
pub fn diff(old: &Value, new: &Value) -> Vec<Difference> {
    let mut out = Vec::new();
    walk(old, new, &mut String::new(), &mut out);
    out
}

fn walk(old: &Value, new: &Value, pointer: &mut String, out: &mut Vec<Difference>) {
    match (old, new) {
        _ if old == new => {}
        (Value::Object(a), Value::Object(b)) => {
            let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for key in keys {
                step(a.get(key), b.get(key), key, pointer, out);
            }
        }
        (Value::Array(a), Value::Array(b)) => {
            for i in 0..a.len().max(b.len()) {
                step(a.get(i), b.get(i), &i.to_string(), pointer, out);
            }
        }
        _ => {
            out.push(Difference { pointer: pointer.clone(), old: Some(old.clone()), new: Some(new.clone()) })
        }
    }
}

fn step(
    old: Option<&Value>,
    new: Option<&Value>,
    token: &str,
    pointer: &mut String,
    out: &mut Vec<Difference>,
) {
    let length = pointer.len();
    workload_ir::push_pointer(pointer, token);
    match (old, new) {
        (Some(a), Some(b)) => walk(a, b, pointer, out),
        _ => out.push(Difference { pointer: pointer.clone(), old: old.cloned(), new: new.cloned() }),
    }
    pointer.truncate(length);
}

/// Reads IR strictly and checks its values: unknown fields and versions are refused, every problem is named.
pub fn parse(bytes: &[u8], from: &str) -> Result<Workload> {
    let refused = |message: String| {
        Error::new(ErrorKind::Usage, message)
            .help("`mvmctl compile FILE --out -` prints valid IR, and `mvmctl ir schema` its schema")
    };
    let workload = Workload::from_json(bytes).map_err(|e| refused(format!("{from}: {e}")))?;
    let problems = workload.validate();
    if problems.is_empty() {
        return Ok(workload);
    }
    let list: Vec<String> = problems.iter().take(SHOWN).map(ToString::to_string).collect();
    let more =
        if problems.len() > SHOWN { format!("; and {} more", problems.len() - SHOWN) } else { String::new() };
    Err(refused(format!("{from}: {}{more}", list.join("; "))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn differences_name_the_smallest_place() {
        let old = json!({"a": [1, 2], "b": {"c/d": 1}, "same": 0});
        let new = json!({"a": [1, 3, 4], "b": {}, "same": 0});
        let found: Vec<_> = diff(&old, &new).into_iter().map(|d| (d.pointer, d.old, d.new)).collect();
        assert_eq!(
            found,
            [
                ("/a/1".to_owned(), Some(json!(2)), Some(json!(3))),
                ("/a/2".to_owned(), None, Some(json!(4))),
                ("/b/c~1d".to_owned(), Some(json!(1)), None),
            ]
        );
        assert!(diff(&old, &old).is_empty());
    }
}
