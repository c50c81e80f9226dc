//! What a file in a tree holds: bytes in memory, or a range of an open file that is read when it is needed.

use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

use crate::{Error, ErrorKind, Result};

/// What a file holds. Cheap to clone: hard links share it.
#[derive(Clone, Debug)]
pub enum Content {
    /// Bytes in memory.
    Bytes(Arc<[u8]>),
    /// A range of an open file.
    File {
        /// The file.
        file: Arc<File>,
        /// Where the range begins.
        offset: u64,
        /// How long it is.
        len: u64,
    },
}

impl Content {
    /// Length in bytes.
    pub fn len(&self) -> u64 {
        match self {
            Content::Bytes(bytes) => bytes.len() as u64,
            Content::File { len, .. } => *len,
        }
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads it from the start. Ends early, with an error, if the file shrank in the meantime.
    pub fn reader(&self) -> ContentReader<'_> {
        ContentReader { content: self, at: 0 }
    }

    /// All of it in memory; refused above `limit`.
    pub fn to_vec(&self, limit: u64) -> io::Result<Vec<u8>> {
        if self.len() > limit {
            let why = format!("{} bytes where at most {limit} are expected", self.len());
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, why));
        }
        let mut out = Vec::with_capacity(self.len() as usize);
        self.reader().read_to_end(&mut out)?;
        Ok(out)
    }
}

impl From<Vec<u8>> for Content {
    fn from(bytes: Vec<u8>) -> Self {
        Content::Bytes(bytes.into())
    }
}

impl From<&[u8]> for Content {
    fn from(bytes: &[u8]) -> Self {
        Content::Bytes(bytes.into())
    }
}

impl From<&str> for Content {
    fn from(text: &str) -> Self {
        Content::Bytes(text.as_bytes().into())
    }
}

/// Reads a [`Content`] without moving the file's own position.
#[derive(Debug)]
pub struct ContentReader<'a> {
    content: &'a Content,
    at: u64,
}

impl Read for ContentReader<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let left = self.content.len() - self.at;
        let want = buf.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        if want == 0 {
            return Ok(0);
        }
        let n = match self.content {
            Content::Bytes(bytes) => {
                let at = self.at as usize;
                buf[..want].copy_from_slice(&bytes[at..at + want]);
                want
            }
            Content::File { file, offset, .. } => match file.read_at(&mut buf[..want], offset + self.at)? {
                0 => {
                    return Err(io::Error::new(
                        io::ErrorKind::UnexpectedEof,
                        "the file shrank while it was read",
                    ));
                }
                n => n,
            },
        };
        self.at += n as u64;
        Ok(n)
    }
}

/// An unlinked temporary file that takes the contents of large archives out of memory. It is gone when the last
/// [`Content`] that points into it is.
#[derive(Debug)]
pub struct Spool {
    file: Arc<File>,
    end: u64,
}

impl Spool {
    /// A spool in a directory (of a disk with room, so not `/tmp` by default).
    pub fn new_in(dir: &Path) -> Result<Self> {
        let file = tempfile::tempfile_in(dir).map_err(|e| {
            Error::new(ErrorKind::Build, format!("creating a temporary file in {}: {e}", dir.display()))
                .source(e)
        })?;
        Ok(Spool { file: Arc::new(file), end: 0 })
    }

    /// Takes exactly `len` bytes of a reader.
    pub fn take(&mut self, reader: &mut impl Read, len: u64) -> io::Result<Content> {
        let mut out = &*self.file;
        out.seek(SeekFrom::Start(self.end))?;
        let mut buf = vec![0; 128 * 1024];
        let mut left = len;
        while left > 0 {
            let want = buf.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            match reader.read(&mut buf[..want])? {
                0 => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the entry ends too early")),
                n => {
                    out.write_all(&buf[..n])?;
                    left -= n as u64;
                }
            }
        }
        let offset = self.end;
        self.end += len;
        Ok(Content::File { file: self.file.clone(), offset, len })
    }
}
