//! The supervisor's part in snapshots: the files that a machine has because it is to be frozen or was, and the order
//! of steps in which it is.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::os::fd::RawFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use agent_protocol::snapshot::ENTROPY;
use agent_protocol::{Hello, Output, Resume};

use super::super::launch::Launch;
use super::super::snapshot::{self, Contents, Manifest, Plan, Subject};
use super::boot::in_memory;
use super::guest::Guest;
use crate::hypervisor::{Hypervisor, SnapshotSpec};
use crate::{Error, ErrorKind, Result};

/// How long a guest may take to end its session: it has nothing else to do.
const SESSION_PATIENCE: Duration = Duration::from_secs(30);

/// Files of a machine that is to be frozen, or that was.
pub struct Frozen {
    contents: Arc<Contents>,
    /// What of memory is mapped from where.
    extents: Option<File>,
    monitor: UnixStream,
    /// The VMM's end, until it has it.
    monitor_of_vmm: UnixStream,
    what: What,
}

enum What {
    Freeze {
        store: PathBuf,
        subject: Box<Subject>,
    },
    /// Memory that is not mapped is being unpacked.
    Restore {
        log: Vec<Output>,
        unpacking: Option<JoinHandle<Result<()>>>,
    },
}

/// The same once the VMM runs.
pub struct Held {
    /// The files.
    pub files: Frozen,
    /// What runs the machine.
    pub hypervisor: Box<dyn Hypervisor>,
    /// Number of the state's descriptor in the VMM process.
    pub state: RawFd,
}

fn failed(e: std::io::Error) -> Error {
    Error::new(ErrorKind::Environment, format!("making the files of a snapshot: {e}")).source(e)
}

/// The files of a launch, if it is about a snapshot. A snapshot's memory is mapped by a VMM that `maps` it, and unpacked
/// while another starts.
pub fn prepare(launch: &Launch, scratch: &File, maps: bool) -> Result<Option<Frozen>> {
    if launch.snapshot == Plan::Boot {
        return Ok(None);
    }
    let subject = Box::new(Subject::of(launch)?);
    let state = in_memory("state", &[]).map_err(failed)?;
    let scratch = scratch.try_clone().map_err(failed)?;
    let empty_memory = || {
        let memory = in_memory("memory", &[])?;
        memory.set_len(u64::from(launch.memory_mb) << 20)?;
        Ok(memory)
    };
    let (contents, extents, what) = match &launch.snapshot {
        Plan::Boot => return Ok(None),
        Plan::Freeze { store } => {
            let memory = empty_memory().map_err(failed)?;
            let kernel = maps.then(|| File::open(&launch.kernel)).transpose().map_err(failed)?;
            let what = What::Freeze { store: store.clone(), subject };
            (Arc::new(Contents { memory, kernel, state, scratch }), None, what)
        }
        Plan::Restore { from } => {
            let manifest = snapshot::read(from)?;
            if manifest.subject != *subject {
                return Err(Error::new(ErrorKind::Boot, "restoring the machine: the snapshot is of another"));
            }
            let mapped = manifest.mapped(from)?;
            let (memory, extents) = match mapped {
                Some((memory, extents)) => {
                    let list = serde_json::to_vec(extents).map_err(|e| failed(e.into()))?;
                    (memory, Some(in_memory("extents", &list).map_err(failed)?))
                }
                None => (empty_memory().map_err(failed)?, None),
            };
            let contents = Arc::new(Contents { memory, kernel: None, state, scratch });
            manifest.unpack(from, &contents)?;
            let log = manifest.log.clone();
            let unpacking = match extents {
                Some(_) => None,
                None => Some(unpack(manifest, from.clone(), &contents)?),
            };
            (contents, extents, What::Restore { log, unpacking })
        }
    };
    let (monitor, monitor_of_vmm) = UnixStream::pair().map_err(failed)?;
    Ok(Some(Frozen { contents, extents, monitor, monitor_of_vmm, what }))
}

/// Unpacks memory in a thread of its own.
fn unpack(manifest: Manifest, from: PathBuf, to: &Arc<Contents>) -> Result<JoinHandle<Result<()>>> {
    let to = Arc::clone(to);
    let unpack = move || manifest.unpack_memory(&from, &to);
    std::thread::Builder::new().name("unpack".into()).spawn(unpack).map_err(failed)
}

impl Frozen {
    /// What the VMM is given.
    pub fn spec(&self) -> Result<SnapshotSpec> {
        Ok(SnapshotSpec {
            memory: self.contents.memory.try_clone().map_err(failed)?,
            state: self.contents.state.try_clone().map_err(failed)?,
            monitor: self.monitor_of_vmm.try_clone().map_err(failed)?,
            extents: self.extents.as_ref().map(File::try_clone).transpose().map_err(failed)?,
            restore: matches!(self.what, What::Restore { .. }),
        })
    }
}

impl Held {
    /// Has a machine that was frozen go on, once all of it is there and found whole. Its log begins as that of every
    /// machine of this app. What is not restored comes back.
    pub fn thaw(self, guest: &Guest) -> Result<Option<Held>> {
        let What::Restore { log, unpacking } = self.files.what else { return Ok(Some(self)) };
        log.into_iter().for_each(|output| guest.log.write(output));
        let crashed =
            |_| Error::new(ErrorKind::Internal, "restoring the machine: unpacking its memory crashed");
        unpacking.map_or(Ok(Ok(())), JoinHandle::join).map_err(crashed)??;
        let snapshots = self.hypervisor.snapshots().ok_or_else(unsupported)?;
        snapshots.restore(&self.files.monitor, self.state)?;
        guest.restored();
        Ok(None)
    }

    /// Freezes the machine, which has said that it may be, and saves it. `end` ends its process in between: the rest
    /// needs it no more.
    pub fn freeze(self, guest: &Guest, end: impl FnOnce()) -> Result<()> {
        let What::Freeze { store, subject } = self.files.what else { return Err(unsupported()) };
        if guest.has_connected() {
            let message = "freezing the machine: its modules open a connection when they are imported";
            return Err(Error::new(ErrorKind::Policy, message).help("open it when a function is called"));
        }
        guest.agent.end_session(SESSION_PATIENCE)?;
        let snapshots = self.hypervisor.snapshots().ok_or_else(unsupported)?;
        snapshots.freeze(&self.files.monitor, &self.files.contents.state)?;
        end();
        let (mut log, _) = guest.log.follow();
        log.retain(|output| matches!(output.stream.as_str(), "stdout" | "stderr"));
        snapshot::save(&store, &subject, log, &self.files.contents).map(drop)
    }
}

fn unsupported() -> Error {
    Error::new(ErrorKind::Internal, "freezing the machine: what runs it cannot freeze it")
}

/// The restored agent has greeted us: it is told what makes this life its own before it does anything.
pub fn resume(guest: &Guest, hello: &Hello, env: BTreeMap<String, String>) -> Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    guest.agent.resume(hello, Resume { unix_time_ns: now.as_nanos() as u64, entropy: entropy()?, env })
}

fn entropy() -> Result<Vec<u8>> {
    let mut bytes = vec![0; ENTROPY];
    let read = File::open("/dev/urandom").and_then(|mut source| source.read_exact(&mut bytes));
    read.map(|()| bytes).map_err(|e| {
        Error::new(ErrorKind::Environment, format!("restoring the machine: reading entropy: {e}")).source(e)
    })
}
