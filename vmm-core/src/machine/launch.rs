//! From a request to everything a supervisor needs: one message, sent over an inherited pipe. It holds the values of
//! secrets and is therefore never written, logged or shown.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use agent_protocol::{
    Activation, Destination, EntrypointSpec, FreezeAt, HealthSpec, HookSpec, HookSpecs, PoolSpec, Task,
    TmpfsSpec,
};
use serde::{Deserialize, Serialize};
use workload_ir::{App, Concurrency, Entrypoint, EnvValue, Hook, MountMode, MountSource, Port};

use super::registry::MachineDir;
use super::snapshot::{self, Plan};
use super::{Clocks, HypervisorChoice, MachineInfo, MachineState, UpRequest};
use crate::build::{AppBuild, Layer};
use crate::egress::Policy;
use crate::hypervisor::{Probe, probe_quickly};
use crate::kernel::{Kernel, Module};
use crate::layer::Store;
use crate::plan::{self, HostLimits};
use crate::secrets::Value;
use crate::{Error, ErrorKind, Home, Result, programs};

/// Memory file systems without a declared size get this much, MiB.
const TMPFS_MB: u32 = 64;
/// Workers of one pool, whatever is declared.
const MAX_WORKERS: u32 = 16;

/// Everything a supervisor needs.
#[derive(Clone, Serialize, Deserialize)]
pub struct Launch {
    /// The machine's directory.
    pub dir: PathBuf,
    /// The machine, as far as it is known.
    pub info: MachineInfo,
    /// Uncompressed kernel image.
    pub kernel: PathBuf,
    /// Modules: name and file, in load order.
    pub modules: Vec<(String, PathBuf)>,
    /// The guest agent.
    pub agent: PathBuf,
    /// Layers, lowest first.
    pub layers: Vec<PathBuf>,
    /// Virtual CPUs.
    pub cpus: u32,
    /// Memory, MiB.
    pub memory_mb: u32,
    /// Writable disk, MiB.
    pub scratch_mb: u32,
    /// Hypervisor.
    pub hypervisor: HypervisorChoice,
    /// What this host can run guests with; what KVM refused our own VMM at a first try, too.
    pub probe: Probe,
    /// What the guest is told, without secrets.
    pub activation: Activation,
    /// Secrets of the app's environment. A machine that is to be frozen is told them afterwards.
    pub late_env: BTreeMap<String, String>,
    /// What it may reach.
    pub policy: Policy,
    /// Ports of the guest that are reached from here.
    pub ports: Vec<Port>,
    /// Values that must not appear in the log.
    pub secrets: Vec<String>,
    /// How long until it must be ready.
    pub boot_timeout: Duration,
    /// How long until its kernel must have reached user space, where another try is left.
    pub kernel_timeout: Option<Duration>,
    /// It ends with the process that started it.
    pub ephemeral: bool,
    /// Boot, freeze or restore.
    pub snapshot: Plan,
    /// Where it is frozen.
    pub freeze_at: FreezeAt,
    /// Why it is never frozen.
    pub never_frozen: Option<String>,
    /// SHA-256 of the kernel and its modules.
    pub kernel_digest: String,
}

impl std::fmt::Debug for Launch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Launch").field("name", &self.info.name).finish_non_exhaustive()
    }
}

fn refuse(field: &str, why: &str) -> Error {
    Error::new(ErrorKind::Policy, format!("starting the machine: `{field}` {why}"))
}

