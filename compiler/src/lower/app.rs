//! One declaration → one app.

use workload_ir::{
    App, Dependencies, Entrypoint, Format, HealthCheck, Hook, Hooks, Image, Network, NetworkMode, Resources,
    Source, Volume,
};

use super::schema::Annotations;
use super::{Lowerer, Pointers, below, elements, import_path, present};
use crate::analysis::FileContext;
use crate::declaration::{DeclarationKind, Function};
use crate::value::{HelperCall, Value, ValueKind};

/// What an app is made of.
pub(crate) struct Input<'a> {
    pub kind: DeclarationKind,
    pub call: &'a HelperCall,
    pub function: &'a Function,
    pub file: &'a FileContext,
    /// Schemas of the decorated function.
    pub annotations: Annotations,
}

/// What a declaration lowers to.
pub(crate) struct Lowered {
    pub app: App,
    pub volumes: Vec<Volume>,
    pub pointers: Pointers,
    pub incomplete: bool,
}

/// Lowers a bound call of `app` or `func`.
pub(crate) fn app(input: &Input<'_>) -> Lowered {
    let mut l = Lowerer::default();
    let call = input.call;
    let own_name = (input.function.name_range.clone(), None);
    let name = match l.str("/name".into(), call.get("name")) {
        Some(name) => name,
        None => {
            l.pointers.push(("/name".into(), own_name.0.clone(), own_name.1));
            input.function.name.clone()
        }
    };
    let source = l.source(call);
    let image = match l.image(call.get("image")) {
        Some(image) => image,
        None => {
            l.incomplete |= input.kind == DeclarationKind::App;
            Image::NixPackages { packages: vec!["python312".to_owned()] }
        }
    };
    let Source::LocalPath { path, .. } = &source;
    let module = import_path(input.file, path);
    let mut volumes = Vec::new();
    let app = App {
        name,
        image,
        resources: l.resources(call.get("resources")),
        network: l.network(call.get("network"), call.get("depends_on")),
        env: l.env("/env", call.get("env")),
        entrypoints: l.entrypoints(input, &module),
        dependencies: l.dependencies(call.get("dependencies")),
        mounts: l.mounts(call.get("mounts"), &mut volumes),
        hooks: l.hooks(call),
        health_check: l.health_check(call.get("health_check")),
        threat_tier: l.str("/threat_tier".into(), call.get("threat_tier")),
        source,
    };
    let mut pointers = l.pointers;
    pointers.sort_by(|a, b| a.0.cmp(&b.0));
    pointers.dedup_by(|b, a| a.0 == b.0);
    Lowered { app, volumes, pointers, incomplete: l.incomplete }
}

impl Lowerer {
    fn source(&mut self, app: &HelperCall) -> Source {
        let everything = || vec!["**".to_owned()];
        let (mut path, mut include, mut exclude) = (".".to_owned(), everything(), Vec::new());
        if let Some(call) = self.call("/source", app.get("source")) {
            path = self.required("/source/path".into(), call.get("path"));
            include = self.strs("/source/include", call.get("include")).unwrap_or_else(everything);
            exclude = self.strs("/source/exclude", call.get("exclude")).unwrap_or_default();
        }
        if include == everything()
            && let Some(patterns) = self.strs("/source/include", app.get("include"))
        {
            include = patterns;
        }
        Source::LocalPath { path, include, exclude }
    }

    fn image(&mut self, value: Option<&Value>) -> Option<Image> {
        let call = self.call("/image", value)?;
        let packages = "/image/packages";
        Some(match call.helper {
            "nix_packages" => {
                let packages = self.strs(packages, call.get("packages")).unwrap_or_default();
                self.incomplete |= call.get("packages").is_none();
                Image::NixPackages { packages }
            }
            "python_image" => {
                self.interpreter(call, "python", "3.12", |v| format!("python{}", v.replace('.', "")))
            }
            "node_image" => self.interpreter(call, "node", "22", |v| format!("nodejs_{v}")),
            _ => {
                let reference = self.required("/image/reference".into(), call.get("reference"));
                let beside = self.str("/image/digest".into(), call.get("digest"));
                match reference.split_once('@') {
                    Some((name, inside)) if !inside.is_empty() => {
                        if let Some(value) = call.get("reference") {
                            self.mark("/image/digest", value);
                        }
                        Image::OciBase { reference: name.to_owned(), digest: Some(inside.to_owned()) }
                    }
                    Some((name, _)) => Image::OciBase { reference: name.to_owned(), digest: beside },
                    None => Image::OciBase { reference, digest: beside },
                }
            }
        })
    }

