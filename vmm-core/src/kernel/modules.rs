//! Which modules a boot needs and in which order they load. Dependencies are read from the modules themselves:
//! `modules.dep` is made at installation and is not in a package.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::{trim, unpack};
use crate::{Error, ErrorKind, Result};

/// What the guest needs: its disks, its channel, its root.
const NEEDED: &[&str] = &["virtio_mmio", "virtio_blk", "virtio_console", "squashfs", "overlay"];

/// What it goes without where the kernel has none: with it, memory that the guest has freed is the host's again.
pub(crate) const BALLOON: &str = "virtio_balloon";

/// Reads a module's file.
pub(super) type ReadFile<'a> = dyn Fn(&Path) -> Result<Vec<u8>> + 'a;

/// The modules of one kernel.
pub(super) struct Modules<'a> {
    files: BTreeMap<String, PathBuf>,
    builtin: BTreeSet<String>,
    read: &'a ReadFile<'a>,
}

impl<'a> Modules<'a> {
    /// From the paths of all module files and the text of `modules.builtin`.
    pub(super) fn new(
        paths: impl IntoIterator<Item = PathBuf>,
        builtin: &str,
        read: &'a ReadFile<'a>,
    ) -> Self {
        let files = paths.into_iter().filter_map(|p| Some((module_name(&p)?, p))).collect();
        let builtin = builtin.lines().filter_map(|line| module_name(Path::new(line))).collect();
        Modules { files, builtin, read }
    }

    /// Names and contents of the needed modules, each after those that it depends on.
    pub(super) fn in_load_order(&self) -> Result<Vec<(String, Vec<u8>)>> {
        let mut done = Vec::new();
        let mut seen = BTreeSet::new();
        for name in NEEDED {
            self.visit(name, &mut seen, &mut done)?;
        }
        if self.files.contains_key(BALLOON) {
            self.visit(BALLOON, &mut seen, &mut done)?;
        }
        Ok(done)
    }

    fn visit(
        &self,
        name: &str,
        seen: &mut BTreeSet<String>,
        done: &mut Vec<(String, Vec<u8>)>,
    ) -> Result<()> {
        if self.builtin.contains(name) || !seen.insert(name.to_owned()) {
            return Ok(());
        }
        let path = self.files.get(name).ok_or_else(|| {
            Error::new(
                ErrorKind::Environment,
                format!("the kernel has no module `{name}`, which a guest needs"),
            )
        })?;
        let bytes = unpack::module((self.read)(path)?).map_err(|why| unreadable(path, &why))?;
        for dependency in depends(&bytes).ok_or_else(|| unreadable(path, "its ELF headers are damaged"))? {
            self.visit(&dependency, seen, done)?;
        }
        done.push((name.to_owned(), trim::trim(bytes)));
        Ok(())
    }
}

fn unreadable(path: &Path, why: &str) -> Error {
    Error::new(ErrorKind::Environment, format!("reading the kernel module {}: {why}", path.display()))
}

/// `…/virtio-rng.ko.xz` → `virtio_rng`
fn module_name(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let (stem, rest) = name.split_once(".ko")?;
    matches!(rest, "" | ".xz" | ".zst" | ".gz").then(|| stem.replace('-', "_"))
}

/// The `depends=` of a module's `.modinfo` section, and its `softdep=pre:`s are not followed: nothing we need has one.
pub(super) fn depends(elf: &[u8]) -> Option<Vec<String>> {
    let info = section(elf, b".modinfo")?;
    let depends = info.split(|b| *b == 0).find_map(|line| line.strip_prefix(b"depends="))?;
    let names = std::str::from_utf8(depends).ok()?.split(',').filter(|n| !n.is_empty());
    Some(names.map(|n| n.replace('-', "_")).collect())
}

/// A section of a 64-bit little-endian ELF object.
fn section<'a>(elf: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let table = usize::try_from(u64_at(elf, 0x28)?).ok()?;
    let (entry, count, names) = (u16_at(elf, 0x3a)?, u16_at(elf, 0x3c)?, u16_at(elf, 0x3e)?);
    let header = |index: usize| elf.get(table.checked_add(index * entry)?..);
    let body = |header: &[u8]| -> Option<&'a [u8]> {
        let start = usize::try_from(u64_at(header, 0x18)?).ok()?;
        let size = usize::try_from(u64_at(header, 0x20)?).ok()?;
        elf.get(start..start.checked_add(size)?)
    };
    let names = body(header(names)?)?;
    (0..count).find_map(|index| {
        let header = header(index)?;
        let at = u32::from_le_bytes(header.get(..4)?.try_into().ok()?) as usize;
        let own = names.get(at..)?.split(|b| *b == 0).next()?;
        if own == name { body(header) } else { None }
    })
}

