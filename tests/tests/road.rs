//! The whole road in real guests: compile, build, up, call, ps, logs, down; and run, which does it all.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use mvm_tests::repository::root;
use mvm_tests::world::{World, files_below, finish};
use serde_json::{Value, json};

/// An example of the repository, copied into the world as `app.py`'s project.
fn example(world: &World, name: &str) {
    let from = root().join("examples").join(name);
    for file in files_below(&from) {
        let relative = file.strip_prefix(&from).unwrap_or(&file).to_string_lossy().into_owned();
        if let Ok(text) = std::fs::read_to_string(&file) {
            world.file(&relative, &text);
        }
    }
}

const HELLO: &str = r#"
import sys

import mvm

@mvm.app(name="hello", image=mvm.nix_packages(["python3"]))
def hello(name: str = "world") -> str:
    print("greeting", name)
    print("aside", name, file=sys.stderr)
    return f"Hello, {name}!"
"#;

#[test]
#[ignore = "boots a guest: cargo xtask test boot"]
fn step_by_step() {
    let world = World::with_app(HELLO);
    let out = world.path("out");
    let out = out.to_str().unwrap();
    world.mvmctl(&["compile", "app.py", "--out", out]).expect(0);
    let printed = world.mvmctl(&["compile", "app.py", "--out", "-"]).expect(0);
    let written = std::fs::read_to_string(world.path("out/workload.json")).unwrap();
    assert_eq!(printed.stdout.trim_end(), written.trim_end(), "`--out -` prints what `--out DIR` writes");

    let built = world.mvmctl(&["--json", "build", out, "--allow-substitute"]).expect(0).json();
    assert_eq!(built["id"], "hello");
    let up = world.mvmctl(&["--json", "up", "hello"]).expect(0).json();
    let machine = &up["machines"][0];
    assert_eq!(machine["state"], "ready");
    for clock in ["vmm_ms", "userspace_ms", "ready_ms"] {
        assert!(machine["clocks"][clock].is_u64(), "{clock}: {machine}");
    }
    assert_eq!(world.machines(), ["hello"]);

    let again = world.mvmctl(&["up", "hello"]);
    assert_eq!(again.code, 2, "up twice: {}", again.stderr);
    assert!(again.stderr.contains("hello"), "{}", again.stderr);
    assert_eq!(world.machines(), ["hello"], "the first one still runs");

    let called = world.mvmctl(&["call", "hello", r#"{"name": "mvm"}"#]).expect(0);
    assert_eq!(called.stdout, "\"Hello, mvm!\"\n", "standard output carries the result alone");
    assert!(called.stderr.contains("greeting mvm"), "what it prints is shown: {}", called.stderr);
    let events = world.mvmctl(&["--json", "call", "hello", "name=streams"]).expect(0).stderr;
    let output = |stream: &str| -> String {
        let events = events.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let of = events.filter(|e| e["event"] == "output" && e["stream"] == stream);
        of.filter_map(|e| e["text"].as_str().map(str::to_owned)).collect()
    };
    assert_eq!(
        (output("stdout").as_str(), output("stderr").as_str()),
        ("greeting streams\n", "aside streams\n"),
        "{events}"
    );
    assert_eq!(world.mvmctl(&["call", "hello", "name=pairs"]).expect(0).stdout, "\"Hello, pairs!\"\n");
    assert_eq!(
        world.mvmctl(&["call", "hello", r#"["position"]"#]).expect(0).stdout,
        "\"Hello, position!\"\n"
    );
    assert_eq!(world.mvmctl(&["call", "hello"]).expect(0).stdout, "\"Hello, world!\"\n");

    let logs = world.mvmctl(&["logs", "hello"]).expect(0);
    assert!(logs.stdout.contains("greeting mvm"), "{}", logs.stdout);
    let logs = world.mvmctl(&["--json", "logs", "hello"]).expect(0).stdout;
    let lines: Vec<Value> = logs.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.contains(&json!({"stream": "stdout", "text": "greeting mvm\n"})), "{logs}");

    let down = world.mvmctl(&["--json", "down", "hello"]).expect(0);
    assert_eq!(down.json(), json!({"stopped": ["hello"]}));
    world.assert_nothing_left();
    let late = world.mvmctl(&["call", "hello", "{}"]);
    assert_eq!(late.code, 2, "{}", late.stderr);
    assert!(late.stderr.contains("help:"), "{}", late.stderr);
}

#[test]
#[ignore = "boots a guest: cargo xtask test boot"]
fn run_prints_the_result_alone_and_leaves_nothing() {
    let world = World::with_app(HELLO);
    let out = world.run(&["name=run"]).expect(0);
    assert_eq!(out.stdout, "\"Hello, run!\"\n");
    let report =
        world.mvmctl(&["--json", "run", "app.py", "--allow-substitute", "--offline"]).expect(0).json();
    assert_eq!(report["outcome"], json!({"outcome": "returned", "value": "Hello, world!"}));
    assert_eq!(report["steps"].as_array().map(Vec::len), Some(4));
    // The same from IR on standard input.
    let ir = world.mvmctl(&["compile", "app.py", "--out", "-"]).expect(0).stdout;
    let out = world.mvmctl_with(&["run", "-", "--allow-substitute", "name=ir"], &ir).expect(0);
    assert_eq!(out.stdout, "\"Hello, ir!\"\n");
    world.assert_nothing_left();
}

#[test]
#[ignore = "boots a guest: cargo xtask test boot"]
fn the_example_of_the_decorator_sdk() {
    let world = World::new();
    example(&world, "agent-tool");
    let secret = format!("{}-{}", "no-real-key", std::process::id());
    world.mvmctl_with(&["secret", "set", "openai-api-key"], &secret).expect(0);
    let built = world.mvmctl(&["build", "tool.py", "--allow-substitute"]).expect(0);
    let out = world.mvmctl(&["run", "tool.py", "--allow-substitute", r#"{"prompt": "hi"}"#]).expect(0);
    assert!(out.stdout.contains("1 tokens"), "{}", out.stdout);
    assert!(!out.stdout.contains(&secret) && !out.stderr.contains(&secret));

    let lock = std::fs::read(world.data().join("mvm/builds/agent-tool/mvm.lock")).unwrap();
    let lock: Value = serde_json::from_slice(&lock).unwrap();
    let packages = lock["apps"]["agent-tool"]["packages"].as_array().unwrap();
    let text = |package: &Value, field: &str| package[field].as_str().unwrap_or_default().to_owned();
    assert!(packages.len() > 10, "what is declared, and all that it needs: {lock}");
    for package in packages {
        let digest = text(package, "sha256");
        assert!(!text(package, "version").is_empty() && is_digest_of_a_file(&digest), "{package}");
    }
    let declared = |name: &str| packages.iter().find(|p| p["declared"] == name).unwrap();
    assert_eq!(declared("uv")["origin"], "wheel", "{lock}");
    // Where the archive has no Python 3.12, the nearest stands for it: that is said, each time, and written down.
    let python = declared("python312");
    let replaced = !text(python, "version").starts_with("3.12");
    assert_eq!(python["substituted_for"] == "python312", replaced, "{python}");
    // 3.11.2-6+deb12u5
    let version = text(python, "version").split('.').take(2).collect::<Vec<_>>().join(".");
    let told = |said: &str, words: &str| said.lines().any(|l| l.contains(words) && l.contains(&version));
    assert_eq!(told(&built.stderr, "`python312` is not in "), replaced, "{}", built.stderr);
    assert_eq!(told(&out.stderr, "python312 is replaced by "), replaced, "{}", out.stderr);
    if replaced {
        let exact = world.mvmctl(&["build", "tool.py"]).expect(1);
        assert!(
            exact.stderr.contains("python312") && exact.stderr.contains("--allow-substitute"),
            "{}",
            exact.stderr
        );
    }
    world.assert_nothing_left();
}

/// The digest of a package's file, which is in the cache and has it.
fn is_digest_of_a_file(digest: &str) -> bool {
    let file = files_below(&World::cache()).into_iter().find(|path| path.ends_with(digest));
    let sum = file.map(|file| {
        let mut command = std::process::Command::new("sha256sum");
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).arg(file);
        finish(command, "").expect(0).stdout
    });
    digest.len() == 64 && sum.is_some_and(|sum| sum.starts_with(digest))
}

#[test]
#[ignore = "boots a guest: cargo xtask test boot"]
fn several_functions_of_one_machine() {
    let world = World::new();
    example(&world, "multi");
    world.mvmctl(&["build", "numbers_tool.py", "--allow-substitute"]).expect(0);
    world.mvmctl(&["up", "numbers"]).expect(0);
    let mean = world.mvmctl(&["call", "numbers", "[[1, 2, 6]]"]).expect(0);
    assert_eq!(mean.stdout, "3.0\n");
    let primes = world.mvmctl(&["call", "numbers", "--function", "primes", "[12]"]).expect(0);
    assert_eq!(primes.stdout, "[2,3,5,7,11]\n");
    let absent = world.mvmctl(&["call", "numbers", "--function", "median"]).expect(2);
    assert!(absent.stderr.contains("mean, primes") || absent.stderr.contains("primes"), "{}", absent.stderr);
    world.mvmctl(&["down", "numbers"]).expect(0);
    world.assert_nothing_left();
}

#[test]
#[ignore = "boots a guest: cargo xtask test boot"]
fn a_changed_source_file_is_what_runs_next() {
    let world = World::with_app(HELLO);
    assert_eq!(world.run(&[]).expect(0).stdout, "\"Hello, world!\"\n");
    world.file("app.py", &HELLO.replace("Hello", "Bye"));
    let out = world.mvmctl(&["--json", "run", "app.py", "--allow-substitute", "--offline"]).expect(0);
    assert_eq!(out.json()["outcome"]["value"], "Bye, world!");
    assert!(
        !out.stderr.contains("\"fetch\",\"ms\":") || out.stderr.contains("\"cached\":true"),
        "{}",
        out.stderr
    );
}

#[test]
#[ignore = "boots a guest: cargo xtask test boot"]
fn logs_are_followed_until_the_machine_stops() {
    let world = World::with_app(HELLO);
    world.up(&[]);
    world.mvmctl(&["call", "hello", "name=before"]).expect(0);
    let mut follower = world.command(&["logs", "-f", "hello"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines().map(Result::unwrap);
    // It follows from here on.
    assert!(lines.any(|line| line.contains("greeting before")), "what was printed before is shown");
    world.mvmctl(&["call", "hello", "name=followed"]).expect(0);
    world.mvmctl(&["down", "hello"]).expect(0);
    assert!(lines.any(|line| line.contains("greeting followed")), "what came later is shown");
    // The machine's end is the log's end.
    lines.for_each(drop);
    assert!(follower.wait().unwrap().success());
    world.assert_nothing_left();
}
