//! Writes a file tree as a squashfs 4.0 image without compression: one pass over the tree, the same bytes for the
//! same tree. Uncompressed, since a guest under emulation pays a second for a compressed root.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read as _, Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt as _;

use crate::digest::sha256_reader;
use crate::tree::{Content, Dir, Meta, Node, Tree};

const MAGIC: u32 = 0x7371_7368;
/// The kernel refuses an image that names no compressor, even if nothing in it is compressed. Every kernel with
/// squashfs has zlib.
const COMPRESSOR_ZLIB: u16 = 1;
/// 128 KiB, the format's default: a page fault reads one block.
const BLOCK_LOG: u16 = 17;
const BLOCK: u64 = 1 << BLOCK_LOG;
/// Inodes, data, fragments and ids are uncompressed; there are no fragments and no extended attributes.
const FLAGS: u16 = 0x0001 | 0x0002 | 0x0008 | 0x0010 | 0x0200 | 0x0800;
const BLOCK_UNCOMPRESSED: u32 = 1 << 24;
const META: usize = 8192;
const META_UNCOMPRESSED: u16 = 0x8000;
/// A table, an inode's attributes or a file's fragment that is not there.
const NONE64: u64 = u64::MAX;
const NONE32: u32 = u32::MAX;
const SUPERBLOCK: u64 = 96;
/// The file is padded to this, so that any block size can read its end.
const PAD: u64 = 4096;

const DIR: u16 = 1;
const FILE: u16 = 2;
const SYMLINK: u16 = 3;
const LONG_DIR: u16 = 8;
const LONG_FILE: u16 = 9;

/// Writes the image; the writer is at its end afterwards.
pub(super) fn write<W: Write + Seek>(tree: &Tree, out: W) -> io::Result<()> {
    let mut writer = Writer {
        out,
        at: SUPERBLOCK,
        inodes: Vec::new(),
        listings: Vec::new(),
        ids: Ids::default(),
        count: 1,
        twins: twins(tree),
        written: HashMap::new(),
        buffer: vec![0; BLOCK as usize],
    };
    writer.out.write_all(&[0; SUPERBLOCK as usize])?;
    let total = tree.iter().count() as u64 + 1;
    let total = u32::try_from(total).map_err(|_| too_large("more than 2^32 files"))?;
    let root = writer.dir(tree.root(), 1, total + 1)?;
    writer.finish(root)
}

struct Writer<W> {
    out: W,
    at: u64,
    inodes: Vec<u8>,
    listings: Vec<u8>,
    ids: Ids,
    /// Inode numbers given so far.
    count: u32,
    /// Lengths that several files have: only those are worth a digest.
    twins: HashMap<u64, u32>,
    /// Where contents of such lengths lie, by digest.
    written: HashMap<String, u64>,
    buffer: Vec<u8>,
}

/// An entry of a directory's listing.
struct Entry<'a> {
    name: &'a [u8],
    kind: u16,
    number: u32,
    /// Block of the inode table and offset in it.
    place: Place,
}

/// A position in a table that is cut into metadata blocks.
#[derive(Clone, Copy)]
struct Place {
    block: u32,
    offset: u16,
}

impl Place {
    fn of(position: usize) -> io::Result<Self> {
        let block = (position / META) * (META + 2);
        let block = u32::try_from(block).map_err(|_| too_large("its metadata exceed 4 GiB"))?;
        Ok(Place { block, offset: (position % META) as u16 })
    }
    fn reference(self) -> u64 {
        u64::from(self.block) << 16 | u64::from(self.offset)
    }
}

