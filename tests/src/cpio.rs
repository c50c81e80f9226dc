//! An initial RAM disk in the kernel's "newc" format, for machines that tests boot.

use std::collections::BTreeSet;
use std::path::Path;

const DIRECTORY: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;
const FILE: u32 = 0o100_644;
const CHARACTER_DEVICE: u32 = 0o020_600;

/// The archive; parents of what is added are added first.
#[derive(Default)]
pub struct Archive {
    bytes: Vec<u8>,
    entries: u32,
    directories: BTreeSet<String>,
}

impl Archive {
    /// An executable file.
    pub fn program(&mut self, name: &str, data: &[u8]) {
        self.add(name, PROGRAM, data, (0, 0));
    }

    /// A file.
    pub fn file(&mut self, name: &str, data: &[u8]) {
        self.add(name, FILE, data, (0, 0));
    }

    /// A character device.
    pub fn device(&mut self, name: &str, major: u32, minor: u32) {
        self.add(name, CHARACTER_DEVICE, &[], (major, minor));
    }

    /// The files below a directory that are wanted.
    pub fn tree(&mut self, name: &str, from: &Path, wanted: impl Fn(&Path) -> bool) {
        for path in crate::world::files_below(from) {
            let Ok(relative) = path.strip_prefix(from) else { continue };
            if wanted(relative) {
                let data = std::fs::read(&path).unwrap_or_default();
                self.file(&format!("{name}/{}", relative.to_string_lossy()), &data);
            }
        }
    }

    /// The archive's bytes.
    pub fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, &[], (0, 0));
        self.bytes
    }

    fn add(&mut self, name: &str, mode: u32, data: &[u8], device: (u32, u32)) {
        for (at, _) in name.match_indices('/') {
            if self.directories.insert(name[..at].to_owned()) {
                self.entry(&name[..at], DIRECTORY, &[], (0, 0));
            }
        }
        self.entry(name, mode, data, device);
    }

    fn entry(&mut self, name: &str, mode: u32, data: &[u8], (major, minor): (u32, u32)) {
        self.entries += 1;
        let fields =
            [self.entries, mode, 0, 0, 1, 0, data.len() as u32, 0, 0, major, minor, name.len() as u32 + 1, 0];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes.extend_from_slice(format!("{field:08X}").as_bytes());
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(data);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}
