//! Tests of the tree: placing, resolving, merging, reading archives, honest and hostile.

use super::*;

fn text(tree: &Tree, path: &str) -> String {
    let content = tree.follow(path).and_then(Node::content).unwrap_or_else(|| panic!("no file {path}"));
    String::from_utf8(content.to_vec(1 << 20).unwrap()).unwrap()
}

fn paths(tree: &Tree) -> Vec<String> {
    tree.iter().map(|(p, _)| p.display().to_string()).collect()
}

#[test]
fn parents_that_are_links_are_followed_inside_the_tree() {
    let mut tree = Tree::new();
    tree.insert_symlink("/lib", "usr/lib").unwrap();
    tree.insert_file("/lib/x/libc.so", "c", Meta::FILE).unwrap();
    tree.insert_dir("/lib", Meta::root(0o700)).unwrap();
    assert_eq!(paths(&tree), ["/lib", "/usr", "/usr/lib", "/usr/lib/x", "/usr/lib/x/libc.so"]);
    assert!(matches!(tree.get("/lib"), Some(Node::Symlink { .. })));
    assert_eq!(tree.get("/usr/lib").unwrap().meta().mode, 0o700);
    assert_eq!(tree.canonical("lib/x/../x/libc.so").unwrap(), Path::new("/usr/lib/x/libc.so"));
}

#[test]
fn dot_dot_and_absolute_links_stop_at_the_root() {
    let mut tree = Tree::new();
    tree.insert_symlink("/a/up", "../../../../etc").unwrap();
    tree.insert_symlink("/a/abs", "/etc").unwrap();
    tree.insert_file("/a/up/passwd", "p", Meta::FILE).unwrap();
    tree.insert_file("/a/abs/group", "g", Meta::FILE).unwrap();
    tree.insert_file("../../x", "x", Meta::FILE).unwrap();
    assert_eq!(paths(&tree), ["/a", "/a/abs", "/a/up", "/etc", "/etc/group", "/etc/passwd", "/x"]);
}

#[test]
fn link_loops_files_as_directories_and_depth_are_errors() {
    let mut tree = Tree::new();
    tree.insert_symlink("/a", "b").unwrap();
    tree.insert_symlink("/b", "a").unwrap();
    assert!(tree.insert_file("/a/x", "x", Meta::FILE).unwrap_err().to_string().contains("circles"));
    tree.insert_file("/f", "f", Meta::FILE).unwrap();
    assert!(tree.insert_file("/f/x", "x", Meta::FILE).is_err());
    assert!(tree.insert_file("/a".repeat(1000), "x", Meta::FILE).is_err());
    assert!(tree.insert_file("n".repeat(256), "x", Meta::FILE).is_err());
    assert!(tree.insert_file("/", "x", Meta::FILE).is_err());
    assert!(tree.insert_symlink("/l", "").is_err());
}

#[test]
fn directories_with_files_are_not_replaced_by_a_file() {
    let mut tree = Tree::new();
    tree.insert_file("/d/x", "x", Meta::FILE).unwrap();
    assert!(tree.insert_file("/d", "d", Meta::FILE).is_err());
    tree.remove("/d/x").unwrap();
    tree.insert_file("/d", "d", Meta::FILE).unwrap();
    assert_eq!(text(&tree, "/d"), "d");
}

#[test]
fn hard_links_share_and_survive_the_removal_of_their_target() {
    let mut tree = Tree::new();
    tree.insert_file("/a", "same", Meta::PROGRAM).unwrap();
    tree.insert_hardlink("/b", "a").unwrap();
    tree.remove("/a").unwrap();
    assert_eq!(text(&tree, "/b"), "same");
    assert!(tree.insert_hardlink("/c", "/nowhere").is_err());
}

#[test]
fn merging_unites_directories_on_either_side_of_a_merged_usr() {
    let mut usr = Tree::new();
    usr.insert_symlink("/lib", "usr/lib").unwrap();
    usr.insert_dir("/usr/lib", Meta::DIR).unwrap();
    let mut package = Tree::new();
    package.insert_file("/lib/a", "a", Meta::FILE).unwrap();

    let mut first = usr.clone();
    first.merge(package.clone()).unwrap();
    let mut second = package;
    second.merge(usr).unwrap();
    assert_eq!(paths(&first), ["/lib", "/usr", "/usr/lib", "/usr/lib/a"]);
    assert_eq!(paths(&first), paths(&second));
}