impl<W: Write + Seek> Writer<W> {
    /// Writes all below a directory, then its listing, then its inode.
    fn dir(&mut self, dir: &Dir, number: u32, parent: u32) -> io::Result<Place> {
        let mut entries = Vec::with_capacity(dir.children().len());
        let mut links = 2;
        for (name, node) in dir.children() {
            self.count += 1;
            let child = self.count;
            let (kind, place) = match node {
                Node::Dir(inner) => {
                    links += 1;
                    (DIR, self.dir(inner, child, number)?)
                }
                Node::File { meta, content } => (FILE, self.file(meta, content, child)?),
                Node::Symlink { meta, target } => (SYMLINK, self.symlink(meta, target.as_bytes(), child)?),
            };
            entries.push(Entry { name: name.as_bytes(), kind, number: child, place });
        }
        let listing = Place::of(self.listings.len())?;
        let size = self.listing(&entries)?;
        let place = Place::of(self.inodes.len())?;
        match u16::try_from(size) {
            Ok(size) => {
                self.header(DIR, &dir.meta, number)?;
                put32(&mut self.inodes, &[listing.block, links]);
                put16(&mut self.inodes, &[size, listing.offset]);
                put32(&mut self.inodes, &[parent]);
            }
            Err(_) => {
                self.header(LONG_DIR, &dir.meta, number)?;
                put32(&mut self.inodes, &[links, size, listing.block, parent]);
                put16(&mut self.inodes, &[0, listing.offset]);
                put32(&mut self.inodes, &[NONE32]);
            }
        }
        Ok(place)
    }

    /// Writes a listing; its size as the inode states it counts three bytes more, for `.` and `..`.
    fn listing(&mut self, entries: &[Entry<'_>]) -> io::Result<u32> {
        let start = self.listings.len();
        let mut rest = entries;
        while let Some(first) = rest.first() {
            let fits = |e: &&Entry<'_>| {
                e.place.block == first.place.block
                    && i16::try_from(i64::from(e.number) - i64::from(first.number)).is_ok()
            };
            let run = rest.iter().take(256).take_while(fits).count();
            put32(&mut self.listings, &[run as u32 - 1, first.place.block, first.number]);
            for entry in &rest[..run] {
                let delta = entry.number.wrapping_sub(first.number) as u16;
                put16(
                    &mut self.listings,
                    &[entry.place.offset, delta, entry.kind, entry.name.len() as u16 - 1],
                );
                self.listings.extend_from_slice(entry.name);
            }
            rest = &rest[run..];
        }
        u32::try_from(self.listings.len() - start + 3)
            .map_err(|_| too_large("a directory has too many files"))
    }

    fn symlink(&mut self, meta: &Meta, target: &[u8], number: u32) -> io::Result<Place> {
        let place = Place::of(self.inodes.len())?;
        self.header(SYMLINK, meta, number)?;
        put32(&mut self.inodes, &[1, target.len() as u32]);
        self.inodes.extend_from_slice(target);
        Ok(place)
    }

    fn file(&mut self, meta: &Meta, content: &Content, number: u32) -> io::Result<Place> {
        let start = self.data(content)?;
        let size = content.len();
        let place = Place::of(self.inodes.len())?;
        match (u32::try_from(start), u32::try_from(size)) {
            (Ok(start), Ok(size)) => {
                self.header(FILE, meta, number)?;
                put32(&mut self.inodes, &[start, NONE32, 0, size]);
            }
            _ => {
                self.header(LONG_FILE, meta, number)?;
                put64(&mut self.inodes, &[start, size, 0]);
                put32(&mut self.inodes, &[1, NONE32, 0, NONE32]);
            }
        }
        for _ in 0..size / BLOCK {
            put32(&mut self.inodes, &[BLOCK as u32 | BLOCK_UNCOMPRESSED]);
        }
        if !size.is_multiple_of(BLOCK) {
            put32(&mut self.inodes, &[(size % BLOCK) as u32 | BLOCK_UNCOMPRESSED]);
        }
        Ok(place)
    }

    /// Writes a file's data, or finds equal data that is written already; where it starts.
    fn data(&mut self, content: &Content) -> io::Result<u64> {
        if content.is_empty() {
            return Ok(0);
        }
        let start = self.at;
        if self.twins.get(&content.len()).is_some_and(|n| *n > 1) {
            let (digest, _) = sha256_reader(&mut content.reader())?;
            if let Some(start) = self.written.get(&digest) {
                return Ok(*start);
            }
            self.written.insert(digest, start);
        }
        let mut reader = content.reader();
        let mut copied = 0;
        loop {
            let n = reader.read(&mut self.buffer)?;
            if n == 0 {
                break;
            }
            self.out.write_all(&self.buffer[..n])?;
            copied += n as u64;
        }
        debug_assert_eq!(copied, content.len());
        self.at += copied;
        Ok(start)
    }

