//! Snapshots on disk: a directory each, named by what it is of, made beside its place and renamed. Files are their
//! owner's alone. What is not whole is thrown away: a digest tells for what is unpacked, and what is mapped instead is
//! on the disk before the manifest names it.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use agent_protocol::Output;
use serde::{Deserialize, Serialize};

use super::mapped::{self, Extent};
use super::pack::{Packed, pack, unpack};
use super::{Identity, Subject};
use crate::layer::Removed;
use crate::{Error, ErrorKind, Home, Result, build, fsio};

const MANIFEST: &str = "manifest.json";
const MEMORY: &str = "memory";
const STATE: &str = "state";
const SCRATCH: &str = "scratch";
/// Beginning of the name of a directory that is being made; the number of the process that makes it follows.
const UNFINISHED: &str = ".new-";

/// What a snapshot is and what is in its files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// What it is of.
    pub subject: Subject,
    /// What the app printed while it was imported: every machine's log begins with it.
    pub log: Vec<Output>,
    memory: Memory,
    state: Packed,
    scratch: Packed,
}

/// How memory is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Memory {
    /// Compressed, for a VMM that wants a file of all of it.
    Packed(Packed),
    /// As it is, for one that maps it.
    Mapped { file: Identity, extents: Vec<Extent> },
}

/// The files of a machine that is frozen, or is to be restored.
#[derive(Debug)]
pub struct Contents {
    /// The guest's memory.
    pub memory: File,
    /// The kernel's image, where memory is kept to be mapped: what is the image's still is mapped from there.
    pub kernel: Option<File>,
    /// Everything else of the machine.
    pub state: File,
    /// The writable disk.
    pub scratch: File,
}

fn damaged(why: &str) -> Error {
    Error::new(ErrorKind::Boot, format!("restoring the machine: the snapshot is damaged: {why}"))
}

/// What a snapshot is.
pub fn read(dir: &Path) -> Result<Manifest> {
    fsio::read_json(&dir.join(MANIFEST))?.ok_or_else(|| damaged("it has no manifest"))
}

impl Manifest {
    /// Unpacks the machine's state and its writable disk, which are small.
    pub fn unpack(&self, dir: &Path, contents: &Contents) -> Result<()> {
        unpack_one(dir, STATE, &contents.state, &self.state)?;
        unpack_one(dir, SCRATCH, &contents.scratch, &self.scratch)
    }

    /// Its memory as it lies on the disk, and what is where in it; `None` where it is packed.
    pub fn mapped(&self, dir: &Path) -> Result<Option<(File, &[Extent])>> {
        let Memory::Mapped { file: expected, extents } = &self.memory else { return Ok(None) };
        let opened = open(dir, MEMORY).and_then(|file| Ok((Identity::of(&file.metadata()?), file)));
        match opened {
            Ok((identity, file)) if identity == *expected => Ok(Some((file, extents))),
            Ok(_) => Err(damaged("its memory is not as it was written")),
            Err(e) => Err(damaged(&format!("its memory: {e}"))),
        }
    }

    /// Unpacks its memory, if it is packed.
    pub fn unpack_memory(&self, dir: &Path, contents: &Contents) -> Result<()> {
        match &self.memory {
            Memory::Packed(packed) => unpack_one(dir, MEMORY, &contents.memory, packed),
            Memory::Mapped { .. } => Ok(()),
        }
    }
}

fn open(dir: &Path, name: &str) -> std::io::Result<File> {
    OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW).open(dir.join(name))
}

fn unpack_one(dir: &Path, name: &str, to: &File, expected: &Packed) -> Result<()> {
    let unpacked = open(dir, name).and_then(|from| unpack(from, to, expected));
    unpacked.map_err(|e| damaged(&format!("its {name}: {e}")))
}

/// Saves what a frozen machine left: whole, or not at all. Older snapshots of the same app go, and those that nothing
/// can use any more.
pub fn save(store: &Path, subject: &Subject, log: Vec<Output>, contents: &Contents) -> Result<Manifest> {
    sweep(store);
    let temporary = store.join(format!("{UNFINISHED}{}", std::process::id()));
    let saved = fill(&temporary, subject, log, contents).and_then(|manifest| {
        let place = store.join(subject.key()?);
        match fs::rename(&temporary, &place) {
            // Somebody else was faster: theirs is as good.
            Err(_) if place.join(MANIFEST).exists() => remove(&temporary),
            renamed => renamed.map_err(|e| fsio::error("naming the snapshot", &place, e))?,
        }
        Ok((place, manifest))
    });
    match saved {
        Ok((place, manifest)) => {
            supersede(store, subject, &place);
            Ok(manifest)
        }
        Err(error) => {
            remove(&temporary);
            Err(error)
        }
    }
}

