//! From a lock file to a tree, with wheels made here; and (behind `MVM_NETWORK_TESTS=1`) with real ones.

use super::*;
use crate::image::wheel::tests::make_wheel;
use crate::tree::Node;

struct Fixture {
    _dir: tempfile::TempDir,
    home: Home,
    sha256: String,
}

/// A home whose cache has one wheel, `my-tool` 1.0.
fn fixture() -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::at(dir.path());
    let staging = Blobs::new(&home).staging().unwrap();
    let files = [
        ("my_tool/__init__.py", "def main(): return 0\n"),
        ("my_tool-1.0.dist-info/entry_points.txt", "[console_scripts]\nmy-tool = my_tool:main\n"),
    ];
    let wheel = make_wheel(staging.path(), "my_tool", "1.0", &files);
    let sha256 = crate::image::blobs::hash_file(&wheel).unwrap();
    Blobs::new(&home).insert(&wheel, &sha256).unwrap();
    Fixture { _dir: dir, home, sha256 }
}

fn run(
    home: &Home,
    tool: &str,
    lockfile: &str,
    python: &str,
    offline: bool,
) -> Result<AssembledDependencies> {
    let versions =
        BTreeMap::from([("python".to_owned(), python.to_owned()), ("glibc".to_owned(), "2.36".to_owned())]);
    let dependencies = Dependencies::Python { lockfile: "the.lock".to_owned(), tool: tool.to_owned() };
    let request = DependencyRequest {
        dependencies: &dependencies,
        lockfile: lockfile.as_bytes(),
        versions: &versions,
        offline,
    };
    assemble(home, &request, &Context::silent())
}

fn uv_lock(name: &str, sha256: &str) -> String {
    format!(
        "version = 1\n[[package]]\nname = \"app\"\nsource = {{ virtual = \".\" }}\ndependencies = [{{ name = \"{name}\" }}]\n\
         [[package]]\nname = \"{name}\"\nversion = \"1.0\"\nsource = {{ registry = \"https://x.invalid\" }}\n\
         wheels = [{{ url = \"https://x.invalid/a-1.0-py3-none-any.whl\", hash = \"sha256:{sha256}\" }}]\n"
    )
}

#[test]
fn a_cached_lock_needs_no_network() {
    let Fixture { home, sha256, _dir } = &fixture();
    let made = run(home, "uv", &uv_lock("my-tool", sha256), "3.11", true).unwrap();
    assert!(made.tree.get("/opt/mvm/site-packages/my_tool/__init__.py").is_some());
    let script = made.tree.get("/opt/mvm/bin/my-tool").and_then(Node::content).unwrap().to_vec(1000).unwrap();
    assert!(String::from_utf8(script).unwrap().starts_with("#!/usr/bin/env python3\n"));
    assert_eq!(made.env["PYTHONPATH"], "/opt/mvm/site-packages");
    assert_eq!(made.path, ["/opt/mvm/bin"]);
}

#[test]
fn a_wheel_of_another_project_is_not_taken_for_a_locked_one() {
    let Fixture { home, sha256, _dir } = &fixture();
    let error = run(home, "uv", &uv_lock("other", sha256), "3.11", true).unwrap_err();
    assert!(error.to_string().contains("`my-tool`"), "{error}");
}

#[test]
fn what_is_missing_offline_is_named() {
    let Fixture { home, _dir, .. } = &fixture();
    let text = format!("my-tool==1.0 --hash=sha256:{}\n", "00".repeat(32));
    let error = run(home, "pip-tools", &text, "3.11", true).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Environment);
    assert!(error.to_string().contains("my-tool 1.0"), "{error}");
}

#[test]
fn lock_files_that_cannot_be_used_are_refused() {
    let Fixture { home, _dir, .. } = &fixture();
    let error = run(home, "pip-tools", "flask==1.0\n", "3.11", true).unwrap_err();
    assert!(
        error.to_string().starts_with("the.lock cannot be used: line 1: `flask` has no SHA-256"),
        "{error}"
    );
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert!(run(home, "poetry", "", "3.11", true).unwrap_err().to_string().contains("poetry"));
    let versions = BTreeMap::new();
    let node = Dependencies::Node { lockfile: "pnpm-lock.yaml".to_owned(), tool: "pnpm".to_owned() };
    let python = Dependencies::Python { lockfile: "uv.lock".to_owned(), tool: "uv".to_owned() };
    for dependencies in [&node, &python] {
        let request = DependencyRequest { dependencies, lockfile: b"", versions: &versions, offline: true };
        assert!(assemble(home, &request, &Context::silent()).unwrap_err().remedy().is_some());
    }
}

#[test]
fn real_wheels_come_by_hash_and_stay() {
    if std::env::var_os("MVM_NETWORK_TESTS").is_none() {
        eprintln!("not run: needs the Python package index, set MVM_NETWORK_TESTS=1");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let home = Home::at(dir.path());
    // Whatever versions the index has: fetched once to learn their hashes, then locked.
    let platform = Platform { python: Some((3, 11)), glibc: (2, 36) };
    let names = ["idna", "markupsafe"].map(str::to_owned);
    let fetched = pip::download(&home, &Context::silent(), &names, &platform).unwrap().unwrap();
    let mut text = String::new();
    for file in &fetched {
        let identity = Wheel::open(&file.path, &file.file_name).unwrap().identity();
        text.push_str(&format!("{}=={} --hash=sha256:{}\n", identity.name, identity.version, file.sha256));
        std::fs::remove_file(&file.path).unwrap();
    }
    let made = run(&home, "pip-tools", &text, "3.11", false).unwrap();
    assert!(made.tree.get("/opt/mvm/site-packages/idna/__init__.py").is_some());
    let native = made.tree.iter().any(|(p, _)| p.to_string_lossy().contains("_speedups.cpython-311"));
    assert!(native, "the wheel built for this Python is taken");
    let again = run(&home, "pip-tools", &text, "3.11", true).unwrap();
    assert_eq!(again.tree.totals(), made.tree.totals());
    // Another hash is not accepted.
    let wrong = text.replace(&fetched[0].sha256, &"00".repeat(32));
    let error = run(&home, "pip-tools", &wrong, "3.11", false).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Build, "{error}");
}
