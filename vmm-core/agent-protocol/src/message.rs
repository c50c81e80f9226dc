//! The messages. Host to agent and agent to host are separate types, so that neither can be sent the wrong way.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::snapshot::{FreezeAt, Resume};

/// What the agent says on the control stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum GuestMessage {
    /// First message.
    Hello(Hello),
    /// Everything declared is up and calls are answered.
    Ready {
        /// Microseconds since the guest's kernel started.
        uptime_us: u64,
    },
    /// As far as [`Activation::freeze`] says, and quiet: the host ends the session and freezes the machine.
    Frozen,
    /// The machine could not become ready, or could not stay so. The machine powers off after this.
    Failed {
        /// What was being done.
        stage: String,
        /// Why it failed, one line.
        message: String,
        /// More to read: a traceback, the last lines of a hook.
        detail: String,
    },
    /// All commands ended by themselves and there is no function to serve: the machine powers off.
    Finished,
}

/// The agent's first message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hello {
    /// Lowest and highest protocol version the agent speaks.
    pub protocol: (u32, u32),
    /// The agent's own version, for people.
    pub agent: String,
    /// Microseconds from the start of the guest's kernel to the agent's first instruction.
    pub started_us: u64,
    /// Microseconds from the start of the guest's kernel to this message.
    pub uptime_us: u64,
}

/// What the host says on the control stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum HostMessage {
    /// The version both will speak.
    Welcome {
        /// Version.
        protocol: u32,
    },
    /// What this machine is for. Sent once.
    Activate(Box<Activation>),
    /// The machine was frozen and this is one of its lives. First message of the new session, after the greeting.
    Resume(Box<Resume>),
    /// Stop what runs and power off.
    Shutdown {
        /// Milliseconds for hooks and processes to end by themselves.
        grace_ms: u64,
    },
}

/// What a machine is for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Activation {
    /// Serve, or do one piece of work and be read out.
    pub task: Task,
    /// Host name.
    pub hostname: String,
    /// Wall clock, nanoseconds since the epoch.
    pub unix_time_ns: u64,
    /// `PATH`.
    pub path: String,
    /// Environment of everything that runs; secrets are in here, so this message is never logged.
    pub env: BTreeMap<String, String>,
    /// Interpreter of each language.
    pub interpreters: BTreeMap<String, String>,
    /// What is served.
    pub entrypoints: Vec<EntrypointSpec>,
    /// Commands around start and stop.
    pub hooks: HookSpecs,
    /// Readiness check.
    pub health_check: Option<HealthSpec>,
    /// Destinations that have a loopback address here.
    pub destinations: Vec<Destination>,
    /// Whether the loopback HTTP proxy runs.
    pub proxy: bool,
    /// Memory file systems.
    pub tmpfs: Vec<TmpfsSpec>,
    /// Where to stop, to be frozen.
    #[serde(default)]
    pub freeze: Option<FreezeAt>,
}

/// What the machine does once it is activated.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Task {
    /// Serve the entrypoints.
    #[default]
    Serve,
    /// Compile Python modules to byte code, for a layer.
    CompilePython {
        /// Modules to import and compile, with all that they import; those that are missing are skipped.
        modules: Vec<String>,
    },
    /// Run hooks, for a layer.
    RunHooks {
        /// The hooks.
        hooks: Vec<HookSpec>,
    },
}

/// An entrypoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum EntrypointSpec {
    /// A long-running command.
    Command {
        /// Argument vector.
        command: Vec<String>,
        /// Directory it starts in.
        working_dir: String,
        /// Its own environment.
        env: BTreeMap<String, String>,
    },
    /// A function.
    Function {
        /// Language; key of [`Activation::interpreters`].
        language: String,
        /// Import path.
        module: String,
        /// Name.
        function: String,
        /// Directory it starts in.
        working_dir: String,
        /// Its own environment.
        env: BTreeMap<String, String>,
        /// Called when no function is named.
        primary: bool,
        /// Workers.
        pool: PoolSpec,
    },
}

/// Workers of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PoolSpec {
    /// Number of processes.
    pub size: u32,
    /// Calls before a worker is replaced; 0: never.
    pub max_calls: u32,
    /// Resident memory before a worker is replaced, MiB; 0: never.
    pub max_rss_mb: u32,
    /// Calls that may wait.
    pub max_queue: u32,
}

impl Default for PoolSpec {
    fn default() -> Self {
        PoolSpec { size: 1, max_calls: 0, max_rss_mb: 0, max_queue: 64 }
    }
}

