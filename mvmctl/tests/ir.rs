//! `mvmctl ir` as a user meets it: good input and bad, files and standard input, people and programs.

mod support;

use serde_json::{Value, json};
use support::{Case, IR, Out};

/// Refused as a usage error, in words that say what was read, why it failed and what to do.
fn refused(out: &Out, from: &str, why: &str) {
    assert_eq!((out.code, out.stdout.as_str()), (2, ""), "{}", out.stderr);
    assert!(out.stderr.contains(from) && out.stderr.contains(why), "{from:?} {why:?}: {}", out.stderr);
    assert!(out.stderr.contains("help:"), "{}", out.stderr);
}

const DECLARATION: &str = "import mvm\n@mvm.app(name=\"a\", image=mvm.python_image())\ndef run(n: int) -> str:\n    return str(n)\n";

#[test]
fn a_declaration_its_ir_and_standard_input_are_one_workload() {
    let case = Case::new();
    let file = case.file("tool.py", DECLARATION);
    let ir = case.run(&["compile", &file, "--out", "-"]).stdout;
    let json = case.file("tool.json", &ir);
    let hash = case.run(&["ir", "hash", &file]).stdout;
    assert_eq!(hash.trim().len(), 64);
    assert_eq!(case.run(&["ir", "hash", &json]).stdout, hash);
    assert_eq!(case.run_with(&["ir", "hash", "-"], &ir).stdout, hash);
    assert_eq!(case.run(&["ir", "validate", &file]).stdout, format!("{file}: valid (a)\n"));
    assert_eq!(case.run_with(&["ir", "validate", "-"], &ir).stdout, "standard input: valid (a)\n");
    for other in [&file, &json] {
        let out = case.run_with(&["ir", "diff", other, "-"], &ir);
        assert_eq!((out.code, out.stdout.as_str()), (0, ""), "{}", out.stderr);
    }
    // Order and white space are not the workload.
    let pretty = serde_json::to_string_pretty(&serde_json::from_str::<Value>(&ir).unwrap()).unwrap();
    assert_eq!(case.run_with(&["ir", "hash", "-"], &pretty).stdout, hash);
}

