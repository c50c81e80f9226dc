//! `mvm.lock`: exact versions and digests of each app's packages. Obeyed when it answers what is declared, and
//! written only when it changes.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::image::ImageLock;
use crate::{Error, ErrorKind, Result, fsio};

const VERSION: u32 = 1;

/// The file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LockFile {
    version: u32,
    /// By app name.
    pub(super) apps: BTreeMap<String, ImageLock>,
}

impl Default for LockFile {
    fn default() -> Self {
        LockFile { version: VERSION, apps: BTreeMap::new() }
    }
}

impl LockFile {
    /// Reads a lock; an empty one if there is none.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let lock: LockFile = fsio::read_json(path)?.unwrap_or_default();
        if lock.version == VERSION {
            return Ok(lock);
        }
        Err(Error::new(
            ErrorKind::Usage,
            format!(
                "reading {}: it is of version {}, and this mvm reads {VERSION}",
                path.display(),
                lock.version
            ),
        )
        .help("remove it and build again, or use the version of mvm that wrote it"))
    }

    /// Writes the lock if it differs from what was read.
    pub(super) fn write_if_changed(&self, path: &Path, before: &LockFile) -> Result<()> {
        if self == before && path.exists() {
            return Ok(());
        }
        fsio::write_json(path, self)
    }

    /// What the lock says of an app, if it answers exactly these packages. Substitutes count only where they were
    /// agreed to: now, or by handing over a lock that has them.
    pub(super) fn answer(&self, app: &str, declared: &[String], substitutes: bool) -> Option<&ImageLock> {
        let lock = self.apps.get(app)?;
        let substituted = lock.packages.iter().any(|p| p.substituted_for.is_some());
        (lock.declared == declared && (substitutes || !substituted)).then_some(lock)
    }
}
