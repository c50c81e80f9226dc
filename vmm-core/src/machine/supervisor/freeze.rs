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
use super::super::snapshot::{self, Contents, Plan, Subject};
use super::boot::in_memory;
use super::guest::Guest;
use crate::hypervisor::{Hypervisor, SnapshotSpec};
use crate::{Error, ErrorKind, Result};

/// How long a guest may take to end its session: it has nothing else to do.
const SESSION_PATIENCE: Duration = Duration::from_secs(30);

/// Files of a machine that is to be frozen, or that was.
pub struct Frozen {
    contents: Arc<Contents>,
    monitor: UnixStream,
    /// The VMM's end, until it has it.
    monitor_of_vmm: UnixStream,
    what: What,
}

enum What {
    Freeze { store: PathBuf, subject: Box<Subject> },
    Restore { log: Vec<Output>, unpacking: JoinHandle<Result<()>> },
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

/// The files of a launch, if it is about a snapshot. A snapshot's memory is unpacked while the VMM
/// starts.
pub fn prepare(launch: &Launch, scratch: &File) -> Result<Option<Frozen>> {
    if launch.snapshot == Plan::Boot {
        return Ok(None);
    }
    let subject = Box::new(Subject::of(launch)?);
    let memory = in_memory("memory", &[]).map_err(failed)?;
    memory.set_len(u64::from(launch.memory_mb) << 20).map_err(failed)?;
    let state = in_memory("state", &[]).map_err(failed)?;
    let contents = Arc::new(Contents { memory, state, scratch: scratch.try_clone().map_err(failed)? });
    let what = match &launch.snapshot {
        Plan::Boot => return Ok(None),
        Plan::Freeze { store } => What::Freeze { store: store.clone(), subject },
        Plan::Restore { from } => {
            let manifest = snapshot::read(from)?;
            if manifest.subject != *subject {
                return Err(Error::new(ErrorKind::Boot, "restoring the machine: the snapshot is of another"));
            }
            manifest.unpack(from, &contents)?;
            let (unpacked, whole, from) = (Arc::clone(&contents), manifest.clone(), from.clone());
            let unpack = move || whole.unpack_memory(&from, &unpacked);
            let unpacking =
                std::thread::Builder::new().name("unpack".into()).spawn(unpack).map_err(failed)?;
            What::Restore { log: manifest.log, unpacking }
        }
    };
    let (monitor, monitor_of_vmm) = UnixStream::pair().map_err(failed)?;
    Ok(Some(Frozen { contents, monitor, monitor_of_vmm, what }))
}

impl Frozen {
    /// What the VMM is given.
    pub fn spec(&self) -> Result<SnapshotSpec> {
        Ok(SnapshotSpec {
            memory: self.contents.memory.try_clone().map_err(failed)?,
            state: self.contents.state.try_clone().map_err(failed)?,
            monitor: self.monitor_of_vmm.try_clone().map_err(failed)?,
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
        unpacking.join().map_err(crashed)??;
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
