//! `mvm-lsp --check`, the program itself.

// A test says what went wrong by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

const BAD: &str = "import mvm\n\n\n@mvm.app(\n    name=\"a\",\n    image=mvm.nix_packages([\"python312\"]),\n    resources=mvm.resources(cpu_cores=1, memory_mbs=512),\n    network=mvm.network(mode=\"deny\"),\n)\ndef run(prompt: str) -> str:\n    return prompt\n";

fn check(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mvm-lsp"));
    command.current_dir(directory).arg("--check").args(arguments).stdin(Stdio::null());
    command.env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"));
    command.env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE").output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn project(files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = directory.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    directory
}

#[test]
fn a_clean_tree_is_0_findings_are_1() {
    let clean = project(&[("a.py", "x = 1\n"), ("b.py", &BAD.replace("memory_mbs", "memory_mb"))]);
    let result = check(clean.path(), &[]);
    assert_eq!((result.status.code(), out(&result).as_str()), (Some(0), "Checked 2 files: nothing found\n"));
    let bad = project(&[("a.py", BAD)]);
    let result = check(bad.path(), &[]);
    assert_eq!(result.status.code(), Some(1));
    let text = out(&result);
    assert!(text.starts_with("error[MVM003]: "), "{text}");
    assert!(text.contains(" --> a.py:7:42\n"), "{text}");
    assert!(text.contains("7 |     resources=mvm.resources(cpu_cores=1, memory_mbs=512),\n"), "{text}");
    assert!(text.contains("  |                                          ^^^^^^^^^^"), "{text}");
    assert!(text.ends_with("Found 1 error in 1 of 1 file; 1 fixable with --fix\n"), "{text}");
    assert_eq!(check(bad.path(), &["--exit-zero"]).status.code(), Some(0));
}

#[test]
fn the_insecure_example_trips_a_rule_of_every_range() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let result = check(&examples, &["--output", "json", "insecure"]);
    assert_eq!(result.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&result.stdout).unwrap();
    let text = report.to_string();
    let missing: Vec<String> =
        (0..=8).map(|n| format!("\"MVM{n}")).filter(|rule| !text.contains(rule)).collect();
    assert!(missing.is_empty(), "{missing:?}: {text}");
}

