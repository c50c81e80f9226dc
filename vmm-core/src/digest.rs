//! SHA-256 as lower-case hex: of bytes, of a reader, and of what passes through a writer or a reader.

use std::io::{self, Read, Write};

use sha2::{Digest as _, Sha256};

/// The digest of some bytes.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// The digest of a reader's remaining bytes, and how many they were.
pub fn sha256_reader(reader: &mut impl Read) -> io::Result<(String, u64)> {
    let mut hashing = Hashing::new(io::sink());
    let size = io::copy(reader, &mut hashing)?;
    Ok((hashing.finish().1, size))
}

/// Whether this is how a digest looks: 64 lower-case hex digits. Anything that becomes a file name is asked.
pub fn is_sha256_hex(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// Bytes as lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|b| [DIGITS[usize::from(b >> 4)], DIGITS[usize::from(b & 15)]])
        .map(char::from)
        .collect()
}

/// Digests what is written to, or read from, the inner stream.
pub struct Hashing<T> {
    inner: T,
    hasher: Sha256,
}

impl<T> Hashing<T> {
    /// Around a stream.
    pub fn new(inner: T) -> Self {
        Hashing { inner, hasher: Sha256::new() }
    }
    /// The stream, and the digest of what passed.
    pub fn finish(self) -> (T, String) {
        (self.inner, hex(&self.hasher.finalize()))
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let n = self.inner.write(buf)?;
        self.hasher.update(&buf[..n]);
        Ok(n)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buf)?;
        self.hasher.update(&buf[..n]);
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_digests() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(sha256_hex(b""), empty);
        assert!(is_sha256_hex(empty));
        assert!(!is_sha256_hex("../../etc"));
        let (_, digest) = {
            let mut h = Hashing::new(Vec::new());
            h.write_all(b"abc").unwrap();
            h.finish()
        };
        assert_eq!(digest, sha256_hex(b"abc"));
        assert_eq!(sha256_reader(&mut &b"abc"[..]).unwrap(), (digest, 3));
    }
}