#[test]
fn what_is_no_ir_is_told_apart() {
    let case = Case::new();
    let twice = IR.replacen("\"id\":", "\"id\":\"b\",\"id\":", 1);
    let deep = "[".repeat(100_000);
    let inner = IR.replace("{},\"id\"", &format!("{{\"a\":{}{}}},\"id\"", "[".repeat(500), "]".repeat(500)));
    assert_ne!(inner, IR);
    let cases: &[(&[u8], &str)] = &[
        (b"", "the text is empty"),
        (b"{", "truncated"),
        (b"17", "must be an object"),
        (b"null", "must be an object"),
        (&IR.as_bytes()[..IR.len() / 2], "truncated"),
        (twice.as_bytes(), "the key `id` stands twice"),
        (deep.as_bytes(), "recursion limit"),
        (inner.as_bytes(), "recursion limit"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        (b"\xff\xfe{\0}\0", "UTF-16"),
        (b"{\"\xff\":1}", "invalid unicode code point"),
    ];
    for (bytes, why) in cases {
        let file = case.bytes("w.json", bytes);
        for command in ["validate", "hash"] {
            refused(&case.run(&["ir", command, &file]), "w.json", why);
        }
        refused(&case.run(&["ir", "diff", &file, &file]), "w.json", why);
        let error = case.run(&["--json", "ir", "validate", &file]).error();
        assert_eq!((&error["kind"], &error["exit_code"]), (&json!("usage"), &json!(2)));
        if let Ok(text) = std::str::from_utf8(bytes) {
            refused(&case.run_with(&["ir", "validate", "-"], text), "standard input", why);
        }
    }
}

#[test]
fn values_that_are_wrong_are_named_by_their_place() {
    let case = Case::new();
    for (from, to, why) in [
        ("\"0.1\"", "\"0.2\"", "/schema_version is \"0.2\""),
        ("\"extensions\":{}", "\"extensions\":{},\"zz\":1", "/zz is an unknown field"),
        ("\"memory_mb\":512", "\"memory_mb\":1", "/apps/0/resources/memory_mb: memory_mb is 1"),
        ("\"memory_mb\":512", "\"memory_mb\":1e2", "/apps/0/resources/memory_mb must be an integer"),
        ("\"memory_mb\":512", "\"memory_mb\":-1", "/apps/0/resources/memory_mb must be an integer"),
        ("\"name\":\"agent-tool\"", "\"name\":\"A b\"", "[IR002]"),
        ("\"kind\":\"nix_packages\"", "\"kind\":\"nix\"", "needs `kind`"),
        ("\"port\":443", "\"port\":0", "/apps/0/network/egress/allowlist/0/port"),
        ("\"apps\":[{", "\"apps\":[17,{", "/apps/0 must be an object"),
    ] {
        let text = IR.replacen(from, to, 1);
        assert_ne!(text, IR, "{from}");
        refused(&case.run_with(&["ir", "validate", "-"], &text), "standard input", why);
    }
}

#[test]
fn what_is_not_there_or_no_file_or_too_large() {
    let case = Case::new();
    refused(&case.run(&["ir", "validate", "absent.json"]), "reading absent.json", "No such file");
    refused(&case.run(&["ir", "hash", "."]), "reading .", "a directory");
    let text = case.file("w.txt", IR);
    refused(&case.run(&["ir", "validate", &text]), "w.txt", "neither");
    let ir = case.file("w.json", IR);
    refused(&case.run(&["ir", "diff", &ir, "absent.json"]), "reading absent.json", "No such file");
    refused(&case.run_with(&["ir", "diff", "-", "-"], IR), "standard input", "once");
    let large = |megabytes: usize| {
        let text = format!("\"extensions\":{{\"note\":\"{}\"}}", "x".repeat(megabytes << 20));
        IR.replace("\"extensions\":{}", &text)
    };
    let ten = case.file("ten.json", &large(10));
    assert_eq!(case.run(&["ir", "validate", &ten]).code, 0);
    let out = case.run(&["ir", "diff", &ir, &ten]);
    assert_eq!(out.code, 1);
    assert!(out.stdout.len() < 1_000 && out.stdout.contains("bytes)"), "{} bytes", out.stdout.len());
    let whole = case.run(&["--json", "ir", "diff", &ir, &ten]).json();
    assert_eq!(whole["differences"][0]["new"].as_str().map(str::len), Some(10 << 20));
    let seventeen = case.file("seventeen.json", &large(17));
    refused(&case.run(&["ir", "validate", &seventeen]), "seventeen.json", "larger than 16 MiB");
}

#[test]
fn a_declaration_with_errors_is_exit_code_1_and_tells_them() {
    let case = Case::new();
    let file = case.file("tool.py", &DECLARATION.replace("name=\"a\"", "name=\"A b\", memory=1"));
    for command in ["validate", "hash"] {
        let out = case.run(&["ir", command, &file]);
        assert_eq!((out.code, out.stdout.as_str()), (1, ""), "{}", out.stderr);
        assert!(out.stderr.contains("MVM006") && out.stderr.contains("MVM003"), "{}", out.stderr);
    }
    let error = case.run(&["--json", "ir", "validate", &file]).error();
    assert_eq!(error["exit_code"], 1);
    assert!(error["findings"].as_array().is_some_and(|f| f.len() >= 2), "{error}");
}

#[test]
fn differences_are_told_to_people_and_programs() {
    let case = Case::new();
    let old = case.file("old.json", IR);
    let new = case.file(
        "new.json",
        &IR.replace("\"uv\"", "\"git\"").replace("\"ports\":[]", "\"peers\":[\"b\"],\"ports\":[]"),
    );
    let out = case.run(&["ir", "diff", &old, &new]);
    assert_eq!(out.code, 1);
    assert_eq!(
        out.stdout,
        "/apps/0/image/packages/1\n  - \"uv\"\n  + \"git\"\n/apps/0/network/peers\n  + [\"b\"]\n"
    );
    let found = case.run(&["--json", "ir", "diff", &old, &new]).json();
    assert_eq!(found["equal"], false);
    assert_eq!(found["differences"][1], json!({"pointer": "/apps/0/network/peers", "new": ["b"]}));
}

#[test]
fn help_says_what_each_takes() {
    let case = Case::new();
    for command in ["validate", "hash", "diff"] {
        let out = case.run(&["ir", command, "--help"]);
        assert!(out.code == 0 && out.stdout.contains("standard input"), "{}", out.stdout);
        assert_eq!(case.run(&["ir", command]).code, 2, "{command} without a file");
    }
    assert_eq!(case.run(&["ir"]).code, 2);
    assert_eq!(case.run(&["ir", "schema", "more"]).code, 2);
    assert!(case.run(&["ir", "diff", "--help"]).stdout.contains("1 when they differ"));
}
