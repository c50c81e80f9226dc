//! The register of built workloads: one `build.json` each, by the workload's id, written whole or not at all.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::build::BuildRecord;
use crate::{Error, ErrorKind, Home, Result};

/// Where a workload's record lies.
fn path(home: &Home, id: &str) -> PathBuf {
    home.data().join("builds").join(id).join("build.json")
}

pub(super) fn save(home: &Home, record: &BuildRecord) -> Result<()> {
    let path = path(home, &record.workload.id);
    let failed = |e: io::Error| {
        Error::new(ErrorKind::Environment, format!("writing {}: {e}", path.display()))
            .help("see that the disk is not full and the directory can be written, or set MVM_HOME")
    };
    let bytes = serde_json::to_vec(record)
        .map_err(|e| Error::new(ErrorKind::Internal, format!("writing the build record: {e}")))?;
    replace(&path, &bytes).map_err(failed)
}

/// Writes beside the target and renames: a reader sees the old record or the new one.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("/"));
    std::fs::create_dir_all(dir)?;
    let temporary = dir.join(format!(".build.json.{}", std::process::id()));
    let written = std::fs::File::create(&temporary)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| std::fs::rename(&temporary, path));
    if written.is_err() {
        let _ = std::fs::remove_file(&temporary);
    }
    written
}

/// The record of a built workload, by its id.
pub fn load(home: &Home, id: &str) -> Result<BuildRecord> {
    let not_built = || {
        Error::new(ErrorKind::Usage, format!("no workload `{id}` has been built"))
            .help("build it first: `mvmctl build FILE`")
    };
    let plain =
        !id.is_empty() && id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if !plain {
        return Err(not_built());
    }
    let path = path(home, id);
    let bytes = std::fs::read(&path).map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => not_built(),
        _ => Error::new(ErrorKind::Environment, format!("reading {}: {e}", path.display()))
            .help("make the file readable for you, or build the workload again"),
    })?;
    serde_json::from_slice(&bytes).map_err(|e| {
        Error::new(ErrorKind::Usage, format!("reading {}: {e}", path.display()))
            .help("it was written by another version or is damaged; build the workload again")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_built_or_not_a_name_is_a_usage_error() {
        let home = Home::at(Path::new("/nonexistent"));
        for id in ["absent", "", "../x", "a/b", "A"] {
            assert_eq!(load(&home, id).unwrap_err().kind(), ErrorKind::Usage, "{id}");
        }
    }
}
