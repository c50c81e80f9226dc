//! The register of built workloads: `builds/<id>/build.json` under the data directory, written whole or not at all,
//! with the lock of its packages beside it. Also what keeps layers from being collected.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use workload_ir::limits::is_id;

use super::locks::LockFile;
use super::{BuildRecord, RECORD_VERSION};
use crate::{Error, ErrorKind, Home, Result, fsio};

const RECORD: &str = "build.json";
/// Name of the lock of a workload's packages.
pub const LOCK: &str = "mvm.lock";

/// Where an artifact's files lie.
pub(super) fn dir(home: &Home, id: &str) -> PathBuf {
    home.data().join("builds").join(id)
}

/// Saves a record under its workload's id, in one step.
pub fn save(home: &Home, record: &BuildRecord) -> Result<()> {
    let id = &record.workload.id;
    if !is_id(id) {
        return Err(Error::new(ErrorKind::Usage, format!("`{}` is not a workload id", id.escape_debug())));
    }
    let dir = dir(home, id);
    fsio::private_dir(&dir)?;
    fsio::write_json(&dir.join(RECORD), record)
}

/// The record of a built workload.
pub fn load(home: &Home, id: &str) -> Result<BuildRecord> {
    let record = if is_id(id) { read(&dir(home, id).join(RECORD))? } else { None };
    record.ok_or_else(|| {
        Error::new(ErrorKind::Usage, format!("no workload `{}` has been built", id.escape_debug()))
            .help("build it first: `mvmctl build FILE`")
    })
}

/// All built workloads, by id. Damaged records are errors: what they refer to must not be collected.
pub fn list(home: &Home) -> Result<Vec<BuildRecord>> {
    let mut records = Vec::new();
    for id in ids(home)? {
        records.extend(read(&dir(home, &id).join(RECORD))?);
    }
    Ok(records)
}

/// Removes an artifact and its lock; false when there is none. Its layers go with the next collection.
pub fn remove(home: &Home, id: &str) -> Result<bool> {
    let dir = dir(home, id);
    if !is_id(id) || !dir.join(RECORD).exists() {
        return Ok(false);
    }
    std::fs::remove_dir_all(&dir).map_err(|e| fsio::error("removing", &dir, e))?;
    Ok(true)
}

/// Digests of the layers that any artifact refers to.
pub fn layers_in_use(home: &Home) -> Result<BTreeSet<String>> {
    let records = list(home)?;
    Ok(digests(records.iter()))
}

fn digests<'a>(records: impl Iterator<Item = &'a BuildRecord>) -> BTreeSet<String> {
    records.flat_map(|r| &r.apps).flat_map(|a| &a.layers).map(|l| l.digest.clone()).collect()
}

/// SHA-256 of the packages that the locks of artifacts name.
pub fn blobs_in_use(home: &Home) -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for id in ids(home)? {
        let lock = LockFile::read(&dir(home, &id).join(LOCK))?;
        found.extend(lock.apps.into_values().flat_map(|app| app.packages).map(|package| package.sha256));
    }
    Ok(found)
}

fn ids(home: &Home) -> Result<Vec<String>> {
    let dir = home.data().join("builds");
    let entries = match std::fs::read_dir(&dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(fsio::error("listing the artifacts in", &dir, e)),
    };
    let mut ids: Vec<_> = entries.flatten().filter_map(|e| e.file_name().into_string().ok()).collect();
    ids.retain(|id| is_id(id));
    ids.sort();
    Ok(ids)
}

fn read(path: &Path) -> Result<Option<BuildRecord>> {
    let record: Option<BuildRecord> = fsio::read_json(path)?;
    match record {
        Some(record) if record.version != RECORD_VERSION => Err(Error::new(
            ErrorKind::Usage,
            format!(
                "reading {}: it is of version {}, and this mvm reads {RECORD_VERSION}",
                path.display(),
                record.version
            ),
        )
        .help("build the workload again")),
        other => Ok(other),
    }
}
