//! The directory that `compile` writes and `build` reads: canonical IR, one archive of sources per app, and a manifest
//! with their digests. Written beside its place and put there in one step.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use workload_ir::{Source, Workload};

use super::BuildRequest;
use crate::digest::{Hashing, is_sha256_hex, sha256_reader};
use crate::tree::Tree;
use crate::{Context, Error, ErrorKind, Result, Stage, fsio, plan, source};

const MANIFEST: &str = "compile.json";
const WORKLOAD: &str = "workload.json";
const SOURCES: &str = "source";
const VERSION: u32 = 1;
/// Says that a directory is ours, whatever else is in it.
const FORMAT: &str = "mvm-compiled-workload";
const MAX_IR: u64 = 64 << 20;

/// `compile.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    format: String,
    version: u32,
    ir_hash: String,
    /// By app name.
    sources: BTreeMap<String, SourceArchive>,
}

/// One app's sources.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SourceArchive {
    file: String,
    sha256: String,
    size: u64,
}

/// Collects the workload's sources and writes them with the IR to a directory. One that `compile` wrote before is
/// replaced; any other is refused.
pub fn compile(workload: &Workload, base_dir: &Path, out_dir: &Path, ctx: &Context) -> Result<()> {
    plan::check_compile(workload)?;
    let out_dir = absolute(out_dir)?;
    refuse_foreign(&out_dir)?;
    let parent = out_dir.parent().ok_or_else(|| foreign(&out_dir, "it is the root directory"))?;
    fs::create_dir_all(parent).map_err(|e| fsio::error("making the directory", parent, e))?;
    let staging = tempfile::Builder::new()
        .prefix(".mvm-compile-")
        .tempdir_in(parent)
        .map_err(|e| fsio::error("making a directory in", parent, e))?;
    write_into(staging.path(), workload, base_dir, &out_dir, ctx)?;
    ctx.check()?;
    // Others may read what was compiled, as with any file that a compiler writes.
    use std::os::unix::fs::PermissionsExt as _;
    let readable = fs::Permissions::from_mode(0o755);
    fs::set_permissions(staging.path(), readable).map_err(|e| fsio::error("writing", staging.path(), e))?;
    put_in_place(staging, &out_dir)
}

fn write_into(dir: &Path, workload: &Workload, base_dir: &Path, out_dir: &Path, ctx: &Context) -> Result<()> {
    let sources = dir.join(SOURCES);
    fs::create_dir(&sources).map_err(|e| fsio::error("making the directory", &sources, e))?;
    let mut manifest = Manifest {
        format: FORMAT.into(),
        version: VERSION,
        ir_hash: workload.hash(),
        sources: BTreeMap::new(),
    };
    for app in &workload.apps {
        let archive = ctx.stage(Stage::Collect, app.name.clone(), || {
            let mut tree = source::collect(&app.source, base_dir, dir, ctx)?;
            leave_out(&mut tree, &app.source, base_dir, out_dir);
            Ok((write_archive(&tree, dir, &app.name)?, false))
        })?;
        manifest.sources.insert(app.name.clone(), archive);
    }
    write_file(&dir.join(WORKLOAD), &workload.canonical())?;
    let mut text = serde_json::to_vec_pretty(&manifest)
        .map_err(|e| Error::new(ErrorKind::Internal, format!("writing {MANIFEST}: {e}")))?;
    text.push(b'\n');
    write_file(&dir.join(MANIFEST), &text)
}

/// The output directory of an earlier run may lie in the source; it is not a part of it.
fn leave_out(tree: &mut Tree, source: &Source, base_dir: &Path, out_dir: &Path) {
    let Source::LocalPath { path, .. } = source;
    let inside = |root: PathBuf| out_dir.strip_prefix(root).ok().map(Path::to_path_buf);
    if let Some(inside) = base_dir.join(path).canonicalize().ok().and_then(inside)
        && !inside.as_os_str().is_empty()
    {
        tree.remove(inside);
    }
}

fn write_archive(tree: &Tree, dir: &Path, app: &str) -> Result<SourceArchive> {
    let file = format!("{SOURCES}/{app}.tar");
    let path = dir.join(&file);
    let write = || {
        let out = Hashing::new(BufWriter::with_capacity(1 << 20, File::create_new(&path)?));
        let (out, sha256) = source::write_archive(tree, out)?.finish();
        let out = out.into_inner().map_err(std::io::IntoInnerError::into_error)?;
        out.sync_all()?;
        Ok((sha256, out.metadata()?.len()))
    };
    let (sha256, size) = write().map_err(|e| fsio::error("writing", &path, e))?;
    Ok(SourceArchive { file, sha256, size })
}

fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    let write = || {
        let mut file = File::create_new(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(|e| fsio::error("writing", path, e))
}

/// Puts a finished directory in place of an old one, in one step where the file system can.
fn put_in_place(staging: tempfile::TempDir, out_dir: &Path) -> Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    let error = |e: std::io::Error| fsio::error("writing", out_dir, e);
    if out_dir.exists() {
        // The old directory takes the temporary one's place and name, and goes with it.
        if renameat_with(CWD, staging.path(), CWD, out_dir, RenameFlags::EXCHANGE).is_ok() {
            return staging.close().map_err(error);
        }
        refuse_foreign(out_dir)?;
        fs::remove_dir_all(out_dir).map_err(error)?;
    }
    let path = staging.keep();
    fs::rename(&path, out_dir).map_err(|e| {
        let _ = fs::remove_dir_all(&path);
        error(e)
    })
}

