//! `[tool.mvm.check]` for `mvmctl`: the project file that holds for a declaration, if it may be trusted.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use mvm_compiler::project::{self, MOST_BYTES, ProjectConfig};

use crate::failure::Failure;

/// The nearest project file upward that says something about the check.
pub fn find(file: &Path) -> Result<Option<ProjectConfig>, Failure> {
    let directory = file.parent().unwrap_or(Path::new("/"));
    let owner = std::fs::metadata(directory).ok();
    project::find(directory, |path| read(path, owner.as_ref())).map_err(|error| {
        Failure::usage(
            format!("reading the project's configuration: {error}"),
            "correct the file; `mvm-lsp config --schema` says what it may hold",
        )
    })
}

fn read(path: &Path, owner: Option<&std::fs::Metadata>) -> Result<Option<String>, String> {
    let Ok(meta) = std::fs::metadata(path) else { return Ok(None) };
    if !meta.is_file() || !trusted(&meta, owner) {
        return Ok(None);
    }
    if meta.len() > MOST_BYTES as u64 {
        return Err("is too large for a project file".to_owned());
    }
    std::fs::read_to_string(path).map(Some).map_err(|e| format!("cannot be read: {e}"))
}

/// Only who could change the declaration may turn its rules off: us, root, or the owner of its directory.
fn trusted(meta: &std::fs::Metadata, owner: Option<&std::fs::Metadata>) -> bool {
    const WRITABLE_BY_ALL: u32 = 0o002;
    const STICKY: u32 = 0o1000;
    let ours = rustix::process::geteuid().as_raw();
    let known = meta.uid() == 0 || meta.uid() == ours || owner.is_some_and(|o| o.uid() == meta.uid());
    let anybody = owner.is_some_and(|o| o.mode() & (WRITABLE_BY_ALL | STICKY) == WRITABLE_BY_ALL);
    known && (anybody || meta.mode() & WRITABLE_BY_ALL == 0)
}
