//! The file that a project's results are kept in. [`Index`] finds what a run asks for without reading the rest;
//! [`Stored`] is all of it, to add to. What does not fit is no cache: every length is checked.

use std::collections::HashMap;
use std::ffi::OsString;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::cache::{Key, key};
use super::codec::{Reader, Writer};
use super::facts::{Fact, os_string};
use super::stamp::Stamp;

const MAGIC: &[u8; 8] = b"mvmchk02";
/// Largest file that is read.
const MOST_BYTES: u64 = 256 << 20;

/// What is known of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// It has not been touched while this is the same.
    pub stamp: Stamp,
    /// What its content is called.
    pub content: u128,
    /// What it was checked with: its project's root and the configuration.
    pub setting: u128,
    /// What the result is called.
    pub key: Key,
}

impl Known {
    /// Bytes of one.
    const SIZE: usize = Stamp::SIZE + 48;

    /// What its result is called under a setting.
    pub fn key(&self, path: &Path, setting: u128) -> Key {
        if self.setting == setting { self.key } else { key(path, setting, self.content) }
    }

    fn write(&self, writer: &mut Writer) {
        self.stamp.write(writer);
        [self.content, self.setting, self.key].into_iter().for_each(|n| writer.u128(n));
    }

    fn read(reader: &mut Reader<'_>) -> Option<Known> {
        let stamp = Stamp::read(reader)?;
        Some(Known { stamp, content: reader.u128()?, setting: reader.u128()?, key: reader.u128()? })
    }
}

/// A result, what it rests on, and when somebody asked for it.
pub struct StoredResult {
    /// Day of the last use.
    pub day: u32,
    /// Indices of facts.
    pub facts: Box<[u32]>,
    /// As the codec writes them.
    pub findings: Box<[u8]>,
}

/// Everything that is kept of a project.
#[derive(Default)]
pub struct Stored {
    /// What the rules asked of the world.
    pub facts: Vec<Arc<Fact>>,
    /// Files by path.
    pub files: HashMap<OsString, Known>,
    /// Results by key.
    pub results: HashMap<Key, StoredResult>,
}

/// The same, read only as far as somebody asks.
#[derive(Default)]
pub struct Index {
    bytes: Vec<u8>,
    /// What the rules asked of the world.
    pub facts: Vec<Arc<Fact>>,
    /// Paths, ascending; what is known of each stands behind it.
    files: Vec<Range<u32>>,
    /// Keys, ascending, and where their results stand.
    results: Vec<(Key, u32)>,
}

/// The bytes of a file, and where what was written of this tool begins.
fn load(file: &Path, tool: &str) -> Option<(Vec<u8>, usize)> {
    let meta = std::fs::metadata(file).ok()?;
    if !meta.is_file() || meta.len() > MOST_BYTES {
        return None;
    }
    let bytes = std::fs::read(file).ok()?;
    let mut reader = Reader { bytes: bytes.strip_prefix(MAGIC)? };
    let told = reader.u128()?;
    if sum(reader.bytes) != told || reader.block()? != tool.as_bytes() {
        return None;
    }
    let start = bytes.len() - reader.bytes.len();
    Some((bytes, start))
}

/// Tells a damaged file from a whole one; nothing more, so it is quick.
fn sum(bytes: &[u8]) -> u128 {
    const ODD: [u64; 2] = [0x9E37_79B9_7F4A_7C15, 0xC2B2_AE3D_27D4_EB4F];
    let mut sums = [bytes.len() as u64, 1];
    let (words, rest) = bytes.as_chunks::<16>();
    let mut last = [0; 16];
    last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    for word in words.iter().chain([&last]) {
        let (low, high) = word.split_at(8);
        for (n, half) in [low, high].into_iter().enumerate() {
            let half = half.try_into().map_or(0, u64::from_le_bytes);
            sums[n] = (sums[n] ^ half).wrapping_mul(ODD[n]).rotate_left(29);
        }
    }
    u128::from(sums[0]) << 64 | u128::from(sums[1] ^ sums[0].rotate_left(17))
}

fn facts(reader: &mut Reader<'_>) -> Option<Vec<Arc<Fact>>> {
    let n = reader.count(28)?;
    (0..n).map(|_| Fact::read(reader).map(Arc::new)).collect()
}

impl Index {
    /// Reads where everything stands.
    pub fn load(file: &Path, tool: &str) -> Option<Index> {
        let (bytes, start) = load(file, tool)?;
        let mut reader = Reader { bytes: &bytes[start..] };
        let place = |reader: &Reader<'_>| u32::try_from(bytes.len() - reader.bytes.len()).ok();
        let facts = facts(&mut reader)?;
        let n = reader.count(4 + Known::SIZE)?;
        let mut files = Vec::with_capacity(n);
        for _ in 0..n {
            let length = reader.block()?.len() as u32;
            let end = place(&reader)?;
            reader.skip(Known::SIZE)?;
            files.push(end - length..end);
        }
        let n = reader.count(28)?;
        let mut results = Vec::with_capacity(n);
        for _ in 0..n {
            let key = reader.u128()?;
            results.push((key, place(&reader)?));
            reader.skip(4)?;
            let facts = reader.count(4)?;
            reader.skip(facts * 4)?;
            reader.block()?;
        }
        Some(Index { facts, files, results, bytes })
    }

    fn text(&self, range: &Range<u32>) -> &[u8] {
        self.bytes.get(range.start as usize..range.end as usize).unwrap_or_default()
    }

