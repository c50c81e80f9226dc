//! `mvmctl` as a user meets it, without a guest: commands, input, output, exit codes.

mod support;

use serde_json::{Value, json};
use support::{Case, IR};

#[test]
fn help_version_and_completions_are_answers() {
    let case = Case::new();
    for args in [&["--help"][..], &["--version"], &["run", "--help"], &["completions", "bash"]] {
        let out = case.run(args);
        assert_eq!(out.code, 0, "{args:?}: {}", out.stderr);
        assert!(out.stdout.contains("mvmctl"), "{args:?}");
    }
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(case.run(&["completions", shell]).stdout.contains("secret"), "{shell}");
    }
}

#[test]
fn a_wrong_command_line_is_exit_code_2_and_json_where_json_was_asked_for() {
    let case = Case::new();
    for args in
        [&[][..], &["nope"], &["compile"], &["call"], &["down"], &["run", "x.py", "--timeout", "soon"]]
    {
        let out = case.run(args);
        assert_eq!((out.code, out.stdout.as_str()), (2, ""), "{args:?}");
        assert!(!out.stderr.is_empty(), "{args:?}");
    }
    let out = case.run(&["--json", "nope"]);
    assert_eq!(out.code, 2);
    assert_eq!(out.error()["kind"], "usage");
}

#[test]
fn ir_is_read_validated_hashed_and_printed_canonically() {
    let case = Case::new();
    let file = case.file("w.json", IR);
    let printed = case.run(&["compile", &file, "--out", "-"]);
    assert_eq!(printed.code, 0, "{}", printed.stderr);
    let again = case.run_with(&["compile", "-", "--out", "-"], &printed.stdout);
    assert_eq!(again.stdout, printed.stdout, "the canonical form is its own canonical form");
    let hash = case.run(&["ir", "hash", &file]);
    assert_eq!(hash.stdout.trim().len(), 64);
    let json = case.run(&["--json", "ir", "validate", &file]).json();
    assert_eq!((json["valid"].as_bool(), json["id"].as_str()), (Some(true), Some("agent-tool")));
    assert_eq!(json["ir_hash"], hash.stdout.trim());
}

#[test]
fn a_difference_is_exit_code_1_and_names_the_place() {
    let case = Case::new();
    let old = case.file("old.json", IR);
    let new = case.file("new.json", &IR.replace("512,\"rootfs", "1024,\"rootfs"));
    assert_eq!(case.run(&["ir", "diff", &old, &old]).code, 0);
    let out = case.run(&["--json", "ir", "diff", &old, &new]);
    assert_eq!(out.code, 1);
    assert_eq!(out.json()["differences"][0]["pointer"], "/apps/0/resources/memory_mb");
}

#[test]
fn the_schema_is_json() {
    let schema: Value = serde_json::from_str(&Case::new().run(&["ir", "schema"]).stdout).unwrap();
    assert!(schema["$schema"].is_string());
}

#[test]
fn what_is_not_up_or_not_built_is_a_usage_error() {
    let case = Case::new();
    for args in [&["call", "absent", "{}"][..], &["logs", "absent"], &["down", "absent"], &["up", "absent"]] {
        let out = case.run(args);
        assert_eq!(out.code, 2, "{args:?}: {}", out.stderr);
        assert!(out.stderr.contains("absent") && out.stderr.contains("help:"), "{args:?}: {}", out.stderr);
    }
    let out = case.run(&["--json", "ps"]);
    assert_eq!((out.code, out.json()["machines"].as_array().map(Vec::len)), (0, Some(0)));
    assert_eq!(case.run(&["down", "--all"]).code, 0, "nothing to stop is fine");
}

