//! Where kernels come from: `/boot` and `/lib/modules` of the host, or the package of the distribution's archive.

use std::cmp::Reverse;
use std::fs;
use std::path::{Path, PathBuf};

use super::modules::Modules;
use super::{Unpacked, unpack};
use crate::image::command::Tool;
use crate::image::debian::apt::Apt;
use crate::tree::{Node, Spool, TarOptions, Tree};
use crate::{Context, Error, ErrorKind, Event, Home, Result, fsio};

/// The package whose newest version is fetched: small, made for virtual machines, in Debian and Ubuntu's archives
/// under these names.
const PACKAGES: &[&str] = &["linux-image-cloud-amd64", "linux-image-virtual", "linux-image-amd64"];
/// Directories deep, and files, that a module directory may have.
const MAX_DEPTH: usize = 16;
const MAX_IMAGE: u64 = 256 << 20;

/// A kernel of the host.
pub(super) struct OnHost {
    pub(super) image: PathBuf,
    modules: PathBuf,
    pub(super) release: String,
}

/// Kernels of the host that this user can read and that have their modules, the newest first; those made for virtual
/// machines before others.
pub(super) fn on_host(root: &Path) -> Vec<OnHost> {
    let boot = root.join("boot");
    let mut found: Vec<OnHost> = fs::read_dir(&boot)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let release = name.strip_prefix("vmlinuz-")?.to_owned();
            let modules = root.join("lib/modules").join(&release);
            let readable = fs::File::open(entry.path()).is_ok() && modules.join("kernel").is_dir();
            readable.then(|| OnHost { image: entry.path(), modules, release })
        })
        .collect();
    found.sort_by_cached_key(|k| Reverse((made_for_guests(&k.release), version_key(&k.release))));
    found
}

fn made_for_guests(release: &str) -> bool {
    ["cloud", "virtual", "kvm"].iter().any(|flavour| release.contains(flavour))
}

/// Numbers of a release, so that 6.10 comes after 6.9.
fn version_key(release: &str) -> Vec<u64> {
    release.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse().ok()).collect()
}

impl OnHost {
    pub(super) fn unpack(&self) -> Result<Unpacked> {
        let mut paths = Vec::new();
        module_files(&self.modules.join("kernel"), 0, &mut paths)?;
        let builtin = fs::read_to_string(self.modules.join("modules.builtin")).unwrap_or_default();
        let read = |path: &Path| fsio::read_bounded(path, MAX_IMAGE);
        let image = fsio::read_bounded(&self.image, MAX_IMAGE)?;
        Ok(Unpacked {
            release: self.release.clone(),
            image: unpack::vmlinux(&image).map_err(|why| unreadable(&self.image, &why))?,
            modules: Modules::new(paths, &builtin, &read).in_load_order()?,
        })
    }
}

fn module_files(dir: &Path, depth: usize, out: &mut Vec<PathBuf>) -> Result<()> {
    if depth > MAX_DEPTH {
        return Ok(());
    }
    for entry in fs::read_dir(dir).map_err(|e| fsio::error("reading the directory", dir, e))? {
        let entry = entry.map_err(|e| fsio::error("reading the directory", dir, e))?;
        let kind = entry.file_type().map_err(|e| fsio::error("reading", &entry.path(), e))?;
        if kind.is_dir() {
            module_files(&entry.path(), depth + 1, out)?;
        } else if kind.is_file() {
            out.push(entry.path());
        }
    }
    Ok(())
}

/// Fetches the kernel package of the machine's own archive.
pub(super) fn from_archive(home: &Home, offline: bool, ctx: &Context) -> Result<Unpacked> {
    if !Apt::available() {
        return Err(Error::new(
            ErrorKind::Environment,
            "looking for a guest kernel: none in /boot with its modules in /lib/modules is readable, and there is \
             no apt to fetch one with",
        )
        .help("install a kernel package with its modules, or run mvm on Debian or Ubuntu"));
    }
    let apt = Apt::open(home)?;
    apt.update(ctx, offline)?;
    let names = apt.names(ctx)?;
    let wanted = PACKAGES.iter().find(|p| names.contains(**p)).ok_or_else(|| {
        Error::new(
            ErrorKind::Environment,
            format!("the archive has no kernel package ({})", PACKAGES.join(", ")),
        )
        .help("check the sources in /etc/apt")
    })?;
    // The meta package depends on the real ones of the newest version; on Ubuntu image and modules are apart.
    let mut real: Vec<_> = apt
        .resolve(ctx, &[wanted])?
        .into_iter()
        .filter(|p| {
            let versioned = |prefix: &str| {
                p.name.strip_prefix(prefix).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
            };
            ["linux-image-", "linux-image-unsigned-", "linux-modules-"].iter().any(|prefix| versioned(prefix))
        })
        .collect();
    real.sort();
    if real.is_empty() {
        return Err(Error::new(ErrorKind::Environment, format!("the package {wanted} brings no kernel")));
    }
    let names = real.iter().map(|p| format!("{} {}", p.name, p.version)).collect::<Vec<_>>().join(", ");
    ctx.reporter.report(Event::Note(format!("the guest kernel is {names}")));
    let files = apt.download(ctx, &real, offline)?;
    let mut tree = Tree::new();
    let mut spool = Spool::new_in(&home.cache_dir("kernels")?)?;
    for file in &files {
        tree.merge(read_package(file, &mut spool, ctx)?)?;
    }
    unpack_tree(&tree)
}

