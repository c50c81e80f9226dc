//! Validation: what a well-formed workload must also satisfy. Every problem has a stable code and a JSON pointer.

use std::collections::HashSet;

use crate::limits::{self, is_digest, is_env_name, is_id};
use crate::{
    App, Concurrency, Dependencies, Dns, Entrypoint, EnvValue, Hook, Image, MountSource, Network,
    NetworkMode, SCHEMA_VERSION, SecretMount, Source, Workload,
};

/// What is wrong with a workload.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{pointer}: {message} [{}]", code.as_str())]
pub struct Problem {
    /// Stable code.
    pub code: Code,
    /// JSON pointer (RFC 6901) of the offending value.
    pub pointer: String,
    /// What is wrong and what is right.
    pub message: String,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// Stable codes of validation. Never reused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code { $($(#[$doc])* $name,)* }

        impl Code {
            /// The code as tools print it.
            pub fn as_str(self) -> &'static str {
                match self { $(Code::$name => $text,)* }
            }
            /// All codes.
            pub const ALL: &'static [Code] = &[$(Code::$name,)*];
        }
    };
}

codes! {
    /// `schema_version` is another one.
    Version = "IR001",
    /// An id or name breaks `^[a-z][a-z0-9-]{0,62}$`.
    Id = "IR002",
    /// A name stands twice.
    Duplicate = "IR003",
    /// There is no app.
    NoApp = "IR004",
    /// A number is out of bounds.
    Bounds = "IR005",
    /// A port is 0.
    Port = "IR006",
    /// There is no entrypoint.
    NoEntrypoint = "IR007",
    /// Not exactly one function entrypoint is primary.
    Primary = "IR008",
    /// A command, module, function, path or package is empty.
    Empty = "IR009",
    /// An environment variable's name is no name.
    EnvName = "IR010",
    /// A digest is not `sha256:` and 64 hex digits.
    Digest = "IR011",
    /// A mount names a volume that is not declared.
    UnknownVolume = "IR012",
    /// A mount's target is not an absolute path.
    Target = "IR013",
    /// Mode `none` with destinations or ports.
    ModeNone = "IR014",
    /// A text contains a NUL character, which no command line, path or variable can carry.
    Nul = "IR015",
}

impl Workload {
    /// Everything that is wrong, in document order; empty when the workload is valid.
    pub fn validate(&self) -> Vec<Problem> {
        let mut v = Validator { problems: Vec::new() };
        v.workload(self);
        v.problems
    }
}

struct Validator {
    problems: Vec<Problem>,
}

impl Validator {
    fn add(&mut self, code: Code, pointer: impl Into<String>, message: impl Into<String>) {
        self.problems.push(Problem { code, pointer: pointer.into(), message: message.into() });
    }

    fn id(&mut self, pointer: String, what: &str, id: &str) {
        if !is_id(id) {
            self.add(
                Code::Id,
                pointer,
                format!(
                    "{what} must be 1 to 63 lower-case letters, digits and hyphens and start with a letter"
                ),
            );
        }
    }

    fn text(&mut self, pointer: String, what: &str, text: &str) {
        if text.is_empty() {
            self.add(Code::Empty, pointer, format!("{what} is empty"));
        } else if text.contains('\0') {
            self.add(Code::Nul, pointer, format!("{what} contains a NUL character"));
        }
    }

    fn bounds(&mut self, pointer: String, what: &str, n: u32, (least, most): (u32, u32)) {
        if n < least || n > most {
            self.add(Code::Bounds, pointer, format!("{what} is {n}, it must be {least} to {most}"));
        }
    }

    fn port(&mut self, pointer: String, port: u16) {
        if port == 0 {
            self.add(Code::Port, pointer, "port 0 is no port, it must be 1 to 65535");
        }
    }

    fn workload(&mut self, w: &Workload) {
        if w.schema_version != SCHEMA_VERSION {
            self.add(Code::Version, "/schema_version", format!("must be \"{SCHEMA_VERSION}\""));
        }
        self.id("/id".into(), "the id", &w.id);
        if w.apps.is_empty() {
            self.add(Code::NoApp, "/apps", "a workload needs at least one app");
        }
        let mut volumes = HashSet::new();
        for (i, volume) in w.volumes.iter().enumerate() {
            self.id(format!("/volumes/{i}/name"), "the volume's name", &volume.name);
            if !volumes.insert(volume.name.as_str()) {
                self.add(Code::Duplicate, format!("/volumes/{i}/name"), "the volume is declared twice");
            }
            if let Some(size) = volume.size_mb {
                self.bounds(format!("/volumes/{i}/size_mb"), "the size", size, (1, u32::MAX));
            }
        }
        let mut names = HashSet::new();
        for (i, app) in w.apps.iter().enumerate() {
            if !names.insert(app.name.as_str()) {
                self.add(Code::Duplicate, format!("/apps/{i}/name"), "another app has the same name");
            }
            self.app(&format!("/apps/{i}"), app, &volumes);
        }
    }

