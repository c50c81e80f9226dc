//! What a guest needs besides packages: the merged `/usr`, users, the certificate bundle, and the links that
//! maintainer scripts would have made. All of it is written by us; no script of a package is run.

use std::path::Path;

use crate::Result;
use crate::tree::{Meta, Node, Tree};

/// Where programs look for certificates.
pub(crate) const CA_BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";
/// `PATH` of a Debian guest.
pub(super) const PATH: &str = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin";
/// The user that entrypoints run as.
pub(crate) const APP_UID: u32 = 1000;
/// A bundle of all certification authorities is 220 KB; this is room enough.
const MAX_CERTIFICATE: u64 = 1 << 20;

/// Parts of packages that no guest reads: 9 of Python's 61 MB, most of the files.
const DROPPED: [&str; 12] = [
    "/usr/share/doc",
    "/usr/share/man",
    "/usr/share/locale",
    "/usr/share/info",
    "/usr/share/lintian",
    "/usr/share/bug",
    "/usr/share/doc-base",
    "/usr/share/menu",
    "/usr/share/applications",
    "/usr/share/pixmaps",
    "/usr/share/bash-completion",
    "/usr/share/zsh",
];

/// Link and what it may lead to, best first: what `update-alternatives` would have decided.
const ALTERNATIVES: &[(&str, &[&str])] = &[
    ("/bin/sh", &["dash", "bash", "busybox"]),
    ("/usr/bin/awk", &["gawk", "mawk", "original-awk", "busybox"]),
    ("/usr/bin/nawk", &["gawk", "mawk", "original-awk"]),
    ("/usr/bin/which", &["which.debianutils", "busybox"]),
    ("/usr/bin/vi", &["vim.basic", "vim.tiny", "nvi", "nvim", "busybox"]),
    ("/usr/bin/vim", &["vim.basic", "vim.tiny"]),
    ("/usr/bin/editor", &["nano", "vim.basic", "vim.tiny"]),
    ("/usr/bin/pager", &["less", "more"]),
    ("/usr/bin/nc", &["nc.openbsd", "nc.traditional", "busybox"]),
    ("/usr/bin/netcat", &["nc.openbsd", "nc.traditional"]),
    ("/usr/bin/cc", &["gcc", "clang"]),
    ("/usr/bin/c++", &["g++", "clang++"]),
    ("/usr/bin/fd", &["fdfind"]),
    ("/usr/bin/bat", &["batcat"]),
    ("/usr/bin/yarn", &["yarnpkg"]),
    ("/usr/bin/lzma", &["xz"]),
    ("/usr/bin/unlzma", &["unxz"]),
    ("/usr/bin/telnet", &["inetutils-telnet"]),
    ("/usr/bin/ping", &["inetutils-ping"]),
    ("/usr/lib/x86_64-linux-gnu/libblas.so.3", &["openblas-pthread/libblas.so.3", "blas/libblas.so.3"]),
    (
        "/usr/lib/x86_64-linux-gnu/liblapack.so.3",
        &["openblas-pthread/liblapack.so.3", "lapack/liblapack.so.3"],
    ),
];

/// How Debian renames a program whose plain name is an alternative: `convert-im6.q16` is `convert`.
const RENAMED: [&str; 3] = ["-im6.q16", ".q16", "-im6"];

/// Programs that versioned packages keep outside `PATH`.
const PROGRAM_DIRS: [&str; 4] =
    ["/usr/lib/jvm/*/bin", "/usr/lib/postgresql/*/bin", "/usr/lib/go-*/bin", "/usr/lib/llvm-*/bin"];

/// Programs whose version is part of their name in Debian: the highest is also the plain name.
const VERSIONED: [&str; 12] =
    ["python", "python3", "gcc", "g++", "cpp", "clang", "clang++", "lua", "luac", "ruby", "php", "node"];

