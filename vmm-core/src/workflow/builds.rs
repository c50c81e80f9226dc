//! The register of built workloads: one `build.json` each, by the workload's id, written whole or not at all.

use std::path::PathBuf;

use crate::build::BuildRecord;
use crate::{Error, ErrorKind, Home, Result, fsio};

/// Where a workload's record lies.
fn path(home: &Home, id: &str) -> PathBuf {
    home.data().join("builds").join(id).join("build.json")
}

pub(super) fn save(home: &Home, record: &BuildRecord) -> Result<()> {
    let path = path(home, &record.workload.id);
    if let Some(dir) = path.parent() {
        fsio::private_dir(dir)?;
    }
    fsio::write_json(&path, record)
}

/// The record of a built workload, by its id.
pub fn load(home: &Home, id: &str) -> Result<BuildRecord> {
    let record = if plain(id) { fsio::read_json(&path(home, id))? } else { None };
    record.ok_or_else(|| {
        Error::new(ErrorKind::Usage, format!("no workload `{id}` has been built"))
            .help("build it first: `mvmctl build FILE`")
    })
}

/// An id, and so no path to somewhere else.
fn plain(id: &str) -> bool {
    !id.is_empty() && id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn what_is_not_built_or_not_a_name_is_a_usage_error() {
        let home = Home::at(Path::new("/nonexistent"));
        for id in ["absent", "", "../x", "a/b", "A"] {
            assert_eq!(load(&home, id).unwrap_err().kind(), ErrorKind::Usage, "{id}");
        }
    }
}
