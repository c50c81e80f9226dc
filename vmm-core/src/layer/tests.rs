//! Tests of the store and of the image format; an independent reader (`backhand`) reads the images back.

use std::collections::BTreeMap;
use std::io::{BufReader, Cursor, Read as _};

use backhand::{FilesystemReader, InnerNode};

use super::*;
use crate::testing::{FULL, on_a_full_disk};
use crate::tree::{Content, Meta, Node};

fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&Home::at(dir.path())).unwrap();
    (dir, store)
}

/// Path → kind, mode, owner, and content or target.
type Seen = BTreeMap<String, (char, u16, u32, u32, Vec<u8>)>;

fn read_back(image: Vec<u8>) -> Seen {
    let reader = FilesystemReader::from_reader(BufReader::new(Cursor::new(image))).unwrap();
    let mut seen = Seen::new();
    for node in reader.files() {
        let (kind, body) = match &node.inner {
            InnerNode::File(file) => {
                let mut bytes = Vec::new();
                reader.file(file).reader().read_to_end(&mut bytes).unwrap();
                ('f', bytes)
            }
            InnerNode::Symlink(link) => ('l', link.link.as_os_str().as_encoded_bytes().to_vec()),
            InnerNode::Dir(_) => ('d', Vec::new()),
            other => panic!("{other:?}"),
        };
        let h = &node.header;
        let path = node.fullpath.display().to_string();
        assert!(seen.insert(path, (kind, h.permissions, h.uid, h.gid, body)).is_none());
    }
    seen
}

fn expected(tree: &Tree) -> Seen {
    let root = tree.root().meta;
    let mut seen = Seen::from([("/".into(), ('d', root.mode as u16, root.uid, root.gid, Vec::new()))]);
    for (path, node) in tree.iter() {
        let m = node.meta();
        let (kind, body) = match node {
            Node::Dir(_) => ('d', Vec::new()),
            Node::File { content, .. } => ('f', content.to_vec(u64::MAX).unwrap()),
            Node::Symlink { target, .. } => ('l', target.as_encoded_bytes().to_vec()),
        };
        seen.insert(path.display().to_string(), (kind, m.mode as u16, m.uid, m.gid, body));
    }
    seen
}

fn image(tree: &Tree) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    squashfs::write(tree, &mut out).unwrap();
    out.into_inner()
}

/// Sizes around block boundaries, a listing above 64 KiB, many inodes, twins, owners, deep directories.
fn varied() -> Tree {
    let mut tree = Tree::new();
    for size in [0usize, 1, 4095, 131_071, 131_072, 131_073, 400_000] {
        let body: Vec<u8> = (0..size).map(|i| (i * 31 % 251) as u8).collect();
        tree.insert_file(
            format!("/sizes/{size}"),
            body.clone(),
            Meta { mode: 0o4755, uid: 7, gid: 8, mtime: 9 },
        )
        .unwrap();
        tree.insert_file(format!("/twins/{size}"), body, Meta::FILE).unwrap();
    }
    for i in 0..3000 {
        tree.insert_file(
            format!("/many/a-rather-long-file-name-{i:05}"),
            format!("{i}").as_str(),
            Meta::FILE,
        )
        .unwrap();
    }
    for i in 0..300 {
        tree.insert_file(format!("/dirs/{i}/x/y/z"), "z", Meta::root(0o600)).unwrap();
        tree.insert_symlink(format!("/dirs/{i}/link"), format!("x/y/{i}")).unwrap();
    }
    tree.insert_dir("/empty", Meta { mode: 0o1777, uid: 1000, gid: 1000, mtime: 0 }).unwrap();
    tree
}