    /// An interpreter of some version, then more packages.
    fn interpreter(
        &mut self,
        call: &HelperCall,
        parameter: &str,
        default: &str,
        package: impl Fn(&str) -> String,
    ) -> Image {
        let version = self.str_or("/image/packages/0".into(), call.get(parameter), default);
        let mut packages = vec![package(&version)];
        let list = present(call.get("packages"));
        if let Some(items) = list.and_then(elements) {
            for item in items {
                match self.str(format!("/image/packages/{}", packages.len()), Some(item)) {
                    Some(name) => packages.push(name),
                    None => self.incomplete = true,
                }
            }
        } else {
            self.incomplete |= list.is_some();
        }
        Image::NixPackages { packages }
    }

    fn resources(&mut self, value: Option<&Value>) -> Resources {
        let call = self.call("/resources", value);
        let get = |name| call.and_then(|c| c.get(name));
        Resources {
            cpu_cores: self.int_or("/resources/cpu_cores".into(), get("cpu_cores"), 1),
            memory_mb: self.int_or("/resources/memory_mb".into(), get("memory_mb"), 256),
            rootfs_size_mb: self.int_or("/resources/rootfs_size_mb".into(), get("rootfs_size_mb"), 512),
        }
    }

    fn network(&mut self, value: Option<&Value>, depends_on: Option<&Value>) -> Network {
        let call = self.call("/network", value);
        let get = |name| call.and_then(|c| c.get(name));
        let mode = match self.str("/network/mode".into(), get("mode")).as_deref() {
            Some("none") => NetworkMode::None,
            Some("bridge") => NetworkMode::Bridge,
            Some("host") => {
                // Refused: a rule says so.
                self.incomplete = true;
                NetworkMode::Deny
            }
            _ => NetworkMode::Deny,
        };
        Network {
            mode,
            ports: self.ports(get("ports")),
            egress: self.egress(get("egress"), get("allow_https")),
            peers: self.peers(get("peers"), depends_on),
            dns: self.dns(get("dns")),
        }
    }

    fn entrypoints(&mut self, input: &Input<'_>, module: &str) -> Vec<Entrypoint> {
        let mut out: Vec<Entrypoint> = Vec::new();
        let mut explicit = Vec::new();
        if let Some(list) = present(input.call.get("entrypoints")) {
            self.mark("/entrypoints", list);
            self.incomplete |= elements(list).is_none();
            explicit.extend(elements(list).into_iter().flatten());
        }
        explicit.extend(present(input.call.get("entrypoint")));
        let given = !explicit.is_empty();
        for value in explicit {
            let at = format!("/entrypoints/{}", out.len());
            out.extend(self.entrypoint(&at, value));
        }
        if !given {
            let range = &input.function.name_range;
            for pointer in ["/entrypoints/0", "/entrypoints/0/function"] {
                self.pointers.push((pointer.to_owned(), range.clone(), None));
            }
            out.push(own_entrypoint(input.function, module));
        }
        only_one_is_primary(&mut out, input.kind);
        add_schemas(&mut out, input, module);
        out
    }

    fn entrypoint(&mut self, at: &str, value: &Value) -> Option<Entrypoint> {
        let call = self.call(at, Some(value))?;
        let working_dir = self.str_or(below(at, "working_dir"), call.get("working_dir"), "/app");
        let env = self.env(&below(at, "env"), call.get("env"));
        if call.helper == "entrypoint" {
            let command = self.strs(&below(at, "command"), call.get("command"));
            self.incomplete |= command.is_none();
            return Some(Entrypoint::Command { command: command.unwrap_or_default(), working_dir, env });
        }
        let format = self.str(below(at, "format"), call.get("format"));
        let primary = present(call.get("primary"));
        if let Some(primary) = primary {
            self.mark(below(at, "primary"), primary);
            self.incomplete |= !matches!(primary.kind, ValueKind::Bool(_));
        }
        Some(Entrypoint::Function {
            language: self.str_or(below(at, "language"), call.get("language"), "python"),
            module: self.required(below(at, "module"), call.get("module")),
            function: self.required(below(at, "function"), call.get("function")),
            format: if format.as_deref() == Some("msgpack") { Format::Msgpack } else { Format::Json },
            working_dir,
            env,
            primary: primary.is_some_and(|p| p.kind == ValueKind::Bool(true)),
            concurrency: self.concurrency(&below(at, "concurrency"), call.get("concurrency")),
            args_schema: None,
            return_schema: None,
        })
    }

