//! The helpers themselves. One entry here and its lowering are all that a new helper needs.

use super::Default::{Absent, Derived, Required, Value};
use super::Type::{Any, Bool, Dict, Helper as Call, Int, List, OneOf, Record, Str};
use super::{Default, Helper, Param, Place, Type};

const fn param(name: &'static str, ty: Type, default: Default, doc: &'static str) -> Param {
    Param { name, ty, default, positional: false, doc, aliases: &[], legacy: None }
}

const fn first(name: &'static str, ty: Type, doc: &'static str) -> Param {
    Param { name, ty, default: Required, positional: true, doc, aliases: &[], legacy: None }
}

const fn argument(
    name: &'static str,
    doc: &'static str,
    lowers_to: &'static str,
    params: &'static [Param],
) -> Helper {
    Helper { name, doc, params, lowers_to, place: Place::Argument }
}

const STRS: Type = List(&Str);
const ENV_VALUE: Type = Any(&[Str, Call(&["secret", "literal"])]);
const ENV: Type = Dict(&ENV_VALUE);
const ENTRYPOINT: Type = Call(&["entrypoint_function", "entrypoint"]);
const HOOK: Type = Any(&[Str, STRS, Call(&["hook"])]);
const HOOKS: Type = Any(&[Str, STRS, Call(&["hook"]), List(&HOOK)]);
const MODE: Type = OneOf(&["ro", "rw"]);

/// The fields of a port dictionary.
pub const PORT: &[Param] = &[
    param("guest", Int, Required, "Port in the guest."),
    param("host", Int, Absent, "Port on the host; chosen at start when absent."),
    param("proto", OneOf(&["tcp", "udp"]), Value("\"tcp\""), "Transport protocol."),
    param("host_addr", Str, Absent, "Address on the host; loopback when absent."),
    param("guest_addr", Str, Value("\"127.0.0.1\""), "Address in the guest."),
    param("mapping_id", Str, Derived("its position"), "Stable identifier of the mapping."),
];

const APP: &[Param] = &[
    param("name", Str, Derived("the function's name"), "Name of the app: `^[a-z][a-z0-9-]{0,62}$`."),
    param("source", Call(&["local_path"]), Value("local_path(\".\")"), "Files to package."),
    param(
        "image",
        Call(&["python_image", "nix_packages", "node_image", "oci_image"]),
        Required,
        "What the root file system is made of.",
    ),
    param("resources", Call(&["resources"]), Value("resources()"), "Machine size."),
    param("network", Call(&["network"]), Value("network(mode=\"deny\")"), "Egress and port policy."),
    param("env", ENV, Value("{}"), "Environment: strings and references to secrets."),
    param("entrypoint", ENTRYPOINT, Derived("the decorated function"), "What is called or started."),
    param("entrypoints", List(&ENTRYPOINT), Absent, "Several entrypoints, exactly one of them primary."),
    param(
        "dependencies",
        Call(&["no_deps", "python_deps", "node_deps"]),
        Value("no_deps()"),
        "Language-level dependencies, from a lockfile.",
    ),
    param("mounts", List(&Call(&["mount"])), Value("[]"), "Volumes, host paths and tmpfs to mount."),
    param("depends_on", List(&Call(&["workload_ref"])), Absent, "Workloads that this one may reach."),
    param("before_build", HOOKS, Absent, "Runs once, while the image is built, inside a microVM."),
    param("before_start", HOOKS, Absent, "Runs at every boot, before the entrypoint."),
    param("after_start", HOOKS, Absent, "Runs at every boot, once the entrypoint is ready."),
    param("before_stop", HOOKS, Absent, "Runs before shutdown."),
    param("health_check", Call(&["health_check"]), Absent, "Readiness check."),
    param("threat_tier", Str, Absent, "Declared threat tier, passed through."),
    Param {
        legacy: Some("source=mvm.local_path(\".\", include=[…])"),
        ..param("include", STRS, Absent, "Glob patterns selected, as `local_path` takes them.")
    },
];