/// The launch of an app.
pub fn of_request(
    home: &Home,
    request: &UpRequest,
    kernel: &Kernel,
    secrets: &BTreeMap<String, Value>,
) -> Result<Launch> {
    let missing = || {
        Error::new(
            ErrorKind::Usage,
            format!("starting {}: the workload has no app of this name", request.app),
        )
    };
    let app = request.build.workload.apps.iter().find(|app| app.name == request.app).ok_or_else(missing)?;
    let built = request.build.apps.iter().find(|app| app.name == request.app).ok_or_else(missing)?;
    plan::check_served(app)?;
    let size = plan::launch(app, &HostLimits::detect())?;
    let policy = Policy::of(app, &request.connect_to);
    let activation = activation(app, built, &policy, secrets)?;
    let never_frozen = snapshot::never_frozen(app, &activation);
    let mut launch = bare(home, &request.name, built, kernel, activation)?;
    launch.late_env = secret_values(&app.env, secrets)?;
    launch.freeze_at = snapshot::freeze_at(&launch.late_env);
    launch.never_frozen = never_frozen;
    launch.info.workload.clone_from(&request.build.workload.id);
    launch.info.ir_hash.clone_from(&request.build.ir_hash);
    launch.cpus = size.cpu_cores;
    launch.memory_mb = size.memory_mb;
    launch.scratch_mb = size.rootfs_size_mb;
    launch.hypervisor = request.hypervisor;
    launch.policy = policy;
    launch.ports.clone_from(&app.network.ports);
    launch.secrets =
        secrets.values().map(|value| String::from_utf8_lossy(value.expose()).into_owned()).collect();
    launch.boot_timeout = request.boot_timeout;
    launch.ephemeral = request.ephemeral;
    Ok(launch)
}

/// A launch with nothing but an image: no network, no secrets, modest size.
pub fn bare(
    home: &Home,
    name: &str,
    built: &AppBuild,
    kernel: &Kernel,
    activation: Activation,
) -> Result<Launch> {
    let started_at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    Ok(Launch {
        dir: MachineDir::of(home, name)?.path().to_owned(),
        info: MachineInfo {
            name: name.to_owned(),
            workload: String::new(),
            app: built.name.clone(),
            state: MachineState::Starting,
            pid: 0,
            hypervisor: String::new(),
            started_at,
            ir_hash: String::new(),
            clocks: Clocks::default(),
            restored: false,
        },
        kernel: kernel.image.clone(),
        modules: kernel.modules.iter().map(|Module { name, file }| (name.clone(), file.clone())).collect(),
        agent: programs::guest_agent()?,
        layers: layer_paths(home, &built.layers)?,
        cpus: 1,
        memory_mb: 512,
        scratch_mb: 1024,
        hypervisor: HypervisorChoice::Auto,
        probe: probe_quickly(),
        activation,
        late_env: BTreeMap::new(),
        policy: Policy::default(),
        ports: Vec::new(),
        secrets: Vec::new(),
        boot_timeout: Duration::from_secs(300),
        kernel_timeout: None,
        ephemeral: true,
        snapshot: Plan::Boot,
        freeze_at: FreezeAt::Import,
        never_frozen: Some("it does a piece of work for a build".into()),
        kernel_digest: kernel.digest.clone(),
    })
}

fn layer_paths(home: &Home, layers: &[Layer]) -> Result<Vec<PathBuf>> {
    let store = Store::open(home)?;
    let mut layers: Vec<&Layer> = layers.iter().collect();
    // The order of the roles is the order of the layers; equal roles keep theirs.
    layers.sort_by_key(|layer| layer.role as u8);
    let path = |layer: &&Layer| match store.contains(layer) {
        true => Ok(store.path(&layer.digest)),
        false => Err(Error::new(
            ErrorKind::Usage,
            format!("starting the machine: the layer {} is not in the store any more", layer.digest),
        )
        .help("build the workload again with `mvmctl build`")),
    };
    layers.iter().map(path).collect()
}

