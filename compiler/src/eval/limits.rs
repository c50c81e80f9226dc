//! What the values of one call must satisfy beyond their types: what Workload IR refuses, said where it is written, in
//! the words that `sdk/python` has at import. Rules say the rest.

use super::Evaluator;
use crate::finding::Finding;
use crate::value::{HelperCall, Value, ValueKind};

const MOST: i128 = 0xffff_ffff;

/// Helper, argument, least.
const LEAST: &[(&str, &str, i128)] = &[
    ("warm_process", "pool_size", 1),
    ("warm_process", "max_calls_per_worker", 1),
    ("warm_process", "max_rss_mb", 1),
    ("warm_process", "max_queue_depth", 0),
    ("volume", "size_mb", 1),
    ("tmpfs", "size_mb", 1),
    ("health_check", "interval_secs", 1),
    ("health_check", "timeout_secs", 1),
    ("health_check", "retries", 1),
    ("health_check", "start_period_secs", 0),
];

/// Texts and argument vectors that must not be empty.
const FILLED: &[(&str, &str)] = &[
    ("local_path", "path"),
    ("secret", "name"),
    ("entrypoint", "command"),
    ("entrypoint_function", "module"),
    ("entrypoint_function", "function"),
    ("hook", "cmd"),
    ("python_deps", "lockfile"),
    ("node_deps", "lockfile"),
    ("host_path", "path"),
    ("health_check", "command"),
];

fn text(value: &Value) -> Option<&str> {
    match &value.kind {
        ValueKind::Str(text) => Some(text),
        _ => None,
    }
}

fn elements(value: &Value) -> &[Value] {
    match &value.kind {
        ValueKind::List(items) | ValueKind::Tuple(items) => items,
        _ => &[],
    }
}

/// Names that must not be empty, each in a list of them.
const NAMES: &[(&str, &str)] =
    &[("nix_packages", "packages"), ("python_image", "packages"), ("node_image", "packages")];

const HOOKS: [&str; 4] = ["before_build", "before_start", "after_start", "before_stop"];

fn empty(value: &Value) -> bool {
    match &value.kind {
        ValueKind::List(items) | ValueKind::Tuple(items) => {
            items.first().is_none_or(|first| text(first) == Some(""))
        }
        _ => text(value) == Some(""),
    }
}

fn has_nul(value: &Value) -> bool {
    text(value).is_some_and(|text| text.contains('\0')) || elements(value).iter().any(has_nul)
}

/// The part of a hook argument that runs nothing. An empty list of hooks is none at all.
fn empty_hook(value: &Value) -> Option<&Value> {
    let items = elements(value);
    let one = items.is_empty()
        || items.iter().all(|item| matches!(item.kind, ValueKind::Str(_) | ValueKind::Refused));
    match one {
        true => Some(value).filter(|value| empty(value) && !(items.is_empty() && text(value).is_none())),
        false => items
            .iter()
            .find(|item| !matches!(item.kind, ValueKind::Call(_) | ValueKind::Refused) && empty(item)),
    }
}

