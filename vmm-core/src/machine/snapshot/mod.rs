//! Snapshots: a machine whose modules are imported, on disk, from which others start. What a snapshot is of decides
//! its name; one that fits in every part is used, any other is not even looked at. `docs/snapshots.md` says what is
//! fresh in each life and what is not.

mod choose;
mod mapped;
mod pack;
mod store;

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use agent_protocol::{Activation, EntrypointSpec, FreezeAt, Task};
use serde::{Deserialize, Serialize};
use workload_ir::{App, EnvValue};

pub(super) use choose::start;
pub use choose::{SnapshotUse, freeze};
pub use store::gc;
pub(super) use store::{Contents, Manifest, read, save};

use super::launch::Launch;
use crate::hypervisor::select;
use crate::{Error, ErrorKind, Result, digest, programs};

/// Layout of the files and of what is said on thawing.
const FORMAT: u32 = 2;

/// What a supervisor does about snapshots.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Plan {
    /// It boots a machine.
    #[default]
    Boot,
    /// It boots a machine, freezes it and ends.
    Freeze {
        /// Where snapshots are kept.
        store: PathBuf,
    },
    /// It restores a machine.
    Restore {
        /// The snapshot's directory.
        from: PathBuf,
    },
}

/// All that a snapshot depends on. Two machines with equal subjects differ in nothing until they are told their
/// entropy, the time and their secrets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Subject {
    format: u32,
    /// Workload and app: whose snapshot it is.
    pub workload: String,
    /// App.
    pub app: String,
    /// Hash of the IR.
    pub ir_hash: String,
    /// File names of the layers, lowest first; they are digests.
    pub layers: Vec<String>,
    kernel: String,
    /// The agent, our own programs and the VMM: what they are told on the command line is theirs to decide.
    programs: Vec<Program>,
    hypervisor: String,
    /// The host's processor, with all that a guest can see of it.
    processor: String,
    cpus: u32,
    memory_mb: u32,
    scratch_mb: u32,
    freeze_at: FreezeAt,
    /// What the guest is told before it is frozen; no secret is in it.
    activation: Activation,
}

/// A program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Program {
    path: PathBuf,
    identity: Identity,
}

impl Program {
    fn at(path: &Path) -> Result<Program> {
        let meta = std::fs::metadata(path).map_err(|e| {
            Error::new(ErrorKind::Environment, format!("looking at {}: {e}", path.display())).source(e)
        })?;
        Ok(Program { path: path.to_owned(), identity: Identity::of(&meta) })
    }
}

/// A file, by what changes whenever it is written, replaced or copied. Its contents need not be read to tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Identity {
    size: u64,
    inode: u64,
    changed_ns: i128,
}

impl Identity {
    fn of(meta: &Metadata) -> Identity {
        let changed_ns = i128::from(meta.ctime()) * 1_000_000_000 + i128::from(meta.ctime_nsec());
        Identity { size: meta.len(), inode: meta.ino(), changed_ns }
    }
}

impl Subject {
    /// The subject of a launch. An error of kind policy says why such a machine is never frozen.
    pub fn of(launch: &Launch) -> Result<Subject> {
        if let Some(why) = &launch.never_frozen {
            return Err(refusal(why));
        }
        let hypervisor = select(launch.hypervisor, &launch.probe)?;
        let snapshots = hypervisor
            .snapshots()
            .ok_or_else(|| refusal(&format!("{} freezes no machines", hypervisor.name())))?;
        let layer = |path: &PathBuf| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Subject {
            format: FORMAT,
            workload: launch.info.workload.clone(),
            app: launch.info.app.clone(),
            ir_hash: launch.info.ir_hash.clone(),
            layers: launch.layers.iter().map(layer).collect(),
            kernel: launch.kernel_digest.clone(),
            programs: vec![
                Program::at(&launch.agent)?,
                Program::at(&programs::supervisor()?)?,
                Program::at(snapshots.program())?,
            ],
            hypervisor: hypervisor.name().into(),
            processor: processor(&std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default()),
            cpus: launch.cpus,
            memory_mb: launch.memory_mb,
            scratch_mb: launch.scratch_mb,
            freeze_at: launch.freeze_at,
            activation: launch.activation.clone(),
        })
    }

    /// Whether anything can still start from it: the programs are those that made it.
    fn is_usable(&self) -> bool {
        self.format == FORMAT
            && self.programs.iter().all(|program| Program::at(&program.path).is_ok_and(|now| now == *program))
    }

    /// Its name: the digest of everything in it.
    pub fn key(&self) -> Result<String> {
        let text = serde_json::to_vec(self)
            .map_err(|e| Error::new(ErrorKind::Internal, format!("naming a snapshot: {e}")).source(e))?;
        Ok(digest::sha256_hex(&text))
    }
}

fn refusal(why: &str) -> Error {
    Error::new(ErrorKind::Policy, format!("freezing the machine: {why}"))
        .help("without a snapshot the machine boots, which takes longer; nothing else differs")
}

/// Model, stepping, microcode and features of the first processor; not its frequency of the moment.
fn processor(cpuinfo: &str) -> String {
    let first = cpuinfo.split("\n\n").next().unwrap_or_default();
    let moves = |line: &&str| line.starts_with("cpu MHz") || line.starts_with("bogomips");
    let lines: Vec<&str> = first.lines().filter(|line| !moves(line)).collect();
    digest::sha256_hex(lines.join("\n").as_bytes())
}

/// Why machines of this app are never frozen, if they are not: what they do at their start would be done once, for
/// many lives.
pub fn never_frozen(app: &App, activation: &Activation) -> Option<String> {
    let command = |e: &EntrypointSpec| matches!(e, EntrypointSpec::Command { .. });
    let hooks = &activation.hooks;
    let secret = |e: &workload_ir::Entrypoint| {
        let (workload_ir::Entrypoint::Command { env, .. } | workload_ir::Entrypoint::Function { env, .. }) =
            e;
        env.values().any(|value| matches!(value, EnvValue::SecretRef { .. }))
    };
    let why = if activation.task != Task::Serve || activation.entrypoints.is_empty() {
        "it serves no function"
    } else if activation.entrypoints.iter().any(command) {
        "it runs a command of its own"
    } else if !(hooks.before_start.is_empty() && hooks.after_start.is_empty()) {
        "it has hooks that run at its start"
    } else if activation.health_check.is_some() {
        "it has a health check"
    } else if app.entrypoints.iter().any(secret) {
        "an entrypoint has a secret of its own"
    } else {
        return None;
    };
    Some(why.into())
}

/// Where machines of this app are frozen: before the import, if that may need what no snapshot holds.
pub fn freeze_at(late_env: &BTreeMap<String, String>) -> FreezeAt {
    if late_env.is_empty() { FreezeAt::Import } else { FreezeAt::Interpreter }
}

#[cfg(test)]
mod tests;