#[test]
fn standard_input_is_checked_under_its_name() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_mvm-lsp"))
        .args(["--check", "--output", "concise", "--stdin-filename", "b.py", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(BAD.as_bytes()).unwrap();
    let result = child.wait_with_output().unwrap();
    assert!(out(&result).starts_with("b.py:7:42: error[MVM003] "), "{}", out(&result));
    assert_eq!(result.status.code(), Some(1));
}

#[test]
fn every_format_tells_the_same() {
    let bad = project(&[("sub dir/a,b.py", BAD)]);
    let json: Value = serde_json::from_str(&out(&check(bad.path(), &["--output", "json"]))).unwrap();
    assert_eq!(json["version"], 1);
    assert_eq!(json["findings"][0]["rule"], "MVM003");
    assert_eq!(json["findings"][0]["path"], "sub dir/a,b.py");
    assert_eq!(json["findings"][0]["range"]["start"]["line"], 7);
    assert_eq!(json["summary"]["errors"], 1);
    let lines = out(&check(bad.path(), &["--output", "json-lines"]));
    let kinds: Vec<Value> =
        lines.lines().map(|l| serde_json::from_str::<Value>(l).unwrap()["type"].clone()).collect();
    assert_eq!(kinds, ["finding", "summary"]);
    let github = out(&check(bad.path(), &["--output", "github"]));
    assert!(github.starts_with("::error file=sub dir/a%2Cb.py,line=7,col=42,endLine=7,"), "{github}");
    let sarif: Value = serde_json::from_str(&out(&check(bad.path(), &["--output", "sarif"]))).unwrap();
    let place = &sarif["runs"][0]["results"][0]["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "sub%20dir/a%2Cb.py");
    assert_eq!(place["region"]["startColumn"], 42);
    // Several at once, one of them into a file.
    let result = check(bad.path(), &["--output", "concise", "--output", "sarif=out.sarif"]);
    assert!(out(&result).contains("[MVM003]"));
    assert!(std::fs::read_to_string(bad.path().join("out.sarif")).unwrap().contains("2.1.0"));
    let wrong = check(bad.path(), &["--output", "xml"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("json-lines"));
}

#[test]
fn what_cannot_be_read_is_said_and_hides_nothing() {
    let tree = project(&[("bad.py", BAD), ("latin.py", "import mvm\n"), ("other.py", "x")]);
    let path = |name: &str| tree.path().join(name);
    std::fs::write(path("latin.py"), b"import mvm\n# caf\xe9\n").unwrap();
    std::fs::write(path("other.py"), b"# caf\xe9, none of our business\n").unwrap();
    std::fs::File::create(path("huge.py")).unwrap().set_len(50 << 20).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(path("socket.py")).unwrap();
    assert!(Command::new("mkfifo").arg(path("fifo.py")).status().unwrap().success());
    std::os::unix::fs::symlink(path("nowhere"), path("broken.py")).unwrap();
    let names = ["bad.py", "latin.py", "huge.py", "socket.py", "fifo.py", "broken.py", "missing.py"];
    let mut arguments = vec!["--output", "concise"];
    arguments.extend(names);
    let result = check(tree.path(), &arguments);
    let text = out(&result);
    assert_eq!(result.status.code(), Some(2), "{text}");
    for (name, why) in [
        ("bad.py", "[MVM003]"),
        ("latin.py", "not UTF-8: first invalid byte at offset 16"),
        ("huge.py", "too large"),
        ("socket.py", "not a regular file"),
        ("fifo.py", "not a regular file"),
        ("broken.py", "cannot be read"),
        ("missing.py", "cannot be read"),
    ] {
        let line = text.lines().find(|l| l.starts_with(name)).unwrap_or_else(|| panic!("{name}: {text}"));
        assert!(line.contains(why), "{line}");
    }
    assert!(text.contains("6 files could not be checked"), "{text}");
    // A walk passes by what is none of our business.
    for name in ["latin.py", "huge.py"] {
        std::fs::remove_file(path(name)).unwrap();
    }
    assert_eq!(check(tree.path(), &[]).status.code(), Some(1));
}

#[test]
fn ignored_and_hidden_files_are_not_walked() {
    let tree =
        project(&[(".gitignore", "gen/\n"), ("gen/a.py", BAD), (".venv/b.py", BAD), ("c.py", "x = 1\n")]);
    let result = check(tree.path(), &[]);
    assert_eq!(out(&result), "Checked 1 file: nothing found\n");
    assert_eq!(check(tree.path(), &["gen/a.py"]).status.code(), Some(1), "named files always count");
}

#[test]
fn names_and_text_cannot_steer_the_terminal() {
    let tree = project(&[(
        "a\x1b[31m\n.py",
        &BAD.replace("memory_mbs=512),", "memory_mbs=512),  # \u{1b}]0;x\u{7}\u{202e}"),
    )]);
    for format in ["full", "concise"] {
        let text = out(&check(tree.path(), &["--output", format, "."]));
        assert!(text.contains("MVM003"), "{text}");
        assert!(!text.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}'), "{text:?}");
    }
    let colored = out(&check(tree.path(), &["--color", "always"]));
    assert!(colored.contains("\x1b[1;31merror[MVM003]\x1b[0m"), "{colored:?}");
}

#[test]
fn fix_repairs_the_file_and_diff_only_shows() {
    let tree = project(&[("a.py", BAD)]);
    let before = std::fs::read_to_string(tree.path().join("a.py")).unwrap();
    let shown = check(tree.path(), &["--diff"]);
    assert_eq!(shown.status.code(), Some(1));
    let diff = out(&shown);
    assert!(diff.contains("\n-    resources=mvm.resources(cpu_cores=1, memory_mbs=512),\n+    resources=mvm.resources(cpu_cores=1, memory_mb=512),\n"), "{diff}");
    assert_eq!(std::fs::read_to_string(tree.path().join("a.py")).unwrap(), before);
    let fixed = check(tree.path(), &["--fix"]);
    assert_eq!(fixed.status.code(), Some(0), "{}", out(&fixed));
    assert!(out(&fixed).ends_with("; 1 fixed\n"), "{}", out(&fixed));
    let after = std::fs::read_to_string(tree.path().join("a.py")).unwrap();
    assert_eq!(after, before.replace("memory_mbs", "memory_mb"));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let tree = project(&[("a.py", &BAD.repeat(2000))]);
    let mut child = Command::new(env!("CARGO_BIN_EXE_mvm-lsp"))
        .current_dir(tree.path())
        .args(["--check", "--exit-zero", "a.py"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let result = child.wait_with_output().unwrap();
    assert_eq!(result.status.code(), Some(0), "{}", String::from_utf8_lossy(&result.stderr));
}

#[test]
fn rules_are_explained() {
    let run =
        |arguments: &[&str]| Command::new(env!("CARGO_BIN_EXE_mvm-lsp")).args(arguments).output().unwrap();
    let page = out(&run(&["explain", "mvm101"]));
    assert!(page.contains("MVM101"), "{page}");
    let list: Value = serde_json::from_str(&out(&run(&["rules", "--json"]))).unwrap();
    assert!(list.as_array().unwrap().iter().any(|r| r["id"] == "MVM201"));
    let unknown = run(&["explain", "MVM999"]);
    assert_eq!(unknown.status.code(), Some(2));
    let err = |arguments: &[&str]| String::from_utf8_lossy(&run(arguments).stderr).into_owned();
    assert!(
        err(&["explain", "MVM5O1"]).contains("did you mean `MVM501`?"),
        "{}",
        err(&["explain", "MVM5O1"])
    );
    assert!(err(&["explain", "unpined-image"]).contains("did you mean `unpinned-image`?"));
    let several = out(&run(&["explain", "MVM501-MVM503", "MVM7,unpinned-image"]));
    for id in ["MVM501", "MVM502", "MVM503", "MVM701", "MVM705", "MVM201"] {
        assert!(several.contains(&format!("# {id} ")), "{id}: {several}");
    }
    assert!(!several.contains("# MVM504 "), "{several}");
    assert_eq!(run(&["--no-such-option"]).status.code(), Some(2));
    assert_eq!(run(&["--fix"]).status.code(), Some(2), "--fix wants --check");
}

#[test]
fn the_project_file_and_the_command_line_choose_the_rules() {
    let tree = project(&[
        ("a.py", BAD),
        ("sub/mvm.toml", "[check]\nignore = [\"MVM003\"]\n"),
        ("sub/b.py", BAD),
        ("gone/pyproject.toml", "[tool.mvm.check]\nexclude = [\"c.py\"]\n"),
        ("gone/c.py", BAD),
    ]);
    let text = out(&check(tree.path(), &["--output", "concise"]));
    assert!(text.contains("a.py:7:42: error[MVM003]"), "{text}");
    assert!(!text.contains("b.py") && !text.contains("c.py"), "{text}");
    let without = check(tree.path(), &["--ignore", "MVM0", "a.py"]);
    assert_eq!(without.status.code(), Some(0), "{}", out(&without));
    let wrong = check(tree.path(), &["--select", "MVM999", "a.py"]);
    assert_eq!(wrong.status.code(), Some(2));
    std::fs::write(tree.path().join("mvm.toml"), "[check]\nselct = []\n").unwrap();
    let broken = check(tree.path(), &["--output", "concise", "a.py"]);
    assert_eq!(broken.status.code(), Some(2));
    assert!(out(&broken).contains("mvm.toml:2: ") && out(&broken).contains("`select`"), "{}", out(&broken));
}

#[test]
fn a_suppressed_finding_is_not_reported() {
    let tree = project(&[(
        "a.py",
        &BAD.replace("memory_mbs=512),", "memory_mbs=512),  # mvm: ignore[MVM003] -- a test"),
    )]);
    let result = check(tree.path(), &[]);
    assert_eq!(result.status.code(), Some(0), "{}", out(&result));
}

#[test]
fn a_credential_appears_in_no_output() {
    let token = ["sk-", "proj-", &"NotARealKey0123456789".repeat(3)].concat();
    let halves = (&token[..20], &token[20..]);
    let whole = BAD.replace("network=", &format!("env={{\"OPENAI_API_KEY\": \"{token}\"}},\n    network="));
    let split = format!("PART = \"{}\" + \"{}\"\n", halves.0, halves.1);
    let split = BAD.replace("import mvm\n", &format!("import mvm\n{split}"));
    let split = split.replace("network=", "env={\"OPENAI_API_KEY\": PART},\n    network=");
    let tree = project(&[("whole.py", &whole), ("split.py", &split)]);
    for arguments in [
        &["--output", "full"][..],
        &["--output", "concise"],
        &["--output", "json"],
        &["--output", "sarif"],
        &["--output", "github"],
        &["--diff", "--unsafe-fixes"],
    ] {
        let text = out(&check(tree.path(), arguments));
        assert!(text.contains("MVM501") || arguments[0] == "--diff", "{text}");
        for piece in [&token[..], halves.0, halves.1] {
            assert!(!text.contains(piece), "{arguments:?} prints {piece}: {text}");
        }
    }
}
