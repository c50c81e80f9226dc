//! Reading, writing, validating and the committed schema, from outside.
// A test's helpers may fail the test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;

use proptest::prelude::*;
use serde_json::{Value, json};
use workload_ir::{Code, ReadError, Workload, json_schema};

fn example() -> Value {
    serde_json::from_str(include_str!("everything.json")).unwrap()
}

fn read(value: &Value) -> Result<Workload, ReadError> {
    Workload::from_json(&serde_json::to_vec(value).unwrap())
}

#[test]
fn the_committed_schema_is_the_generated_one() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/workload-0.1.schema.json");
    let generated = format!("{:#}\n", json_schema());
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(&path, &generated).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap();
    assert_eq!(committed, generated, "run the test with UPDATE_SCHEMA=1 and commit {}", path.display());
}

/// Every optional part is there, so types, shape and validation agree on all of them.
#[test]
fn everything_is_read_written_and_valid() {
    let workload = read(&example()).unwrap();
    assert_eq!(serde_json::to_value(&workload).unwrap(), example());
    assert_eq!(workload.validate(), []);
    let again = Workload::from_json(&workload.canonical()).unwrap();
    assert_eq!(again, workload);
    assert_eq!(again.hash(), workload.hash());
    assert_eq!(workload.hash().len(), 64);
}

/// All paths to fields and elements of a document.
fn pointers(value: &Value, at: String, out: &mut Vec<String>) {
    match value {
        Value::Object(map) => map.iter().for_each(|(k, v)| pointers(v, format!("{at}/{k}"), out)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, v)| pointers(v, format!("{at}/{i}"), out));
        }
        _ => {}
    }
    if !at.is_empty() && !at.contains("schema/") && !at.starts_with("/extensions/") {
        out.push(at);
    }
}

/// Unknown fields, missing fields and wrong types are refused wherever they stand; what the types refuse, strict
/// reading refuses, and with a place.
#[test]
fn shape_and_types_refuse_the_same() {
    let mut all = Vec::new();
    pointers(&example(), String::new(), &mut all);
    assert!(all.len() > 100);
    let mut refused = 0;
    for pointer in &all {
        for change in 0..4 {
            let mut value = example();
            let (above, last) = pointer.rsplit_once('/').unwrap();
            match change {
                0 => match value.pointer_mut(above) {
                    Some(Value::Object(map)) => drop(map.remove(last)),
                    _ => continue,
                },
                1 => match value.pointer_mut(above) {
                    Some(Value::Object(map)) => drop(map.insert("unheard_of".into(), json!(1))),
                    _ => continue,
                },
                2 => *value.pointer_mut(pointer).unwrap() = json!(null),
                _ => *value.pointer_mut(pointer).unwrap() = json!(-1),
            }
            let by_types = serde_json::from_value::<Workload>(value.clone());
            match read(&value) {
                Err(error) => {
                    refused += 1;
                    assert!(!error.to_string().contains("is refused:"), "{pointer} {change}: {error}");
                }
                Ok(_) => assert!(by_types.is_ok(), "{pointer} {change}: {by_types:?}"),
            }
        }
    }
    assert!(refused > 200, "{refused}");
}

#[test]
fn errors_name_the_place() {
    let mut unknown = example();
    unknown["apps"][0]["env"]["a/b~c"] = json!({"kind": "literal", "value": "x", "vlaue": 1});
    let error = read(&unknown).unwrap_err().to_string();
    assert!(error.contains("/apps/0/env/a~1b~0c/vlaue is an unknown field"), "{error}");
    let mut version = example();
    version["schema_version"] = json!("0.2");
    assert_eq!(read(&version).unwrap_err(), ReadError::Version { found: "\"0.2\"".into() });
    let bytes = serde_json::to_vec(&example()).unwrap();
    for end in 0..bytes.len() {
        let error = Workload::from_json(&bytes[..end]).unwrap_err();
        assert!(error.to_string().contains("truncated"), "{end}: {error}");
    }
    let twice = br#"{"schema_version": "0.1", "id": "a", "id": "b"}"#;
    assert!(Workload::from_json(twice).unwrap_err().to_string().contains("`id` stands twice"));
}