    fn header(&mut self, kind: u16, meta: &Meta, number: u32) -> io::Result<()> {
        let (uid, gid) = (self.ids.index(meta.uid)?, self.ids.index(meta.gid)?);
        put16(&mut self.inodes, &[kind, (meta.mode & 0o7777) as u16, uid, gid]);
        put32(&mut self.inodes, &[meta.mtime, number]);
        Ok(())
    }

    /// Writes the tables, the padding and, at last, the superblock that makes it an image.
    fn finish(mut self, root: Place) -> io::Result<()> {
        let inode_table = self.at;
        let inodes = std::mem::take(&mut self.inodes);
        self.metadata(&inodes)?;
        let directory_table = self.at;
        let listings = std::mem::take(&mut self.listings);
        self.metadata(&listings)?;
        let mut ids = Vec::new();
        put32(&mut ids, &self.ids.list);
        let id_blocks = self.metadata(&ids)?;
        let id_table = self.at;
        let mut pointers = Vec::new();
        put64(&mut pointers, &id_blocks);
        self.raw(&pointers)?;
        let used = self.at;
        self.raw(&vec![0; (used.next_multiple_of(PAD) - used) as usize])?;

        let mut sb = Vec::with_capacity(SUPERBLOCK as usize);
        put32(&mut sb, &[MAGIC, self.count, 0, BLOCK as u32, 0]);
        put16(&mut sb, &[COMPRESSOR_ZLIB, BLOCK_LOG, FLAGS, self.ids.list.len() as u16, 4, 0]);
        put64(
            &mut sb,
            &[root.reference(), used, id_table, NONE64, inode_table, directory_table, NONE64, NONE64],
        );
        self.out.seek(SeekFrom::Start(0))?;
        self.out.write_all(&sb)?;
        self.out.seek(SeekFrom::End(0))?;
        self.out.flush()
    }

    /// Writes a table in metadata blocks; where each begins.
    fn metadata(&mut self, table: &[u8]) -> io::Result<Vec<u64>> {
        let mut starts = Vec::new();
        for block in table.chunks(META) {
            starts.push(self.at);
            self.raw(&(block.len() as u16 | META_UNCOMPRESSED).to_le_bytes())?;
            self.raw(block)?;
        }
        Ok(starts)
    }

    fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)?;
        self.at += bytes.len() as u64;
        Ok(())
    }
}

/// Owners, by order of appearance.
#[derive(Default)]
struct Ids {
    list: Vec<u32>,
    index: BTreeMap<u32, u16>,
}

impl Ids {
    fn index(&mut self, id: u32) -> io::Result<u16> {
        if let Some(index) = self.index.get(&id) {
            return Ok(*index);
        }
        // The count itself is 16 bits wide, so the last index stays free.
        let index = u16::try_from(self.list.len()).ok().filter(|i| *i < u16::MAX);
        let index = index.ok_or_else(|| too_large("more than 65535 different owners"))?;
        self.list.push(id);
        self.index.insert(id, index);
        Ok(index)
    }
}

fn twins(tree: &Tree) -> HashMap<u64, u32> {
    let mut lengths = HashMap::new();
    for content in tree.iter().filter_map(|(_, node)| node.content()) {
        *lengths.entry(content.len()).or_insert(0) += 1;
    }
    lengths
}

fn too_large(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("the file tree does not fit a squashfs image: {why}"))
}

fn put16(out: &mut Vec<u8>, values: &[u16]) {
    values.iter().for_each(|v| out.extend_from_slice(&v.to_le_bytes()));
}

fn put32(out: &mut Vec<u8>, values: &[u32]) {
    values.iter().for_each(|v| out.extend_from_slice(&v.to_le_bytes()));
}

fn put64(out: &mut Vec<u8>, values: &[u64]) {
    values.iter().for_each(|v| out.extend_from_slice(&v.to_le_bytes()));
}
