"""What each argument of each helper accepts: the compiler's table, in Python.

`tests/test_table.py` holds both tables, and the signatures in `__init__.py`, against each other.
A type is a tuple: its kind, then what the kind needs.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Type = tuple[Any, ...]

STR: "Type" = ("str",)
INT: "Type" = ("int",)
BOOL: "Type" = ("bool",)


def one_of(*values: "str") -> "Type":
    """One of these strings."""
    return ("one_of", *values)


def list_of(inner: "Type") -> "Type":
    """A list or tuple of these."""
    return ("list", inner)


def dict_of(inner: "Type") -> "Type":
    """A dictionary from strings to these."""
    return ("dict", inner)


def call(*helpers: "str") -> "Type":
    """What one of these helpers returns."""
    return ("helper", *helpers)


def any_of(*types: "Type") -> "Type":
    """Any of these."""
    return ("any", *types)


STRS = list_of(STR)
ENV = dict_of(any_of(STR, call("secret", "literal")))
ENTRYPOINT = call("entrypoint_function", "entrypoint")
HOOKS = any_of(STR, STRS, call("hook"), list_of(any_of(STR, STRS, call("hook"))))

# The fields of a port; those with `True` must be there.
PORT: "dict[str, tuple[Type, bool]]" = {
    "guest": (INT, True),
    "host": (INT, False),
    "proto": (one_of("tcp", "udp"), False),
    "host_addr": (STR, False),
    "guest_addr": (STR, False),
    "mapping_id": (STR, False),
}

_APP: "dict[str, Type]" = {
    "name": STR,
    "source": call("local_path"),
    "image": call("python_image", "nix_packages", "node_image", "oci_image"),
    "resources": call("resources"),
    "network": call("network"),
    "env": ENV,
    "entrypoint": ENTRYPOINT,
    "entrypoints": list_of(ENTRYPOINT),
    "dependencies": call("no_deps", "python_deps", "node_deps"),
    "mounts": list_of(call("mount")),
    "depends_on": list_of(call("workload_ref")),
    "before_build": HOOKS,
    "before_start": HOOKS,
    "after_start": HOOKS,
    "before_stop": HOOKS,
    "health_check": call("health_check"),
    "threat_tier": STR,
    "include": STRS,
}

HELPERS: "dict[str, dict[str, Type]]" = {
    "app": _APP,
    "func": _APP,
    "workload": {"id": STR},
    "local_path": {"path": STR, "include": STRS, "exclude": STRS},
    "nix_packages": {"packages": STRS},
    "python_image": {"python": STR, "packages": STRS},
    "node_image": {"node": STR, "packages": STRS},
    "oci_image": {"reference": STR, "digest": STR},
    "resources": {"cpu_cores": INT, "memory_mb": INT, "rootfs_size_mb": INT, "cpu": INT, "vcpus": INT},
    "network": {
        "mode": one_of("deny", "none", "bridge", "host"),
        "allow_https": STRS,
        "egress": call("egress"),
        "ports": list_of(("port",)),
        "peers": STRS,
        "dns": call("dns_system", "dns_none", "dns_resolver"),
    },
    "egress": {"allowlist": list_of(call("host_port"))},
    "host_port": {"host": STR, "port": INT},
    "dns_none": {},
    "dns_system": {},
    "dns_resolver": {"host": STR, "port": INT},
    "literal": {"value": STR},
    "secret": {"name": STR, "type": one_of("bearer", "basic", "sigv4", "hmac"), "hosts": STRS, "var": STR},
    "entrypoint": {"command": STRS, "working_dir": STR, "env": ENV},
    "entrypoint_function": {
        "module": STR,
        "function": STR,
        "primary": BOOL,
        "format": one_of("json", "msgpack"),
        "language": one_of("python", "node"),
        "working_dir": STR,
        "env": ENV,
        "concurrency": call("warm_process"),
    },
    "warm_process": {
        "pool_size": INT,
        "max_calls_per_worker": INT,
        "max_rss_mb": INT,
        "in_process": one_of("serial"),
        "max_queue_depth": INT,
    },
    "hook": {"cmd": any_of(STR, STRS)},
    "python_deps": {"lockfile": STR, "tool": one_of("uv", "pip-tools")},
    "node_deps": {"lockfile": STR, "tool": one_of("pnpm", "npm", "yarn")},
    "no_deps": {},
    "mount": {"source": call("volume", "host_path", "tmpfs"), "target": STR, "mode": one_of("ro", "rw")},
    "volume": {"name": STR, "size_mb": INT},
    "host_path": {"path": STR},
    "tmpfs": {"size_mb": INT},
    "health_check": {
        "command": STRS,
        "interval_secs": INT,
        "timeout_secs": INT,
        "retries": INT,
        "start_period_secs": INT,
    },
    "workload_ref": {"id": STR},
}
