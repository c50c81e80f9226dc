//! The initramfs: the agent, the modules a boot needs in their order, and two device nodes. Nothing else.

use std::path::Path;

use agent_protocol::MODULES_DIR;

use crate::cpio::Archive;
use crate::kernel::Module;
use crate::{Error, ErrorKind, Result};

/// An uncompressed archive: unpacking costs the guest more than reading.
pub fn build(agent: &Path, modules: &[Module]) -> Result<Vec<u8>> {
    let mut archive = Archive::default();
    // PID 1's standard output, and what the runtime opens in place of a closed descriptor.
    archive.device("dev/console", 5, 1);
    archive.device("dev/null", 1, 3);
    archive.program("init", &read(agent)?);
    let directory = MODULES_DIR.trim_start_matches('/');
    archive.directory(directory);
    for (index, module) in modules.iter().enumerate() {
        archive.file(&format!("{directory}/{index:02}-{}.ko", module.name), &read(&module.file)?);
    }
    Ok(archive.finish())
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|e| {
        Error::new(ErrorKind::Environment, format!("reading {} for the initramfs: {e}", path.display()))
            .source(e)
    })
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