fn fill(dir: &Path, subject: &Subject, log: Vec<Output>, contents: &Contents) -> Result<Manifest> {
    remove(dir);
    fs::DirBuilder::new().mode(0o700).create(dir).map_err(|e| fsio::error("making", dir, e))?;
    let create = |name| OpenOptions::new().write(true).create_new(true).mode(0o600).open(dir.join(name));
    let failed = |name| move |e| fsio::error("writing the snapshot", &dir.join(name), e);
    let packed = |name, from| create(name).and_then(|to| pack(from, to)).map_err(failed(name));
    let mapped = |kernel| {
        let to = create(MEMORY)?;
        let extents = mapped::save(&contents.memory, kernel, &to)?;
        to.sync_data()?;
        Ok(Memory::Mapped { file: Identity::of(&to.metadata()?), extents })
    };
    let manifest = Manifest {
        subject: subject.clone(),
        log,
        memory: match &contents.kernel {
            Some(kernel) => mapped(kernel).map_err(failed(MEMORY))?,
            None => Memory::Packed(packed(MEMORY, &contents.memory)?),
        },
        state: packed(STATE, &contents.state)?,
        scratch: packed(SCRATCH, &contents.scratch)?,
    };
    fsio::write_json(&dir.join(MANIFEST), &manifest)?;
    Ok(manifest)
}

/// Throws a snapshot away. Machines that use it hold its files open.
pub fn remove(dir: &Path) {
    let _ = fs::remove_dir_all(dir);
}

fn directories(store: &Path) -> Vec<(String, PathBuf)> {
    let entries = fs::read_dir(store).into_iter().flatten().flatten();
    entries.map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.path())).collect()
}

/// Removes what processes that are gone have left unfinished.
fn sweep(store: &Path) {
    for (name, path) in directories(store) {
        if name.strip_prefix(UNFINISHED).is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            remove(&path);
        }
    }
}

fn subject_of(dir: &Path) -> Option<Subject> {
    fsio::read_json::<Manifest>(&dir.join(MANIFEST)).ok().flatten().map(|manifest| manifest.subject)
}

fn supersede(store: &Path, subject: &Subject, place: &Path) {
    for (name, path) in directories(store) {
        let same = |other: &Subject| other.workload == subject.workload && other.app == subject.app;
        let keep = || subject_of(&path).is_some_and(|other| !same(&other) && other.is_usable());
        if path != place && !name.starts_with(UNFINISHED) && !keep() {
            remove(&path);
        }
    }
}

/// Where the snapshots of a home are.
pub fn place(home: &Home) -> Result<PathBuf> {
    home.cache_dir("snapshots")
}

/// Removes the snapshots that no built workload can use any more: its IR, its layers or our programs are others now.
pub fn gc(home: &Home, dry_run: bool) -> Result<Removed> {
    let store = home.cache().join("snapshots");
    let records = build::artifacts::list(home)?;
    let wanted = |subject: &Subject| {
        records.iter().filter(|r| r.workload.id == subject.workload && r.ir_hash == subject.ir_hash).any(
            |r| {
                r.apps.iter().filter(|app| app.name == subject.app).any(|app| {
                    let built: Vec<&str> = app.layers.iter().map(|layer| layer.digest.as_str()).collect();
                    let has = |name: &String| built.iter().any(|digest| name.starts_with(digest));
                    subject.layers.len() == built.len() && subject.layers.iter().all(has)
                })
            },
        )
    };
    let mut removed = Removed::default();
    for (name, path) in directories(&store) {
        let unfinished = name.strip_prefix(UNFINISHED);
        let keep = match unfinished {
            Some(pid) => Path::new("/proc").join(pid).exists(),
            None => subject_of(&path).is_some_and(|subject| subject.is_usable() && wanted(&subject)),
        };
        if !keep {
            removed.bytes += size(&path);
            removed.files.push(format!("snapshots/{name}"));
            if !dry_run {
                remove(&path);
            }
        }
    }
    Ok(removed)
}

/// Bytes on disk.
fn size(dir: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    directories(dir)
        .iter()
        .filter_map(|(_, path)| fs::metadata(path).ok())
        .map(|meta| meta.blocks() * 512)
        .sum()
}
