//! Nix archives (NAR): the canonical serialization of a store path, parsed as a stream into a tree. Small,
//! strict and bounded: whatever is not canonical is refused, so equal trees have equal archives.

use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::tree::{Content, Meta, Spool, Tree};
use crate::{Error, ErrorKind, Result};

/// Directories inside each other.
const MAX_DEPTH: usize = 200;
/// Longest keyword of the format is `nix-archive-1`.
const MAX_KEYWORD: u64 = 16;
/// Longest file name and link target of Linux.
const MAX_NAME: u64 = 255;
const MAX_TARGET: u64 = 4095;
/// Files above this go to the spool.
const SPOOL_ABOVE: u64 = 64 << 10;

/// What is still allowed of one archive.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Files, directories and links.
    pub entries: u64,
    /// Bytes of file contents.
    pub bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { entries: 2_000_000, bytes: 32 << 30 }
    }
}

/// Reads one archive to its end and puts what it holds at `at`.
pub(crate) fn read_into(
    reader: &mut dyn Read,
    tree: &mut Tree,
    at: &Path,
    limits: Limits,
    spool: Option<&mut Spool>,
) -> Result<()> {
    let mut parser = Parser { reader, tree, limits, spool, label: at.display().to_string() };
    parser.expect("nix-archive-1")?;
    parser.node(at, 0)?;
    let mut more = [0];
    match parser.reader.read(&mut more) {
        Ok(0) => Ok(()),
        Ok(_) => Err(parser.bad("something follows its end")),
        Err(e) => Err(parser.bad(e)),
    }
}

struct Parser<'a> {
    reader: &'a mut dyn Read,
    tree: &'a mut Tree,
    limits: Limits,
    spool: Option<&'a mut Spool>,
    label: String,
}

impl Parser<'_> {
    fn node(&mut self, at: &Path, depth: usize) -> Result<()> {
        if depth > MAX_DEPTH {
            return Err(self.bad(format!("it is more than {MAX_DEPTH} directories deep")));
        }
        self.limits.entries =
            self.limits.entries.checked_sub(1).ok_or_else(|| self.bad("it has too many files"))?;
        self.expect("(")?;
        self.expect("type")?;
        match self.keyword()?.as_slice() {
            b"regular" => self.regular(at),
            b"symlink" => {
                self.expect("target")?;
                let target = self.bytes(MAX_TARGET)?;
                self.tree.insert_symlink(at, OsStr::from_bytes(&target))?;
                self.expect(")")
            }
            b"directory" => self.directory(at, depth),
            _ => Err(self.bad("a file is of no known type")),
        }
    }

    fn regular(&mut self, at: &Path) -> Result<()> {
        let mut meta = Meta::root(0o444);
        let mut content: Content = Vec::new().into();
        let mut word = self.keyword()?;
        if word == b"executable" {
            self.expect("")?;
            meta = Meta::root(0o555);
            word = self.keyword()?;
        }
        if word == b"contents" {
            content = self.contents()?;
            word = self.keyword()?;
        }
        if word != b")" {
            return Err(self.bad("a file does not end where it should"));
        }
        self.tree.insert_file(at, content, meta)
    }

    fn directory(&mut self, at: &Path, depth: usize) -> Result<()> {
        self.tree.insert_dir(at, Meta::root(0o555))?;
        let mut last: Vec<u8> = Vec::new();
        loop {
            match self.keyword()?.as_slice() {
                b")" => return Ok(()),
                b"entry" => {}
                _ => return Err(self.bad("a directory does not end where it should")),
            }
            self.expect("(")?;
            self.expect("name")?;
            let name = self.bytes(MAX_NAME)?;
            if name.is_empty() || name == b"." || name == b".." || name.contains(&b'/') || name.contains(&0) {
                return Err(self.bad("a file's name leads out of its directory"));
            }
            // Sorted and unique: nothing is ever replaced, so no link of the archive is ever followed.
            if name <= last {
                return Err(self.bad("the names of a directory are not in order"));
            }
            self.expect("node")?;
            let path: PathBuf = at.join(OsStr::from_bytes(&name));
            self.node(&path, depth + 1)?;
            self.expect(")")?;
            last = name;
        }
    }

    fn contents(&mut self) -> Result<Content> {
        let len = self.number()?;
        self.limits.bytes =
            self.limits.bytes.checked_sub(len).ok_or_else(|| self.bad("its files are too large"))?;
        let content = match self.spool.as_deref_mut().filter(|_| len > SPOOL_ABOVE) {
            Some(spool) => spool.take(&mut self.reader, len).map_err(|e| bad(&self.label, e))?,
            None => self.read_vec(len)?.into(),
        };
        self.padding(len)?;
        Ok(content)
    }

    fn expect(&mut self, word: &str) -> Result<()> {
        let found = self.keyword()?;
        if found == word.as_bytes() { Ok(()) } else { Err(self.bad(format!("`{word}` is missing"))) }
    }

    fn keyword(&mut self) -> Result<Vec<u8>> {
        self.bytes(MAX_KEYWORD)
    }

    fn bytes(&mut self, limit: u64) -> Result<Vec<u8>> {
        let len = self.number()?;
        if len > limit {
            return Err(self.bad("a word in it is too long"));
        }
        let bytes = self.read_vec(len)?;
        self.padding(len)?;
        Ok(bytes)
    }

    fn number(&mut self) -> Result<u64> {
        let mut bytes = [0; 8];
        self.reader.read_exact(&mut bytes).map_err(|e| bad(&self.label, e))?;
        Ok(u64::from_le_bytes(bytes))
    }

    /// The length is a claim: memory grows with what really comes.
    fn read_vec(&mut self, len: u64) -> Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(len.min(1 << 20) as usize);
        self.reader.take(len).read_to_end(&mut bytes).map_err(|e| bad(&self.label, e))?;
        if bytes.len() as u64 == len { Ok(bytes) } else { Err(self.bad("it ends too early")) }
    }

    fn padding(&mut self, len: u64) -> Result<()> {
        let padding = self.read_vec((8 - len % 8) % 8)?;
        if padding.iter().all(|b| *b == 0) { Ok(()) } else { Err(self.bad("its padding is not zero")) }
    }

    fn bad(&self, why: impl std::fmt::Display) -> Error {
        bad(&self.label, why)
    }
}