#[test]
fn validation_has_stable_codes_and_pointers() {
    let cases: &[(&str, Value, Code)] = &[
        ("/id", json!("Bad"), Code::Id),
        ("/apps/0/name", json!(""), Code::Id),
        ("/apps/0/resources/cpu_cores", json!(65), Code::Bounds),
        ("/apps/0/resources/memory_mb", json!(63), Code::Bounds),
        ("/apps/0/network/egress/allowlist/0/port", json!(0), Code::Port),
        ("/apps/0/network/ports/0/guest", json!(0), Code::Port),
        ("/apps/0/network/mode", json!("none"), Code::ModeNone),
        ("/apps/0/network/peers/0", json!("-"), Code::Id),
        ("/apps/0/env/A/value", json!("\0"), Code::Nul),
        ("/apps/0/env/KEY/ref/mount/var", json!("1"), Code::EnvName),
        ("/apps/0/entrypoints/1/command", json!([]), Code::Empty),
        ("/apps/0/mounts/0/target", json!("data"), Code::Target),
        ("/apps/0/mounts/0/source/name", json!("other"), Code::UnknownVolume),
        ("/apps/0/mounts/1/target", json!("/data"), Code::Duplicate),
        ("/apps/0/hooks/before_build/0/line", json!(""), Code::Empty),
        ("/apps/0/health_check/retries", json!(0), Code::Bounds),
    ];
    for (pointer, wrong, code) in cases {
        let mut value = example();
        *value.pointer_mut(pointer).unwrap() = wrong.clone();
        let problems = read(&value).unwrap().validate();
        let found: Vec<_> = problems.iter().map(|p| (p.code, p.pointer.as_str())).collect();
        assert_eq!(found, [(*code, *pointer)], "{pointer}");
    }
    let mut none = example();
    none["apps"][0]["entrypoints"][0]["primary"] = json!(false);
    assert_eq!(read(&none).unwrap().validate()[0].code, Code::Primary);
    none["apps"] = json!([]);
    assert_eq!(read(&none).unwrap().validate()[0].code, Code::NoApp);
    let codes: std::collections::HashSet<_> = Code::ALL.iter().map(|c| c.as_str()).collect();
    assert_eq!(codes.len(), Code::ALL.len());
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-9_007_199_254_740_991i64..9_007_199_254_740_991).prop_map(Value::from),
        prop::num::f64::NORMAL.prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|m| Value::Object(m.into_iter().collect())),
        ]
    })
}

/// Numbers as doubles, which is what the canonical form has.
fn as_doubles(value: &Value) -> Value {
    match value {
        Value::Number(n) => json!(n.as_f64().unwrap()),
        Value::Array(items) => items.iter().map(as_doubles).collect(),
        Value::Object(map) => Value::Object(map.iter().map(|(k, v)| (k.clone(), as_doubles(v))).collect()),
        other => other.clone(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn canonical_bytes_keep_the_value_and_are_a_fixed_point(value in any_json()) {
        let bytes = workload_ir::canonical::to_vec(&value);
        let again: Value = serde_json::from_slice(&bytes).unwrap();
        prop_assert_eq!(as_doubles(&again), as_doubles(&value));
        prop_assert_eq!(workload_ir::canonical::to_vec(&again), bytes);
    }

    #[test]
    fn any_workload_survives_the_round_trip(
        id in "[a-z][a-z0-9-]{0,20}", keys in prop::collection::btree_map("[A-Z_]{1,8}", any::<String>(), 0..5),
        packages in prop::collection::vec(any::<String>(), 0..5), memory in any::<u32>(), extension in any_json(),
    ) {
        let mut value = example();
        value["id"] = json!(id);
        value["apps"][0]["image"]["packages"] = json!(packages);
        value["apps"][0]["resources"]["memory_mb"] = json!(memory);
        value["extensions"] = json!({"x": as_doubles(&extension)});
        for (k, v) in keys {
            value["apps"][0]["env"][k] = json!({"kind": "literal", "value": v});
        }
        let workload = read(&value).unwrap();
        let again = Workload::from_json(&workload.canonical()).unwrap();
        prop_assert_eq!(again.canonical(), workload.canonical());
        prop_assert_eq!(again.hash(), workload.hash());
        let _ = workload.validate();
    }

    #[test]
    fn reading_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), cut in 0usize..2000) {
        let _ = Workload::from_json(&bytes);
        let mut damaged = example().to_string().into_bytes();
        let at = cut % damaged.len();
        damaged[at] = bytes.first().copied().unwrap_or(0);
        let _ = Workload::from_json(&damaged);
    }
}
