//! Tests of the collection on real directories.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::sync::{Arc, Mutex};

use super::*;
use crate::Reporter;

struct Project {
    dir: tempfile::TempDir,
}

impl Project {
    fn new(files: &[(&str, &str)]) -> Self {
        let project = Project { dir: tempfile::tempdir().unwrap() };
        for (path, text) in files {
            let path = project.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        project
    }
    fn path(&self) -> &Path {
        self.dir.path()
    }
    fn collect(&self, include: &[&str], exclude: &[&str]) -> Result<Tree> {
        self.collect_with(include, exclude, &Context::silent())
    }
    fn collect_with(&self, include: &[&str], exclude: &[&str], ctx: &Context) -> Result<Tree> {
        let own = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect();
        let source = Source::LocalPath { path: ".".into(), include: own(include), exclude: own(exclude) };
        collect(&source, self.path(), &std::env::temp_dir(), ctx)
    }
}

fn files(tree: &Tree) -> Vec<String> {
    let file = |(path, node): (std::path::PathBuf, &Node)| {
        (!matches!(node, Node::Dir(_))).then(|| path.strip_prefix("/").unwrap().display().to_string())
    };
    tree.iter().filter_map(file).collect()
}

#[derive(Default)]
struct Notes(Mutex<Vec<String>>);

impl Reporter for Notes {
    fn report(&self, event: Event) {
        if let Event::Note(note) = event {
            self.0.lock().unwrap().push(note);
        }
    }
}

#[test]
fn patterns_and_ignore_files_select() {
    let project = Project::new(&[
        ("tool.py", "x"),
        ("data/a.csv", "x"),
        ("data/b.csv", "x"),
        ("data/.gitignore", "b.csv\n"),
        ("data/.mvmignore", "!b.csv\na.csv\n"),
        ("build/x", "x"),
        ("build/.gitignore", "!x"),
        (".gitignore", "build/\n*.log\n"),
        ("a.log", "x"),
        ("__pycache__/tool.pyc", "x"),
        ("node_modules/m/index.js", "x"),
    ]);
    let all = project.collect(&["**"], &[]).unwrap();
    assert_eq!(files(&all), [".gitignore", "data/.gitignore", "data/.mvmignore", "data/b.csv", "tool.py"]);
    let some = project.collect(&["*.py", "build/x"], &["data"]).unwrap();
    assert_eq!(files(&some), ["build/x", "tool.py"]);
    let none = project.collect(&["*.rs"], &[]).unwrap_err();
    assert!(none.to_string().contains("nothing in"), "{none}");
    let bad = project.collect(&["**"], &["["]).unwrap_err();
    assert!(bad.to_string().contains("`exclude`: pattern 1"), "{bad}");
}

#[test]
fn credentials_are_left_out_and_told_unless_named() {
    let project = Project::new(&[
        ("tool.py", "x"),
        (".env", "x"),
        ("sub/.env.local", "x"),
        (".git/config", "x"),
        (".aws/credentials", "x"),
        ("wanted/.env", "x"),
    ]);
    let notes = Arc::new(Notes::default());
    let ctx = Context { reporter: notes.clone(), ..Context::silent() };
    let tree = project.collect_with(&["**", "wanted/.env"], &[], &ctx).unwrap();
    assert_eq!(files(&tree), ["tool.py", "wanted/.env"]);
    let notes = notes.0.lock().unwrap();
    assert_eq!(notes.len(), 1);
    for name in [".env", "sub/.env.local", ".git/", ".aws/"] {
        assert!(notes[0].contains(name), "{}", notes[0]);
    }
}

#[test]
fn links_stay_inside_or_are_refused() {
    let project = Project::new(&[("a/b/c.py", "x")]);
    symlink("../b/c.py", project.path().join("a/b/inside")).unwrap();
    let tree = project.collect(&["**"], &[]).unwrap();
    assert!(matches!(tree.get("a/b/inside"), Some(Node::Symlink { .. })));
    for target in ["../../../x", "/etc/passwd"] {
        let link = project.path().join("a/b/outside");
        symlink(target, &link).unwrap();
        let error = project.collect(&["**"], &[]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Policy);
        assert!(error.to_string().contains("a/b/outside"), "{error}");
        assert_eq!(files(&project.collect(&["**"], &["outside"]).unwrap()).len(), 2);
        fs::remove_file(link).unwrap();
    }
    // A linked directory is a link, not something to walk into.
    symlink("a", project.path().join("linked")).unwrap();
    assert!(matches!(project.collect(&["**"], &[]).unwrap().get("linked"), Some(Node::Symlink { .. })));
}

#[test]
fn sockets_and_fifos_are_refused_by_name_and_never_opened() {
    let project = Project::new(&[("tool.py", "x")]);
    let fifo = project.path().join("pipe");
    let status = std::process::Command::new("mkfifo").arg(&fifo).status().unwrap();
    assert!(status.success());
    let error = project.collect(&["**"], &[]).unwrap_err().to_string();
    assert!(error.contains("pipe") && error.contains("FIFO"), "{error}");
    fs::remove_file(fifo).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(project.path().join("sock")).unwrap();
    let error = project.collect(&["**"], &[]).unwrap_err().to_string();
    assert!(error.contains("sock") && error.contains("socket"), "{error}");
    assert_eq!(files(&project.collect(&["*.py"], &[]).unwrap()), ["tool.py"]);
}

#[test]
fn archives_are_the_same_whenever_files_were_written() {
    let big = "0123456789abcdef".repeat(100_000);
    let content = [("z.py", "z"), ("a/x.sh", "#!/bin/sh\n"), ("a/big.bin", big.as_str())];
    let (one, two) =
        (Project::new(&content), Project::new(&content.iter().rev().copied().collect::<Vec<_>>()));
    for project in [&one, &two] {
        fs::set_permissions(project.path().join("a/x.sh"), fs::Permissions::from_mode(0o700)).unwrap();
        symlink("z.py", project.path().join("link")).unwrap();
    }
    let old = std::time::SystemTime::UNIX_EPOCH;
    fs::File::options().write(true).open(two.path().join("z.py")).unwrap().set_modified(old).unwrap();
    let archive = |p: &Project| write_archive(&p.collect(&["**"], &[]).unwrap(), Vec::new()).unwrap();
    let bytes = archive(&one);
    assert!(bytes == archive(&two));

    let back = read_archive(&bytes[..], "t", &std::env::temp_dir()).unwrap();
    assert!(write_archive(&back, Vec::new()).unwrap() == bytes);
    let layer = under_app(&back).unwrap();
    assert_eq!(layer.get("/app/a/x.sh").unwrap().meta().mode, 0o755);
    assert_eq!(layer.get("/app/a/big.bin").unwrap().content().unwrap().len(), big.len() as u64);
}

#[test]
fn a_cancelled_collection_ends() {
    let project = Project::new(&[("tool.py", "x")]);
    let ctx = Context::silent();
    ctx.cancel.cancel();
    assert_eq!(project.collect_with(&["**"], &[], &ctx).unwrap_err().kind(), ErrorKind::Cancelled);
}

#[test]
fn a_directory_swapped_for_a_link_in_the_middle_leads_nowhere() {
    let project = Project::new(&[("d/inner.txt", "inside"), ("z.py", "x")]);
    let outside = Project::new(&[("inner.txt", "outside"), ("secret.txt", "outside")]);
    let (dir, aside, link) = (project.path().join("d"), project.path().join("e"), project.path().join("l"));
    symlink(outside.path(), &link).unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                // d: directory → link → directory, as fast as it goes.
                let _ = fs::rename(&dir, &aside);
                let _ = fs::rename(&link, &dir);
                let _ = fs::rename(&dir, &link);
                let _ = fs::rename(&aside, &dir);
            }
        });
        for _ in 0..300 {
            // A collection may fail, since what it reads changes; it must not read what lies outside.
            let Ok(tree) = project.collect(&["**"], &["l"]) else { continue };
            for (path, node) in tree.iter() {
                let text = node.content().map(|c| c.to_vec(100).unwrap());
                assert_ne!(text.as_deref(), Some(&b"outside"[..]), "{}", path.display());
            }
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}