    fn dependencies(&mut self, value: Option<&Value>) -> Dependencies {
        let Some(call) = self.call("/dependencies", value) else { return Dependencies::None };
        let default = match call.helper {
            "python_deps" => "uv",
            "node_deps" => "pnpm",
            _ => return Dependencies::None,
        };
        let lockfile = self.required("/dependencies/lockfile".into(), call.get("lockfile"));
        let tool = self.str_or("/dependencies/tool".into(), call.get("tool"), default);
        if call.helper == "python_deps" {
            Dependencies::Python { lockfile, tool }
        } else {
            Dependencies::Node { lockfile, tool }
        }
    }

    fn hooks(&mut self, app: &HelperCall) -> Option<Hooks> {
        let hooks = Hooks {
            before_build: self.hook_list("/hooks/before_build", app.get("before_build")),
            before_start: self.hook_list("/hooks/before_start", app.get("before_start")),
            after_start: self.hook_list("/hooks/after_start", app.get("after_start")),
            before_stop: self.hook_list("/hooks/before_stop", app.get("before_stop")),
        };
        (hooks != Hooks::default()).then_some(hooks)
    }

    /// One hook, a line, an argument vector, or a list of hooks.
    fn hook_list(&mut self, at: &str, value: Option<&Value>) -> Vec<Hook> {
        let Some(value) = present(value) else { return Vec::new() };
        let items = elements(value);
        let one = items.is_none_or(|items| {
            !items.is_empty()
                && items.iter().all(|i| matches!(i.kind, ValueKind::Str(_) | ValueKind::Refused))
        });
        self.mark(at, value);
        if one {
            return self.hook(&below(at, "0"), value).into_iter().collect();
        }
        let mut out = Vec::new();
        for item in items.unwrap_or_default() {
            let hook = self.hook(&format!("{at}/{}", out.len()), item);
            out.extend(hook);
        }
        out
    }

    fn hook(&mut self, at: &str, value: &Value) -> Option<Hook> {
        self.mark(at, value);
        let command = match &value.kind {
            ValueKind::Call(call) => present(call.get("cmd")),
            _ => Some(value),
        };
        let Some(command) = command else {
            self.incomplete = true;
            return None;
        };
        match &command.kind {
            ValueKind::Str(_) => self.str(below(at, "line"), Some(command)).map(|line| Hook::Shell { line }),
            _ => self.strs(&below(at, "argv"), Some(command)).map(|argv| Hook::Argv { argv }),
        }
    }

    fn health_check(&mut self, value: Option<&Value>) -> Option<HealthCheck> {
        let call = self.call("/health_check", value)?;
        let command = self.strs("/health_check/command", call.get("command"));
        self.incomplete |= command.is_none();
        let mut seconds =
            |name: &str, default| self.int_or(below("/health_check", name), call.get(name), default);
        Some(HealthCheck {
            command: command.unwrap_or_default(),
            interval_secs: seconds("interval_secs", 30),
            timeout_secs: seconds("timeout_secs", 5),
            retries: seconds("retries", 3),
            start_period_secs: seconds("start_period_secs", 0),
        })
    }
}

/// The decorated function as an entrypoint.
pub(super) fn own_entrypoint(function: &Function, module: &str) -> Entrypoint {
    Entrypoint::Function {
        language: "python".to_owned(),
        module: module.to_owned(),
        function: function.name.clone(),
        format: Format::Json,
        working_dir: "/app".to_owned(),
        env: Default::default(),
        primary: false,
        concurrency: None,
        args_schema: None,
        return_schema: None,
    }
}

/// One function entrypoint is primary by itself; of `func`s that share a name the first is.
fn only_one_is_primary(entrypoints: &mut [Entrypoint], kind: DeclarationKind) {
    let mut functions: Vec<&mut bool> = entrypoints
        .iter_mut()
        .filter_map(|e| match e {
            Entrypoint::Function { primary, .. } => Some(primary),
            Entrypoint::Command { .. } => None,
        })
        .collect();
    let first_is = functions.len() == 1 || kind == DeclarationKind::Func;
    if first_is
        && !functions.iter().any(|p| **p)
        && let Some(first) = functions.first_mut()
    {
        **first = true;
    }
}

fn add_schemas(entrypoints: &mut [Entrypoint], input: &Input<'_>, own_module: &str) {
    for entrypoint in entrypoints {
        if let Entrypoint::Function { module, function, args_schema, return_schema, language, .. } =
            entrypoint
            && module == own_module
            && *function == input.function.name
            && language == "python"
        {
            args_schema.clone_from(&input.annotations.arguments);
            return_schema.clone_from(&input.annotations.result);
        }
    }
}
