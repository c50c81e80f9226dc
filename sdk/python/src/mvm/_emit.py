"""Workload IR from what the decorators of an executed file received: its canonical bytes are the compiler's.

For tests and for guests. On a host, `mvmctl compile` gives the same without executing anything.
"""

import os

from mvm import Declaration, DeclarationError, Value, _declarations, _workloads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any

    Json = dict[str, Any]


def workload_of(module: "str", file: "str | None" = None) -> "Json":
    """The Workload IR of all declarations in an imported module, as plain Python values."""
    declared = [d for d in _declarations if d.functions[0].__module__ == module]
    ids = [str(w.arguments["id"]) for w in _workloads if w.module == module]
    if not declared:
        raise DeclarationError("MVM004", f"`{module}` declares nothing: decorate a function with `@mvm.app(...)`")
    if len(declared) > 1 and not ids:
        words = "several apps in one file need `mvm.workload(id=…)`, which names the workload that they form"
        raise DeclarationError("MVM009", words)
    if len(ids) > 1:
        raise DeclarationError("MVM006", "a file is one workload: it is named twice")
    return lower(declared, ids[0] if ids else None, file)


def lower(declared: "Sequence[Declaration]", id: "str | None", file: "str | None" = None) -> "Json":
    """The Workload IR of declarations; `file` is where they were read from."""
    volumes: "dict[str, Json]" = {}
    apps = [_app(d, volumes, file) for d in declared]
    return {
        "schema_version": "0.1",
        "id": declared[0].name if id is None else id,
        "apps": apps,
        "volumes": list(volumes.values()),
        "extensions": {},
    }


def canonical(value: "Any") -> "str":
    """RFC 8785: sorted keys, no white space, shortest escapes, numbers as ECMAScript writes them."""
    import json

    if _is(value, dict):
        keys: "list[str]" = sorted(value, key=_utf_16)
        return "{" + ",".join(f"{canonical(key)}:{canonical(value[key])}" for key in keys) + "}"
    if _is(value, list, tuple):
        return "[" + ",".join(map(canonical, value)) + "]"
    if _is(value, float):
        return _number(value)
    return json.dumps(value, ensure_ascii=False)


def _number(value: "float") -> "str":
    """A double in the shortest form, laid out as ECMAScript does. JSON has neither infinities nor NaN."""
    if value != value or value in (float("inf"), float("-inf")):
        raise TypeError(f"JSON cannot carry {value}")
    mantissa, _, exponent = repr(abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(digits))
    digits = digits.rstrip("0")
    sign = "-" if value < 0 else ""
    if not digits:
        return "0"
    if len(digits) <= point <= 21:
        return sign + digits.ljust(point, "0")
    if 0 < point <= 21:
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    tail = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{tail}e{point - 1:+d}"


def _utf_16(key: "str") -> "bytes":
    """What RFC 8785 sorts by."""
    return key.encode("utf-16-be", "surrogatepass")


def _is(value: "Any", *kinds: "type") -> "bool":
    """`isinstance` that leaves the value's static type alone."""
    return isinstance(value, kinds)


def _app(declaration: "Declaration", volumes: "dict[str, Json]", file: "str | None") -> "Json":
    given = declaration.arguments
    source = _source(given)
    hooks = {
        step: [_hook(one) for one in _several(given[step])]
        for step in ("before_build", "before_start", "after_start", "before_stop")
        if given[step] is not None
    }
    app = {
        "name": declaration.name,
        "source": source,
        "image": _image(given["image"]),
        "resources": _resources(given["resources"]),
        "network": _network(given["network"], given["depends_on"] or ()),
        "env": _env(given["env"]),
        "entrypoints": _entrypoints(declaration, source["path"], file),
        "dependencies": _dependencies(given["dependencies"]),
        "mounts": [_mount(m, volumes) for m in given["mounts"] or ()],
        "hooks": {step: commands for step, commands in hooks.items() if commands} or None,
        "health_check": given["health_check"] and _copy(given["health_check"]),
        "threat_tier": given["threat_tier"],
    }
    return _present(app)


def _present(fields: "Json") -> "Json":
    """Absent options are left out."""
    return {key: value for key, value in fields.items() if value is not None}


def _copy(value: "Value") -> "Json":
    """The arguments of a helper, as they are."""
    return _present({k: list(v) if _is(v, list, tuple) else v for k, v in value.arguments.items()})


def _source(given: "Any") -> "Json":
    source = given["source"]
    fields = {"path": ".", "include": ["**"], "exclude": []} if source is None else _copy(source)
    if given["include"] is not None and list(fields["include"]) == ["**"]:
        fields["include"] = list(given["include"])
    return {"kind": "local_path", **fields}


def _image(image: "Value | None") -> "Json":
    if image is None:  # `func` alone may leave it out
        return {"kind": "nix_packages", "packages": ["python312"]}
    given = image.arguments
    if image.helper == "oci_image":
        reference, _, digest = str(given["reference"]).partition("@")
        return _present({"kind": "oci_base", "reference": reference, "digest": digest or given["digest"]})
    packages = list(given["packages"])
    if image.helper == "python_image":
        packages.insert(0, "python" + given["python"].replace(".", ""))
    elif image.helper == "node_image":
        packages.insert(0, "nodejs_" + given["node"])
    return {"kind": "nix_packages", "packages": packages}


def _resources(resources: "Value | None") -> "Json":
    given: "Mapping[str, Any]" = resources.arguments if resources else {}
    cores = next((given[name] for name in ("cpu_cores", "cpu", "vcpus") if given.get(name) is not None), 1)
    memory, disk = given.get("memory_mb", 256), given.get("rootfs_size_mb", 512)
    return {"cpu_cores": cores, "memory_mb": memory, "rootfs_size_mb": disk}


