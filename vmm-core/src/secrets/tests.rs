//! Tests of the store on a real directory.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::*;

fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store { dir: Home::at(dir.path()).data().join("secrets"), variable: |_| None };
    (dir, store)
}

/// Made at run time: nothing in this file looks like a credential.
fn value() -> Value {
    Value::new(["not", "so", "secret"].join("-").into_bytes())
}

fn app(refs: &[&str]) -> App {
    let env: serde_json::Map<_, _> = refs
        .iter()
        .map(|name| {
            let mount = serde_json::json!({"kind": "env", "var": "X"});
            let value = serde_json::json!({"kind": "secret_ref", "ref": {"name": name, "mount": mount}});
            (format!("V_{}", name.replace('-', "_")), value)
        })
        .collect();
    serde_json::from_value(serde_json::json!({
        "name": "tool",
        "source": {"kind": "local_path", "path": ".", "include": ["**"], "exclude": []},
        "image": {"kind": "nix_packages", "packages": []},
        "resources": {"cpu_cores": 1, "memory_mb": 256, "rootfs_size_mb": 512},
        "network": {"mode": "deny", "ports": []},
        "env": env, "entrypoints": [], "dependencies": {"kind": "none"}, "mounts": [],
    }))
    .unwrap()
}

#[test]
fn a_secret_is_kept_privately_until_it_is_removed() {
    let (_dir, store) = store();
    assert_eq!(store.list().unwrap(), Vec::<String>::new());
    store.set("b", &value()).unwrap();
    store.set("a-key.1", &value()).unwrap();
    assert_eq!(store.list().unwrap(), ["a-key.1", "b"]);
    assert_eq!(store.get("b").unwrap(), Some(value()));
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&store.dir), mode(&store.dir.join("b"))), (0o700, 0o600));
    assert!(store.remove("b").unwrap());
    assert!(!store.remove("b").unwrap());
    assert_eq!(store.get("b").unwrap(), None);
}

#[test]
fn names_and_values_are_checked() {
    let (_dir, store) = store();
    for name in ["", "../x", "a/b", ".hidden", "-x", "a b", "a\n", &"x".repeat(129)] {
        assert_eq!(store.set(name, &value()).unwrap_err().kind(), ErrorKind::Usage, "{name:?}");
        assert!(store.get(name).is_err() && store.remove(name).is_err());
    }
    for bytes in [Vec::new(), b"a\0b".to_vec(), vec![b'x'; MAX_VALUE + 1], vec![0xff]] {
        assert!(store.set("x", &Value::new(bytes)).is_err());
    }
    assert_eq!(store.list().unwrap().len(), 0);
}

#[test]
fn a_secret_that_others_can_read_is_refused() {
    let (_dir, store) = store();
    store.set("x", &value()).unwrap();
    let path = store.dir.join("x");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let error = store.get("x").unwrap_err();
    assert!(error.remedy().unwrap().contains("chmod 600"), "{error:?}");
    std::fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("/etc/hostname", &path).unwrap();
    assert!(store.get("x").is_err());
}

#[test]
fn the_environment_stands_in_and_the_store_wins() {
    let (_dir, mut store) = store();
    store.variable = |name| (name == "MVM_SECRET_OPENAI_API_KEY").then(|| "from the environment".into());
    assert_eq!(store.get("openai-api-key").unwrap().unwrap().expose(), b"from the environment");
    store.set("openai-api-key", &value()).unwrap();
    assert_eq!(store.get("openai-api-key").unwrap(), Some(value()));
}

#[test]
fn every_missing_secret_is_listed_with_its_command() {
    let (_dir, store) = store();
    store.set("there", &value()).unwrap();
    let error = store.resolve(&app(&["gone-b", "there", "gone-a"])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert!(error.to_string().contains("gone-a, gone-b"), "{error}");
    let help = error.remedy().unwrap();
    assert!(help.contains("mvmctl secret set gone-a") && help.contains("mvmctl secret set gone-b"), "{help}");
    let values = store.resolve(&app(&["there"])).unwrap();
    assert_eq!(values["there"], value());
}

#[test]
fn a_value_is_never_shown() {
    let (_dir, store) = store();
    store.set("x", &value()).unwrap();
    let shown = format!("{:?} {:?} {:?}", value(), store, store.resolve(&app(&["x"])).unwrap());
    assert!(!shown.contains("secret-") && !shown.contains("so-"), "{shown}");
}
