//! Initial RAM disks for machines that tests boot, by the product's own writer.

use std::path::Path;

#[path = "../../vmm-core/src/cpio.rs"]
mod writer;

pub use writer::Archive;

impl Archive {
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
}
