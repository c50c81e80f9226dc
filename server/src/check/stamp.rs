//! Reading a file for the check: never a FIFO, never without bound, and with a stamp that tells whether it changed.

use std::fs::{File, Metadata, OpenOptions};
use std::io::Read;
use std::path::Path;
use std::time::{Duration, SystemTime};

use memchr::memmem;

use super::codec::{Reader, Writer};
use crate::files::{MAX_SOURCE, ReadError};

/// Beyond this nobody looks whether a file is of interest.
const MOST_SCANNED: u64 = 512 << 20;
/// Clocks of file systems are coarse: what changed this shortly ago may change again without a trace.
const SETTLED: Duration = Duration::from_secs(2);

/// What changes whenever a file's contents do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// Bytes of one.
    pub const SIZE: usize = 56;

    /// Of a file.
    #[cfg(unix)]
    pub fn of(meta: &Metadata) -> Option<Stamp> {
        use std::os::unix::fs::MetadataExt;
        Some(Stamp {
            device: meta.dev(),
            inode: meta.ino(),
            size: meta.size(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        })
    }

    /// Elsewhere contents alone count.
    #[cfg(not(unix))]
    pub fn of(_: &Metadata) -> Option<Stamp> {
        None
    }

    /// Would a change after this be seen? Not so shortly after the last one.
    pub fn is_settled(&self, now: SystemTime) -> bool {
        let at =
            |(seconds, _): (i64, i64)| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.max(0) as u64);
        let latest = at(self.modified).max(at(self.changed)) + Duration::from_secs(1);
        now.duration_since(latest).is_ok_and(|age| age >= SETTLED)
    }

    /// Appends itself.
    pub fn write(&self, writer: &mut Writer) {
        for n in [self.device, self.inode, self.size] {
            writer.u64(n);
        }
        for (seconds, nanos) in [self.modified, self.changed] {
            writer.u64(seconds as u64);
            writer.u64(nanos as u64);
        }
    }

    /// Reads one.
    pub fn read(reader: &mut Reader<'_>) -> Option<Stamp> {
        Some(Stamp {
            device: reader.u64()?,
            inode: reader.u64()?,
            size: reader.u64()?,
            modified: (reader.u64()? as i64, reader.u64()? as i64),
            changed: (reader.u64()? as i64, reader.u64()? as i64),
        })
    }
}

/// What was read.
pub enum Contents {
    /// The whole file.
    Bytes(Vec<u8>),
    /// Nothing in it is about us.
    Foreign,
}

/// Reads a file. One that a walk met and that nowhere mentions us is `Foreign`, whatever its size or encoding.
pub fn read(path: &Path, met: bool) -> Result<(Contents, Option<Stamp>), ReadError> {
    let mut file = open(path).map_err(|e| match std::fs::metadata(path) {
        // Sockets cannot be opened at all.
        Ok(meta) if !meta.is_file() && !meta.is_dir() => ReadError::NotRegular,
        _ => ReadError::Io(e),
    })?;
    let meta = file.metadata()?;
    if meta.is_dir() {
        return Err(ReadError::Directory);
    }
    if !meta.is_file() {
        return Err(ReadError::NotRegular);
    }
    let stamp = Stamp::of(&meta);
    if meta.len() > MAX_SOURCE {
        return match met && meta.len() <= MOST_SCANNED && !mentions_somewhere(&mut file)? {
            true => Ok((Contents::Foreign, stamp)),
            false => Err(ReadError::TooLarge(meta.len())),
        };
    }
    let size = meta.len() as usize;
    let mut bytes = vec![0; size + 1];
    let mut filled = 0;
    // One read in nearly all cases: a short one means the end.
    while filled <= size {
        match file.read(&mut bytes[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e.into()),
        }
        if filled == size {
            break;
        }
    }
    bytes.truncate(filled);
    if filled > size {
        // It grows while it is read.
        file.take(MAX_SOURCE + 1 - filled as u64).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MAX_SOURCE {
            return Err(ReadError::TooLarge(bytes.len() as u64));
        }
    }
    if met && !mentions(&bytes) {
        return Ok((Contents::Foreign, stamp));
    }
    Ok((Contents::Bytes(bytes), stamp))
}

/// Does a text say anything that concerns us?
pub fn mentions(bytes: &[u8]) -> bool {
    memmem::find(bytes, b"mvm").is_some()
}

fn mentions_somewhere(file: &mut File) -> std::io::Result<bool> {
    const OVERLAP: usize = 2;
    let mut buffer = vec![0; 1 << 20];
    let mut kept = 0;
    loop {
        let n = file.read(&mut buffer[kept..])?;
        if n == 0 {
            return Ok(false);
        }
        let end = kept + n;
        if mentions(&buffer[..end]) {
            return Ok(true);
        }
        kept = end.min(OVERLAP);
        buffer.copy_within(end - kept..end, 0);
    }
}

/// Does not wait for the other end of a FIFO.
#[cfg(unix)]
fn open(path: &Path) -> std::io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    const O_NONBLOCK: i32 = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    OpenOptions::new().read(true).custom_flags(O_NONBLOCK).open(path)
}

#[cfg(not(unix))]
fn open(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().read(true).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_just_now_is_not_settled() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a");
        std::fs::write(&path, "x").unwrap();
        let stamp = Stamp::of(&std::fs::metadata(&path).unwrap()).unwrap();
        assert!(!stamp.is_settled(SystemTime::now()));
        assert!(stamp.is_settled(SystemTime::now() + Duration::from_secs(10)));
        assert!(!stamp.is_settled(SystemTime::UNIX_EPOCH), "a clock that was set back");
    }

    #[test]
    fn a_mention_across_blocks_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a");
        for (text, found) in [("mvm", true), ("mv", false)] {
            let mut whole = vec![b' '; (1 << 20) - 1];
            whole.extend_from_slice(text.as_bytes());
            std::fs::write(&path, &whole).unwrap();
            assert_eq!(mentions_somewhere(&mut File::open(&path).unwrap()).unwrap(), found);
        }
    }
}
