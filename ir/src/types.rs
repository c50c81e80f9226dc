//! The types of Workload IR 0.1. Field names are the JSON's; absent options are omitted, collections with a
//! default are written empty, unknown fields are refused.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A workload: one or more apps, each of which runs in a microVM of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    /// Version of the schema; see [`crate::SCHEMA_VERSION`].
    pub schema_version: String,
    /// Identifier, `^[a-z][a-z0-9-]{0,62}$`.
    pub id: String,
    /// The apps, in source order.
    pub apps: Vec<App>,
    /// Named volumes that apps mount.
    pub volumes: Vec<Volume>,
    /// Room for other tools; mvm itself writes nothing here.
    pub extensions: serde_json::Map<String, serde_json::Value>,
}

/// One app: what one `@mvm.app` declares.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct App {
    /// Name, unique in the workload, `^[a-z][a-z0-9-]{0,62}$`.
    pub name: String,
    /// Files to package.
    pub source: Source,
    /// What the root file system is made of.
    pub image: Image,
    /// Machine size.
    pub resources: Resources,
    /// Egress and port policy.
    pub network: Network,
    /// Environment of every entrypoint and hook.
    pub env: BTreeMap<String, EnvValue>,
    /// What can be called or started.
    pub entrypoints: Vec<Entrypoint>,
    /// Language-level dependencies.
    pub dependencies: Dependencies,
    /// Volumes, host paths and tmpfs to mount.
    pub mounts: Vec<Mount>,
    /// Commands around build, start and stop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hooks: Option<Hooks>,
    /// Readiness check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_check: Option<HealthCheck>,
    /// Declared threat tier, passed through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threat_tier: Option<String>,
}

/// Files to package.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Source {
    /// A directory, relative to the declaring file's directory.
    LocalPath {
        /// The directory.
        path: String,
        /// Glob patterns selected; `**` means everything.
        include: Vec<String>,
        /// Glob patterns left out.
        exclude: Vec<String>,
    },
}

/// What the root file system is made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Image {
    /// A set of packages, by their nixpkgs names.
    NixPackages {
        /// Attribute names, in source order.
        packages: Vec<String>,
    },
    /// An OCI image as base.
    OciBase {
        /// Reference without digest.
        reference: String,
        /// `sha256:…`
        #[serde(default, skip_serializing_if = "Option::is_none")]
        digest: Option<String>,
    },
}

/// Machine size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resources {
    /// Virtual CPUs, 1–64.
    pub cpu_cores: u32,
    /// Guest memory in MiB, at least 64.
    pub memory_mb: u32,
    /// Writable disk in MiB, at least 64.
    pub rootfs_size_mb: u32,
}

/// Egress and port policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// Mode.
    pub mode: NetworkMode,
    /// Published ports.
    pub ports: Vec<Port>,
    /// Destinations allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub egress: Option<Egress>,
    /// Other workloads this one may reach.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peers: Option<Vec<String>>,
    /// Name resolution.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns: Option<Dns>,
}

/// Network modes. `host` is refused by the compiler and has no IR.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NetworkMode {
    /// Only the allowlist passes.
    Deny,
    /// Nothing passes.
    None,
    /// With `egress` only that; without, any public address.
    Bridge,
}

/// Destinations allowed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Egress {
    /// Host and port pairs, in source order.
    pub allowlist: Vec<HostPort>,
}

/// A destination.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostPort {
    /// Host name or public IP address.
    pub host: String,
    /// 1–65535.
    pub port: u16,
}

/// A published port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Port {
    /// Port in the guest.
    pub guest: u16,
    /// Port on the host; absent: chosen at start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<u16>,
    /// `tcp` or `udp`.
    pub proto: Proto,
    /// Address on the host; absent: loopback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_addr: Option<String>,
    /// Address in the guest.
    pub guest_addr: String,
    /// Stable identifier of this mapping.
    pub mapping_id: String,
}

/// Transport protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Proto {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// Name resolution.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Dns {
    /// No resolver.
    None,
    /// The host's resolver.
    System,
    /// A named resolver.
    Resolver {
        /// Address.
        host: String,
        /// Port, 53 unless told.
        port: u16,
    },
}

/// The value of an environment variable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum EnvValue {
    /// Written in the source.
    Literal {
        /// The text.
        value: String,
    },
    /// Held by the host, handed over at boot.
    SecretRef {
        /// Which secret, and how it appears.
        r#ref: SecretRef,
    },
}