impl Evaluator<'_> {
    fn limit(&mut self, rule: &'static str, value: &Value, message: String) {
        let mut finding = Finding::error(rule, value.range.clone(), message);
        if let Some(origin) = &value.origin {
            finding = finding.related(origin.clone(), "the value is written here");
        }
        self.findings.push(finding);
    }

    /// Checks a call whose arguments have their types.
    pub(super) fn limits(&mut self, call: &HelperCall) {
        let helper = call.helper;
        for argument in &call.arguments {
            let (name, value) = (argument.name, &argument.value);
            let of = format!("`{name}` of `mvm.{helper}`");
            let least = LEAST.iter().find(|(h, a, _)| *h == helper && *a == name);
            if let (Some((_, _, least)), ValueKind::Int(n)) = (least, &value.kind)
                && !(*least..=MOST).contains(n)
            {
                self.limit("MVM005", value, format!("{of} is {n}; it must be {least} to {MOST}"));
            }
            if FILLED.contains(&(helper, name)) && empty(value) {
                self.limit("MVM005", value, format!("{of} is empty"));
            }
            if NAMES.contains(&(helper, name))
                && let Some(item) = elements(value).iter().find(|item| text(item) == Some(""))
            {
                self.limit("MVM005", item, format!("{of} has a name that is empty"));
            }
            if HOOKS.contains(&name)
                && let Some(hook) = empty_hook(value)
            {
                self.limit("MVM005", hook, format!("{of} has a hook that is empty"));
            }
            if has_nul(value) {
                self.limit("MVM005", value, format!("{of} contains a NUL character"));
            }
            match (helper, name) {
                ("mount", "target") if text(value).is_some_and(|t| !t.starts_with('/')) => {
                    self.limit("MVM005", value, format!("{of} must be an absolute path"));
                }
                ("volume", "name") | ("workload_ref", "id") => self.identifier(&of, value),
                ("secret", "var")
                    if text(value).is_some_and(|var| !workload_ir::limits::is_env_name(var)) =>
                {
                    let var = crate::rules::shown(text(value).unwrap_or_default());
                    let words = "use letters, digits and `_`, not beginning with a digit";
                    self.limit(
                        "MVM507",
                        value,
                        format!("`env`: `{var}` is no name of an environment variable; {words}"),
                    );
                }
                (_, "env") => self.variables(value),
                ("network", "ports") => self.ports(value),
                ("network", "peers") => {
                    elements(value).iter().for_each(|peer| self.identifier(&of, peer));
                }
                (_, "mounts") => {
                    self.targets(value);
                    self.volumes(value);
                }
                (_, "include") => self.includes(call, value),
                _ => {}
            }
        }
    }

    /// `include` beside a source that has its own.
    fn includes(&mut self, call: &HelperCall, value: &Value) {
        let source = call.get("source").map(|source| &source.kind);
        let Some(ValueKind::Call(source)) = source.filter(|_| matches!(call.helper, "app" | "func")) else {
            return;
        };
        let own = source.get("include").map_or(&[][..], elements);
        let all = matches!(own, [one] if text(one) == Some("**"));
        if value.kind != ValueKind::None
            && !all
            && source.get("include").is_some_and(|v| v.kind != ValueKind::None)
        {
            let message = "`include` stands beside the `include` of `source`, and only one of them can count: remove \
                           one of them";
            self.limit("MVM011", value, message.to_owned());
        }
    }

    /// One volume has one size, wherever it is mounted.
    fn volumes(&mut self, mounts: &Value) {
        let mut seen: Vec<(&str, Option<i128>)> = Vec::new();
        for mount in elements(mounts).iter().take(SEEN) {
            let ValueKind::Call(mount) = &mount.kind else { continue };
            let Some(ValueKind::Call(volume)) = mount.get("source").map(|source| &source.kind) else {
                continue;
            };
            let Some(name) = volume.get("name").filter(|_| volume.helper == "volume") else { continue };
            let size = match volume.get("size_mb").map(|size| &size.kind) {
                Some(ValueKind::Int(n)) => Some(*n),
                Some(ValueKind::Refused) => continue,
                _ => None,
            };
            let Some(known) = text(name) else { continue };
            match seen.iter().find(|(other, _)| *other == known) {
                Some((_, first)) if *first != size => {
                    let shown = crate::rules::shown(known);
                    self.limit(
                        "MVM005",
                        name,
                        format!("two mounts give the volume `{shown}` different sizes"),
                    );
                }
                Some(_) => {}
                None => seen.push((known, size)),
            }
        }
    }

    fn identifier(&mut self, of: &str, value: &Value) {
        let Some(id) = text(value).filter(|id| !workload_ir::limits::is_id(id)) else { return };
        let why = match id {
            "" => "is empty",
            _ => "must be 1 to 63 lower-case letters, digits and hyphens and start with a letter",
        };
        self.limit("MVM006", value, format!("{of} {why}"));
    }

    fn variables(&mut self, env: &Value) {
        let ValueKind::Dict(pairs) = &env.kind else { return };
        for (key, value) in pairs {
            if let Some(key) = text(key).filter(|_| has_nul(value)) {
                let key = crate::rules::shown(key);
                self.limit(
                    "MVM005",
                    value,
                    format!("the value of `{key}` in `env` contains a NUL character"),
                );
            }
        }
    }

    fn ports(&mut self, ports: &Value) {
        let mut seen: Vec<String> = Vec::new();
        for (position, port) in elements(ports).iter().enumerate() {
            let ValueKind::Dict(fields) = &port.kind else { continue };
            let mut id = position.to_string();
            let mut place = port;
            for (key, value) in fields {
                match (text(key), &value.kind) {
                    (Some(name @ ("guest" | "host")), ValueKind::Int(n)) if !(1..=65535).contains(n) => {
                        let message = format!("`{name}` is {n}, which is no port; take one from 1 to 65535");
                        self.limit("MVM406", value, message);
                    }
                    (Some("mapping_id"), ValueKind::Str(given)) => (id, place) = (given.clone(), value),
                    _ => {}
                }
            }
            if seen.len() < SEEN && seen.contains(&id) {
                let id = crate::rules::shown(&id);
                self.limit("MVM005", place, format!("two ports have the `mapping_id` `{id}`"));
            }
            seen.push(id);
        }
    }

    fn targets(&mut self, mounts: &Value) {
        let mut seen: Vec<&str> = Vec::new();
        for mount in elements(mounts).iter().take(SEEN) {
            let ValueKind::Call(mount) = &mount.kind else { continue };
            let Some(value) = mount.get("target") else { continue };
            let Some(target) = text(value) else { continue };
            if seen.contains(&target) {
                let target = crate::rules::shown(target);
                self.limit("MVM005", value, format!("two mounts have the target `{target}`"));
            }
            seen.push(target);
        }
    }
}

/// Of so many mounts and ports, each is held against the ones before it.
const SEEN: usize = 2_000;
