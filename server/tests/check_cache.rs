//! The cache of `mvm-lsp --check` never gives a stale answer, and nothing that happens to it matters.

// A test says what went wrong by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod check_support;

use std::fs;

use check_support::{BAD, Tree, check, out};

/// The findings with the cache, twice, and without it; they must be the same.
fn same(tree: &Tree, arguments: &[&str]) -> String {
    let arguments = [&["--output", "json"][..], arguments].concat();
    let cached = out(&check(tree, &arguments));
    assert_eq!(out(&check(tree, &arguments)), cached);
    let fresh = [&arguments[..], &["--no-cache"]].concat();
    assert_eq!(out(&check(tree, &fresh)), cached, "the cache gives a stale answer");
    cached
}

const GOOD: &str = "import mvm\n\n\n@mvm.app(\n    name=\"a\",\n    source=mvm.local_path(\"src\"),\n    image=mvm.nix_packages([\"python312\"]),\n    resources=mvm.resources(cpu_cores=1, memory_mb=512),\n    network=mvm.network(mode=\"deny\"),\n    dependencies=mvm.python_deps(lockfile=\"uv.lock\"),\n    entrypoint=mvm.entrypoint_function(module=\"tool\", function=\"go\"),\n)\ndef run(prompt: str) -> str:\n    return prompt\n";

#[test]
fn contents_configuration_and_files_around_are_all_seen() {
    let tree =
        Tree::new(&[("pyproject.toml", "[project]\n"), ("a.py", GOOD), ("b.py", BAD), ("c.py", "x = 1\n")]);
    assert!(same(&tree, &[]).contains("MVM102"), "there is no source directory");
    tree.write("src/tool.py", "def gone(): ...\n");
    let text = same(&tree, &[]);
    assert!(text.contains("MVM602") && text.contains("MVM801") && !text.contains("MVM102"), "{text}");
    tree.write("src/uv.lock", "version = 1\n");
    assert!(!same(&tree, &[]).contains("MVM801"));
    tree.write("src/tool.py", "def go(x): ...\n");
    assert!(!same(&tree, &[]).contains("MVM602"));
    tree.write("src/.env", "A=1\n");
    assert!(same(&tree, &[]).contains("MVM103"));
    tree.write("src/.gitignore", ".env\n");
    same(&tree, &[]);
    tree.write("b.py", &BAD.replace("memory_mbs", "memory_mb"));
    assert!(!same(&tree, &[]).contains("MVM003"));
    tree.write("b.py", BAD);
    assert!(same(&tree, &[]).contains("MVM003"));
    assert!(!same(&tree, &["--ignore", "MVM003"]).contains("MVM003"));
    tree.write("pyproject.toml", "[tool.mvm.check]\nignore = [\"MVM003\"]\n");
    assert!(!same(&tree, &[]).contains("MVM003"));
    tree.write("c.py", BAD);
    tree.write("pyproject.toml", "[project]\n");
    assert!(same(&tree, &[]).contains("\"c.py\""));
}

#[test]
fn a_file_of_the_same_size_and_time_is_seen() {
    let tree = Tree::new(&[("a.py", BAD)]);
    let before = fs::metadata(tree.path("a.py")).unwrap().modified().unwrap();
    assert!(same(&tree, &[]).contains("memory_mbs"));
    let other = BAD.replace("memory_mbs", "memory_mbz");
    // In place, and renamed over it; each with the old time.
    for renamed in [false, true] {
        let text = if renamed { BAD } else { &other };
        let path = tree.path(if renamed { "new" } else { "a.py" });
        fs::write(&path, text).unwrap();
        fs::File::options().write(true).open(&path).unwrap().set_modified(before).unwrap();
        if renamed {
            fs::rename(path, tree.path("a.py")).unwrap();
        }
        assert!(same(&tree, &[]).contains(if renamed { "memory_mbs" } else { "memory_mbz" }));
    }
}

fn results(tree: &Tree) -> Vec<std::path::PathBuf> {
    let found = fs::read_dir(tree.path(".cache/mvm/check")).unwrap().flatten().map(|e| e.path());
    found.filter(|p| p.extension().is_some_and(|e| e == "results")).collect()
}

#[test]
fn damage_deletion_and_runs_at_once_do_not_matter() {
    let tree = Tree::new(&[]);
    (0..40).for_each(|i| tree.write(&format!("p{}/f{i}.py", i % 4), BAD));
    let expected = same(&tree, &[]);
    let whole = fs::read(&results(&tree)[0]).unwrap();
    for damage in [&b""[..], b"mvmchk01", &whole[..whole.len() / 2], &[0xff; 4096]] {
        fs::write(&results(&tree)[0], damage).unwrap();
        assert_eq!(same(&tree, &[]), expected);
    }
    let mut flipped = fs::read(&results(&tree)[0]).unwrap();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    fs::write(&results(&tree)[0], flipped).unwrap();
    assert_eq!(same(&tree, &[]), expected);
    fs::remove_dir_all(tree.path(".cache")).unwrap();
    std::thread::scope(|scope| {
        let runs: Vec<_> =
            (0..4).map(|_| scope.spawn(|| out(&check(&tree, &["--output", "json"])))).collect();
        runs.into_iter().for_each(|run| assert_eq!(run.join().unwrap(), expected));
    });
    assert_eq!(results(&tree).len(), 1);
    // Nothing is kept where nothing may be kept.
    fs::remove_dir_all(tree.path(".cache")).unwrap();
    fs::write(tree.path(".cache"), "in the way").unwrap();
    assert_eq!(out(&check(&tree, &["--output", "json"])), expected);
}

#[test]
fn no_cache_keeps_nothing() {
    let tree = Tree::new(&[("a.py", BAD)]);
    check(&tree, &["--no-cache"]);
    assert!(!tree.path(".cache").exists());
    check(&tree, &["--cache-dir", "here"]);
    assert!(tree.path("here").is_dir() && !tree.path(".cache").exists());
}
