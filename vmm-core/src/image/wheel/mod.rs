//! Reads a Python wheel as a stream into a tree: every file checked against the wheel's own RECORD, every path
//! against leaving its place, everything bounded. Nothing is installed and nothing in a wheel is run.

mod entry_points;
mod record;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use zip::ZipArchive;

use crate::digest::Hashing;
use crate::tree::{Content, Meta, Spool, Tree};
use crate::{Context, Error, ErrorKind, Result};
use record::Record;

/// More files than the largest known wheel has, ten times over.
const MAX_ENTRIES: usize = 500_000;
/// Unpacked bytes of one wheel.
const MAX_BYTES: u64 = 8 << 30;
/// RECORD, METADATA and their like.
const MAX_METADATA: u64 = 64 << 20;
/// Files above this go to the spool, if there is one.
const SPOOL_ABOVE: u64 = 64 << 10;

/// Where a wheel's parts go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    /// Modules: `site-packages`.
    pub site: &'a str,
    /// Programs.
    pub scripts: &'a str,
    /// What the `data` part is relative to.
    pub data: &'a str,
    /// A directory of the wheel that is a prefix of its own, laid over `data`.
    pub prefix: Option<&'a str>,
    /// First line of scripts: the image's interpreter.
    pub python: &'a str,
}

/// What a wheel says it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Project, normalized.
    pub name: String,
    /// Version.
    pub version: String,
}

/// A wheel being read.
pub(crate) struct Wheel {
    zip: ZipArchive<BufReader<File>>,
    /// The file's name, for messages.
    label: String,
    /// `uv-0.9.0`, of `.dist-info` and `.data`.
    stem: String,
    record: BTreeMap<String, Record>,
}

impl Wheel {
    /// Opens a wheel and reads its RECORD. `label` names it in messages.
    pub fn open(path: &Path, label: &str) -> Result<Self> {
        let file = File::open(path).map_err(|e| crate::image::blobs::io_error("open the wheel", path, e))?;
        let bad = |why: String| bad(label, &why);
        let mut zip = ZipArchive::new(BufReader::new(file))
            .map_err(|e| bad(format!("it is not a zip archive: {e}")))?;
        if zip.len() > MAX_ENTRIES {
            return Err(bad(format!("it has more than {MAX_ENTRIES} files")));
        }
        let stem = stem(&zip)
            .ok_or_else(|| bad("it has not exactly one .dist-info directory with a RECORD".to_owned()))?;
        let text = read_text(&mut zip, &format!("{stem}.dist-info/RECORD"), label)?.unwrap_or_default();
        let record = record::parse(&text).map_err(bad)?;
        let wheel = Wheel { zip, label: label.to_owned(), stem, record };
        Ok(wheel)
    }

    /// Project and version, from the names of its directories.
    pub fn identity(&self) -> Identity {
        let (name, version) = self.stem.split_once('-').unwrap_or((&self.stem, ""));
        Identity { name: normalize(name), version: version.to_owned() }
    }

    /// Reads everything into a tree.
    pub fn read_into(
        mut self,
        ctx: &Context,
        tree: &mut Tree,
        place: &Place<'_>,
        mut spool: Option<&mut Spool>,
    ) -> Result<()> {
        let mut total = 0;
        for at in 0..self.zip.len() {
            if at % 64 == 0 {
                ctx.check()?;
            }
            self.read_entry(at, &mut total, tree, place, spool.as_deref_mut())?;
        }
        if place.prefix.is_none() {
            self.write_entry_points(tree, place)?;
        }
        Ok(())
    }

    fn read_entry(
        &mut self,
        at: usize,
        total: &mut u64,
        tree: &mut Tree,
        place: &Place<'_>,
        spool: Option<&mut Spool>,
    ) -> Result<()> {
        let label = self.label.clone();
        let bad = |why: String| bad(&label, &why);
        let mut file = self.zip.by_index(at).map_err(|e| bad(format!("file {at} cannot be read: {e}")))?;
        let name = safe_name(file.name_raw()).map_err(&bad)?;
        if file.is_dir() {
            return Ok(());
        }
        if file.is_symlink() {
            return Err(bad(format!("`{name}` is a symbolic link, which wheels must not have")));
        }
        // The declared size is a claim; reading is cut off just above it.
        let size = file.size();
        *total += size;
        if *total > MAX_BYTES {
            return Err(bad("it is larger than 8 GiB when unpacked".to_owned()));
        }
        let target = target(&name, &self.stem, place);
        let executable =
            file.unix_mode().is_some_and(|m| m & 0o111 != 0) || target.as_ref().is_some_and(|t| t.script);
        let mut hashing = Hashing::new((&mut file).take(size + 1));
        let content =
            content(&mut hashing, size, spool).map_err(|e| bad(format!("`{name}` cannot be read: {e}")))?;
        let (_, digest) = hashing.finish();
        drop(file);
        self.check(&name, &digest, size)?;
        let Some(target) = target else { return Ok(()) };
        let content = if target.script { with_interpreter(content, place.python) } else { content };
        tree.insert_file(&target.path, content, if executable { Meta::PROGRAM } else { Meta::FILE })
    }

    /// Against RECORD, which lists every file but itself and its signatures.
    fn check(&self, name: &str, digest: &str, size: u64) -> Result<()> {
        let own = name.strip_prefix(&self.stem).and_then(|n| n.strip_prefix(".dist-info/"));
        if matches!(own, Some("RECORD" | "RECORD.jws" | "RECORD.p7s")) {
            return Ok(());
        }
        let Some(record) = self.record.get(name) else {
            return Err(bad(&self.label, &format!("`{name}` is not in its RECORD")));
        };
        if record.sha256 != digest || record.size.is_some_and(|s| s != size) {
            return Err(bad(&self.label, &format!("`{name}` is not what its RECORD says")));
        }
        Ok(())
    }