#[test]
fn secrets_come_from_standard_input_and_are_never_shown() {
    let case = Case::new();
    let value = format!("{}-{}", "not-a-secret", std::process::id());
    let out = case.run_with(&["secret", "set", "api-key"], &format!("{value}\n"));
    assert_eq!(out.code, 0, "{}", out.stderr);
    let list = case.run(&["secret", "ls"]);
    assert_eq!(list.stdout, "api-key\n");
    assert_eq!(case.run(&["--json", "secret", "ls"]).json()["secrets"][0], "api-key");
    for shown in [out.stdout, out.stderr, list.stdout, list.stderr] {
        assert!(!shown.contains(&value));
    }
    assert_eq!(case.run(&["secret", "rm", "api-key"]).code, 0);
    assert_eq!(case.run(&["secret", "rm", "api-key"]).code, 2);
    assert_eq!(case.run_with(&["secret", "set", "api-key"], "").code, 2, "an empty value");
    assert_eq!(case.run_with(&["secret", "set", "../x"], "v").code, 2, "a name that is a path");
}

#[test]
fn every_answer_is_json_where_json_was_asked_for() {
    let case = Case::new();
    let file = case.file("w.json", IR);
    let out = case.path("out");
    let hash = case.run(&["ir", "hash", &file]).stdout.trim().to_owned();
    assert_eq!(case.run(&["--json", "ir", "hash", &file]).json(), json!({ "ir_hash": hash }));
    let compiled = case.run(&["--json", "compile", &file, "--out", out.to_str().unwrap()]);
    assert_eq!(compiled.json(), json!({ "id": "agent-tool", "ir_hash": hash, "out": out }));
    let events: Vec<Value> =
        compiled.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of_collect = |event: &&Value| event["stage"] == "collect";
    let told: Vec<&Value> = events.iter().filter(of_collect).map(|e| &e["event"]).collect();
    assert_eq!(told, ["started", "finished"], "{}", compiled.stderr);
    assert_eq!(case.run(&["--json", "ir", "diff", &file, &file]).json()["equal"], true);
    assert!(case.run(&["--json", "ir", "schema"]).json()["$schema"].is_string());

    let set = case.run_with(&["--json", "secret", "set", "name"], "value");
    assert_eq!((set.code, set.json()), (0, json!({ "set": "name" })));
    assert_eq!(case.run(&["--json", "secret", "ls"]).json(), json!({ "secrets": ["name"] }));
    assert_eq!(case.run(&["--json", "secret", "rm", "name"]).json(), json!({ "removed": "name" }));
    assert_eq!(case.run(&["--json", "down", "--all"]).json(), json!({ "stopped": [] }));
    for command in ["logs", "down", "call", "up"] {
        let out = case.run(&["--json", command, "absent"]);
        assert_eq!((out.code, &out.error()["exit_code"]), (2, &json!(2)), "{command}: {}", out.stderr);
        assert!(out.error()["help"].is_string(), "{command}: {}", out.stderr);
    }
}

#[test]
fn doctor_and_gc_answer() {
    let case = Case::new();
    let doctor = case.run(&["--json", "doctor"]);
    // What this host lacks is not this test's business; that the code says it is.
    let lacks = doctor.json()["checks"].as_array().unwrap().iter().any(|check| check["status"] == "fail");
    assert_eq!(doctor.code, if lacks { 3 } else { 0 }, "{}", doctor.stdout);
    let gc = case.run(&["--json", "gc", "--dry-run"]);
    assert_eq!(gc.code, 0, "{}", gc.stderr);
}

#[test]
fn a_home_that_is_no_absolute_path_is_refused() {
    let case = Case::new();
    let out = case.run_env(&["ps"], &[("MVM_HOME", "relative")]);
    assert_eq!(out.code, 2);
    assert!(out.stderr.contains("MVM_HOME"), "{}", out.stderr);
}

#[test]
fn a_reader_that_hangs_up_is_no_error() {
    let case = Case::new();
    let status = case.closed_stdout(&["ir", "schema"]);
    assert!(status.stderr.is_empty() || !status.stderr.contains("panic"), "{}", status.stderr);
}