fn tar_of(entries: &[(tar::EntryType, &str, &str)]) -> Vec<u8> {
    let mut out = tar::Builder::new(Vec::new());
    for (kind, path, data) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(*kind);
        header.set_mode(0o644);
        header.set_mtime(77);
        header.set_uid(0);
        header.set_gid(0);
        let name = &mut header.as_gnu_mut().unwrap().name;
        name[..path.len()].copy_from_slice(path.as_bytes());
        let body = if kind.is_file() { data.as_bytes() } else { b"" };
        header.set_size(body.len() as u64);
        if !kind.is_file() && !data.is_empty() {
            header.set_link_name_literal(data).unwrap();
        }
        header.set_cksum();
        out.append(&header, body).unwrap();
    }
    out.into_inner().unwrap()
}

use tar::EntryType as T;

#[test]
fn archives_are_read_with_links_and_without_devices() {
    let bytes = tar_of(&[
        (T::Directory, "./usr/", ""),
        (T::Regular, "./usr/a", "hello"),
        (T::Link, "usr/b", "./usr/a"),
        (T::Symlink, "c", "usr/b"),
        (T::Char, "dev/null", ""),
    ]);
    let tree = Tree::from_tar(&bytes[..], &mut TarOptions::package("t")).unwrap();
    assert_eq!(paths(&tree), ["/c", "/usr", "/usr/a", "/usr/b"]);
    assert_eq!(text(&tree, "/c"), "hello");
    assert_eq!(tree.get("/usr/a").unwrap().meta().mtime, 0);
}

#[test]
fn a_planted_link_leads_nowhere_but_into_the_tree() {
    let bytes = tar_of(&[(T::Symlink, "x", "/etc"), (T::Regular, "x/passwd", "p")]);
    let tree = Tree::from_tar(&bytes[..], &mut TarOptions::package("t")).unwrap();
    assert_eq!(paths(&tree), ["/etc", "/etc/passwd", "/x"]);
    let bytes = tar_of(&[(T::Regular, "../x", "p")]);
    let error = Tree::from_tar(&bytes[..], &mut TarOptions::package("evil.tar")).unwrap_err();
    assert!(error.to_string().contains("evil.tar"), "{error}");
}

#[test]
fn whiteouts_remove_what_lies_below() {
    let lower = tar_of(&[
        (T::Regular, "d/a", "a"),
        (T::Regular, "d/b", "b"),
        (T::Symlink, "l", "d"),
        (T::Regular, "o/x", "x"),
    ]);
    let upper = tar_of(&[
        (T::Regular, "d/.wh.a", ""),
        (T::Regular, "o/.wh..wh..opq", ""),
        (T::Regular, "o/y", "y"),
        (T::Directory, "l/", ""),
        (T::Regular, "l/z", "z"),
    ]);
    let options = || TarOptions { whiteouts: true, ..TarOptions::package("t") };
    let mut tree = Tree::from_tar(&lower[..], &mut options()).unwrap();
    tree.apply_tar(&upper[..], &mut options()).unwrap();
    assert_eq!(paths(&tree), ["/d", "/d/b", "/l", "/l/z", "/o", "/o/y"]);
}

#[test]
fn archives_are_bounded_and_truncation_is_an_error() {
    let bytes = tar_of(&[(T::Regular, "a", "aaaa"), (T::Regular, "b", "bbbb")]);
    let few = TarOptions { max_entries: 1, ..TarOptions::package("t") };
    let small = TarOptions { max_bytes: 7, ..TarOptions::package("t") };
    for mut options in [few, small] {
        assert!(Tree::from_tar(&bytes[..], &mut options).is_err());
    }
    assert!(Tree::from_tar(&bytes[..514], &mut TarOptions::package("t")).is_err());
    assert!(Tree::from_tar(&b"not a tar archive"[..], &mut TarOptions::package("t")).is_err());
}

#[test]
fn large_files_go_to_the_spool_and_come_back() {
    let big = "0123456789".repeat(20_000);
    let bytes = tar_of(&[(T::Regular, "a", &big), (T::Regular, "b", "small"), (T::Regular, "c", &big)]);
    let dir = tempfile::tempdir().unwrap();
    let mut spool = Spool::new_in(dir.path()).unwrap();
    let mut options = TarOptions { spool: Some(&mut spool), ..TarOptions::package("t") };
    let tree = Tree::from_tar(&bytes[..], &mut options).unwrap();
    assert!(matches!(tree.get("/c").unwrap().content(), Some(Content::File { .. })));
    assert_eq!(text(&tree, "/a"), big);
    assert_eq!(text(&tree, "/c"), big);
    assert_eq!(text(&tree, "/b"), "small");
}
