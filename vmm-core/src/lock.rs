//! Locks between processes: `flock` on files of ours. The kernel frees them when the holder ends, however it ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use crate::{Context, Event, Result, fsio};

/// How often a waiting process looks again: `flock` cannot be waited for and cancelled at once.
const POLL: Duration = Duration::from_millis(50);

/// Shared or exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Many may hold it.
    Shared,
    /// One alone.
    Exclusive,
}

/// A lock that is held. The file stays when it is dropped: removing it would race with who waits for it.
#[derive(Debug)]
pub struct FileLock {
    _file: File,
}

impl FileLock {
    /// Takes the lock, waiting for it until the user gives up. `what` names it in a note when it has to wait.
    pub fn acquire(path: &Path, mode: Mode, what: &str, ctx: &Context) -> Result<FileLock> {
        let file = open(path)?;
        let mut told = false;
        loop {
            ctx.check()?;
            match try_lock(&file, mode) {
                Ok(()) => return Ok(FileLock { _file: file }),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(e)) => return Err(fsio::error("locking", path, e)),
            }
            if !told {
                ctx.reporter.report(Event::Note(format!("waiting for another mvm process: {what}")));
                told = true;
            }
            std::thread::sleep(POLL);
        }
    }

    /// Takes the lock if it is free.
    pub fn try_acquire(path: &Path, mode: Mode) -> Result<Option<FileLock>> {
        let file = open(path)?;
        match try_lock(&file, mode) {
            Ok(()) => Ok(Some(FileLock { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(e)) => Err(fsio::error("locking", path, e)),
        }
    }
}

fn open(path: &Path) -> Result<File> {
    if let Some(dir) = path.parent() {
        fsio::private_dir(dir)?;
    }
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(path)
        .map_err(|e| fsio::error("opening the lock", path, e))
}

fn try_lock(file: &File, mode: Mode) -> Result<(), TryLockError> {
    match mode {
        Mode::Shared => file.try_lock_shared(),
        Mode::Exclusive => file.try_lock(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_waits_for_the_other_and_can_give_up() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("l");
        let held = FileLock::try_acquire(&path, Mode::Exclusive).unwrap().unwrap();
        assert!(FileLock::try_acquire(&path, Mode::Shared).unwrap().is_none());

        let ctx = Context::silent();
        ctx.cancel.cancel();
        let error = FileLock::acquire(&path, Mode::Exclusive, "a test", &ctx).unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::Cancelled);

        let waiting = std::thread::spawn({
            let path = path.clone();
            move || FileLock::acquire(&path, Mode::Shared, "a test", &Context::silent()).map(drop)
        });
        drop(held);
        waiting.join().unwrap().unwrap();
    }
}