/// A reference to a secret in the host's store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretRef {
    /// Name in the store.
    pub name: String,
    /// How it appears in the guest.
    pub mount: SecretMount,
    /// `bearer`, `basic`, `sigv4` or `hmac`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_type: Option<AuthType>,
    /// Hosts it may be sent to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_hosts: Option<Vec<String>>,
}

/// How a secret appears in the guest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum SecretMount {
    /// As an environment variable.
    Env {
        /// Its name.
        var: String,
    },
}

/// How a secret is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthType {
    /// `Authorization: Bearer …`
    Bearer,
    /// HTTP basic.
    Basic,
    /// AWS signature version 4.
    Sigv4,
    /// Keyed hash.
    Hmac,
}

/// What can be called or started.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Entrypoint {
    /// A long-running command.
    Command {
        /// Argument vector.
        command: Vec<String>,
        /// Directory it starts in.
        working_dir: String,
        /// Environment of this entrypoint alone.
        env: BTreeMap<String, EnvValue>,
    },
    /// A function called with JSON or MessagePack arguments.
    Function {
        /// `python` or `node`.
        language: String,
        /// Import path.
        module: String,
        /// Name at the top level of the module.
        function: String,
        /// `json` or `msgpack`.
        format: Format,
        /// Directory it starts in.
        working_dir: String,
        /// Environment of this entrypoint alone.
        env: BTreeMap<String, EnvValue>,
        /// Called when no function is named.
        primary: bool,
        /// Worker pool.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        concurrency: Option<Concurrency>,
        /// JSON Schema of the arguments.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        args_schema: Option<serde_json::Value>,
        /// JSON Schema of the result.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        return_schema: Option<serde_json::Value>,
    },
}

/// Encoding of arguments and result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// JSON.
    Json,
    /// MessagePack.
    Msgpack,
}

/// Worker pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Concurrency {
    /// Processes that outlive a call.
    WarmProcess {
        /// Number of workers.
        pool_size: u32,
        /// Calls before a worker is replaced.
        max_calls_per_worker: u32,
        /// Resident memory before a worker is replaced, MiB.
        max_rss_mb: u32,
        /// `serial` (the only mode so far).
        in_process: String,
        /// Calls that may wait.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max_queue_depth: Option<u32>,
    },
}

/// Language-level dependencies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Dependencies {
    /// None.
    None,
    /// Python, from a lockfile.
    Python {
        /// Path under the source.
        lockfile: String,
        /// `uv` or `pip-tools`.
        tool: String,
    },
    /// Node, from a lockfile.
    Node {
        /// Path under the source.
        lockfile: String,
        /// `pnpm`, `npm` or `yarn`.
        tool: String,
    },
}

/// Something mounted in the guest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mount {
    /// What.
    pub source: MountSource,
    /// Absolute path in the guest.
    pub target: String,
    /// `ro` or `rw`.
    pub mode: MountMode,
}

/// What is mounted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum MountSource {
    /// A named volume of the workload.
    Volume {
        /// Its name.
        name: String,
    },
    /// A directory of the host.
    HostPath {
        /// Its path.
        path: String,
    },
    /// Memory.
    Tmpfs {
        /// Upper bound in MiB.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        size_mb: Option<u32>,
    },
}

/// Access of a mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MountMode {
    /// Read only.
    Ro,
    /// Read and write.
    Rw,
}

/// A named volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Volume {
    /// Name, unique in the workload.
    pub name: String,
    /// Size in MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_mb: Option<u32>,
}

/// Commands around build, start and stop.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hooks {
    /// Once, while the image is built, in a microVM.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before_build: Vec<Hook>,
    /// At every boot, before the entrypoint.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before_start: Vec<Hook>,
    /// At every boot, once the entrypoint is ready.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after_start: Vec<Hook>,
    /// Before shutdown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before_stop: Vec<Hook>,
}

/// A command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Hook {
    /// A line for `/bin/sh -c`.
    Shell {
        /// The line.
        line: String,
    },
    /// An argument vector.
    Argv {
        /// The vector.
        argv: Vec<String>,
    },
}

/// Readiness check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HealthCheck {
    /// Argument vector; exit code 0 means ready.
    pub command: Vec<String>,
    /// Seconds between checks.
    pub interval_secs: u32,
    /// Seconds before a check is given up.
    pub timeout_secs: u32,
    /// Failures in a row before the app is unhealthy.
    pub retries: u32,
    /// Seconds after the start in which failures do not count.
    pub start_period_secs: u32,
}