    fn app(&mut self, at: &str, app: &App, volumes: &HashSet<&str>) {
        self.id(format!("{at}/name"), "the name", &app.name);
        let Source::LocalPath { path, .. } = &app.source;
        self.text(format!("{at}/source/path"), "the path", path);
        self.image(at, &app.image);
        let r = &app.resources;
        self.bounds(format!("{at}/resources/cpu_cores"), "cpu_cores", r.cpu_cores, limits::CPU_CORES);
        self.bounds(format!("{at}/resources/memory_mb"), "memory_mb", r.memory_mb, limits::MEMORY_MB);
        self.bounds(
            format!("{at}/resources/rootfs_size_mb"),
            "rootfs_size_mb",
            r.rootfs_size_mb,
            limits::ROOTFS_SIZE_MB,
        );
        self.network(at, &app.network);
        self.env(&format!("{at}/env"), &app.env);
        self.entrypoints(at, &app.entrypoints);
        match &app.dependencies {
            Dependencies::None => {}
            Dependencies::Python { lockfile, .. } | Dependencies::Node { lockfile, .. } => {
                self.text(format!("{at}/dependencies/lockfile"), "the lockfile", lockfile);
            }
        }
        self.mounts(at, app, volumes);
        self.hooks(at, app);
        if let Some(check) = &app.health_check {
            self.argv(format!("{at}/health_check/command"), &check.command);
            for (name, n) in [
                ("interval_secs", check.interval_secs),
                ("timeout_secs", check.timeout_secs),
                ("retries", check.retries),
            ] {
                self.bounds(format!("{at}/health_check/{name}"), name, n, (1, u32::MAX));
            }
        }
    }

    fn image(&mut self, at: &str, image: &Image) {
        match image {
            Image::NixPackages { packages } => {
                for (i, package) in packages.iter().enumerate() {
                    self.text(format!("{at}/image/packages/{i}"), "the package's name", package);
                }
            }
            Image::OciBase { reference, digest } => {
                self.text(format!("{at}/image/reference"), "the reference", reference);
                if digest.as_ref().is_some_and(|d| !is_digest(d)) {
                    let message = "the digest must be `sha256:` and 64 lower-case hex digits";
                    self.add(Code::Digest, format!("{at}/image/digest"), message);
                }
            }
        }
    }

    fn network(&mut self, at: &str, network: &Network) {
        let allowlist = network.egress.as_ref().map_or(&[][..], |e| &e.allowlist);
        for (i, destination) in allowlist.iter().enumerate() {
            let here = format!("{at}/network/egress/allowlist/{i}");
            self.text(format!("{here}/host"), "the host", &destination.host);
            self.port(format!("{here}/port"), destination.port);
        }
        let mut ids = HashSet::new();
        for (i, port) in network.ports.iter().enumerate() {
            self.port(format!("{at}/network/ports/{i}/guest"), port.guest);
            if let Some(host) = port.host {
                self.port(format!("{at}/network/ports/{i}/host"), host);
            }
            if !ids.insert(port.mapping_id.as_str()) {
                let here = format!("{at}/network/ports/{i}/mapping_id");
                self.add(Code::Duplicate, here, "another port has the same mapping_id");
            }
        }
        for (i, peer) in network.peers.iter().flatten().enumerate() {
            self.id(format!("{at}/network/peers/{i}"), "the peer's id", peer);
        }
        if let Some(Dns::Resolver { host, port }) = &network.dns {
            self.text(format!("{at}/network/dns/host"), "the resolver", host);
            self.port(format!("{at}/network/dns/port"), *port);
        }
        if network.mode == NetworkMode::None && !(allowlist.is_empty() && network.ports.is_empty()) {
            let message =
                "nothing passes with mode `none`: remove the allowlist and the ports, or use `deny`";
            self.add(Code::ModeNone, format!("{at}/network/mode"), message);
        }
    }