/// What the guest is told.
fn activation(
    app: &App,
    built: &AppBuild,
    policy: &Policy,
    secrets: &BTreeMap<String, Value>,
) -> Result<Activation> {
    let mut env: BTreeMap<String, String> = built.env.clone();
    env.extend(literals(&app.env));
    let entrypoints = app.entrypoints.iter().map(|e| entrypoint(e, secrets)).collect::<Result<_>>()?;
    let hooks = app.hooks.clone().unwrap_or_default();
    Ok(Activation {
        task: Task::Serve,
        hostname: app.name.clone(),
        unix_time_ns: 0,
        path: built.path.clone(),
        env,
        interpreters: built.interpreters.clone(),
        entrypoints,
        hooks: HookSpecs {
            before_start: hook_specs(&hooks.before_start),
            after_start: hook_specs(&hooks.after_start),
            before_stop: hook_specs(&hooks.before_stop),
        },
        health_check: app.health_check.as_ref().map(|check| HealthSpec {
            command: check.command.clone(),
            interval_secs: check.interval_secs,
            timeout_secs: check.timeout_secs,
            retries: check.retries,
            start_period_secs: check.start_period_secs,
        }),
        destinations: destinations(policy),
        proxy: !policy.is_closed(),
        tmpfs: app.mounts.iter().filter_map(tmpfs).collect(),
        freeze: None,
    })
}

/// The destinations that get an address in the guest.
pub fn destinations(policy: &Policy) -> Vec<Destination> {
    policy.allow.iter().cloned().collect()
}

fn tmpfs(mount: &workload_ir::Mount) -> Option<TmpfsSpec> {
    let MountSource::Tmpfs { size_mb } = &mount.source else { return None };
    Some(TmpfsSpec {
        target: mount.target.clone(),
        size_mb: size_mb.unwrap_or(TMPFS_MB),
        read_only: mount.mode == MountMode::Ro,
    })
}

/// Hooks as argument vectors.
pub fn hook_specs(hooks: &[Hook]) -> Vec<HookSpec> {
    let argv = |hook: &Hook| match hook {
        Hook::Shell { line } => vec!["/bin/sh".into(), "-c".into(), line.clone()],
        Hook::Argv { argv } => argv.clone(),
    };
    hooks.iter().map(|hook| HookSpec { argv: argv(hook) }).collect()
}

fn literals(env: &BTreeMap<String, EnvValue>) -> BTreeMap<String, String> {
    let literal = |(key, value): (&String, &EnvValue)| match value {
        EnvValue::Literal { value } => Some((key.clone(), value.clone())),
        EnvValue::SecretRef { .. } => None,
    };
    env.iter().filter_map(literal).collect()
}