/// Every helper, in the order of DECLARATIONS.md.
pub const HELPERS: &[Helper] = &[
    Helper {
        name: "app",
        doc: "Declares a workload: the decorated function runs in a microVM of its own.",
        params: APP,
        lowers_to: "an element of `apps`",
        place: Place::Decorator,
    },
    Helper {
        name: "func",
        doc: "Short form of `app` with defaults: image `python312`, no dependencies.",
        params: APP,
        lowers_to: "an element of `apps`; the same name again adds an entrypoint",
        place: Place::Decorator,
    },
    Helper {
        name: "workload",
        doc: "Names the workload that all declarations of this file form together.",
        params: &[param("id", Str, Required, "Identifier: `^[a-z][a-z0-9-]{0,62}$`.")],
        lowers_to: "`id`",
        place: Place::Statement,
    },
    argument(
        "local_path",
        "Files of a directory, relative to this file's.",
        "`source {kind: local_path, path, include, exclude}`",
        &[
            first("path", Str, "The directory."),
            param("include", STRS, Value("[\"**\"]"), "Glob patterns selected."),
            param("exclude", STRS, Value("[]"), "Glob patterns left out."),
        ],
    ),
    argument(
        "nix_packages",
        "A root file system of packages, by their nixpkgs names.",
        "`image {kind: nix_packages, packages}`",
        &[first("packages", STRS, "Attribute names such as `python312`.")],
    ),
    argument(
        "python_image",
        "A root file system with Python.",
        "`image {kind: nix_packages}`: `python312`, then the rest",
        &[
            param("python", Str, Value("\"3.12\""), "Version of Python, `3.12`."),
            param("packages", STRS, Value("[]"), "More packages, by their nixpkgs names."),
        ],
    ),
    argument(
        "node_image",
        "A root file system with Node.js.",
        "`image {kind: nix_packages}`: `nodejs_22`, then the rest",
        &[
            param("node", Str, Value("\"22\""), "Major version of Node.js."),
            param("packages", STRS, Value("[]"), "More packages, by their nixpkgs names."),
        ],
    ),
    argument(
        "oci_image",
        "An OCI image as base; pin it by digest.",
        "`image {kind: oci_base, reference, digest}`",
        &[
            first("reference", Str, "`registry/name:tag`, with or without `@sha256:…`."),
            param("digest", Str, Absent, "`sha256:…`; a digest inside the reference is split out."),
        ],
    ),
    argument(
        "resources",
        "Machine size.",
        "`resources`",
        &[
            Param {
                aliases: &["cpu", "vcpus"],
                ..param("cpu_cores", Int, Value("1"), "Virtual CPUs, 1–64.")
            },
            param("memory_mb", Int, Value("256"), "Guest memory in MiB, at least 64."),
            param("rootfs_size_mb", Int, Value("512"), "Writable disk in MiB, at least 64."),
        ],
    ),
    argument(
        "network",
        "Egress and port policy. A guest has no network device: what is not listed does not exist.",
        "`network`",
        &[
            param(
                "mode",
                OneOf(&["deny", "none", "bridge", "host"]),
                Value("\"deny\""),
                "`deny`: only the allowlist passes. `none`: nothing. `bridge`: with `egress` only that.",
            ),
            param("allow_https", STRS, Absent, "Hosts allowed on port 443."),
            param("egress", Call(&["egress"]), Absent, "Hosts and ports allowed."),
            param("ports", List(&Record(PORT)), Value("[]"), "Ports to publish."),
            param("peers", STRS, Absent, "Other workloads this one may reach."),
            param("dns", Call(&["dns_system", "dns_none", "dns_resolver"]), Absent, "Name resolution."),
        ],
    ),
    argument(
        "egress",
        "Destinations allowed.",
        "`egress {allowlist: [{host, port}]}`",
        &[first("allowlist", List(&Call(&["host_port"])), "Destinations.")],
    ),
    argument(
        "host_port",
        "One destination.",
        "`{host, port}`",
        &[first("host", Str, "Host name or public address."), first("port", Int, "Port, 1–65535.")],
    ),
    argument("dns_none", "No name resolution in the guest.", "`dns {kind: none}`", &[]),
    argument("dns_system", "The host's name resolution.", "`dns {kind: system}`", &[]),
    argument(
        "dns_resolver",
        "A named resolver.",
        "`dns {kind: resolver, host, port}`",
        &[first("host", Str, "Its address."), param("port", Int, Value("53"), "Its port.")],
    ),
    argument(
        "literal",
        "A plain value; a bare string means the same.",
        "`{kind: literal, value}`",
        &[first("value", Str, "The text. Never a credential: it lies open in the IR.")],
    ),
    argument(
        "secret",
        "A secret of the host's store, handed over at boot and never written to an image.",
        "`{kind: secret_ref, ref: {name, mount, auth_type?, allowed_hosts?}}`",
        &[
            first("name", Str, "Its name in the store (`mvmctl secret set`)."),
            param("type", OneOf(&["bearer", "basic", "sigv4", "hmac"]), Absent, "How it is used."),
            param("hosts", STRS, Absent, "Hosts that it may be sent to."),
            param("var", Str, Derived("the environment key"), "Environment variable in the guest."),
        ],
    ),
    argument(
        "entrypoint",
        "A command to start.",
        "`{kind: command, …}`",
        &[
            param("command", STRS, Required, "Argument vector."),
            param("working_dir", Str, Value("\"/app\""), "Directory it starts in."),
            param("env", ENV, Value("{}"), "Environment of this entrypoint alone."),
        ],
    ),
    argument(
        "entrypoint_function",
        "A function to call with JSON arguments.",
        "`{kind: function, …}`",
        &[
            param("module", Str, Required, "Import path under the source."),
            param("function", Str, Required, "Name at the top level of the module."),
            param("primary", Bool, Derived("true when it is the only one"), "Called when none is named."),
            param(
                "format",
                OneOf(&["json", "msgpack"]),
                Value("\"json\""),
                "Encoding of arguments and result.",
            ),
            param("language", OneOf(&["python", "node"]), Value("\"python\""), "Language of the module."),
            param("working_dir", Str, Value("\"/app\""), "Directory it starts in."),
            param("env", ENV, Value("{}"), "Environment of this entrypoint alone."),
            param("concurrency", Call(&["warm_process"]), Absent, "Worker pool."),
        ],
    ),
    argument(
        "warm_process",
        "Worker processes that outlive a call.",
        "`concurrency {kind: warm_process, …}`",
        &[
            param("pool_size", Int, Required, "Number of workers."),
            param("max_calls_per_worker", Int, Required, "Calls before a worker is replaced."),
            param("max_rss_mb", Int, Required, "Resident memory before a worker is replaced, MiB."),
            param("in_process", OneOf(&["serial"]), Value("\"serial\""), "How a worker takes calls."),
            param("max_queue_depth", Int, Absent, "Calls that may wait."),
        ],
    ),
    argument(
        "hook",
        "A command: a string for the shell, or a list as argument vector.",
        "`{kind: shell, line}` or `{kind: argv, argv}`",
        &[first("cmd", Any(&[Str, STRS]), "The shell line, or the argument vector.")],
    ),
    argument(
        "python_deps",
        "Python packages from a lockfile with hashes.",
        "`dependencies {kind: python, lockfile, tool}`",
        &[
            param("lockfile", Str, Required, "Path under the source."),
            param("tool", OneOf(&["uv", "pip-tools"]), Value("\"uv\""), "What wrote it."),
        ],
    ),
    argument(
        "node_deps",
        "Node packages from a lockfile.",
        "`dependencies {kind: node, lockfile, tool}`",
        &[
            param("lockfile", Str, Required, "Path under the source."),
            param("tool", OneOf(&["pnpm", "npm", "yarn"]), Value("\"pnpm\""), "What wrote it."),
        ],
    ),
    argument("no_deps", "No language-level dependencies.", "`dependencies {kind: none}`", &[]),
    argument(
        "mount",
        "Something mounted in the guest.",
        "an element of `mounts`",
        &[
            param("source", Call(&["volume", "host_path", "tmpfs"]), Required, "What."),
            param("target", Str, Required, "Absolute path in the guest."),
            param("mode", MODE, Value("\"ro\""), "Access."),
        ],
    ),
    argument(
        "volume",
        "A named volume of the workload.",
        "`{kind: volume, name}` and an element of `volumes`",
        &[first("name", Str, "Its name."), param("size_mb", Int, Absent, "Its size in MiB.")],
    ),
    argument(
        "host_path",
        "A directory of the host.",
        "`{kind: host_path, path}`",
        &[first("path", Str, "Its path.")],
    ),
    argument(
        "tmpfs",
        "Memory as a file system.",
        "`{kind: tmpfs, size_mb?}`",
        &[param("size_mb", Int, Absent, "Upper bound in MiB.")],
    ),
    argument(
        "health_check",
        "A command that tells whether the app is ready.",
        "`health_check`",
        &[
            param("command", STRS, Required, "Argument vector; exit code 0 means ready."),
            param("interval_secs", Int, Value("30"), "Seconds between checks."),
            param("timeout_secs", Int, Value("5"), "Seconds before a check is given up."),
            param("retries", Int, Value("3"), "Failures in a row before the app is unhealthy."),
            param("start_period_secs", Int, Value("0"), "Seconds after the start that do not count."),
        ],
    ),
    argument(
        "workload_ref",
        "Another workload, by its id.",
        "an element of `network.peers`",
        &[first("id", Str, "Its id.")],
    ),
];
