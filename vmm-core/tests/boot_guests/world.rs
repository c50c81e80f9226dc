//! The image that all guests share, and small ways to start and call machines.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use vmm_core::build::{BuildRecord, BuildRequest, build};
use vmm_core::machine::{
    CallOutcome, CallRequest, HypervisorChoice, Machine, MachineInfo, SnapshotUse, UpRequest, down, list, up,
};
use vmm_core::secrets::Value;
use vmm_core::{Context, Error, Home};
use workload_ir::{Entrypoint, Format, Workload};

/// The app of every guest.
pub const TOOL: &str = include_str!("tool.py");

/// Functions of the app that are served.
const FUNCTIONS: [&str; 14] = [
    "run",
    "boom",
    "forever",
    "not_a_number",
    "thing",
    "hog",
    "fork",
    "fork_sessions",
    "spam",
    "die",
    "others",
    "variable",
    "later",
    "connect",
];

/// Caches are shared by all runs; state is the test's own.
pub struct World {
    pub home: Home,
    pub record: BuildRecord,
    pub ctx: Context,
    state: tempfile::TempDir,
}

fn caches() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("boot-guests")
}

fn home(state: &Path) -> Home {
    let caches = caches();
    let place = |name: &str| match name {
        "XDG_CACHE_HOME" => Some(caches.join("cache").into_os_string()),
        "XDG_DATA_HOME" => Some(caches.join("data").into_os_string()),
        "XDG_STATE_HOME" => Some(state.as_os_str().to_owned()),
        _ => None,
    };
    Home::from_vars(place).unwrap()
}

fn workload() -> Workload {
    let function = |name: &str| Entrypoint::Function {
        language: "python".into(),
        module: "tool".into(),
        function: name.into(),
        format: Format::Json,
        working_dir: "/app".into(),
        env: BTreeMap::new(),
        primary: name == "run",
        concurrency: None,
        args_schema: None,
        return_schema: None,
    };
    let mut workload: Workload = serde_json::from_value(serde_json::json!({
        "schema_version": "0.1", "id": "boot-guests", "volumes": [], "extensions": {},
        "apps": [{
            "name": "tool", "source": {"kind": "local_path", "path": ".", "include": ["**"], "exclude": []},
            "image": {"kind": "nix_packages", "packages": ["python3"]},
            "resources": {"cpu_cores": 1, "memory_mb": 192, "rootfs_size_mb": 256},
            "network": {"mode": "deny", "ports": []}, "env": {}, "entrypoints": [],
            "dependencies": {"kind": "none"}, "mounts": []
        }]
    }))
    .unwrap();
    workload.apps[0].entrypoints = FUNCTIONS.into_iter().map(function).collect();
    workload
}

fn record() -> BuildRecord {
    static RECORD: OnceLock<BuildRecord> = OnceLock::new();
    let make = || {
        let source = tempfile::tempdir().unwrap();
        std::fs::write(source.path().join("tool.py"), TOOL).unwrap();
        let request = BuildRequest {
            workload: workload(),
            base_dir: source.path().to_owned(),
            allow_substitute: true,
            offline: false,
            lock: None,
        };
        build(&home(&caches().join("state")), request, &Context::silent()).unwrap()
    };
    RECORD.get_or_init(make).clone()
}

impl World {
    pub fn new() -> World {
        let state = tempfile::tempdir().unwrap();
        World { home: home(state.path()), record: record(), ctx: Context::silent(), state }
    }

    pub fn request(&self, name: &str) -> UpRequest {
        UpRequest {
            build: self.record.clone(),
            app: "tool".into(),
            name: name.into(),
            hypervisor: HypervisorChoice::Auto,
            connect_to: Vec::new(),
            boot_timeout: Duration::from_secs(300),
            ephemeral: true,
            snapshot: SnapshotUse::Never,
        }
    }

    /// A machine with a changed app.
    pub fn request_with(&self, name: &str, change: impl FnOnce(&mut workload_ir::App)) -> UpRequest {
        let mut request = self.request(name);
        change(&mut request.build.workload.apps[0]);
        request
    }

    pub async fn up(&self, request: UpRequest) -> Result<Machine, Error> {
        self.up_with(request, BTreeMap::new()).await
    }

    pub async fn up_with(
        &self,
        request: UpRequest,
        secrets: BTreeMap<String, Value>,
    ) -> Result<Machine, Error> {
        up(&self.home, request, secrets, &self.ctx).await
    }

    pub fn list(&self) -> Vec<MachineInfo> {
        list(&self.home).unwrap()
    }

    pub async fn down(&self, name: &str) {
        down(&self.home, name, Duration::from_secs(30), &self.ctx).await.unwrap();
    }

    /// Nothing of any machine is left: no entry, no file, no process.
    pub fn assert_clean(&self) {
        assert_eq!(self.list(), [], "machines are left");
        let machines = self.state.path().join("mvm/machines");
        let left: Vec<_> = std::fs::read_dir(machines)
            .map(|dir| dir.flatten().map(|e| e.path()).collect())
            .unwrap_or_default();
        assert!(left.is_empty(), "{left:?}");
    }
}

pub fn request(function: &str, args: serde_json::Value) -> CallRequest {
    CallRequest {
        function: Some(function.into()),
        args: args.as_array().cloned().unwrap_or_default(),
        // Nothing that is expected to end is given up because the host is busy.
        timeout: Some(Duration::from_secs(120)),
        ..CallRequest::default()
    }
}

/// A call with its output.
pub async fn call(
    world: &World,
    machine: &Machine,
    request: CallRequest,
) -> (Result<CallOutcome, Error>, String) {
    let output = Arc::new(Mutex::new(String::new()));
    let sink = Arc::clone(&output);
    // What a function prints without end is not kept.
    let keep = move |piece: vmm_core::machine::Output| {
        let mut output = sink.lock().unwrap();
        if output.len() < 1 << 16 {
            output.push_str(&piece.text);
        }
    };
    let outcome = machine.call(request, keep, &world.ctx).await;
    let output = output.lock().unwrap().clone();
    (outcome, output)
}

/// The value that a function returns.
pub async fn value(
    world: &World,
    machine: &Machine,
    function: &str,
    args: serde_json::Value,
) -> serde_json::Value {
    match call(world, machine, request(function, args)).await.0.unwrap() {
        CallOutcome::Returned { value } => value,
        other => panic!("{function}: {other:?}"),
    }
}
