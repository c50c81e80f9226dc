//! Keys of dictionaries, which Python compares by value: `1`, `1.0` and `True` are one key.

use std::collections::HashMap;

use crate::value::{Value, ValueKind};

/// A dictionary's key as Python compares it: `1`, `1.0` and `True` are one.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    None,
    Number(i128),
    Float(u64),
    Str(String),
    Bytes(Vec<u8>),
}

/// The key that a value is; `None` for one that is not compared.
pub(super) fn key_of(value: &Value) -> Option<Key> {
    match &value.kind {
        ValueKind::None => Some(Key::None),
        ValueKind::Int(n) => Some(Key::Number(*n)),
        ValueKind::Bool(b) => Some(Key::Number(i128::from(*b))),
        ValueKind::Float(f) if f.fract() == 0.0 && f.abs() < 1e30 => Some(Key::Number(*f as i128)),
        ValueKind::Float(f) => Some(Key::Float(f.to_bits())),
        ValueKind::Str(s) => Some(Key::Str(s.clone())),
        ValueKind::Bytes(b) => Some(Key::Bytes(b.clone())),
        _ => None,
    }
}

/// Can Python look the value up in a dictionary?
pub(super) fn hashable(value: &Value) -> bool {
    match &value.kind {
        ValueKind::List(_) | ValueKind::Dict(_) | ValueKind::Set(_) => false,
        ValueKind::Tuple(items) => items.iter().all(hashable),
        _ => true,
    }
}

/// Python keeps the first key and the last value.
pub(super) fn insert(
    pairs: &mut Vec<(Value, Value)>,
    index: &mut HashMap<Key, (usize, bool)>,
    key: Value,
    value: Value,
    written: bool,
) {
    match key_of(&key) {
        Some(k) => match index.get_mut(&k) {
            Some((i, here)) => {
                // The value's place is the one that counts, so the key moves with it.
                if let Some(pair) = pairs.get_mut(*i) {
                    *pair = (Value { kind: pair.0.kind.clone(), ..key }, value);
                }
                *here |= written;
            }
            None => {
                index.insert(k, (pairs.len(), written));
                pairs.push((key, value));
            }
        },
        None => pairs.push((key, value)),
    }
}
