//! Writes an initramfs: a cpio archive in the kernel's "newc" format, uncompressed. This file depends on nothing, since
//! the benchmarks and the end-to-end tests, which stay clear of the product's crates, take it as it is.

const DIRECTORY: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;
const FILE: u32 = 0o100_644;
const CHARACTER_DEVICE: u32 = 0o020_600;

/// Builds an archive, in the order of the calls.
#[derive(Default)]
pub struct Archive {
    bytes: Vec<u8>,
    entries: u32,
    directories: std::collections::BTreeSet<String>,
}

impl Archive {
    /// A directory, after those that it lies in; once, however often it is asked for.
    pub fn directory(&mut self, path: &str) {
        if path.is_empty() || self.directories.contains(path) {
            return;
        }
        self.parents_of(path);
        self.directories.insert(path.to_owned());
        self.entry(path, DIRECTORY, &[], (0, 0));
    }

    /// An executable file.
    pub fn program(&mut self, path: &str, data: &[u8]) {
        self.add(path, PROGRAM, data, (0, 0));
    }

    /// A file.
    pub fn file(&mut self, path: &str, data: &[u8]) {
        self.add(path, FILE, data, (0, 0));
    }

    /// A character device.
    pub fn device(&mut self, path: &str, major: u32, minor: u32) {
        self.add(path, CHARACTER_DEVICE, &[], (major, minor));
    }

    /// The archive.
    pub fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, &[], (0, 0));
        self.bytes
    }

    fn add(&mut self, path: &str, mode: u32, data: &[u8], number: (u32, u32)) {
        self.parents_of(path);
        self.entry(path, mode, data, number);
    }

    fn parents_of(&mut self, path: &str) {
        if let Some((parent, _)) = path.rsplit_once('/') {
            self.directory(parent);
        }
    }

    fn entry(&mut self, name: &str, mode: u32, data: &[u8], (major, minor): (u32, u32)) {
        self.entries += 1;
        let size = data.len() as u32;
        // inode, mode, uid, gid, links, mtime, size, device (2), special device (2), length of the name, checksum
        let fields = [self.entries, mode, 0, 0, 1, 0, size, 0, 0, major, minor, name.len() as u32 + 1, 0];
        self.bytes.extend(b"070701");
        for field in fields {
            self.bytes.extend(format!("{field:08X}").as_bytes());
        }
        self.bytes.extend(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend(data);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}
