//! Prints the helper table as JSON, for whoever must agree with it: the tests of `sdk/python` hold its signatures
//! against this.

use mvm_compiler::table::{self, Default, Param, Place, Type};
use serde_json::{Value, json};

fn main() {
    let helpers: Vec<Value> = table::helpers()
        .iter()
        .map(|helper| {
            let place = match helper.place {
                Place::Decorator => "decorator",
                Place::Statement => "statement",
                Place::Argument => "argument",
            };
            json!({
                "name": helper.name,
                "place": place,
                "doc": helper.doc,
                "params": helper.params.iter().map(param).collect::<Vec<_>>(),
            })
        })
        .collect();
    println!("{:#}", Value::from(helpers));
}

fn param(param: &Param) -> Value {
    let (default, value) = match param.default {
        Default::Required => ("required", None),
        Default::Absent => ("absent", None),
        Default::Value(python) => ("value", Some(python)),
        Default::Derived(words) => ("derived", Some(words)),
    };
    json!({
        "name": param.name,
        "type": ty(&param.ty),
        "default": default,
        "value": value,
        "positional": param.positional,
        "aliases": param.aliases,
        "legacy": param.legacy,
        "doc": param.doc,
    })
}

/// A type as nested arrays: its kind, then what the kind needs.
fn ty(ty: &Type) -> Value {
    match ty {
        Type::Str => json!(["str"]),
        Type::Int => json!(["int"]),
        Type::Bool => json!(["bool"]),
        Type::OneOf(values) => tagged("one_of", values.iter().map(|v| json!(v))),
        Type::List(inner) => json!(["list", self::ty(inner)]),
        Type::Dict(inner) => json!(["dict", self::ty(inner)]),
        Type::Helper(names) => tagged("helper", names.iter().map(|n| json!(n))),
        Type::Record(params) => tagged("record", params.iter().map(param)),
        Type::Any(types) => tagged("any", types.iter().map(self::ty)),
    }
}

fn tagged(kind: &str, rest: impl Iterator<Item = Value>) -> Value {
    std::iter::once(json!(kind)).chain(rest).collect()
}
