//! Wheels made here, honest and hostile.

use std::io::Write;
use std::path::PathBuf;

use super::*;
use crate::digest::sha256_hex;
use crate::tree::Node;

/// A wheel with a right RECORD; `tamper` may change what is written afterwards.
pub(crate) fn make_wheel(dir: &Path, project: &str, version: &str, files: &[(&str, &str)]) -> PathBuf {
    let stem = format!("{project}-{version}");
    let mut record = String::new();
    for (name, text) in files {
        let digest = record::base64_of_hex(&sha256_hex(text.as_bytes()));
        record.push_str(&format!("{name},sha256={digest},{}\n", text.len()));
    }
    record.push_str(&format!("{stem}.dist-info/RECORD,,\n"));
    let mut all: Vec<(String, String)> =
        files.iter().map(|(n, t)| ((*n).to_owned(), (*t).to_owned())).collect();
    all.push((format!("{stem}.dist-info/RECORD"), record));
    let path = dir.join(format!("{stem}-py3-none-any.whl"));
    write_zip(&path, &all, None);
    path
}

fn write_zip(path: &Path, files: &[(String, String)], link: Option<&str>) {
    let mut zip = zip::ZipWriter::new(File::create(path).unwrap());
    let options = zip::write::SimpleFileOptions::default();
    for (name, text) in files {
        let mode = if name.contains("/bin/") { 0o755 } else { 0o644 };
        zip.start_file(name.as_str(), options.unix_permissions(mode)).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    if let Some(link) = link {
        zip.add_symlink(link, "/etc/passwd", options).unwrap();
    }
    zip.finish().unwrap();
}

const PLACE: Place<'_> =
    Place { site: "/site", scripts: "/bin", data: "/usr/local", prefix: None, python: "/usr/bin/python3.11" };

fn read(path: &Path, place: &Place<'_>) -> Result<Tree> {
    let mut tree = Tree::new();
    Wheel::open(path, "w.whl")?.read_into(&Context::silent(), &mut tree, place, None)?;
    Ok(tree)
}

fn text(tree: &Tree, path: &str) -> String {
    let content = tree.follow(path).and_then(Node::content).unwrap_or_else(|| panic!("no {path}"));
    String::from_utf8(content.to_vec(1 << 20).unwrap()).unwrap()
}

#[test]
fn every_part_goes_to_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let path = make_wheel(
        dir.path(),
        "my_tool",
        "1.0",
        &[
            ("my_tool/__init__.py", "x = 1\n"),
            ("my_tool-1.0.data/scripts/tool", "#!python\nprint(1)\n"),
            ("my_tool-1.0.data/platlib/native.so", "elf"),
            ("my_tool-1.0.data/data/share/x", "data"),
            ("my_tool-1.0.data/headers/x.h", "h"),
            ("my_tool-1.0.dist-info/entry_points.txt", "[console_scripts]\nmy = my_tool:main\n"),
        ],
    );
    let wheel = Wheel::open(&path, "w").unwrap();
    assert_eq!(wheel.identity(), Identity { name: "my-tool".into(), version: "1.0".into() });
    let tree = read(&path, &PLACE).unwrap();
    assert_eq!(text(&tree, "/site/my_tool/__init__.py"), "x = 1\n");
    assert_eq!(text(&tree, "/bin/tool"), "#!/usr/bin/python3.11\nprint(1)\n");
    assert_eq!(tree.get("/bin/tool").unwrap().meta().mode, 0o755);
    assert_eq!(text(&tree, "/site/native.so"), "elf");
    assert_eq!(text(&tree, "/usr/local/share/x"), "data");
    assert!(text(&tree, "/bin/my").contains("from my_tool import main"));
    assert!(!tree.iter().any(|(p, _)| p.ends_with("x.h")));
}

#[test]
fn a_prefix_inside_a_wheel_is_laid_over_ours() {
    let dir = tempfile::tempdir().unwrap();
    let files =
        [("n/bin/node", "elf"), ("n/lib/m/x.js", "js"), ("n/include/a.h", "h"), ("n/__init__.py", "")];
    let path = make_wheel(dir.path(), "n", "22", &files);
    let tree = read(&path, &Place { prefix: Some("n"), ..PLACE }).unwrap();
    assert_eq!(tree.get("/usr/local/bin/node").unwrap().meta().mode, 0o755);
    assert_eq!(text(&tree, "/usr/local/lib/m/x.js"), "js");
    assert!(tree.get("/usr/local/include").is_none() && tree.get("/site").is_none());
}

#[test]
fn names_that_leave_their_place_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["../evil", "/etc/passwd", "a/../../b", "a\\..\\b", "a//b", "./a"] {
        let path = make_wheel(dir.path(), "w", "1", &[(name, "x")]);
        let error = read(&path, &PLACE).unwrap_err().to_string();
        assert!(error.contains("leads out of its place"), "{name}: {error}");
    }
}

#[test]
fn what_contradicts_the_record_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let record = |digest: &str| format!("a.py,sha256={digest},1\nw-1.dist-info/RECORD,,\n");
    let other = record::base64_of_hex(&sha256_hex(b"other"));
    for (files, why) in [
        (
            vec![("a.py", "x".to_owned()), ("w-1.dist-info/RECORD", record(&other))],
            "not what its RECORD says",
        ),
        (vec![("a.py", "x".to_owned()), ("w-1.dist-info/RECORD", String::new())], "not in its RECORD"),
        (vec![("a.py", "x".to_owned())], ".dist-info"),
        (
            vec![("w-1.dist-info/RECORD", String::new()), ("v-1.dist-info/RECORD", String::new())],
            "exactly one",
        ),
    ] {
        let path = dir.path().join("w.whl");
        let files: Vec<(String, String)> = files.into_iter().map(|(n, t)| (n.to_owned(), t)).collect();
        write_zip(&path, &files, None);
        let error = read(&path, &PLACE).unwrap_err().to_string();
        assert!(error.contains(why), "{why}: {error}");
    }
}

#[test]
fn links_and_damage_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("w.whl");
    write_zip(&path, &[("w-1.dist-info/RECORD".into(), String::new())], Some("link"));
    assert!(read(&path, &PLACE).unwrap_err().to_string().contains("symbolic link"));

    let good = std::fs::read(make_wheel(dir.path(), "g", "1", &[("g.py", &"text ".repeat(100))])).unwrap();
    // Any damaged byte or truncation is an error or harmless; never a panic, never other content.
    for at in 0..good.len() {
        let mut bytes = good.clone();
        bytes[at] ^= 0x55;
        std::fs::write(&path, &bytes).unwrap();
        if let Ok(tree) = read(&path, &PLACE) {
            for (_, node) in tree.iter().filter(|(p, _)| p.ends_with("g.py")) {
                assert_eq!(
                    node.content().unwrap().to_vec(1 << 20).unwrap(),
                    "text ".repeat(100).into_bytes()
                );
            }
        }
        std::fs::write(&path, &good[..at]).unwrap();
        assert!(read(&path, &PLACE).is_err());
    }
}

#[test]
fn names_are_normalized() {
    assert_eq!(normalize("Foo__Bar.-baz"), "foo-bar-baz");
}
