//! Boundaries of items against CPython's own: every file of the standard library of the machine's `python3`.
// A test's helpers may fail the test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use mvm_compiler::items::split;

fn python(arguments: &[&str], input: &str) -> String {
    let mut child = Command::new("python3")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("this test needs `python3` on the path");
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

fn sources(directory: &Path, out: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let skipped = path.ends_with("site-packages");
        if path.is_dir() && !path.is_symlink() && !skipped {
            sources(&path, out);
        } else if path.extension().is_some_and(|e| e == "py") {
            out.push(path);
        }
    }
}

/// The directory of the standard library.
fn library() -> PathBuf {
    let root = python(&["-c", "import sysconfig; print(sysconfig.get_paths()['stdlib'])"], "");
    PathBuf::from(root.trim())
}

/// Every file below a directory has the statements that CPython sees.
fn compare(root: &Path, least: usize) {
    let mut files = Vec::new();
    sources(root, &mut files);
    assert!(files.len() > least, "only {} files below {}", files.len(), root.display());
    let list: Vec<_> = files.iter().map(|p| p.to_string_lossy().into_owned()).collect();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/statements.py");
    let answers = python(&[&script.to_string_lossy()], &list.join("\n"));
    let mut seen = 0;
    let mut wrong = Vec::new();
    for line in answers.lines() {
        let (path, expected): (String, Vec<(usize, usize)>) = serde_json::from_str(line).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let found: Vec<_> = split(&text).iter().map(|i| (i.start, i.end)).collect();
        seen += 1;
        if found != expected {
            let first = found.iter().zip(&expected).find(|(a, b)| a != b);
            wrong.push(format!("{path}: {first:?}, {} of {}", found.len(), expected.len()));
        }
    }
    assert!(seen > least);
    assert!(wrong.is_empty(), "{} of {seen} files differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_standard_library() {
    compare(&library(), 300);
}

/// `cargo xtask test packages` fetches them and runs this.
#[test]
#[ignore = "needs MVM_TEST_PACKAGES, a directory of ten large packages: run the suite `packages`"]
fn ten_large_packages() {
    let root = std::env::var_os("MVM_TEST_PACKAGES").expect("MVM_TEST_PACKAGES names no directory");
    let root = PathBuf::from(root);
    assert!(std::fs::read_dir(&root).unwrap().count() >= 10);
    compare(&root, 3_000);
}

/// Files of the standard library with a piece cut out, doubled or moved.
#[test]
fn damaged_files_lose_nothing() {
    let mut files = Vec::new();
    sources(&library(), &mut files);
    files.sort();
    let mut rng = fastrand::Rng::with_seed(0x2545_f491_4f6c_dd1d);
    let mut random = |n: usize| rng.usize(..n.max(1));
    let mut seen = 0;
    for path in files.iter().step_by(5) {
        let Ok(text) = std::fs::read_to_string(path) else { continue };
        if text.len() > 60_000 {
            continue;
        }
        for _ in 0..4 {
            let mut text = text.clone();
            for _ in 0..=random(3) {
                let mut at = random(text.len() + 1);
                let mut end = (at + random(40)).min(text.len());
                (at, end) = (floor(&text, at), floor(&text, end));
                let piece: String = text.drain(at..end).collect();
                let mut to = random(text.len() + 1);
                to = floor(&text, to);
                match random(3) {
                    0 => text.insert_str(to, &piece),
                    1 => text.insert_str(to, &piece.repeat(2)),
                    _ => {}
                }
            }
            nothing_is_lost(&text);
            seen += 1;
        }
    }
    assert!(seen > 200, "only {seen} texts");
}

fn floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// Items are disjoint and ascending, and nothing but white space, comments, `;` and continuations is between them.
fn nothing_is_lost(text: &str) {
    let mut last = 0;
    let mut gaps = Vec::new();
    for item in split(text) {
        assert!(item.start >= last && item.end >= item.start && item.end <= text.len(), "{text:?}");
        gaps.push(&text[last..item.start]);
        last = item.end;
    }
    gaps.push(&text[last..]);
    for line in gaps.into_iter().flat_map(|gap| gap.split(['\n', '\r'])) {
        let code = line.split('#').next().unwrap().trim_matches([' ', '\t', ';', '\\', '\x0c', '\u{feff}']);
        assert!(code.is_empty(), "{code:?} is in no item of {text:?}");
    }
}

#[test]
fn nothing_is_lost_between_items() {
    let texts = [
        include_str!("../../examples/insecure/insecure.py"),
        include_str!("../../examples/multi/textkit.py"),
        "x = 'a\n)\n@d\n\tdef f():\n  y = [\n\x0cz = 3;; ;w = {\r\rif x: '''\n\\\n",
    ];
    for original in texts {
        for cut in (0..original.len()).filter(|n| original.is_char_boundary(*n)) {
            nothing_is_lost(&format!("{}{}", &original[..cut], &original[original.len().min(cut + 2)..]));
        }
    }
}