fn read_package(file: &Path, spool: &mut Spool, ctx: &Context) -> Result<Tree> {
    let name = file.display().to_string();
    let mut tree = Tree::new();
    let (status, stderr) = Tool::new("dpkg-deb").arg("--fsys-tarfile").arg(file).stream(ctx, |reader| {
        tree.apply_tar(reader, &mut TarOptions { spool: Some(spool), ..TarOptions::package(&name) })
    })?;
    if status.success() {
        return Ok(tree);
    }
    Err(Error::new(ErrorKind::Build, format!("reading the package {name}: dpkg-deb says: {}", stderr.trim())))
}

/// The kernel in an unpacked package.
fn unpack_tree(tree: &Tree) -> Result<Unpacked> {
    let (image, release) = tree
        .iter()
        .find_map(|(path, node)| {
            let name = path.file_name()?.to_str()?;
            let release = name.strip_prefix("vmlinuz-").or_else(|| (name == "vmlinuz").then_some(""))?;
            matches!(node, Node::File { .. }).then(|| (path.clone(), release.to_owned()))
        })
        .ok_or_else(|| Error::new(ErrorKind::Environment, "the kernel package holds no kernel image"))?;
    let read = |path: &Path| -> Result<Vec<u8>> {
        let content =
            tree.follow(path).and_then(Node::content).ok_or_else(|| unreadable(path, "it is not a file"))?;
        content.to_vec(MAX_IMAGE).map_err(|e| unreadable(path, &e.to_string()))
    };
    let paths = tree.iter().filter(|(_, node)| matches!(node, Node::File { .. })).map(|(path, _)| path);
    let builtin = tree
        .iter()
        .find(|(path, _)| path.ends_with("modules.builtin"))
        .map(|(path, _)| read(&path))
        .transpose()?
        .unwrap_or_default();
    Ok(Unpacked {
        release,
        image: unpack::vmlinux(&read(&image)?).map_err(|why| unreadable(&image, &why))?,
        modules: Modules::new(paths, &String::from_utf8_lossy(&builtin), &read).in_load_order()?,
    })
}

fn unreadable(path: &Path, why: &str) -> Error {
    Error::new(ErrorKind::Environment, format!("reading the kernel {}: {why}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::super::modules::tests::module_elf;
    use super::*;

    fn install(root: &Path, release: &str) {
        let modules = root.join("lib/modules").join(release).join("kernel/drivers");
        fs::create_dir_all(&modules).unwrap();
        fs::create_dir_all(root.join("boot")).unwrap();
        fs::write(root.join(format!("boot/vmlinuz-{release}")), b"\x7fELF image").unwrap();
        for name in
            ["virtio", "virtio_ring", "virtio_mmio", "virtio_blk", "virtio_console", "squashfs", "overlay"]
        {
            fs::write(modules.join(format!("{name}.ko")), module_elf("")).unwrap();
        }
    }

    #[test]
    fn the_newest_readable_kernel_for_guests_comes_first() {
        let dir = tempfile::tempdir().unwrap();
        for release in ["6.9.1-amd64", "6.10.2-amd64", "6.1.0-9-cloud-amd64"] {
            install(dir.path(), release);
        }
        fs::write(dir.path().join("boot/vmlinuz-7.0-without-modules"), "").unwrap();
        let found = on_host(dir.path());
        let releases: Vec<_> = found.iter().map(|k| k.release.as_str()).collect();
        assert_eq!(releases, ["6.1.0-9-cloud-amd64", "6.10.2-amd64", "6.9.1-amd64"]);
        let kernel = found[0].unpack().unwrap();
        assert_eq!(kernel.modules.len(), 5);
        assert_eq!(kernel.image, b"\x7fELF image");
    }

    #[test]
    fn a_package_is_read_from_its_tree() {
        let dir = tempfile::tempdir().unwrap();
        install(dir.path(), "6.1");
        let mut tree = Tree::new();
        let mut paths = Vec::new();
        module_files(dir.path(), 0, &mut paths).unwrap();
        for path in paths {
            let inside = path.strip_prefix(dir.path()).unwrap().to_path_buf();
            tree.insert_file(inside, fs::read(&path).unwrap(), crate::tree::Meta::FILE).unwrap();
        }
        assert_eq!(unpack_tree(&tree).unwrap().release, "6.1");
        tree.remove("/boot/vmlinuz-6.1").unwrap();
        assert!(unpack_tree(&tree).is_err());
    }

    #[test]
    #[ignore = "reaches for the archive: MVM_NETWORK_TESTS=1 cargo test -- --ignored"]
    fn a_kernel_is_fetched_from_the_archive() {
        let dir = tempfile::tempdir().unwrap();
        let kernel = from_archive(&Home::at(dir.path()), false, &Context::silent()).unwrap();
        assert!(kernel.image.len() > 20 << 20);
        assert!(kernel.modules.iter().any(|(name, _)| name == "virtio_ring"));
    }
}