/// Names under which busybox answers, where no package brings the real program.
const APPLETS: &str = "basename cat chgrp chmod chown clear cmp cp cut date dd df diff dirname du echo env expr \
    false find fold grep gunzip gzip head hostname id kill ln ls md5sum mkdir mkfifo mktemp more mv nl nproc od \
    paste printenv printf ps pwd readlink realpath rm rmdir sed seq sha1sum sha256sum sleep sort split stat sync \
    tail tar tee test timeout touch tr true tty uname uniq unxz unzip vi wc wget which who whoami xargs yes zcat";

/// The directories and links of a merged `/usr`, before any package.
pub(crate) fn skeleton() -> Result<Tree> {
    let mut tree = Tree::new();
    for dir in ["bin", "sbin", "lib", "lib64"] {
        tree.insert_dir(format!("/usr/{dir}"), Meta::DIR)?;
        tree.insert_symlink(format!("/{dir}"), format!("usr/{dir}"))?;
    }
    for dir in [
        "/dev",
        "/etc",
        "/home",
        "/mnt",
        "/opt",
        "/proc",
        "/run",
        "/sys",
        "/usr/local/bin",
        "/var/lib",
        "/var/log",
    ] {
        tree.insert_dir(dir, Meta::DIR)?;
    }
    for dir in ["/tmp", "/var/tmp", "/run/lock"] {
        tree.insert_dir(dir, Meta::root(0o1777))?;
    }
    tree.insert_symlink("/var/run", "/run")?;
    tree.insert_symlink("/var/lock", "/run/lock")?;
    tree.insert_dir("/root", Meta::root(0o700))?;
    let app = Meta { uid: APP_UID, gid: APP_UID, ..Meta::DIR };
    tree.insert_dir("/app", app)?;
    tree.insert_dir("/home/app", app)?;
    Ok(tree)
}

/// Users, name service and certificates, over whatever the packages brought.
pub(crate) fn write_etc(tree: &mut Tree) -> Result<()> {
    let files = [
        (
            "/etc/passwd",
            "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n\
             app:x:1000:1000:app:/home/app:/bin/sh\n",
        ),
        ("/etc/group", "root:x:0:\ntty:x:5:\nnogroup:x:65534:\napp:x:1000:\n"),
        (
            "/etc/nsswitch.conf",
            "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nservices: files\nprotocols: files\n",
        ),
        ("/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n"),
        ("/etc/hostname", "mvm\n"),
    ];
    for (path, text) in files {
        tree.insert_file(path, text, Meta::FILE)?;
    }
    write_ca_bundle(tree)
}

/// What `update-ca-certificates` makes: all certificates in one file, in the order of their names.
fn write_ca_bundle(tree: &mut Tree) -> Result<()> {
    let mut bundle = Vec::new();
    for (path, node) in tree.iter() {
        let certificate =
            path.starts_with("/usr/share/ca-certificates") && path.extension().is_some_and(|e| e == "crt");
        let Some(content) = node.content().filter(|_| certificate) else { continue };
        bundle.extend(content.to_vec(MAX_CERTIFICATE).map_err(|e| {
            crate::Error::new(
                crate::ErrorKind::Build,
                format!("reading the certificate {}: {e}", path.display()),
            )
        })?);
        if !bundle.ends_with(b"\n") {
            bundle.push(b'\n');
        }
    }
    if bundle.is_empty() {
        return Ok(());
    }
    tree.remove("/usr/share/ca-certificates");
    tree.insert_file(CA_BUNDLE, bundle, Meta::FILE)?;
    // Where OpenSSL looks when nobody tells it.
    if tree.get("/usr/lib/ssl/certs").is_none() {
        tree.insert_symlink("/usr/lib/ssl/certs", "/etc/ssl/certs")?;
    }
    tree.insert_symlink("/usr/lib/ssl/cert.pem", CA_BUNDLE)
}

/// Takes out what no guest reads.
pub(super) fn drop_unread(tree: &mut Tree) {
    for path in DROPPED {
        tree.remove(path);
    }
}