fn secret_values(
    env: &BTreeMap<String, EnvValue>,
    secrets: &BTreeMap<String, Value>,
) -> Result<BTreeMap<String, String>> {
    let mut values = BTreeMap::new();
    for value in env.values() {
        let EnvValue::SecretRef { r#ref } = value else { continue };
        let workload_ir::SecretMount::Env { var } = &r#ref.mount;
        let secret = secrets.get(&r#ref.name).ok_or_else(|| missing_secret(&r#ref.name))?;
        let text = std::str::from_utf8(secret.expose()).ok().filter(|text| !text.contains('\0'));
        let text = text.ok_or_else(|| {
            refuse("env", &format!("names the secret {}, whose value is not text", r#ref.name))
        })?;
        values.insert(var.clone(), text.to_owned());
    }
    Ok(values)
}

fn values(
    env: &BTreeMap<String, EnvValue>,
    secrets: &BTreeMap<String, Value>,
) -> Result<BTreeMap<String, String>> {
    let mut values = literals(env);
    values.extend(secret_values(env, secrets)?);
    Ok(values)
}

fn missing_secret(name: &str) -> Error {
    Error::new(ErrorKind::Environment, format!("starting the machine: the secret {name} is not set"))
        .help(format!("set it with `mvmctl secret set {name}`, which reads the value from standard input"))
}

fn entrypoint(entrypoint: &Entrypoint, secrets: &BTreeMap<String, Value>) -> Result<EntrypointSpec> {
    match entrypoint {
        Entrypoint::Command { command, working_dir, env } => Ok(EntrypointSpec::Command {
            command: command.clone(),
            working_dir: working_dir.clone(),
            env: values(env, secrets)?,
        }),
        Entrypoint::Function {
            language, module, function, working_dir, env, primary, concurrency, ..
        } => Ok(EntrypointSpec::Function {
            language: language.clone(),
            module: module.clone(),
            function: function.clone(),
            working_dir: working_dir.clone(),
            env: values(env, secrets)?,
            primary: *primary,
            pool: concurrency.as_ref().map_or_else(PoolSpec::default, pool),
        }),
    }
}

fn pool(concurrency: &Concurrency) -> PoolSpec {
    let Concurrency::WarmProcess { pool_size, max_calls_per_worker, max_rss_mb, max_queue_depth, .. } =
        concurrency;
    PoolSpec {
        size: (*pool_size).clamp(1, MAX_WORKERS),
        max_calls: *max_calls_per_worker,
        max_rss_mb: *max_rss_mb,
        max_queue: max_queue_depth.unwrap_or(PoolSpec::default().max_queue),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::app;

    fn built() -> AppBuild {
        AppBuild {
            name: "a".into(),
            layers: vec![],
            path: "/usr/bin".into(),
            interpreters: BTreeMap::new(),
            env: [("SSL_CERT_FILE".to_owned(), "/c".to_owned())].into(),
        }
    }

    fn activate(app: &App, secrets: &BTreeMap<String, Value>) -> Result<Activation> {
        activation(app, &built(), &Policy::of(app, &[]), secrets)
    }

    #[test]
    fn a_missing_secret_is_refused_by_name_and_a_present_one_goes_under_its_variable() {
        let secret = serde_json::json!({"env": {"K": {"kind": "secret_ref",
            "ref": {"name": "api-key", "mount": {"kind": "env", "var": "API_KEY"}}}}});
        let app = app(secret);
        let error = secret_values(&app.env, &BTreeMap::new()).unwrap_err();
        assert!(error.to_string().contains("api-key"), "{error}");
        let secrets = [("api-key".to_owned(), Value::new(b"v".to_vec()))].into();
        let late = secret_values(&app.env, &secrets).unwrap();
        assert_eq!(late.get("API_KEY").map(String::as_str), Some("v"));
        assert_eq!(snapshot::freeze_at(&late), FreezeAt::Interpreter);
        let activation = activate(&app, &secrets).unwrap();
        assert!(!format!("{activation:?}").contains("API_KEY"), "what is frozen holds a secret");
        assert_eq!(activation.env.get("SSL_CERT_FILE").map(String::as_str), Some("/c"));
    }

    #[test]
    fn a_launch_shows_no_secret() {
        let kernel = Kernel { release: "r".into(), image: "/k".into(), modules: vec![], digest: "d".into() };
        let dir = tempfile::tempdir().unwrap();
        let agent = dir.path().join("agent");
        std::fs::write(&agent, "").unwrap();
        let activation = Activation { env: [("K".into(), "hidden".into())].into(), ..Activation::default() };
        // The agent's place is of no interest here.
        if let Ok(launch) = bare(&Home::at(dir.path()), "m", &built(), &kernel, activation) {
            assert!(!format!("{launch:?}").contains("hidden"));
        }
    }

    #[test]
    fn a_closed_network_has_no_proxy_and_an_allowlist_has() {
        assert!(!activate(&app(serde_json::json!({})), &BTreeMap::new()).unwrap().proxy);
        let open = serde_json::json!({"network": {"mode": "deny", "ports": [],
            "egress": {"allowlist": [{"host": "API.example.com", "port": 443}]}}});
        let activation = activate(&app(open), &BTreeMap::new()).unwrap();
        assert!(activation.proxy);
        assert_eq!(activation.destinations[0].host, "api.example.com");
    }

    #[test]
    fn hooks_become_argument_vectors() {
        let hooks = [Hook::Shell { line: "a && b".into() }, Hook::Argv { argv: vec!["x".into()] }];
        let argv: Vec<_> = hook_specs(&hooks).into_iter().map(|hook| hook.argv).collect();
        assert_eq!(argv, [vec!["/bin/sh", "-c", "a && b"], vec!["x"]]);
    }
}
