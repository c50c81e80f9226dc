//! Running machines: start, call, logs, stop, list. A machine is a supervisor process and a VMM process;
//! this is the client's side of the supervisor's socket.

mod client;
mod launch;
mod log;
mod prepare;
mod reaped;
mod registry;
pub mod snapshot;
mod start;
pub mod supervisor;
mod sys;
mod wire;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use agent_protocol::{CallOutcome, Output};
pub use client::{Machine, down, list, logs_of, up, up_with_kernel};
pub use prepare::{PrepareRequest, prepare_bytecode, run_hooks_before_build};
pub use snapshot::{SnapshotUse, freeze};

pub(crate) use registry::files_in_use;
pub(crate) use sys::landlock_version;

use crate::build::BuildRecord;

/// Which hypervisor runs a machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HypervisorChoice {
    /// Our own VMM where the hardware runs guests, else QEMU.
    #[default]
    Auto,
    /// Our own VMM on KVM.
    Kvm,
    /// QEMU, with KVM where it is hardware's, else TCG.
    Qemu,
}

/// Sends connections for one destination elsewhere, as `curl --connect-to` does. The operator's choice, for
/// tests and mirrors; noted in the machine's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectTo {
    /// Destination as the guest names it.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Where the host connects instead.
    pub address: std::net::SocketAddr,
}

/// What to start.
#[derive(Clone, Debug)]
pub struct UpRequest {
    /// The built workload.
    pub build: BuildRecord,
    /// Which of its apps.
    pub app: String,
    /// Name of the machine, unique among running ones.
    pub name: String,
    /// Hypervisor.
    pub hypervisor: HypervisorChoice,
    /// Destinations sent elsewhere.
    pub connect_to: Vec<ConnectTo>,
    /// How long until the function must be ready.
    pub boot_timeout: Duration,
    /// The machine ends when the process that started it does (`mvmctl run`).
    pub ephemeral: bool,
    /// Whether it starts from a snapshot.
    pub snapshot: SnapshotUse,
}

/// The three clocks, measured from the start of the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clocks {
    /// VMM process started and configured, ms.
    pub vmm_ms: Option<u64>,
    /// First instruction of the agent, ms.
    pub userspace_ms: Option<u64>,
    /// The entry module is imported and calls are answered, ms.
    pub ready_ms: Option<u64>,
}

/// A machine as `ps` shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MachineInfo {
    /// Name.
    pub name: String,
    /// Workload id.
    pub workload: String,
    /// App name.
    pub app: String,
    /// State.
    pub state: MachineState,
    /// Supervisor's process id.
    pub pid: u32,
    /// `kvm`, `qemu-kvm`, `qemu-tcg`.
    pub hypervisor: String,
    /// Unix seconds.
    pub started_at: u64,
    /// Hash of the IR it runs.
    pub ir_hash: String,
    /// The clocks.
    pub clocks: Clocks,
    /// It started from a snapshot.
    #[serde(default)]
    pub restored: bool,
}

/// States of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MachineState {
    /// Not ready yet.
    Starting,
    /// Answers calls.
    Ready,
    /// Going down.
    Stopping,
    /// Ended by itself; the log says why.
    Failed,
}

/// A call of a function entrypoint.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CallRequest {
    /// Function; `None`: the primary one.
    pub function: Option<String>,
    /// Positional arguments.
    pub args: Vec<serde_json::Value>,
    /// Keyword arguments.
    pub kwargs: serde_json::Map<String, serde_json::Value>,
    /// Time limit of the call.
    pub timeout: Option<Duration>,
}

/// Machines without processes, for tests of what looks at them.
#[cfg(test)]
pub(crate) mod tests_support {
    use std::path::{Path, PathBuf};

    use super::registry::{Lock, MachineDir};
    use crate::Home;

    /// A machine that has only just been claimed.
    pub(crate) fn starting(home: &Home, name: &str) -> Lock {
        MachineDir::of(home, name).unwrap().claim().unwrap()
    }

    /// A machine that uses some files, as long as the value lives.
    pub(crate) fn running(home: &Home, name: &str, files: &[PathBuf]) -> Lock {
        let lock = starting(home, name);
        let files: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
        MachineDir::of(home, name).unwrap().write_uses(&files).unwrap();
        lock
    }
}