/// Makes the links that maintainer scripts would have made. Nothing that a package brought is replaced.
pub(super) fn make_links(tree: &mut Tree) -> Result<()> {
    link_program_dirs(tree)?;
    link_versioned(tree)?;
    link_renamed(tree)?;
    for (link, targets) in ALTERNATIVES {
        let dir = Path::new(link).parent().unwrap_or(Path::new("/"));
        let target = targets.iter().find(|t| is_file(tree, &dir.join(t)));
        if let Some(target) = target.filter(|_| tree.follow(link).is_none()) {
            tree.insert_symlink(link, target)?;
        }
    }
    if is_file(tree, Path::new("/usr/bin/busybox")) {
        for applet in APPLETS.split_whitespace() {
            link_if_absent(tree, &format!("/usr/bin/{applet}"), "busybox")?;
        }
    }
    Ok(())
}

fn is_file(tree: &Tree, path: &Path) -> bool {
    matches!(tree.follow(path), Some(Node::File { .. }))
}

/// A link that leads nowhere counts as absent.
fn link_if_absent(tree: &mut Tree, link: &str, target: &str) -> Result<()> {
    if tree.follow(link).is_some() { Ok(()) } else { tree.insert_symlink(link, target) }
}

/// Names in a directory of the tree, links followed.
fn names_in(tree: &Tree, dir: &str) -> Vec<String> {
    match tree.follow(dir) {
        Some(Node::Dir(dir)) => {
            dir.children().filter_map(|(name, _)| name.to_str().map(str::to_owned)).collect()
        }
        _ => Vec::new(),
    }
}

/// `/usr/lib/jvm/java-17-openjdk-amd64/bin/javac` → `/usr/bin/javac`; the highest version wins.
fn link_program_dirs(tree: &mut Tree) -> Result<()> {
    for pattern in PROGRAM_DIRS {
        let Some((before, after)) = pattern.split_once('*') else { continue };
        let Some((dir, prefix)) = before.rsplit_once('/') else { continue };
        let mut versions: Vec<String> =
            names_in(tree, dir).into_iter().filter(|n| n.starts_with(prefix)).collect();
        versions.sort_by_key(|name| std::cmp::Reverse(numbers(name)));
        for version in versions {
            let programs = format!("{dir}/{version}{after}");
            for name in names_in(tree, &programs) {
                link_if_absent(tree, &format!("/usr/bin/{name}"), &format!("{programs}/{name}"))?;
            }
        }
    }
    Ok(())
}

/// `python3.11` → `python3` → `python`.
fn link_versioned(tree: &mut Tree) -> Result<()> {
    let names = names_in(tree, "/usr/bin");
    for plain in VERSIONED {
        let version = |name: &str| {
            let rest = name.strip_prefix(plain)?.trim_start_matches(['-', '.']);
            let digits = !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit() || b == b'.');
            digits.then(|| numbers(rest))
        };
        let highest = names.iter().filter_map(|n| Some((version(n)?, n))).max();
        if let Some((_, target)) = highest {
            link_if_absent(tree, &format!("/usr/bin/{plain}"), target)?;
        }
    }
    Ok(())
}

fn link_renamed(tree: &mut Tree) -> Result<()> {
    for name in names_in(tree, "/usr/bin") {
        if let Some(plain) = RENAMED.iter().find_map(|suffix| name.strip_suffix(suffix)) {
            link_if_absent(tree, &format!("/usr/bin/{plain}"), &name)?;
        }
    }
    Ok(())
}

/// The numbers in a name, for comparing versions.
pub(super) fn numbers(name: &str) -> Vec<u64> {
    name.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect()
}