fn bad(label: &str, why: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Build, format!("cannot read the Nix archive of {label}: {why}"))
        .help("check the store with `nix-store --verify-path`")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::tree::Node;

    fn word(out: &mut Vec<u8>, text: &[u8]) {
        out.extend((text.len() as u64).to_le_bytes());
        out.extend(text);
        out.resize(out.len().next_multiple_of(8), 0);
    }

    fn nar(words: &[&str]) -> Vec<u8> {
        let mut out = Vec::new();
        word(&mut out, b"nix-archive-1");
        words.iter().for_each(|w| word(&mut out, w.as_bytes()));
        out
    }

    fn parse(bytes: &[u8], limits: Limits) -> Result<Tree> {
        let mut tree = Tree::new();
        read_into(&mut &bytes[..], &mut tree, Path::new("/nix/store/x"), limits, None)?;
        Ok(tree)
    }

    fn sample() -> Vec<u8> {
        let file = [
            "entry",
            "(",
            "name",
            "a",
            "node",
            "(",
            "type",
            "regular",
            "executable",
            "",
            "contents",
            "hello",
            ")",
            ")",
        ];
        let link = ["entry", "(", "name", "b", "node", "(", "type", "symlink", "target", "a", ")", ")"];
        let dir = ["entry", "(", "name", "c", "node", "(", "type", "directory", ")", ")"];
        let words: Vec<&str> =
            ["(", "type", "directory"].into_iter().chain(file).chain(link).chain(dir).chain([")"]).collect();
        nar(&words)
    }

    #[test]
    fn files_links_and_directories_are_read() {
        let tree = parse(&sample(), Limits::default()).unwrap();
        let file = tree.get("/nix/store/x/a").unwrap();
        assert_eq!(file.meta().mode, 0o555);
        assert_eq!(file.content().unwrap().to_vec(9).unwrap(), b"hello");
        assert!(matches!(tree.get("/nix/store/x/b"), Some(Node::Symlink { .. })));
        assert!(matches!(tree.get("/nix/store/x/c"), Some(Node::Dir(_))));
        let single =
            parse(&nar(&["(", "type", "regular", "contents", "12345678", ")"]), Limits::default()).unwrap();
        assert_eq!(single.get("/nix/store/x").unwrap().meta().mode, 0o444);
    }

    #[test]
    fn what_is_not_canonical_is_refused() {
        let entry =
            |name: &'static str| vec!["entry", "(", "name", name, "node", "(", "type", "regular", ")", ")"];
        let dir = |entries: Vec<&'static str>| {
            let mut words = vec!["(", "type", "directory"];
            words.extend(entries);
            words.push(")");
            nar(&words)
        };
        assert!(parse(&dir(entry("ok")), Limits::default()).is_ok());
        for name in ["", ".", "..", "a/b", "/etc/passwd", "a\0b"] {
            assert!(parse(&dir(entry(name)), Limits::default()).is_err(), "{name:?}");
        }
        assert!(parse(&dir([entry("b"), entry("a")].concat()), Limits::default()).is_err());
        assert!(parse(&dir([entry("a"), entry("a")].concat()), Limits::default()).is_err());
        assert!(parse(&nar(&["(", "type", "fifo", ")"]), Limits::default()).is_err());
        assert!(parse(&[sample(), vec![0]].concat(), Limits::default()).is_err());
    }

    #[test]
    fn entries_bytes_and_depth_are_bounded() {
        assert!(parse(&sample(), Limits { entries: 3, bytes: 100 }).is_err());
        assert!(parse(&sample(), Limits { entries: 9, bytes: 4 }).is_err());
        let mut words = Vec::new();
        for _ in 0..5000 {
            words.extend(["(", "type", "directory", "entry", "(", "name", "d", "node"]);
        }
        assert!(parse(&nar(&words), Limits::default()).is_err());
        // A file that claims 8 EiB costs no memory.
        let mut huge = nar(&["(", "type", "regular", "contents"]);
        huge.extend((8_u64 << 60).to_le_bytes());
        assert!(parse(&huge, Limits { entries: 9, bytes: u64::MAX }).is_err());
    }

    #[test]
    fn no_truncation_or_damage_is_taken_for_an_archive() {
        let good = sample();
        let expected = format!("{:?}", parse(&good, Limits::default()).unwrap());
        for at in 0..good.len() {
            assert!(parse(&good[..at], Limits::default()).is_err(), "cut at {at}");
            for flip in [1, 0x20, 0x80] {
                let mut bytes = good.clone();
                bytes[at] ^= flip;
                // Where it parses, something in it differs: names, targets and contents are free text.
                if let Ok(tree) = parse(&bytes, Limits::default()) {
                    assert_ne!(format!("{tree:?}"), expected, "flip {flip} at {at}");
                }
            }
        }
    }
}
