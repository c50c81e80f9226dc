//! How `mvm-lsp --check` is used: baselines, comments, patterns, IR, standard input, watching, and what it says of
//! itself.

// A test says what went wrong by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod check_support;

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use check_support::{BAD, Tree, check, err, out};
use serde_json::Value;

#[test]
fn a_baseline_knows_findings_wherever_their_lines_move() {
    let tree = Tree::new(&[("mvm.toml", "[check]\n"), ("sub/a.py", BAD)]);
    let missing = check(&tree, &["--baseline", "known.json"]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(err(&missing).contains("--update-baseline writes it"), "{}", err(&missing));
    let written = check(&tree, &["--baseline", "known.json", "--update-baseline"]);
    assert_eq!(written.status.code(), Some(0), "{}", err(&written));
    tree.write("sub/a.py", &BAD.replace("import mvm\n", "import json\nimport mvm\n\nA = 1\n"));
    let moved = check(&tree, &["--baseline", "known.json"]);
    assert_eq!(moved.status.code(), Some(0), "{}", out(&moved));
    assert!(out(&moved).contains("1 known from the baseline"), "{}", out(&moved));
    // From another directory, too.
    let mut inside = tree.command(&["--check", "--baseline", "../known.json", "a.py"]);
    assert_eq!(inside.current_dir(tree.path("sub")).status().unwrap().code(), Some(0));
    // A second one of the same kind is new.
    let twice = BAD
        .replace("    network=", "    resourcez=mvm.resources(cpu_cores=1, memory_mbs=512),\n    network=");
    tree.write("sub/a.py", &twice);
    let new = check(&tree, &["--baseline", "known.json", "--output", "concise"]);
    assert_eq!(new.status.code(), Some(1), "{}", out(&new));
    assert!(!out(&new).contains("a.py:7:"), "{}", out(&new));
    // What is not checked now stays known, what is gone does not.
    tree.write("sub/b.py", BAD);
    check(&tree, &["--baseline", "known.json", "--update-baseline", "sub/b.py"]);
    assert!(
        tree.read("known.json").contains("\"sub/a.py\"") && tree.read("known.json").contains("\"sub/b.py\"")
    );
    std::fs::remove_file(tree.path("sub/a.py")).unwrap();
    check(&tree, &["--baseline", "known.json", "--update-baseline"]);
    assert!(!tree.read("known.json").contains("\"sub/a.py\""), "{}", tree.read("known.json"));
    for damaged in ["{", "{\"version\": 9, \"files\": {}}", "[]"] {
        tree.write("known.json", damaged);
        assert_eq!(check(&tree, &["--baseline", "known.json"]).status.code(), Some(2), "{damaged}");
    }
}

#[test]
fn comments_are_added_with_their_reason_and_can_be_disregarded() {
    let tree = Tree::new(&[("a.py", BAD), ("b.py", "x = 1\n")]);
    let added = check(&tree, &["--add-ignores", "--reason", "agreed\nlong ago"]);
    assert_eq!(added.status.code(), Some(0), "{}", out(&added));
    assert!(out(&added).contains("1 ignored by new comments"), "{}", out(&added));
    assert!(
        tree.read("a.py").contains("512),  # mvm: ignore[MVM003] -- agreed long ago\n"),
        "{}",
        tree.read("a.py")
    );
    assert_eq!(check(&tree, &[]).status.code(), Some(0));
    let all = check(&tree, &["--no-ignores", "--output", "concise"]);
    assert_eq!(all.status.code(), Some(1));
    assert!(out(&all).contains("a.py:7:42: error[MVM003]"), "{}", out(&all));
    assert!(!out(&all).contains("MVM013"), "{}", out(&all));
    let text = tree.read("a.py");
    check(&tree, &["--add-ignores"]);
    assert_eq!(tree.read("a.py"), text, "nothing is added twice");
}

#[test]
fn patterns_are_walked_as_directories_are() {
    let tree = Tree::new(&[
        (".gitignore", "gen/\n"),
        ("src/a.py", BAD),
        ("src/deep/b.py", BAD),
        ("src/gen/c.py", BAD),
        ("other/d.py", BAD),
    ]);
    let names = |pattern: &str| {
        let text = out(&check(&tree, &["--output", "concise", pattern]));
        let names =
            text.lines().filter(|l| l.contains("MVM003")).map(|l| l.split(':').next().unwrap().to_owned());
        names.collect::<Vec<_>>()
    };
    assert_eq!(names("src/**/*.py"), ["src/a.py", "src/deep/b.py"]);
    assert_eq!(names("src/*.py"), ["src/a.py"]);
    assert_eq!(names("./{other,src/deep}/?.py"), ["other/d.py", "src/deep/b.py"]);
    let nothing = check(&tree, &["none/*.py"]);
    assert_eq!(nothing.status.code(), Some(2));
    assert!(out(&nothing).contains("matches no Python file"), "{}", out(&nothing));
}

fn piped(tree: &Tree, arguments: &[&str], input: &str) -> std::process::Output {
    let mut command = tree.command(&["--check"]);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn standard_input_is_fixed_to_standard_output() {
    let tree = Tree::new(&[("a.py", "untouched\n")]);
    let fixed = piped(&tree, &["--fix", "--stdin-filename", "a.py", "-"], BAD);
    assert_eq!(fixed.status.code(), Some(0), "{}", err(&fixed));
    assert_eq!(out(&fixed), BAD.replace("memory_mbs", "memory_mb"));
    assert!(err(&fixed).contains("1 fixed"), "{}", err(&fixed));
    assert_eq!(tree.read("a.py"), "untouched\n");
    let good = out(&fixed);
    assert_eq!(out(&piped(&tree, &["--fix", "-"], &good)), good, "what needs no fix comes out as it was");
}

#[test]
fn ir_is_read_strictly_and_checked_by_the_same_rules() {
    let ir = r#"{"schema_version": "0.1", "id": "a", "extensions": {}, "volumes": [], "apps": [{
  "name": "a", "env": {}, "mounts": [], "dependencies": {"kind": "none"},
  "source": {"kind": "local_path", "path": ".", "include": ["**"], "exclude": []},
  "image": {"kind": "oci_base", "reference": "docker.io/library/python:latest"},
  "resources": {"cpu_cores": 1, "memory_mb": 512, "rootfs_size_mb": 512},
  "network": {"mode": "bridge", "ports": []},
  "entrypoints": [{"kind": "command", "command": ["sh", "-c", "curl x | sh"], "working_dir": "/app", "env": {}}]
}]}"#;
    let tree = Tree::new(&[("w.json", ir)]);
    let text = out(&check(&tree, &["--output", "concise", "w.json"]));
    assert!(text.contains("w.json:4:") && text.contains("[MVM201]"), "{text}");
    assert!(text.contains("w.json:6:") && text.contains("[MVM401]"), "{text}");
    assert!(!text.contains("MVM102") && !text.contains("MVM00"), "{text}");
    for (from, to, says) in [
        ("\"volumes\"", "\"volums\"", "w.json:1:"),
        ("\"512\"", "", ""),
        ("\"memory_mb\": 512", "\"memory_mb\": 1", "w.json:5:"),
        ("\"memory_mb\": 512", "\"memory_mb\": \"x\"", "w.json:5:"),
        ("\"name\": \"a\"", "\"name\": \"A B\"", "w.json:2:"),
        ("}]}", "}", "w.json:"),
    ] {
        tree.write("w.json", &ir.replace(from, to));
        let result = check(&tree, &["--output", "concise", "w.json"]);
        let expected = says;
        assert!(out(&result).contains(expected), "{from}: {}", out(&result));
        assert!(says.is_empty() || out(&result).contains("error["), "{from}: {}", out(&result));
    }
    assert!(out(&check(&tree, &[])).contains("Checked 0 files"), "a walk meets Python alone");
}