/// Interpreters the tree has: the language's name in the IR → program.
pub(crate) fn interpreters(tree: &Tree, bin_dirs: &[&str]) -> std::collections::BTreeMap<String, String> {
    let mut found = std::collections::BTreeMap::new();
    for dir in bin_dirs {
        let python = names_in(tree, dir)
            .into_iter()
            .filter(|n| n.strip_prefix("python3.").is_some_and(|v| v.bytes().all(|b| b.is_ascii_digit())))
            .max_by_key(|n| numbers(n))
            .map(|n| format!("{dir}/{n}"));
        // The versioned name: a worker's own start must not follow two links first.
        if let Some(python) = python.filter(|p| is_file(tree, Path::new(p))) {
            found.entry("python".to_owned()).or_insert(python);
        }
        let node = format!("{dir}/node");
        if is_file(tree, Path::new(&node)) {
            found.entry("node".to_owned()).or_insert(node);
        }
    }
    found
}

/// A small text file of the tree.
#[cfg(test)]
pub(crate) fn read_text(tree: &Tree, path: &str, limit: u64) -> Option<String> {
    let bytes = tree.follow(path).and_then(Node::content).and_then(|c| c.to_vec(limit).ok())?;
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(paths: &[&str]) -> Tree {
        let mut tree = skeleton().unwrap();
        for path in paths {
            tree.insert_file(path, *path, Meta::PROGRAM).unwrap();
        }
        tree
    }

    fn leads_to(tree: &Tree, path: &str) -> String {
        tree.canonical(path).unwrap().display().to_string()
    }

    #[test]
    fn links_follow_versions_and_preferences() {
        let mut tree = with(&[
            "/usr/bin/python3.9",
            "/usr/bin/python3.11",
            "/usr/bin/mawk",
            "/usr/bin/busybox",
            "/bin/dash",
            "/usr/bin/convert-im6.q16",
            "/usr/lib/jvm/java-17-openjdk-amd64/bin/java",
            "/usr/lib/jvm/java-8-openjdk-amd64/bin/java",
            "/usr/bin/ls",
        ]);
        make_links(&mut tree).unwrap();
        for (link, target) in [
            ("/usr/bin/python3", "/usr/bin/python3.11"),
            ("/usr/bin/python", "/usr/bin/python3.11"),
            ("/usr/bin/awk", "/usr/bin/mawk"),
            ("/bin/sh", "/usr/bin/dash"),
            ("/usr/bin/convert", "/usr/bin/convert-im6.q16"),
            ("/usr/bin/java", "/usr/lib/jvm/java-17-openjdk-amd64/bin/java"),
            ("/usr/bin/ls", "/usr/bin/ls"),
            ("/usr/bin/grep", "/usr/bin/busybox"),
        ] {
            assert_eq!(leads_to(&tree, link), target, "{link}");
        }
        assert_eq!(interpreters(&tree, &["/usr/local/bin", "/usr/bin"])["python"], "/usr/bin/python3.11");
    }

    #[test]
    fn certificates_become_one_file_in_the_order_of_names() {
        let mut tree = skeleton().unwrap();
        tree.insert_file("/usr/share/ca-certificates/mozilla/b.crt", "B", Meta::FILE).unwrap();
        tree.insert_file("/usr/share/ca-certificates/mozilla/a.crt", "A\n", Meta::FILE).unwrap();
        tree.insert_file("/usr/share/ca-certificates/mozilla/readme", "no", Meta::FILE).unwrap();
        write_etc(&mut tree).unwrap();
        assert_eq!(read_text(&tree, CA_BUNDLE, 100).unwrap(), "A\nB\n");
        assert_eq!(read_text(&tree, "/usr/lib/ssl/cert.pem", 100).unwrap(), "A\nB\n");
        assert!(read_text(&tree, "/etc/passwd", 1000).unwrap().contains("app:x:1000:1000"));
    }

    #[test]
    fn an_image_without_certificates_has_no_empty_bundle() {
        let mut tree = skeleton().unwrap();
        write_etc(&mut tree).unwrap();
        assert!(tree.get(CA_BUNDLE).is_none());
        assert_eq!(tree.get("/tmp").unwrap().meta().mode, 0o1777);
        assert_eq!(tree.get("/app").unwrap().meta().uid, APP_UID);
    }
}
