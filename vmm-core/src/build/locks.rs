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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::{LockedPackage, SourceKind};

    fn lock(substituted: bool) -> LockFile {
        let package = LockedPackage {
            name: "python3".into(),
            version: "3.11".into(),
            sha256: "0".repeat(64),
            origin: None,
            declared: Some("python312".into()),
            substituted_for: substituted.then(|| "python312".into()),
        };
        let image = ImageLock {
            source: SourceKind::Debian,
            release: "test".into(),
            declared: vec!["python312".into()],
            packages: vec![package],
        };
        LockFile { version: VERSION, apps: BTreeMap::from([("a".into(), image)]) }
    }

    #[test]
    fn a_lock_answers_what_it_was_made_for_and_substitutes_only_if_agreed() {
        let wanted = ["python312".to_owned()];
        assert!(lock(false).answer("a", &wanted, false).is_some());
        assert!(lock(true).answer("a", &wanted, false).is_none());
        assert!(lock(true).answer("a", &wanted, true).is_some());
        assert!(lock(false).answer("b", &wanted, true).is_none());
        assert!(lock(false).answer("a", &[wanted[0].clone(), "uv".into()], true).is_none());
    }

    #[test]
    fn it_is_written_only_when_it_changes_and_other_versions_are_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mvm.lock");
        let empty = LockFile::read(&path).unwrap();
        lock(true).write_if_changed(&path, &empty).unwrap();
        assert_eq!(LockFile::read(&path).unwrap(), lock(true));
        let time = || std::fs::metadata(&path).unwrap().modified().unwrap();
        std::fs::File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_modified(std::time::UNIX_EPOCH)
            .unwrap();
        lock(true).write_if_changed(&path, &lock(true)).unwrap();
        assert_eq!(time(), std::time::UNIX_EPOCH);
        lock(false).write_if_changed(&path, &lock(true)).unwrap();
        assert_ne!(time(), std::time::UNIX_EPOCH);

        std::fs::write(&path, r#"{"version": 7, "apps": {}}"#).unwrap();
        assert!(LockFile::read(&path).unwrap_err().to_string().contains("version 7"));
    }
}