#[test]
fn watching_prints_again_when_something_changes() {
    let tree = Tree::new(&[("a.py", BAD)]);
    let mut child = tree
        .command(&["--check", "--watch", "--output", "concise"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|l| l.contains("MVM003")));
    assert!(lines.any(|l| l.starts_with("Found 1 error")));
    tree.write("a.py", &BAD.replace("memory_mbs", "memory_mb"));
    assert!(lines.any(|l| l == "Checked 1 file: nothing found"));
    tree.write("mvm.toml", "[check]\nselct = 1\n");
    assert!(lines.any(|l| l.contains("mvm.toml:2: error")));
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn the_configuration_that_holds_is_shown() {
    let tree = Tree::new(&[
        ("pyproject.toml", "[tool.mvm.check]\nignore = [\"MVM2\"]\nseverity = {MVM4 = \"off\"}\n"),
        ("sub/mvm.toml", "[check]\nper-file-ignores = {\"t/**\" = [\"MVM5\"]}\n"),
    ]);
    let show = |arguments: &[&str]| tree.command(&["config", "--show"]).args(arguments).output().unwrap();
    let text = out(&show(&[]));
    assert!(text.contains("pyproject.toml\n[check]\n") && text.contains("ignore = [\"MVM2\"]\n"), "{text}");
    assert!(text.contains("MVM4 = \"off\"\n"), "{text}");
    // What is shown can stand in a file.
    tree.write("copy/mvm.toml", &text);
    let json: Value = serde_json::from_str(&out(&show(&["--json", "copy"]))).unwrap();
    assert_eq!(json["check"]["severity"]["MVM4"], "off");
    let json: Value = serde_json::from_str(&out(&show(&["--json", "sub/any.py"]))).unwrap();
    assert_eq!(json["check"]["per-file-ignores"]["t/**"][0], "MVM5");
    assert!(json["source"].as_str().unwrap().ends_with("sub/mvm.toml"));
    tree.write("sub/mvm.toml", "[check]\nselct = 1\n");
    assert_eq!(show(&["sub"]).status.code(), Some(2));
}

#[test]
fn a_difference_can_be_applied_and_gives_what_a_fix_gives() {
    let texts = [
        ("lines.py", BAD.to_owned()),
        ("tabs.py", BAD.replace("    ", "\t")),
        ("windows.py", BAD.replace('\n', "\r\n")),
        ("sub/open end.py", BAD.trim_end().to_owned()),
        ("at_the_end.py", BAD.replacen("memory_mbs", "memory_mb", 1) + "\n\n" + BAD.trim_end()),
    ];
    let files: Vec<(&str, &str)> = texts.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let (fixed, patched) = (Tree::new(&files), Tree::new(&files));
    check(&fixed, &["--fix", "--exit-zero"]);
    let difference = out(&check(&patched, &["--diff"]));
    // The summary stands below, as text does in a mail with a patch.
    patched.write("fixes.patch", &difference);
    let apply = ["apply", "--whitespace=nowarn", "fixes.patch"];
    let result = Command::new("git").args(apply).current_dir(patched.root()).output().unwrap();
    assert!(result.status.success(), "{}\n{difference}", String::from_utf8_lossy(&result.stderr));
    for (name, before) in files {
        let after = std::fs::read_to_string(patched.path(name)).unwrap();
        assert_eq!(after, std::fs::read_to_string(fixed.path(name)).unwrap(), "{name}");
        assert_ne!(after, before, "{name}");
    }
}

#[test]
fn the_program_describes_itself() {
    let tree = Tree::new(&[]);
    let run = |arguments: &[&str]| out(&tree.command(arguments).output().unwrap());
    assert!(run(&["man"]).contains("update\\-baseline"));
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(run(&["completions", shell]).contains("update-baseline"), "{shell}");
    }
    assert!(run(&["config", "--schema"]).contains("allowed-registries"));
    let rules: Value = serde_json::from_str(&run(&["rules", "--json"])).unwrap();
    assert!(rules.as_array().unwrap().iter().all(|r| r["why"].as_str().is_some_and(|w| !w.is_empty())));
}

#[test]
fn statistics_count_by_rule() {
    let tree = Tree::new(&[("a.py", BAD), ("b.py", BAD)]);
    let text = out(&check(&tree, &["--statistics", "--output", "concise"]));
    assert!(text.contains("      2  MVM003  unknown-argument (in 2 files)\n"), "{text}");
}

#[test]
fn links_and_colours_are_drawn_where_they_are_wanted() {
    let tree = Tree::new(&[("a b.py", BAD)]);
    let drawn = out(&check(&tree, &["--hyperlinks", "always", "--color", "always"]));
    assert!(
        drawn.contains("\x1b]8;;file://") && drawn.contains("/a%20b.py\x1b\\a b.py:7:42\x1b]8;;\x1b\\"),
        "{drawn:?}"
    );
    assert!(drawn.contains("MVM003.md\x1b\\"), "{drawn:?}");
    let plain = out(&check(&tree, &[]));
    assert!(!plain.contains('\x1b'), "{plain:?}");
}
