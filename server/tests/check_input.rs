//! What bad input gets from `mvm-lsp --check`: files, names, configurations and terminals that are not as they should
//! be.

// A test says what went wrong by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod check_support;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Command, Stdio};

use check_support::{BAD, Tree, check, err, out};

#[test]
fn links_loops_sockets_and_pipes_are_passed_by_or_named() {
    let tree = Tree::new(&[("a.py", BAD)]);
    symlink("nowhere", tree.path("broken.py")).unwrap();
    symlink("loop.py", tree.path("loop.py")).unwrap();
    symlink(".", tree.path("around")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(tree.path("socket.py")).unwrap();
    assert!(Command::new("mkfifo").arg(tree.path("fifo.py")).status().unwrap().success());
    let walked = check(&tree, &["--output", "concise"]);
    assert_eq!(walked.status.code(), Some(1), "{}", out(&walked));
    assert!(out(&walked).ends_with("in 1 of 1 file; 1 fixable with --fix\n"), "{}", out(&walked));
    let named =
        check(&tree, &["--output", "concise", "loop.py", "fifo.py", "socket.py", "broken.py", "a.py"]);
    assert_eq!(named.status.code(), Some(2));
    assert_eq!(out(&named).matches("error: ").count(), 4, "{}", out(&named));
    assert!(out(&named).contains("a.py:7:42: error[MVM003]"), "{}", out(&named));
}

#[test]
fn names_that_are_no_text_are_checked_and_cannot_steer_a_terminal() {
    let tree = Tree::new(&[]);
    let name = OsStr::from_bytes(b"caf\xe9\n\x1b]0;x\x07.py");
    fs::write(tree.root().join(name), BAD).unwrap();
    for format in ["full", "concise", "github", "junit", "checkstyle"] {
        let text = out(&check(&tree, &["--output", format]));
        assert!(text.contains("MVM003"), "{format}: {text}");
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{format}: {text:?}");
    }
    let sarif = out(&check(&tree, &["--output", "sarif"]));
    assert!(sarif.contains("\"uri\": \"caf%E9%0A%1B%5D0%3Bx%07.py\""), "{sarif}");
    let text = out(&check(&tree, &["--diff"]));
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
}

#[test]
fn what_cannot_be_entered_or_read_hides_nothing() {
    let tree = Tree::new(&[("a.py", BAD), ("closed/b.py", BAD), ("c.py", BAD)]);
    for (name, mode) in [("closed", 0), ("c.py", 0)] {
        fs::set_permissions(tree.path(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    // Root may do everything; then there is nothing to see.
    let all_powerful = fs::read(tree.path("c.py")).is_ok();
    let result = check(&tree, &["--output", "concise"]);
    fs::set_permissions(tree.path("closed"), fs::Permissions::from_mode(0o700)).unwrap();
    assert!(out(&result).contains("a.py:7:42: error[MVM003]"), "{}", out(&result));
    if !all_powerful {
        assert_eq!(result.status.code(), Some(2));
        assert!(out(&result).contains("c.py: error: cannot be read: Permission denied"), "{}", out(&result));
        assert!(out(&result).contains("closed: error: cannot be walked"), "{}", out(&result));
    }
}

/// What root cannot read either.
#[test]
#[cfg(target_os = "linux")]
fn what_the_system_refuses_to_anybody_hides_nothing() {
    let tree = Tree::new(&[("a.py", BAD)]);
    symlink("round.py", tree.path("round.py")).unwrap();
    let long = format!("{}.py", "n".repeat(300));
    let result =
        check(&tree, &["--output", "concise", "a.py", "/proc/self/mem", "round.py", &long, "a.py/b.py"]);
    assert_eq!(result.status.code(), Some(2));
    let text = out(&result);
    assert!(text.contains("a.py:7:42: error[MVM003]"), "{text}");
    for name in ["/proc/self/mem", "round.py", &long, "a.py/b.py"] {
        assert!(text.contains(&format!("{name}: error: cannot be read: ")), "{name}: {text}");
    }
}

#[test]
fn files_of_100_mb_are_looked_through_and_passed_by() {
    let tree = Tree::new(&[("a.py", BAD)]);
    for name in ["foreign.py", "ours.py"] {
        fs::File::create(tree.path(name)).unwrap().set_len(100 << 20).unwrap();
    }
    use std::os::unix::fs::FileExt;
    let ours = fs::OpenOptions::new().write(true).open(tree.path("ours.py")).unwrap();
    ours.write_at(b"import mvm", (64 << 20) - 3).unwrap();
    let result = check(&tree, &["--output", "concise"]);
    assert_eq!(result.status.code(), Some(2));
    let text = out(&result);
    assert!(text.contains("ours.py: error: is too large") && !text.contains("foreign.py"), "{text}");
}

#[test]
fn deep_trees_and_long_lines_end() {
    let tree = Tree::new(&[]);
    let deep = tree.root().join("d/".repeat(400));
    fs::create_dir_all(&deep).unwrap();
    fs::write(deep.join("a.py"), BAD).unwrap();
    let bombs = ["a".repeat(400_000), "sk-".repeat(150_000), "AKIA".repeat(100_000), "=a@".repeat(100_000)];
    for (i, bomb) in bombs.iter().enumerate() {
        let text = BAD.replace("network=", &format!("env={{\"TOKEN\": \"{bomb}\"}},\n    network="));
        fs::write(tree.path(&format!("bomb{i}.py")), text).unwrap();
    }
    let nested =
        BAD.replace("network=", &format!("env={}{},\n    network=", "[".repeat(20_000), "]".repeat(20_000)));
    fs::write(tree.path("nested.py"), nested).unwrap();
    let result = check(&tree, &["--output", "concise"]);
    let code = result.status.code();
    assert_eq!(code, Some(1), "{}", err(&result));
    assert!(out(&result).contains("d/d/d/"), "the deep file was found");
}

#[test]
fn a_wrong_configuration_is_said_once_and_hides_nothing_elsewhere() {
    let tree = Tree::new(&[
        ("a.py", BAD),
        ("sub/mvm.toml", "[check]\nselect = 3\n"),
        ("sub/b.py", BAD),
        ("sub/c.py", BAD),
    ]);
    let result = check(&tree, &["--output", "concise"]);
    assert_eq!(result.status.code(), Some(2));
    let text = out(&result);
    let line = "sub/mvm.toml:2: error: `select` must be a list of strings, not integer; 2 files not checked for it\n";
    assert!(text.contains(line) && text.matches("mvm.toml").count() == 1, "{text}");
    assert!(text.contains("a.py:7:42: error[MVM003]"), "{text}");
    for body in
        ["[check]\nseverity = []\n", "check = 1\n", "[[check]]\n", "\u{0}", "[check]\nexclude = [\"[\"]\n"]
    {
        fs::write(tree.path("sub/mvm.toml"), body).unwrap();
        assert_eq!(check(&tree, &["sub"]).status.code(), Some(2), "{body:?}");
    }
}

#[test]
fn a_project_file_that_anybody_may_write_does_not_count() {
    let tree = Tree::new(&[("mvm.toml", "[check]\nignore = [\"MVM\"]\n"), ("sub/a.py", BAD)]);
    assert_eq!(check(&tree, &["sub"]).status.code(), Some(0));
    fs::set_permissions(tree.path("mvm.toml"), fs::Permissions::from_mode(0o666)).unwrap();
    let result = check(&tree, &["sub"]);
    assert_eq!(result.status.code(), Some(1), "{}", out(&result));
    assert!(
        err(&result).contains("mvm.toml is not used") && err(&result).contains("--config"),
        "{}",
        err(&result)
    );
    assert_eq!(check(&tree, &["sub", "--config", "mvm.toml"]).status.code(), Some(0));
}

#[test]
fn a_closed_pipe_on_both_sides_is_no_failure() {
    let tree = Tree::new(&[("a.py", BAD)]);
    let mut child = tree
        .command(&["--check", "--output", "json", "--exit-zero", "a.py"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop((child.stdout.take(), child.stderr.take()));
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_result_that_cannot_be_written_is_3_and_leaves_no_half() {
    let tree = Tree::new(&[("a.py", BAD)]);
    let result = check(&tree, &["--output", "sarif=none/out.sarif", "--output", "json=out.json"]);
    assert_eq!(result.status.code(), Some(3));
    assert!(err(&result).contains("cannot write none/out.sarif: "), "{}", err(&result));
    assert!(fs::read_to_string(tree.path("out.json")).unwrap().contains("MVM003"), "the other one is there");
    let full =
        tree.command(&["--check", "a.py"]).stdout(fs::File::create("/dev/full").unwrap()).output().unwrap();
    assert_eq!(full.status.code(), Some(3), "{}", err(&full));
}

#[test]
fn a_full_disk_while_fixing_leaves_the_original() {
    let tree = Tree::new(&[("a.py", &format!("{BAD}# {}\n", "x".repeat(200_000)))]);
    let script = r#"
        mkdir small
        mount -t tmpfs -o size=300k tmpfs small
        cp a.py small/
        code=0
        "$MVM_LSP" --check --no-cache --fix --output concise small || code=$?
        cmp a.py small/a.py
        ls -A small >&2
        exit $code
    "#;
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-euc", script]);
    command.current_dir(tree.root()).env("MVM_LSP", env!("CARGO_BIN_EXE_mvm-lsp")).stdin(Stdio::null());
    let result = command.output().unwrap();
    assert_eq!(result.status.code(), Some(3), "{}{}", out(&result), err(&result));
    assert!(
        out(&result).contains("a.py: error: cannot be changed in place (it is as it was)"),
        "{}",
        out(&result)
    );
    assert_eq!(err(&result).lines().last(), Some("a.py"), "nothing else is left: {}", err(&result));
}

#[test]
fn files_that_change_and_vanish_during_the_run_do_no_harm() {
    let tree = Tree::new(&[]);
    let name = |i: usize| tree.path(&format!("f{i}.py"));
    (0..200).for_each(|i| fs::write(name(i), BAD).unwrap());
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for i in (0..200).cycle().take_while(|_| !stop.load(std::sync::atomic::Ordering::Relaxed)) {
                let _ = fs::remove_file(name(i));
                let _ = fs::write(name(i), &BAD[..(i * 7) % BAD.len()]);
                let _ = fs::write(name(i), BAD);
            }
        });
        for _ in 0..10 {
            let code = check(&tree, &["--fix", "--exit-zero"]).status.code();
            // 3: one changed between reading and replacing, and was left alone.
            assert!(matches!(code, Some(0 | 2 | 3)), "{code:?}");
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    let left = fs::read_dir(tree.root())
        .unwrap()
        .flatten()
        .filter(|e| e.path().extension().is_none_or(|x| x != "py"));
    let left: Vec<_> = left.map(|e| e.file_name()).filter(|n| n != ".cache").collect();
    assert!(left.is_empty(), "{left:?}");
}
