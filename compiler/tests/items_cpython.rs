//! Boundaries of items against CPython's own: every file of the standard library of the machine's `python3`.
// A test's helpers may fail the test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::HashSet;
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
        // Packages come in thousands of files; a longer run names them.
        let skipped = path.ends_with("site-packages") && std::env::var_os("MVM_TEST_SITE_PACKAGES").is_none();
        if path.is_dir() && !path.is_symlink() && !skipped {
            sources(&path, out);
        } else if path.extension().is_some_and(|e| e == "py") {
            out.push(path);
        }
    }
}

#[test]
fn the_standard_library() {
    let root = python(&["-c", "import sysconfig; print(sysconfig.get_paths()['stdlib'])"], "");
    let mut files = Vec::new();
    sources(Path::new(root.trim()), &mut files);
    assert!(files.len() > 300, "no standard library below {root}");
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
    assert!(seen > 300);
    assert!(wrong.is_empty(), "{} of {seen} files differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// Items are disjoint and ascending, and nothing but white space, comments, `;` and continuations is between them.
#[test]
fn nothing_is_lost_between_items() {
    let texts = [
        include_str!("../../examples/insecure/insecure.py"),
        include_str!("../../examples/multi/textkit.py"),
        "x = 'a\n)\n@d\n\tdef f():\n  y = [\n\x0cz = 3;; ;w = {\r\rif x: '''\n\\\n",
    ];
    for original in texts {
        for cut in (0..original.len()).filter(|n| original.is_char_boundary(*n)) {
            let text = format!("{}{}", &original[..cut], &original[original.len().min(cut + 2)..]);
            let mut covered: HashSet<usize> = HashSet::new();
            let mut last = 0;
            for item in split(&text) {
                assert!(item.start >= last && item.end >= item.start && item.end <= text.len(), "{text:?}");
                last = item.end;
                covered.extend(item.range());
            }
            let between: String =
                text.char_indices().filter(|(i, _)| !covered.contains(i)).map(|(_, c)| c).collect();
            for line in between.split(['\n', '\r']) {
                let code =
                    line.split('#').next().unwrap().trim_matches([' ', '\t', ';', '\\', '\x0c', '\u{feff}']);
                assert!(code.is_empty(), "{code:?} is in no item of {text:?}");
            }
        }
    }
}
