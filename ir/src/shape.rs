//! The shape of the IR's JSON as data. Strict reading (errors that name a JSON pointer) and the JSON Schema both walk
//! it; a test holds it against the types.

use crate::limits;

/// What a JSON value must look like.
#[derive(Debug)]
pub(crate) enum Shape {
    /// Any string.
    Str,
    /// A string that matches a pattern (checked by validation, told by the schema).
    Pattern(&'static str),
    /// `true` or `false`.
    Bool,
    /// An integer in a range.
    Int(u32, u32),
    /// One of these strings.
    OneOf(&'static [&'static str]),
    /// A list.
    List(&'static Shape),
    /// An object from any key to this.
    Map(&'static Shape),
    /// An object with these fields.
    Record(&'static [Field]),
    /// An object whose `kind` selects the fields.
    Tagged(&'static [(&'static str, &'static [Field])]),
    /// Any object.
    Object,
}

/// A field of an object.
#[derive(Debug)]
pub(crate) struct Field {
    pub name: &'static str,
    pub shape: Shape,
    pub required: bool,
}

const fn must(name: &'static str, shape: Shape) -> Field {
    Field { name, shape, required: true }
}

const fn may(name: &'static str, shape: Shape) -> Field {
    Field { name, shape, required: false }
}

const STRS: Shape = Shape::List(&Shape::Str);
const ID: Shape = Shape::Pattern("^[a-z][a-z0-9-]{0,62}$");
const PORT: Shape = Shape::Int(1, 65_535);
const COUNT: Shape = Shape::Int(0, u32::MAX);
const POSITIVE: Shape = Shape::Int(1, u32::MAX);

const SECRET: Shape = Shape::Record(&[
    must("name", Shape::Str),
    must("mount", Shape::Tagged(&[("env", &[must("var", Shape::Pattern("^[A-Za-z_][A-Za-z0-9_]*$"))])])),
    may("auth_type", Shape::OneOf(&["bearer", "basic", "sigv4", "hmac"])),
    may("allowed_hosts", STRS),
]);
const ENV: Shape = Shape::Map(&Shape::Tagged(&[
    ("literal", &[must("value", Shape::Str)]),
    ("secret_ref", &[must("ref", SECRET)]),
]));
const CONCURRENCY: Shape = Shape::Tagged(&[(
    "warm_process",
    &[
        must("pool_size", POSITIVE),
        must("max_calls_per_worker", POSITIVE),
        must("max_rss_mb", POSITIVE),
        must("in_process", Shape::OneOf(&["serial"])),
        may("max_queue_depth", COUNT),
    ],
)]);
const ENTRYPOINT: Shape = Shape::Tagged(&[
    ("command", &[must("command", STRS), must("working_dir", Shape::Str), must("env", ENV)]),
    (
        "function",
        &[
            must("language", Shape::OneOf(&["python", "node"])),
            must("module", Shape::Str),
            must("function", Shape::Str),
            must("format", Shape::OneOf(&["json", "msgpack"])),
            must("working_dir", Shape::Str),
            must("env", ENV),
            must("primary", Shape::Bool),
            may("concurrency", CONCURRENCY),
            may("args_schema", Shape::Object),
            may("return_schema", Shape::Object),
        ],
    ),
]);
const NETWORK: Shape = Shape::Record(&[
    must("mode", Shape::OneOf(&["deny", "none", "bridge"])),
    must(
        "ports",
        Shape::List(&Shape::Record(&[
            must("guest", PORT),
            may("host", PORT),
            must("proto", Shape::OneOf(&["tcp", "udp"])),
            may("host_addr", Shape::Str),
            must("guest_addr", Shape::Str),
            must("mapping_id", Shape::Str),
        ])),
    ),
    may(
        "egress",
        Shape::Record(&[must(
            "allowlist",
            Shape::List(&Shape::Record(&[must("host", Shape::Str), must("port", PORT)])),
        )]),
    ),
    may("peers", Shape::List(&ID)),
    may(
        "dns",
        Shape::Tagged(&[
            ("none", &[]),
            ("system", &[]),
            ("resolver", &[must("host", Shape::Str), must("port", PORT)]),
        ]),
    ),
]);
const HOOKS: Shape =
    Shape::List(&Shape::Tagged(&[("shell", &[must("line", Shape::Str)]), ("argv", &[must("argv", STRS)])]));
const APP: Shape = Shape::Record(&[
    must("name", ID),
    must(
        "source",
        Shape::Tagged(&[(
            "local_path",
            &[must("path", Shape::Str), must("include", STRS), must("exclude", STRS)],
        )]),
    ),
    must(
        "image",
        Shape::Tagged(&[
            ("nix_packages", &[must("packages", STRS)]),
            (
                "oci_base",
                &[must("reference", Shape::Str), may("digest", Shape::Pattern("^sha256:[0-9a-f]{64}$"))],
            ),
        ]),
    ),
    must(
        "resources",
        Shape::Record(&[
            must("cpu_cores", Shape::Int(limits::CPU_CORES.0, limits::CPU_CORES.1)),
            must("memory_mb", Shape::Int(limits::MEMORY_MB.0, limits::MEMORY_MB.1)),
            must("rootfs_size_mb", Shape::Int(limits::ROOTFS_SIZE_MB.0, limits::ROOTFS_SIZE_MB.1)),
        ]),
    ),
    must("network", NETWORK),
    must("env", ENV),
    must("entrypoints", Shape::List(&ENTRYPOINT)),
    must(
        "dependencies",
        Shape::Tagged(&[
            ("none", &[]),
            ("python", &[must("lockfile", Shape::Str), must("tool", Shape::OneOf(&["uv", "pip-tools"]))]),
            ("node", &[must("lockfile", Shape::Str), must("tool", Shape::OneOf(&["pnpm", "npm", "yarn"]))]),
        ]),
    ),
    must(
        "mounts",
        Shape::List(&Shape::Record(&[
            must(
                "source",
                Shape::Tagged(&[
                    ("volume", &[must("name", Shape::Str)]),
                    ("host_path", &[must("path", Shape::Str)]),
                    ("tmpfs", &[may("size_mb", POSITIVE)]),
                ]),
            ),
            must("target", Shape::Pattern("^/")),
            must("mode", Shape::OneOf(&["ro", "rw"])),
        ])),
    ),
    may(
        "hooks",
        Shape::Record(&[
            may("before_build", HOOKS),
            may("before_start", HOOKS),
            may("after_start", HOOKS),
            may("before_stop", HOOKS),
        ]),
    ),
    may(
        "health_check",
        Shape::Record(&[
            must("command", STRS),
            must("interval_secs", POSITIVE),
            must("timeout_secs", POSITIVE),
            must("retries", POSITIVE),
            must("start_period_secs", COUNT),
        ]),
    ),
    may("threat_tier", Shape::Str),
]);

/// The whole document.
pub(crate) const WORKLOAD: Shape = Shape::Record(&[
    must("schema_version", Shape::OneOf(&[crate::SCHEMA_VERSION])),
    must("id", ID),
    must("apps", Shape::List(&APP)),
    must("volumes", Shape::List(&Shape::Record(&[must("name", ID), may("size_mb", POSITIVE)]))),
    must("extensions", Shape::Object),
]);
