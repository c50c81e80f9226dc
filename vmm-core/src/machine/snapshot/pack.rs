//! A file of a frozen machine, packed: stretches that are not all zeroes, each compressed with LZ4, which is quicker to
//! unpack than to read from most disks. A digest over the whole tells what is not as it was written.
//!
//! A stretch is its place (8 bytes, little endian), its length and its packed length (4 bytes each), and its bytes.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::FileExt;

use lz4_flex::block::{compress_into, decompress_into, get_maximum_output_size};
use rustix::fs::{SeekFrom, seek};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

pub(super) const PAGE: usize = 4096;
/// Longest stretch.
pub(super) const STRETCH: usize = 256 << 10;
pub(super) const ZEROES: [u8; PAGE] = [0; PAGE];
const HEADER: usize = 16;

/// What a packed file holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packed {
    /// Length of the file when it is unpacked.
    pub length: u64,
    /// SHA-256 of the packed file, hex.
    pub digest: String,
}

/// Packs a file.
pub fn pack(from: &File, mut to: impl Write) -> io::Result<Packed> {
    let length = from.metadata()?.len();
    let mut hasher = Sha256::new();
    let (mut buffer, mut packed) = (vec![0; STRETCH], vec![0; HEADER + get_maximum_output_size(STRETCH)]);
    let mut at = 0;
    while let Some((start, end)) = next_data(from, at, length)? {
        at = start - start % PAGE as u64;
        while at < end {
            let count = (length - at).min(STRETCH as u64) as usize;
            let chunk = &mut buffer[..count];
            from.read_exact_at(chunk, at)?;
            for run in runs(chunk) {
                let place = at + run.start as u64;
                let size =
                    compress_into(&chunk[run.clone()], &mut packed[HEADER..]).map_err(io::Error::other)?;
                packed[..8].copy_from_slice(&place.to_le_bytes());
                packed[8..12].copy_from_slice(&(run.len() as u32).to_le_bytes());
                packed[12..HEADER].copy_from_slice(&(size as u32).to_le_bytes());
                let stretch = &packed[..HEADER + size];
                hasher.update(stretch);
                to.write_all(stretch)?;
            }
            at += count as u64;
        }
    }
    to.flush()?;
    Ok(Packed { length, digest: crate::digest::hex(&hasher.finalize()) })
}

/// Unpacks a file into an empty one. An error when it is not what was packed; what was written by then is of no use.
pub fn unpack(from: impl Read, to: &File, expected: &Packed) -> io::Result<()> {
    to.set_len(expected.length)?;
    let mut from = BufReader::with_capacity(1 << 20, from);
    let mut hasher = Sha256::new();
    let (mut buffer, mut packed) = (vec![0; STRETCH], vec![0; get_maximum_output_size(STRETCH)]);
    let damaged = || io::Error::from(io::ErrorKind::InvalidData);
    loop {
        let mut header = [0; HEADER];
        match from.read(&mut header[..1])? {
            0 => break,
            _ => from.read_exact(&mut header[1..])?,
        }
        let [place @ .., l0, l1, l2, l3, p0, p1, p2, p3] = header;
        let place = u64::from_le_bytes(place);
        let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
        let size = u32::from_le_bytes([p0, p1, p2, p3]) as usize;
        let end = place.checked_add(length as u64).ok_or_else(damaged)?;
        if length > STRETCH || size > packed.len() || end > expected.length {
            return Err(damaged());
        }
        let bytes = &mut packed[..size];
        from.read_exact(bytes)?;
        hasher.update(header);
        hasher.update(&*bytes);
        let stretch = &mut buffer[..length];
        if decompress_into(bytes, stretch).map_err(io::Error::other)? != length {
            return Err(damaged());
        }
        to.write_all_at(stretch, place)?;
    }
    if crate::digest::hex(&hasher.finalize()) == expected.digest { Ok(()) } else { Err(damaged()) }
}

/// The next stretch that is no hole.
pub(super) fn next_data(file: &File, at: u64, length: u64) -> io::Result<Option<(u64, u64)>> {
    if at >= length {
        return Ok(None);
    }
    let start = match seek(file, SeekFrom::Data(at)) {
        Ok(start) => start,
        Err(rustix::io::Errno::NXIO) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    Ok(Some((start, seek(file, SeekFrom::Hole(start))?.min(length))))
}

/// Runs of pages that are not all zeroes.
fn runs(chunk: &[u8]) -> Vec<std::ops::Range<usize>> {
    let mut runs: Vec<std::ops::Range<usize>> = Vec::new();
    for (index, page) in chunk.chunks(PAGE).enumerate() {
        let start = index * PAGE;
        match runs.last_mut() {
            _ if page == &ZEROES[..page.len()] => {}
            Some(last) if last.end == start => last.end += page.len(),
            _ => runs.push(start..start + page.len()),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(contents: &[(u64, &[u8])], length: u64) -> File {
        let file = tempfile::tempfile().unwrap();
        file.set_len(length).unwrap();
        for (at, bytes) in contents {
            file.write_all_at(bytes, *at).unwrap();
        }
        file
    }

    fn bytes(file: &File) -> Vec<u8> {
        let mut bytes = vec![0; file.metadata().unwrap().len() as usize];
        file.read_exact_at(&mut bytes, 0).unwrap();
        bytes
    }

    fn packed(from: &File) -> (Vec<u8>, Packed) {
        let mut out = Vec::new();
        let packed = pack(from, &mut out).unwrap();
        (out, packed)
    }

    #[test]
    fn zeroes_are_left_out_and_everything_else_comes_back() {
        let mixed: Vec<u8> =
            (0..900_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        for from in [
            file(&[(0, &[0; 3 << 20]), (5 << 20, &[7; 5000]), ((8 << 20) - 1, &[9])], 8 << 20),
            file(&[(1 << 20, &mixed), (7_000_000, &mixed[..10])], 7_000_010),
            file(&[], 0),
            file(&[], 1 << 20),
        ] {
            let (out, what) = packed(&from);
            let to = tempfile::tempfile().unwrap();
            unpack(out.as_slice(), &to, &what).unwrap();
            assert!(bytes(&to) == bytes(&from));
        }
        let empty = file(&[(0, &[0; 1 << 20])], 64 << 20);
        assert!(packed(&empty).0.is_empty());
    }

    #[test]
    fn what_is_cut_off_or_changed_anywhere_is_refused() {
        let from = file(&[(4096, b"one"), (1 << 20, &[3; 9000])], 2 << 20);
        let (out, what) = packed(&from);
        let refused = |out: &[u8]| unpack(out, &tempfile::tempfile().unwrap(), &what).is_err();
        for at in 0..out.len() {
            let mut other = out.clone();
            other[at] ^= 0x41;
            assert!(refused(&other), "byte {at} was changed");
            assert!(refused(&out[..at]), "cut off at {at}");
        }
        assert!(refused(&[out.as_slice(), &out[..HEADER + 1]].concat()));
    }
}