    /// The programs that an installer would make.
    fn write_entry_points(&mut self, tree: &mut Tree, place: &Place<'_>) -> Result<()> {
        let path = format!("{}.dist-info/entry_points.txt", self.stem);
        let Some(text) = read_text(&mut self.zip, &path, &self.label)? else { return Ok(()) };
        for script in entry_points::scripts(&text).map_err(|why| bad(&self.label, &why))? {
            tree.insert_file(
                format!("{}/{}", place.scripts, script.name),
                script.source(place.python),
                Meta::PROGRAM,
            )?;
        }
        Ok(())
    }
}

/// Where a file goes.
struct Target {
    path: String,
    script: bool,
}

/// None: the file has no place in a guest (headers).
fn target(name: &str, stem: &str, place: &Place<'_>) -> Option<Target> {
    let plain = |path: String| Some(Target { path, script: false });
    if let Some(rest) = name.strip_prefix(stem).and_then(|n| n.strip_prefix(".data/")) {
        let (scheme, rest) = rest.split_once('/')?;
        return match scheme {
            "purelib" | "platlib" => plain(format!("{}/{rest}", place.site)),
            "scripts" => Some(Target { path: format!("{}/{rest}", place.scripts), script: true }),
            "data" => plain(format!("{}/{rest}", place.data)),
            _ => None,
        };
    }
    if let Some(rest) = place.prefix.and_then(|p| name.strip_prefix(p)?.strip_prefix('/')) {
        return match rest.split_once('/')?.0 {
            "bin" | "lib" => plain(format!("{}/{rest}", place.data)),
            _ => None,
        };
    }
    if place.prefix.is_some() { None } else { plain(format!("{}/{name}", place.site)) }
}

fn content(reader: &mut impl Read, size: u64, spool: Option<&mut Spool>) -> std::io::Result<Content> {
    let content = match spool.filter(|_| size > SPOOL_ABOVE) {
        Some(spool) => spool.take(reader, size)?,
        None => {
            let mut bytes = Vec::with_capacity(size.min(1 << 20) as usize);
            reader.take(size).read_to_end(&mut bytes)?;
            bytes.into()
        }
    };
    // At its end the zip reader verifies the checksum; a byte more than declared is an error too.
    if content.len() != size || reader.read(&mut [0])? != 0 {
        return Err(std::io::Error::new(
            std::io::ErrorKind::InvalidData,
            "its length is not what the archive says",
        ));
    }
    Ok(content)
}

/// `#!python` in a script stands for the interpreter of the environment.
fn with_interpreter(content: Content, python: &str) -> Content {
    let Content::Bytes(bytes) = &content else { return content };
    let Some(rest) = bytes.strip_prefix(b"#!python") else { return content };
    let end = rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
    let mut script = format!("#!{python}").into_bytes();
    script.extend_from_slice(&rest[end..]);
    script.into()
}

/// The one directory that makes the archive a wheel.
fn stem<R: Read + std::io::Seek>(zip: &ZipArchive<R>) -> Option<String> {
    let mut stems =
        zip.file_names().flatten().filter_map(|n| n.strip_suffix(".dist-info/RECORD").map(str::to_owned));
    let stem = stems.next().filter(|s| !s.contains('/') && s.contains('-'))?;
    stems.next().is_none().then_some(stem)
}

fn read_text<R: Read + std::io::Seek>(
    zip: &mut ZipArchive<R>,
    name: &str,
    label: &str,
) -> Result<Option<String>> {
    let file = match zip.by_name(name) {
        Ok(file) => file,
        Err(zip::result::ZipError::FileNotFound) => return Ok(None),
        Err(e) => return Err(bad(label, &format!("`{name}` cannot be read: {e}"))),
    };
    let mut text = String::new();
    let read = file.take(MAX_METADATA + 1).read_to_string(&mut text);
    match read {
        Ok(_) if text.len() as u64 > MAX_METADATA => {
            Err(bad(label, &format!("`{name}` is larger than 64 MiB")))
        }
        Ok(_) => Ok(Some(text)),
        Err(e) => Err(bad(label, &format!("`{name}` cannot be read: {e}"))),
    }
}

/// A relative path of plain parts, as every honest wheel has.
fn safe_name(raw: &[u8]) -> std::result::Result<String, String> {
    let shown = String::from_utf8_lossy(&raw[..raw.len().min(120)]).into_owned();
    let name = std::str::from_utf8(raw).map_err(|_| format!("the name `{shown}` is not UTF-8"))?;
    let trimmed = name.strip_suffix('/').unwrap_or(name);
    let plain = |part: &str| !part.is_empty() && part != "." && part != "..";
    if name.contains(['\\', '\0', '\n', '\r']) || !trimmed.split('/').all(plain) {
        return Err(format!("the name `{}` leads out of its place", shown.escape_default()));
    }
    Ok(name.to_owned())
}

/// PEP 503: runs of `-_.` are one `-`, lower case.
pub(crate) fn normalize(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '-' | '_' | '.' if out.ends_with('-') => {}
            '-' | '_' | '.' => out.push('-'),
            c => out.push(c.to_ascii_lowercase()),
        }
    }
    out
}

fn bad(label: &str, why: &str) -> Error {
    Error::new(ErrorKind::Build, format!("the wheel {label} is refused: {why}")).help(
        "a wheel that contradicts itself must not run: take another version, or report it to its project",
    )
}