def _network(network: "Value | None", depends_on: "Iterable[Value]") -> "Json":
    given: "Mapping[str, Any]" = network.arguments if network else {}
    egress = given.get("egress")
    https = given.get("allow_https")
    allowlist = [_copy(one) for one in egress.arguments["allowlist"]] if egress else []
    allowlist += [{"host": host, "port": 443} for host in https or ()]
    peers = list(given.get("peers") or ()) + [ref.arguments["id"] for ref in depends_on]
    dns = given.get("dns")
    return _present(
        {
            "mode": given.get("mode", "deny"),
            "ports": [_port(port, i) for i, port in enumerate(given.get("ports") or ())],
            "egress": {"allowlist": allowlist} if egress or https else None,
            "peers": peers or None,
            "dns": dns and {"kind": dns.helper[len("dns_") :], **_copy(dns)},
        }
    )


def _port(port: "Json", position: "int") -> "Json":
    return {"proto": "tcp", "guest_addr": "127.0.0.1", "mapping_id": str(position), **_present(port)}


def _env(env: "Json | None") -> "Json":
    return {key: _env_value(key, value) for key, value in (env or {}).items()}


def _env_value(key: "str", value: "str | Value") -> "Json":
    if isinstance(value, str):
        return {"kind": "literal", "value": value}
    given = value.arguments
    if value.helper == "literal":
        return {"kind": "literal", "value": given["value"]}
    hosts = given["hosts"]
    ref = {
        "name": given["name"],
        "mount": {"kind": "env", "var": key if given["var"] is None else given["var"]},
        "auth_type": given["type"],
        "allowed_hosts": None if hosts is None else list(hosts),
    }
    return {"kind": "secret_ref", "ref": _present(ref)}


def _entrypoints(declaration: "Declaration", source: "str", file: "str | None") -> "list[Json]":
    given = declaration.arguments
    listed = list(given["entrypoints"] or ())
    if given["entrypoint"] is not None:
        listed.append(given["entrypoint"])
    lowered = [_entrypoint(one) for one in listed]
    if not listed or (declaration.helper == "func" and len(declaration.functions) > 1):
        lowered += [_own(function, source, file) for function in declaration.functions[bool(listed) :]]
    functions = [one for one in lowered if one["kind"] == "function"]
    one_is_first = len(functions) == 1 or declaration.helper == "func"
    if functions and one_is_first and not any(one["primary"] for one in functions):
        functions[0]["primary"] = True
    _add_schemas(lowered, declaration, source, file)
    return lowered


def _entrypoint(value: "Value") -> "Json":
    fields = {**_copy(value), "env": _env(value.arguments["env"])}
    if value.helper == "entrypoint":
        return {"kind": "command", **fields}
    pool = value.arguments["concurrency"]
    fields["concurrency"] = pool and {"kind": "warm_process", **_copy(pool)}
    fields["primary"] = bool(value.arguments["primary"])
    return {"kind": "function", **_present(fields)}


def _own(function: "Callable[..., Any]", source: "str", file: "str | None") -> "Json":
    return {
        "kind": "function",
        "language": "python",
        "module": import_path(function, source, file),
        "function": function.__name__,
        "format": "json",
        "working_dir": "/app",
        "env": {},
        "primary": False,
    }


def import_path(function: "Callable[..., Any]", source: "str", file: "str | None") -> "str":
    """How the module of a function is imported from the source directory, which is relative to its file's."""
    inner: "Any" = function
    while hasattr(inner, "__wrapped__"):  # what another decorator stands before
        inner = inner.__wrapped__
    file = file or str(inner.__code__.co_filename)
    root = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(file)), source))
    parts = os.path.relpath(os.path.splitext(os.path.abspath(file))[0], root).split(os.sep)
    if parts[-1] == "__init__" and len(parts) > 1:
        parts.pop()
    return ".".join(parts)


def _add_schemas(lowered: "list[Json]", declaration: "Declaration", source: "str", file: "str | None") -> "None":
    from mvm._schema import schemas

    for function in declaration.functions:
        for one in lowered:
            own = one["kind"] == "function" and one["function"] == function.__name__
            if own and one["module"] == import_path(function, source, file):
                one.update(schemas(function))


def _dependencies(value: "Value | None") -> "Json":
    if value is None or value.helper == "no_deps":
        return {"kind": "none"}
    return {"kind": value.helper[: -len("_deps")], **_copy(value)}


def _several(hooks: "Any") -> "Sequence[Any]":
    """One hook, a line, an argument vector, or a list of hooks: a list of hooks."""
    if isinstance(hooks, (str, Value)) or (hooks and all(isinstance(one, str) for one in hooks)):
        return [hooks]
    return list(hooks)


def _hook(hook: "Any") -> "Json":
    command = hook.arguments["cmd"] if isinstance(hook, Value) else hook
    return {"kind": "shell", "line": command} if isinstance(command, str) else {"kind": "argv", "argv": list(command)}


def _mount(mount: "Value", volumes: "dict[str, Json]") -> "Json":
    what = mount.arguments["source"]
    source = {"kind": what.helper, **_copy(what)}
    if what.helper == "volume":
        name = source["name"]
        from mvm import _limits

        known = volumes.setdefault(name, _copy(what))
        _limits.volume({name: known.get("size_mb")}, name, what.arguments["size_mb"])
        source = {"kind": "volume", "name": name}
    return {"source": source, "target": mount.arguments["target"], "mode": mount.arguments["mode"]}