    /// What is known of a file.
    pub fn file(&self, path: &Path) -> Option<Known> {
        let path = path.as_os_str().as_encoded_bytes();
        let at = self.files.binary_search_by(|known| self.text(known).cmp(path)).ok()?;
        Known::read(&mut Reader { bytes: self.bytes.get(self.files[at].end as usize..)? })
    }

    /// A result: the day of its last use, the facts that it rests on, its findings.
    pub fn result(&self, key: Key) -> Option<(u32, impl Iterator<Item = u32> + '_, &[u8])> {
        let at = self.results.binary_search_by_key(&key, |(key, _)| *key).ok()?;
        let mut reader = Reader { bytes: self.bytes.get(self.results[at].1 as usize..)? };
        let (day, n) = (reader.u32()?, reader.count(4)?);
        let facts = reader.skip(n * 4)?.as_chunks::<4>().0.iter().map(|index| u32::from_le_bytes(*index));
        Some((day, facts, reader.block()?))
    }
}

impl Stored {
    /// Reads all of it.
    pub fn load(file: &Path, tool: &str) -> Option<Stored> {
        let (bytes, start) = load(file, tool)?;
        let mut reader = Reader { bytes: &bytes[start..] };
        let facts = facts(&mut reader)?;
        let n = reader.count(4 + Known::SIZE)?;
        let mut files = HashMap::with_capacity(n);
        for _ in 0..n {
            let path = os_string(reader.block()?)?;
            files.insert(path, Known::read(&mut reader)?);
        }
        let n = reader.count(28)?;
        let mut results = HashMap::with_capacity(n);
        for _ in 0..n {
            let (key, day, n) = (reader.u128()?, reader.u32()?, reader.count(4)?);
            let index = |i: u32| ((i as usize) < facts.len()).then_some(i);
            let facts = (0..n).map(|_| reader.u32().and_then(index)).collect::<Option<_>>()?;
            results.insert(key, StoredResult { day, facts, findings: reader.block()?.into() });
        }
        Some(Stored { facts, files, results })
    }

    /// As it is written.
    pub fn bytes(&self, tool: &str) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.block(tool.as_bytes());
        // Facts that no result rests on any more go.
        let mut place: Vec<Option<u32>> = vec![None; self.facts.len()];
        let mut kept = Vec::new();
        for index in self.results.values().flat_map(|r| r.facts.iter()) {
            let slot = &mut place[*index as usize];
            if slot.is_none() {
                *slot = Some(kept.len() as u32);
                kept.push(&self.facts[*index as usize]);
            }
        }
        writer.size(kept.len());
        kept.iter().for_each(|fact| fact.write(&mut writer));
        let mut files: Vec<(&[u8], &Known)> =
            self.files.iter().map(|(path, known)| (path.as_encoded_bytes(), known)).collect();
        files.sort_unstable_by_key(|(path, _)| *path);
        writer.size(files.len());
        for (path, known) in files {
            writer.block(path);
            known.write(&mut writer);
        }
        let mut results: Vec<(&Key, &StoredResult)> = self.results.iter().collect();
        results.sort_unstable_by_key(|(key, _)| **key);
        writer.size(results.len());
        for (key, result) in results {
            writer.u128(*key);
            writer.u32(result.day);
            writer.size(result.facts.len());
            result.facts.iter().filter_map(|i| place[*i as usize]).for_each(|i| writer.u32(i));
            writer.block(&result.findings);
        }
        let mut whole = Vec::with_capacity(writer.bytes.len() + 32);
        whole.extend_from_slice(MAGIC);
        whole.extend_from_slice(&sum(&writer.bytes).to_le_bytes());
        whole.extend_from_slice(&writer.bytes);
        whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_found_again_and_damage_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("x.results");
        std::fs::write(&file, "x").unwrap();
        let stamp = Stamp::of(&std::fs::metadata(&file).unwrap()).unwrap();
        let mut stored = Stored::default();
        for n in 0..50_u32 {
            let n = u128::from(n);
            let known = Known { stamp, content: n, setting: 7, key: n * 31 };
            stored.files.insert(format!("/a/{n}").into(), known);
            let findings = Box::from(n.to_le_bytes());
            stored.results.insert(n * 31, StoredResult { day: 5, facts: Box::default(), findings });
        }
        let bytes = stored.bytes("tool");
        std::fs::write(&file, &bytes).unwrap();
        let index = Index::load(&file, "tool").unwrap();
        for n in 0..50_u32 {
            let known = index.file(Path::new(&format!("/a/{n}"))).unwrap();
            assert_eq!((known.content, known.setting, known.stamp), (u128::from(n), 7, stamp));
            let (day, facts, findings) = index.result(known.key).unwrap();
            assert_eq!((day, facts.count(), findings), (5, 0, &u128::from(n).to_le_bytes()[..]));
        }
        assert!(index.file(Path::new("/a/50")).is_none() && index.result(1).is_none());
        assert_eq!(Stored::load(&file, "tool").unwrap().bytes("tool"), bytes);
        assert!(Index::load(&file, "another tool").is_none());
        for at in (0..bytes.len()).step_by(7) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 4;
            std::fs::write(&file, &damaged).unwrap();
            assert!(Index::load(&file, "tool").is_none(), "a bit at {at}");
            std::fs::write(&file, &bytes[..at]).unwrap();
            assert!(Index::load(&file, "tool").is_none(), "cut at {at}");
        }
    }
}
