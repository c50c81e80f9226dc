//! What bad input gets: a clear error, the right exit code, and nothing written.

// A test program: what is not as it should be ends it.
#![allow(clippy::unwrap_used)]

mod support;

use std::os::unix::net::UnixListener;

use support::{Case, IR, Out};

/// A refusal that says what to do, and leaves no output behind.
fn refused(case: &Case, out: &Out, code: i32, says: &str) {
    assert_eq!(out.code, code, "{}", out.stderr);
    assert_eq!(out.stdout, "");
    assert!(out.stderr.contains(says), "expected {says:?} in {}", out.stderr);
    assert!(out.stderr.contains("help:"), "no remedy in {}", out.stderr);
    assert!(!case.path("out").exists(), "something was written");
}

fn compile(case: &Case, file: &str) -> Out {
    case.run(&["compile", file, "--out", case.path("out").to_str().unwrap()])
}

#[test]
fn a_file_that_is_not_utf8() {
    let case = Case::new();
    let file = case.bytes("x.py", b"import mvm\n\xff\xfe\n");
    refused(&case, &compile(&case, &file), 2, "line 2 is not UTF-8");
}

#[test]
fn a_directory_a_socket_a_pipe_a_device_and_nothing() {
    let case = Case::new();
    let dir = case.path("d.py");
    std::fs::create_dir(&dir).unwrap();
    refused(&case, &compile(&case, dir.to_str().unwrap()), 2, "is a directory");
    let socket = case.path("s.py");
    let _listener = UnixListener::bind(&socket).unwrap();
    refused(&case, &compile(&case, socket.to_str().unwrap()), 2, "is a socket");
    let fifo = case.path("f.py");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    refused(&case, &compile(&case, fifo.to_str().unwrap()), 2, "named pipe");
    refused(&case, &compile(&case, "/dev/zero"), 2, "is a device");
    refused(&case, &compile(&case, case.path("absent.py").to_str().unwrap()), 2, "No such file");
}

#[test]
fn a_file_of_50_mb() {
    let case = Case::new();
    let file = case.path("big.py");
    std::fs::File::create(&file).unwrap().set_len(50 << 20).unwrap();
    refused(&case, &compile(&case, file.to_str().unwrap()), 2, "larger than 16 MiB");
    // Standard input has no size to look at.
    let big = "#".repeat(17 << 20);
    let out = case.run_with(&["compile", "-", "--out", "-"], &big);
    assert_eq!(out.code, 2, "{}", out.stderr);
    assert!(out.stderr.contains("larger than"), "{}", out.stderr);
}

#[test]
fn ir_that_is_truncated_of_another_version_or_with_unknown_fields() {
    let case = Case::new();
    let truncated = case.file("t.json", &IR[..IR.len() / 2]);
    refused(&case, &compile(&case, &truncated), 2, "not valid JSON");
    let version = case.file("v.json", &IR.replace("\"0.1\"", "\"0.2\""));
    refused(&case, &compile(&case, &version), 2, "0.2");
    let unknown = case.file("u.json", &IR.replace("\"extensions\"", "\"surprise\":1,\"extensions\""));
    refused(&case, &compile(&case, &unknown), 2, "surprise");
    let invalid = case.file("i.json", &IR.replace("\"cpu_cores\":1", "\"cpu_cores\":0"));
    refused(&case, &compile(&case, &invalid), 2, "/apps/0/resources/cpu_cores");
    let empty = case.file("e.json", "");
    refused(&case, &compile(&case, &empty), 2, "not valid JSON");
}

#[test]
fn a_file_of_another_kind_or_without_a_declaration() {
    let case = Case::new();
    let text = case.file("x.txt", "hello");
    refused(&case, &compile(&case, &text), 2, "neither");
    let plain = case.file("plain.py", "def f():\n    return 1\n");
    refused(&case, &compile(&case, &plain), 2, "no `@mvm.app` declaration");
}

#[test]
fn an_output_that_is_a_file() {
    let case = Case::new();
    let file = case.file("w.json", IR);
    let target = case.file("taken", "keep me");
    let out = case.run(&["compile", &file, "--out", &target]);
    assert_eq!(out.code, 2, "{}", out.stderr);
    assert_eq!(std::fs::read_to_string(&target).unwrap(), "keep me");
}

#[test]
fn arguments_that_are_no_arguments_are_refused_before_anything_is_built() {
    let case = Case::new();
    let file = case.file("w.json", IR);
    for wrong in ["{", "17", "hello"] {
        let out = case.run(&["run", &file, wrong]);
        assert_eq!(out.code, 2, "{wrong}: {}", out.stderr);
        assert!(!case.home().join("cache").exists(), "{wrong}");
    }
}

#[test]
fn the_project_file_holds_for_compile_too() {
    let case = Case::new();
    let app = "import mvm\n\n@mvm.app(name=\"a\", image=mvm.nix_packages([\"python312\"]), resources=mvm.resources(cpu_cores=1), \
               network=mvm.network(mode=\"bridge\"))\ndef run(): ...\n";
    let file = case.bytes("x.py", app.as_bytes());
    let print = |case: &Case| case.run(&["compile", &file, "--out", "-"]);
    let open = print(&case);
    assert_eq!(open.code, 0, "{}", open.stderr);
    assert!(open.stderr.contains("MVM401"), "{}", open.stderr);
    case.bytes("pyproject.toml", b"[tool.mvm.check]\nseverity = {MVM401 = \"error\"}\n");
    assert_eq!(print(&case).code, 1, "a severity that the project raised refuses");
    case.bytes("pyproject.toml", b"[tool.mvm.check]\nignore = [\"MVM401\"]\n");
    assert!(!print(&case).stderr.contains("MVM401"));
    case.bytes("pyproject.toml", b"[tool.mvm.check]\nignroe = []\n");
    refused(&case, &print(&case), 2, "pyproject.toml:2: ");
}