    fn env(&mut self, at: &str, env: &std::collections::BTreeMap<String, EnvValue>) {
        for (key, value) in env {
            let mut here = at.to_owned();
            crate::push_pointer(&mut here, key);
            if !is_env_name(key) {
                self.add(Code::EnvName, here.clone(), "the name of a variable is letters, digits and `_`");
            }
            match value {
                EnvValue::Literal { value } if value.contains('\0') => {
                    self.add(Code::Nul, format!("{here}/value"), "the value contains a NUL character");
                }
                EnvValue::Literal { .. } => {}
                EnvValue::SecretRef { r#ref } => {
                    self.text(format!("{here}/ref/name"), "the secret's name", &r#ref.name);
                    let SecretMount::Env { var } = &r#ref.mount;
                    if !is_env_name(var) {
                        let message = "the name of a variable is letters, digits and `_`";
                        self.add(Code::EnvName, format!("{here}/ref/mount/var"), message);
                    }
                }
            }
        }
    }

    fn entrypoints(&mut self, at: &str, entrypoints: &[Entrypoint]) {
        if entrypoints.is_empty() {
            self.add(Code::NoEntrypoint, format!("{at}/entrypoints"), "an app needs an entrypoint");
        }
        let mut primaries = 0;
        let mut functions = 0;
        let mut seen = HashSet::new();
        for (i, entrypoint) in entrypoints.iter().enumerate() {
            let here = format!("{at}/entrypoints/{i}");
            match entrypoint {
                Entrypoint::Command { command, env, .. } => {
                    self.argv(format!("{here}/command"), command);
                    self.env(&format!("{here}/env"), env);
                }
                Entrypoint::Function { module, function, env, primary, concurrency, .. } => {
                    functions += 1;
                    primaries += usize::from(*primary);
                    self.text(format!("{here}/module"), "the module", module);
                    self.text(format!("{here}/function"), "the function", function);
                    if !seen.insert((module, function)) {
                        self.add(Code::Duplicate, format!("{here}/function"), "the function stands twice");
                    }
                    self.env(&format!("{here}/env"), env);
                    if let Some(Concurrency::WarmProcess {
                        pool_size,
                        max_calls_per_worker,
                        max_rss_mb,
                        ..
                    }) = concurrency
                    {
                        for (name, n) in [
                            ("pool_size", *pool_size),
                            ("max_calls_per_worker", *max_calls_per_worker),
                            ("max_rss_mb", *max_rss_mb),
                        ] {
                            self.bounds(format!("{here}/concurrency/{name}"), name, n, (1, u32::MAX));
                        }
                    }
                }
            }
        }
        if functions > 0 && primaries != 1 {
            let message = format!("exactly one function entrypoint must be primary, {primaries} are");
            self.add(Code::Primary, format!("{at}/entrypoints"), message);
        }
    }

    fn mounts(&mut self, at: &str, app: &App, volumes: &HashSet<&str>) {
        let mut targets = HashSet::new();
        for (i, mount) in app.mounts.iter().enumerate() {
            let here = format!("{at}/mounts/{i}");
            if !mount.target.starts_with('/') || mount.target.contains('\0') {
                self.add(Code::Target, format!("{here}/target"), "the target must be an absolute path");
            }
            if !targets.insert(mount.target.as_str()) {
                self.add(Code::Duplicate, format!("{here}/target"), "something else is mounted there");
            }
            match &mount.source {
                MountSource::Volume { name } if !volumes.contains(name.as_str()) => {
                    let message = format!("the volume `{name}` is not declared under /volumes");
                    self.add(Code::UnknownVolume, format!("{here}/source/name"), message);
                }
                MountSource::Volume { .. } => {}
                MountSource::HostPath { path } => {
                    self.text(format!("{here}/source/path"), "the path", path);
                }
                MountSource::Tmpfs { size_mb } => {
                    if let Some(size) = size_mb {
                        self.bounds(format!("{here}/source/size_mb"), "the size", *size, (1, u32::MAX));
                    }
                }
            }
        }
    }

    fn hooks(&mut self, at: &str, app: &App) {
        let Some(hooks) = &app.hooks else { return };
        for (name, list) in [
            ("before_build", &hooks.before_build),
            ("before_start", &hooks.before_start),
            ("after_start", &hooks.after_start),
            ("before_stop", &hooks.before_stop),
        ] {
            for (i, hook) in list.iter().enumerate() {
                let here = format!("{at}/hooks/{name}/{i}");
                match hook {
                    Hook::Shell { line } => self.text(format!("{here}/line"), "the line", line),
                    Hook::Argv { argv } => self.argv(format!("{here}/argv"), argv),
                }
            }
        }
    }

    fn argv(&mut self, at: String, argv: &[String]) {
        match argv.first() {
            None => self.add(Code::Empty, at, "the argument vector is empty"),
            Some(first) if first.is_empty() => {
                self.add(Code::Empty, format!("{at}/0"), "the program is empty")
            }
            Some(_) => {
                if let Some(i) = argv.iter().position(|a| a.contains('\0')) {
                    self.add(Code::Nul, format!("{at}/{i}"), "the argument contains a NUL character");
                }
            }
        }
    }
}
