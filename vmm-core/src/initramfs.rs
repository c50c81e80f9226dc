//! The initramfs: the agent, the modules a boot needs in their order, and two device nodes. Nothing else.

use std::path::Path;

use agent_protocol::MODULES_DIR;

use crate::kernel::Module;
use crate::{Error, ErrorKind, Result};

const DIRECTORY: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;
const FILE: u32 = 0o100_644;
const CHARACTER_DEVICE: u32 = 0o020_600;

/// An archive in the kernel's "newc" cpio format, uncompressed: unpacking costs the guest more than reading.
pub fn build(agent: &Path, modules: &[Module]) -> Result<Vec<u8>> {
    let mut archive = Archive::default();
    archive.entry("dev", DIRECTORY, &[], (0, 0));
    // PID 1's standard output, and what the runtime opens in place of a closed descriptor.
    archive.entry("dev/console", CHARACTER_DEVICE, &[], (5, 1));
    archive.entry("dev/null", CHARACTER_DEVICE, &[], (1, 3));
    archive.entry("init", PROGRAM, &read(agent)?, (0, 0));
    let directory = MODULES_DIR.trim_start_matches('/');
    archive.entry(directory, DIRECTORY, &[], (0, 0));
    for (index, module) in modules.iter().enumerate() {
        let name = format!("{directory}/{index:02}-{}.ko", module.name);
        archive.entry(&name, FILE, &read(&module.file)?, (0, 0));
    }
    Ok(archive.finish())
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|e| {
        Error::new(ErrorKind::Environment, format!("reading {} for the initramfs: {e}", path.display()))
            .source(e)
    })
}

#[derive(Default)]
struct Archive {
    bytes: Vec<u8>,
    entries: u32,
}

impl Archive {
    fn entry(&mut self, name: &str, mode: u32, data: &[u8], (major, minor): (u32, u32)) {
        self.entries += 1;
        let size = data.len() as u32;
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

    fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, &[], (0, 0));
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_archive_holds_what_a_boot_needs_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, name).unwrap();
            path
        };
        let modules = ["virtio_ring", "virtio"].map(|name| Module { name: name.into(), file: file(name) });
        let bytes = build(&file("agent"), &modules).unwrap();
        assert_eq!(bytes.len() % 4, 0);
        let text = String::from_utf8_lossy(&bytes);
        let at = |needle: &str| text.find(needle).unwrap_or_else(|| panic!("{needle} is missing"));
        assert!(at("modules/00-virtio_ring.ko") < at("modules/01-virtio.ko"));
        assert!(at("dev/console") < at("init"));
        assert!(text.trim_end_matches('\0').ends_with("TRAILER!!!"));
        assert_eq!(text.matches("070701").count(), 8);
    }

    #[test]
    fn a_missing_agent_is_named() {
        let error = build(Path::new("/nowhere/agent"), &[]).unwrap_err();
        assert!(error.to_string().contains("/nowhere/agent"), "{error}");
        assert_eq!(error.kind(), ErrorKind::Environment);
    }
}