fn u16_at(bytes: &[u8], at: usize) -> Option<usize> {
    Some(usize::from(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?)))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A minimal module: an ELF header, `.shstrtab` and `.modinfo`.
    pub(in crate::kernel) fn module_elf(depends: &str) -> Vec<u8> {
        module_elf_with(depends, None)
    }

    /// The same, with type information.
    pub(in crate::kernel) fn module_elf_with(depends: &str, types: Option<&[u8]>) -> Vec<u8> {
        let names = b"\0.shstrtab\0.modinfo\0.BTF\0";
        let info = format!("license=GPL\0depends={depends}\0name=x\0");
        let mut elf = vec![0u8; 64];
        elf[..4].copy_from_slice(b"\x7fELF");
        let names_at = elf.len() as u64;
        elf.extend_from_slice(names);
        let info_at = elf.len() as u64;
        elf.extend_from_slice(info.as_bytes());
        let types_at = elf.len() as u64;
        elf.extend_from_slice(types.unwrap_or_default());
        let table = elf.len() as u64;
        let mut sections =
            vec![(0u32, 0, 0), (1, names_at, names.len() as u64), (11, info_at, info.len() as u64)];
        sections.extend(types.map(|types| (20, types_at, types.len() as u64)));
        for &(name, at, size) in &sections {
            let mut header = [0u8; 64];
            header[4] = u8::from(name != 0);
            header[..4].copy_from_slice(&name.to_le_bytes());
            header[0x18..0x20].copy_from_slice(&at.to_le_bytes());
            header[0x20..0x28].copy_from_slice(&size.to_le_bytes());
            elf.extend_from_slice(&header);
        }
        elf[0x28..0x30].copy_from_slice(&table.to_le_bytes());
        elf[0x3a..0x3c].copy_from_slice(&64u16.to_le_bytes());
        elf[0x3c..0x3e].copy_from_slice(&(sections.len() as u16).to_le_bytes());
        elf[0x3e..0x40].copy_from_slice(&1u16.to_le_bytes());
        elf
    }

    fn depends_of(name: &str) -> &'static str {
        match name {
            "virtio_mmio" | "virtio_blk" | "virtio_console" | "virtio_balloon" => "virtio-ring,virtio",
            "virtio_ring" => "virtio",
            _ => "",
        }
    }

    #[test]
    fn modules_load_after_what_they_depend_on() {
        let names = [
            "virtio",
            "virtio_ring",
            "virtio_mmio",
            "virtio_blk",
            "virtio_console",
            "overlay",
            "virtio_balloon",
        ];
        let read = |path: &Path| Ok(module_elf(depends_of(&module_name(path).unwrap())));
        let order = |names: &[&str]| -> Vec<String> {
            let paths = names.iter().map(|n| PathBuf::from(format!("kernel/x/{n}.ko")));
            let modules = Modules::new(paths, "kernel/fs/squashfs/squashfs.ko\n", &read);
            modules.in_load_order().unwrap().into_iter().map(|m| m.0).collect()
        };
        assert_eq!(order(&names), names);
        let without_balloon = &names[..names.len() - 1];
        assert_eq!(order(without_balloon), without_balloon);
    }

    #[test]
    fn a_missing_or_damaged_module_is_named() {
        let read = |_: &Path| Ok(module_elf(""));
        let error = Modules::new([], "", &read).in_load_order().err().unwrap();
        assert!(error.to_string().contains("virtio_mmio"), "{error}");
        let cut = |_: &Path| Ok(module_elf("").into_iter().take(100).collect::<Vec<_>>());
        let error = Modules::new(["virtio-mmio.ko.xz".into()], "", &cut).in_load_order().err().unwrap();
        assert!(error.to_string().contains("virtio-mmio.ko.xz"), "{error}");
    }
}
