//! `.deb` files into one tree: streamed out of `dpkg-deb` into memory, several at a time, merged in the order of
//! their names. Nothing is unpacked onto the host and no maintainer script is run.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::base;
use crate::image::blobs::io_error;
use crate::image::command::{Tool, complaint};
use crate::tree::{Spool, TarOptions, Tree};
use crate::{Context, Error, ErrorKind, Event, Result, Stage};

/// Packages above this in all go through files on disk: unpacked they are three to four times as large.
const IN_MEMORY: u64 = 96 << 20;

/// A package file and its name.
#[derive(Clone, Debug)]
pub(super) struct DebFile {
    /// For messages.
    pub name: String,
    /// Where it lies.
    pub path: PathBuf,
}

/// Reads all packages into one tree over the skeleton.
pub(super) fn assemble(ctx: &Context, debs: &[DebFile], spool_dir: &Path) -> Result<Tree> {
    let total = debs.iter().map(|d| d.path.metadata().map_or(0, |m| m.len())).sum::<u64>();
    let spool_dir = (total > IN_MEMORY).then_some(spool_dir);
    let mut tree = base::skeleton()?;
    for package in read_all(ctx, debs, spool_dir)? {
        tree.merge(package)?;
    }
    base::drop_unread(&mut tree);
    base::make_links(&mut tree)?;
    base::write_etc(&mut tree)?;
    Ok(tree)
}

/// The trees of all packages, in order. Workers take the next one that is free; the first error ends all.
fn read_all(ctx: &Context, debs: &[DebFile], spool_dir: Option<&Path>) -> Result<Vec<Tree>> {
    let next = AtomicUsize::new(0);
    let done = AtomicUsize::new(0);
    let read: Mutex<Vec<Option<Tree>>> = Mutex::new(vec![None; debs.len()]);
    let work = || -> Result<()> {
        let mut spool = spool_dir.map(Spool::new_in).transpose()?;
        while let Some((at, deb)) = debs.get(next.load(Ordering::Relaxed)).and_then(|_| {
            let at = next.fetch_add(1, Ordering::Relaxed);
            Some((at, debs.get(at)?))
        }) {
            let tree = read_deb(ctx, deb, spool.as_mut())
                .inspect_err(|_| next.store(debs.len(), Ordering::Relaxed))?;
            if let Ok(mut read) = read.lock() {
                read[at] = Some(tree);
            }
            let done = done.fetch_add(1, Ordering::Relaxed) as u64 + 1;
            ctx.reporter.report(Event::Progress { stage: Stage::Image, done, total: debs.len() as u64 });
        }
        Ok(())
    };
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(8);
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        let mut first = Ok(());
        for worker in running {
            let ended = worker
                .join()
                .unwrap_or_else(|_| Err(Error::new(ErrorKind::Internal, "reading a package panicked")));
            first = first.and(ended);
        }
        first
    })?;
    let read = read.into_inner().unwrap_or_default();
    read.into_iter()
        .map(|tree| tree.ok_or_else(|| Error::new(ErrorKind::Internal, "a package was not read")))
        .collect()
}

fn read_deb(ctx: &Context, deb: &DebFile, spool: Option<&mut Spool>) -> Result<Tree> {
    let mut tree = Tree::new();
    let name = format!("of the package {}", deb.name);
    let mut options = TarOptions { spool, ..TarOptions::package(&name) };
    let tool = Tool::new("dpkg-deb").arg("--fsys-tarfile").arg(&deb.path);
    let mut broken = None;
    let (status, stderr) = tool.stream(ctx, |mut out| {
        // Why dpkg-deb ended says more than that its output ends too early.
        broken = tree.apply_tar(&mut out, &mut options).err();
        std::io::copy(&mut out, &mut std::io::sink())
            .map_err(|e| io_error("read the package", &deb.path, e))?;
        Ok(())
    })?;
    if !status.success() {
        return Err(Error::new(
            ErrorKind::Build,
            format!("cannot read the package {}: {}", deb.name, complaint(&stderr)),
        )
        .help("remove it from the cache with `mvmctl gc`, then build again"));
    }
    broken.map_or(Ok(tree), Err)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Node;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::process::Command;

    /// A real `.deb`, made by the real tool.
    fn deb(dir: &Path, name: &str, files: &[(&str, &str, u32)]) -> DebFile {
        let root = dir.join(name);
        fs::create_dir_all(root.join("DEBIAN")).unwrap();
        let control =
            format!("Package: {name}\nVersion: 1\nArchitecture: all\nMaintainer: t\nDescription: t\n");
        fs::write(root.join("DEBIAN/control"), control).unwrap();
        fs::write(root.join("DEBIAN/postinst"), "#!/bin/sh\ntouch /tmp/mvm-postinst-was-run\n").unwrap();
        fs::set_permissions(root.join("DEBIAN/postinst"), fs::Permissions::from_mode(0o755)).unwrap();
        for (path, text, mode) in files {
            let file = root.join(path.trim_start_matches('/'));
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, text).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(*mode)).unwrap();
        }
        let path = dir.join(format!("{name}.deb"));
        let made = Command::new("dpkg-deb")
            .args(["--root-owner-group", "-b"])
            .arg(&root)
            .arg(&path)
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        DebFile { name: name.to_owned(), path }
    }

    #[test]
    fn packages_become_one_tree_without_running_anything() {
        let dir = tempfile::tempdir().unwrap();
        let a =
            deb(dir.path(), "aa", &[("/bin/tool", "a", 0o755), ("/usr/share/doc/aa/copyright", "c", 0o644)]);
        let b = deb(dir.path(), "bb", &[("/usr/bin/python3.11", "p", 0o4755), ("/lib/x/y", "y", 0o644)]);
        let tree = assemble(&Context::silent(), &[a, b], dir.path()).unwrap();
        assert_eq!(base::read_text(&tree, "/usr/bin/tool", 9).as_deref(), Some("a"));
        assert_eq!(base::read_text(&tree, "/bin/python3", 9).as_deref(), Some("p"));
        assert!(matches!(tree.get("/bin"), Some(Node::Symlink { .. })), "a merged /usr stays merged");
        assert_eq!(tree.get("/usr/lib/x/y").unwrap().meta().uid, 0);
        assert!(tree.get("/usr/share/doc").is_none());
        assert!(!Path::new("/tmp/mvm-postinst-was-run").exists());
    }

    #[test]
    fn large_sets_go_through_disk_and_come_out_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let big = "0123456789".repeat(20_000);
        let debs = [deb(dir.path(), "aa", &[("/usr/lib/big", &big, 0o644)])];
        let trees = read_all(&Context::silent(), &debs, Some(dir.path())).unwrap();
        assert_eq!(base::read_text(&trees[0], "/usr/lib/big", 1 << 20).unwrap(), big);
    }

    #[test]
    fn what_is_not_a_package_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("broken.deb");
        fs::write(&path, b"!<arch>\nnonsense").unwrap();
        let debs = [DebFile { name: "broken".to_owned(), path }];
        let error = assemble(&Context::silent(), &debs, dir.path()).unwrap_err();
        assert!(error.to_string().contains("package broken"), "{error}");
        assert_eq!(error.kind(), ErrorKind::Build);
    }

    #[test]
    fn giving_up_stops_the_reading() {
        let dir = tempfile::tempdir().unwrap();
        let debs = [deb(dir.path(), "aa", &[("/bin/tool", "a", 0o755)])];
        let ctx = Context::silent();
        ctx.cancel.cancel();
        assert_eq!(assemble(&ctx, &debs, dir.path()).unwrap_err().kind(), ErrorKind::Cancelled);
    }
}