fn absolute(path: &Path) -> Result<PathBuf> {
    let absolute = std::path::absolute(path).map_err(|e| fsio::error("finding the directory", path, e))?;
    // An existing one by its real name, so that it is replaced and not a link to it.
    Ok(absolute.canonicalize().unwrap_or(absolute))
}

/// An existing directory may only be replaced if it is empty or `compile` wrote all that is in it.
fn refuse_foreign(dir: &Path) -> Result<()> {
    let meta = match fs::symlink_metadata(dir) {
        Ok(meta) => meta,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(fsio::error("looking at", dir, e)),
    };
    if !meta.is_dir() {
        return Err(foreign(dir, "it is not a directory"));
    }
    let entries = fs::read_dir(dir).map_err(|e| fsio::error("reading the directory", dir, e))?;
    let mut names: Vec<_> = entries.flatten().map(|e| e.file_name()).collect();
    names.retain(|name| name != MANIFEST && name != WORKLOAD && name != SOURCES);
    if let Some(name) = names.first() {
        return Err(foreign(dir, &format!("{} in it is not from `mvmctl compile`", name.display())));
    }
    let empty = fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_none());
    if !empty && read_manifest(dir)?.is_none() {
        return Err(foreign(dir, "there is no compile.json of mvm in it"));
    }
    Ok(())
}

fn foreign(dir: &Path, why: &str) -> Error {
    Error::new(ErrorKind::Usage, format!("writing to {} is refused: {why}", dir.display()))
        .help("name a new directory, or one that `mvmctl compile` wrote")
}

/// The manifest of a compiled directory; none if it is not one.
fn read_manifest(dir: &Path) -> Result<Option<Manifest>> {
    let path = dir.join(MANIFEST);
    let Some(value) = fsio::read_json::<serde_json::Value>(&path)? else { return Ok(None) };
    if value.get("format").and_then(|f| f.as_str()) != Some(FORMAT) {
        return Ok(None);
    }
    let version = value.get("version").and_then(serde_json::Value::as_u64);
    if version != Some(u64::from(VERSION)) {
        let version = version.map_or("none".into(), |v| v.to_string());
        return Err(damaged(&path, &format!("its version is {version}, and this mvm reads {VERSION}")));
    }
    serde_json::from_value(value).map(Some).map_err(|e| damaged(&path, &e.to_string()))
}

fn damaged(path: &Path, why: &str) -> Error {
    Error::new(ErrorKind::Usage, format!("reading {}: {why}", path.display()))
        .help("compile again: `mvmctl compile`")
}

/// Reads a directory that [`compile`] wrote.
pub fn load_compiled(dir: &Path) -> Result<BuildRequest> {
    let manifest = read_manifest(dir)?.ok_or_else(|| {
        Error::new(ErrorKind::Usage, format!("{} was not written by `mvmctl compile`", dir.display()))
            .help("name a directory that `mvmctl compile FILE --out DIR` wrote, or the file itself")
    })?;
    let path = dir.join(WORKLOAD);
    let workload = Workload::from_json(&fsio::read_bounded(&path, MAX_IR)?).map_err(|e| {
        Error::new(ErrorKind::Usage, format!("reading {}: {e}", path.display()))
            .help("compile again: `mvmctl compile`")
    })?;
    if workload.hash() != manifest.ir_hash {
        return Err(damaged(&path, "it is not the IR that compile.json describes"));
    }
    let base_dir = dir.canonicalize().map_err(|e| fsio::error("reading", dir, e))?;
    Ok(BuildRequest { workload, base_dir, allow_substitute: false, offline: false, lock: None })
}

/// The sources of an app, from the archive if `base_dir` is a compiled directory of this very workload, else from the
/// directory that the declaration names.
pub(super) fn sources(
    workload: &Workload,
    app: &workload_ir::App,
    base_dir: &Path,
    scratch: &Path,
    ctx: &Context,
) -> Result<Tree> {
    let Some(manifest) = read_manifest(base_dir)?.filter(|m| m.ir_hash == workload.hash()) else {
        return source::collect(&app.source, base_dir, scratch, ctx);
    };
    let archive = manifest
        .sources
        .get(&app.name)
        .ok_or_else(|| damaged(&base_dir.join(MANIFEST), &format!("it has no sources of `{}`", app.name)))?;
    let path = base_dir.join(SOURCES).join(format!("{}.tar", app.name));
    let open = || File::open(&path).map_err(|e| fsio::error("reading", &path, e));
    let (sha256, size) = sha256_reader(&mut open()?).map_err(|e| fsio::error("reading", &path, e))?;
    if !is_sha256_hex(&archive.sha256) || sha256 != archive.sha256 || size != archive.size {
        return Err(damaged(&path, "it is not the archive that compile.json describes"));
    }
    source::read_archive(open()?, &path.display().to_string(), scratch)
}
