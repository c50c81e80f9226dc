//! What the compiler asks of the file system and the host, answered from the disk.

use std::io::Read;
use std::path::{Path, PathBuf};

use mvm_compiler::{Facts, FileKind};

/// The disk as it is.
pub struct Disk;

impl Facts for Disk {
    fn kind(&self, path: &Path) -> Option<Option<FileKind>> {
        let meta = match std::fs::symlink_metadata(path) {
            Ok(meta) => meta,
            Err(e)
                if matches!(e.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) =>
            {
                return Some(None);
            }
            Err(_) => return None,
        };
        let kind = meta.file_type();
        Some(Some(if kind.is_file() {
            FileKind::File(meta.len())
        } else if kind.is_dir() {
            FileKind::Directory
        } else if kind.is_symlink() {
            FileKind::Symlink(std::fs::read_link(path).ok()?)
        } else {
            FileKind::Other
        }))
    }

    fn list(&self, path: &Path, limit: usize) -> Option<Vec<String>> {
        let mut names: Vec<String> = std::fs::read_dir(path)
            .ok()?
            .take(limit)
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .collect();
        names.sort_unstable();
        Some(names)
    }

    fn read(&self, path: &Path, limit: usize) -> Option<Vec<u8>> {
        // A FIFO would block and a device never end: regular files only.
        if !std::fs::metadata(path).ok()?.is_file() {
            return None;
        }
        let mut bytes = Vec::new();
        std::fs::File::open(path).ok()?.take(limit as u64 + 1).read_to_end(&mut bytes).ok()?;
        (bytes.len() <= limit).then_some(bytes)
    }

    fn home(&self) -> Option<PathBuf> {
        std::env::var_os("HOME").map(PathBuf::from).filter(|p| p.is_absolute())
    }

    fn host_limits(&self) -> Option<(u32, u64)> {
        let cpus = u32::try_from(std::thread::available_parallelism().ok()?.get()).ok()?;
        let info = std::fs::read_to_string("/proc/meminfo").ok()?;
        let kib: u64 = info
            .lines()
            .find_map(|l| l.strip_prefix("MemTotal:"))?
            .trim()
            .strip_suffix(" kB")?
            .parse()
            .ok()?;
        Some((cpus, kib / 1024))
    }
}