/// Commands around start and stop.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookSpecs {
    /// Before the entrypoints.
    pub before_start: Vec<HookSpec>,
    /// Once the entrypoints are ready.
    pub after_start: Vec<HookSpec>,
    /// Before shutdown.
    pub before_stop: Vec<HookSpec>,
}

/// A command, as an argument vector; shell lines have been given their `/bin/sh -c`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookSpec {
    /// Argument vector.
    pub argv: Vec<String>,
}

/// Readiness check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthSpec {
    /// Argument vector.
    pub command: Vec<String>,
    /// Seconds between checks.
    pub interval_secs: u32,
    /// Seconds before a check is given up.
    pub timeout_secs: u32,
    /// Failures in a row before the machine has failed.
    pub retries: u32,
    /// Seconds after the start in which failures do not count.
    pub start_period_secs: u32,
}

/// A destination the guest may reach.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Destination {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
}

/// A memory file system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TmpfsSpec {
    /// Where.
    pub target: String,
    /// Upper bound in MiB.
    pub size_mb: u32,
    /// Whether it can only be read.
    pub read_only: bool,
}

/// First message of every stream but the control stream: what the stream is for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "stream", rename_all = "snake_case")]
pub enum Open {
    /// Agent to host: output follows as [`Output`] messages.
    Logs,
    /// Agent to host: a connection out; [`Connected`] comes back, then raw bytes.
    Connect(Destination),
    /// Host to agent: a connection to a port of the guest; [`Connected`] comes back, then raw bytes.
    Dial {
        /// Address in the guest.
        address: String,
        /// Port.
        port: u16,
    },
    /// Host to agent: a call; [`CallEvent`]s come back.
    Call(CallSpec),
    /// Host to agent: what the task changed; [`Entry`] messages come back, file contents raw after theirs.
    Collect,
}

/// Answer to [`Open::Connect`] and [`Open::Dial`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connected {
    /// Why not.
    pub error: Option<String>,
}

/// A call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallSpec {
    /// Function; `None`: the primary one.
    pub function: Option<String>,
    /// Positional arguments.
    pub args: Vec<serde_json::Value>,
    /// Keyword arguments.
    pub kwargs: serde_json::Map<String, serde_json::Value>,
    /// Time limit.
    pub timeout_ms: Option<u64>,
}

/// What a call brings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum CallEvent {
    /// Output of the function.
    Output(Output),
    /// The end.
    Done {
        /// How.
        outcome: CallOutcome,
    },
}

/// Output, in the order the guest wrote it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// `stdout`, `stderr`, `hook`, `agent` or `console`.
    pub stream: String,
    /// Bytes, lossily decoded.
    pub text: String,
}

/// How a call ended, if host and agent kept in touch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum CallOutcome {
    /// The function returned.
    Returned {
        /// Its result.
        value: serde_json::Value,
    },
    /// The function raised.
    Raised {
        /// Exception class, `ValueError`.
        exception: String,
        /// Its text.
        message: String,
        /// The traceback as Python prints it, the harness's own frames left out.
        traceback: String,
    },
    /// The result cannot be carried as JSON.
    NotSerializable {
        /// Python's reason.
        message: String,
    },
    /// The arguments do not fit the function.
    BadArguments {
        /// Python's reason.
        message: String,
    },
    /// There is no such function.
    NoSuchFunction {
        /// Those there are.
        available: Vec<String>,
    },
    /// The time limit passed; the worker was killed.
    TimedOut {
        /// The limit, ms.
        after_ms: u64,
    },
    /// The worker process ended in the middle of the call.
    WorkerDied {
        /// Exit code or signal, in words; says so when memory ran out.
        reason: String,
    },
}

/// One changed file, for [`Open::Collect`]. `path` is relative to the root, `/` between its parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Entry {
    /// A directory.
    Directory {
        /// Path.
        path: String,
        /// Permission bits.
        mode: u32,
    },
    /// A regular file; `size` raw bytes follow.
    File {
        /// Path.
        path: String,
        /// Permission bits.
        mode: u32,
        /// Bytes.
        size: u64,
    },
    /// A symbolic link.
    Symlink {
        /// Path.
        path: String,
        /// Target.
        target: String,
    },
    /// A lower layer's file that is gone.
    Removed {
        /// Path.
        path: String,
    },
    /// Something that has no place in a layer (a device, a socket).
    Skipped {
        /// Path.
        path: String,
        /// Why.
        reason: String,
    },
    /// The last message.
    End,
}