#[test]
fn an_independent_reader_sees_the_same_tree() {
    let tree = varied();
    let seen = read_back(image(&tree));
    let expected = expected(&tree);
    assert_eq!(seen.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (path, want) in &expected {
        assert!(seen[path] == *want, "{path} differs");
    }
}

#[test]
fn an_empty_tree_is_an_image_too() {
    assert_eq!(read_back(image(&Tree::new())), expected(&Tree::new()));
}

#[test]
fn the_same_tree_gives_the_same_layer_whatever_the_order() {
    let (_dir, store) = store();
    let names = ["/b/x", "/a", "/b/a", "/c/d/e"];
    let tree = |names: &mut dyn Iterator<Item = &&str>| {
        let mut tree = Tree::new();
        names.for_each(|n| tree.insert_file(n, *n, Meta::FILE).unwrap());
        tree
    };
    let one = store.write(&tree(&mut names.iter()), LayerRole::Source).unwrap();
    let two = store.write(&tree(&mut names.iter().rev()), LayerRole::Source).unwrap();
    assert_eq!(one, two);
    assert!(store.contains(&one));
    store.verify(&one).unwrap();
    assert_eq!(one.size % 4096, 0);
    assert_eq!(files(&store.dir).unwrap().iter().filter(|f| f.0.ends_with(EXTENSION)).count(), 1);
}

#[test]
fn equal_contents_are_stored_once() {
    let body = vec![7u8; 300_000];
    let mut tree = Tree::new();
    for name in ["a", "b", "c"] {
        tree.insert_file(name, body.clone(), Meta::FILE).unwrap();
    }
    assert!(image(&tree).len() < 310_000);
}

#[test]
fn a_missing_cut_or_damaged_layer_is_told() {
    let (_dir, store) = store();
    let layer = store.write(&varied(), LayerRole::Base).unwrap();
    let path = store.path(&layer.digest);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[5000] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    assert!(store.contains(&layer));
    assert!(store.verify(&layer).unwrap_err().to_string().contains("damaged"));
    std::fs::write(&path, &bytes[..5000]).unwrap();
    assert!(!store.contains(&layer));
    assert!(store.get(&layer).is_err());
    // A damaged size is repaired by writing again.
    store.write(&varied(), LayerRole::Base).unwrap();
    store.verify(&layer).unwrap();
}

#[test]
fn gc_keeps_what_is_used_and_removes_the_rest() {
    let (_dir, store) = store();
    let mut tree = Tree::new();
    let used = store.write(&tree, LayerRole::Base).unwrap();
    tree.insert_dir("/x", Meta::DIR).unwrap();
    let unused = store.write(&tree, LayerRole::Base).unwrap();
    std::fs::write(store.dir.join(".tmp-left"), "half").unwrap();
    let keep = || Ok(BTreeSet::from([used.digest.clone()]));
    let ctx = Context::silent();

    let would = store.gc(keep, true, &ctx).unwrap();
    assert_eq!(would.files.len(), 2);
    assert_eq!(would.bytes, unused.size + 4);
    assert!(store.contains(&unused));
    assert_eq!(store.gc(keep, false, &ctx).unwrap(), would);
    assert!(store.contains(&used) && !store.contains(&unused));
}

#[test]
fn gc_waits_for_a_build() {
    let (_dir, store) = store();
    let ctx = Context::silent();
    let writing = store.writing(&ctx).unwrap();
    let cancelled = Context::silent();
    let canceller = cancelled.cancel.clone();
    let waiting = std::thread::spawn({
        let store = store.clone();
        move || store.gc(|| panic!("must not be asked while a build writes"), false, &cancelled).unwrap_err()
    });
    canceller.cancel();
    assert_eq!(waiting.join().unwrap().kind(), ErrorKind::Cancelled);
    drop(writing);
    store.gc(|| Ok(BTreeSet::new()), false, &ctx).unwrap();
}

/// The other half of [`a_full_disk_leaves_nothing_behind`], run in a process whose files cannot grow.
#[test]
#[ignore = "started by a_full_disk_leaves_nothing_behind"]
fn inside_a_process_with_a_file_size_limit() {
    let home = Home::at(Path::new(&std::env::var_os(FULL).expect("set by the other test")));
    let mut tree = Tree::new();
    tree.insert_file("/big", Content::from(vec![1; 1 << 20]), Meta::FILE).unwrap();
    let error = Store::open(&home).unwrap().write(&tree, LayerRole::Base).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Environment);
    assert!(error.remedy().unwrap().contains("mvmctl gc"), "{error:?}");
}

#[test]
fn a_full_disk_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    on_a_full_disk("layer::tests::inside_a_process_with_a_file_size_limit", 100, dir.path());
    let left: Vec<_> = files(&dir.path().join("cache/layers")).unwrap();
    assert!(left.is_empty(), "{left:?}");
}
