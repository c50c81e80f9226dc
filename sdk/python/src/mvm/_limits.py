"""What the values of a declaration must satisfy beyond their types: the IR's own validation, in Python."""

from mvm import DeclarationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    Arguments = Mapping[str, Any]

_LOWER = "abcdefghijklmnopqrstuvwxyz"
_DIGITS = "0123456789"

# Helper, argument: rule, least, most. `ir/src/limits.rs` has the same.
_BOUNDS = {
    "resources": {
        "cpu_cores": ("MVM301", 1, 64),
        "cpu": ("MVM301", 1, 64),
        "vcpus": ("MVM301", 1, 64),
        "memory_mb": ("MVM301", 64, 1 << 20),
        "rootfs_size_mb": ("MVM301", 64, 1 << 20),
    },
    "host_port": {"port": ("MVM406", 1, 65535)},
    "dns_resolver": {"port": ("MVM406", 1, 65535)},
    "warm_process": {
        "pool_size": ("MVM005", 1, 0xFFFFFFFF),
        "max_calls_per_worker": ("MVM005", 1, 0xFFFFFFFF),
        "max_rss_mb": ("MVM005", 1, 0xFFFFFFFF),
        "max_queue_depth": ("MVM005", 0, 0xFFFFFFFF),
    },
    "volume": {"size_mb": ("MVM005", 1, 0xFFFFFFFF)},
    "tmpfs": {"size_mb": ("MVM005", 1, 0xFFFFFFFF)},
    "health_check": {
        "interval_secs": ("MVM005", 1, 0xFFFFFFFF),
        "timeout_secs": ("MVM005", 1, 0xFFFFFFFF),
        "retries": ("MVM005", 1, 0xFFFFFFFF),
        "start_period_secs": ("MVM005", 0, 0xFFFFFFFF),
    },
}

# Texts and argument vectors that must not be empty.
_FILLED = {
    "local_path": ("path",),
    "secret": ("name",),
    "entrypoint": ("command",),
    "entrypoint_function": ("module", "function"),
    "hook": ("cmd",),
    "python_deps": ("lockfile",),
    "node_deps": ("lockfile",),
    "host_path": ("path",),
    "health_check": ("command",),
}


def check(helper: "str", given: "Arguments") -> "None":
    """Raises `DeclarationError` for the first value out of bounds."""
    for name, (rule, least, most) in _BOUNDS.get(helper, {}).items():
        value = given[name]
        if value is not None and not least <= value <= most:
            _unit_slip(name, value)
            raise DeclarationError(rule, _out_of_bounds(rule, helper, name, value, least, most))
    for name in _FILLED.get(helper, ()):
        if not given[name] or not given[name][0]:
            raise DeclarationError("MVM005", f"`{name}` of `mvm.{helper}` is empty")
    if helper in ("nix_packages", "python_image", "node_image") and "" in given["packages"]:
        raise DeclarationError("MVM005", f"`packages` of `mvm.{helper}` has a name that is empty")
    for name, value in given.items():
        if _has_nul(value):
            raise DeclarationError("MVM005", f"`{name}` of `mvm.{helper}` contains a NUL character")
    own = _OWN.get(helper)
    if own:
        own(helper, given)


def _unit_slip(name: "str", value: "int") -> "None":
    """Says which unit was most likely meant instead of mebibytes."""
    if name in ("memory_mb", "rootfs_size_mb"):
        unit, meant = "gibibytes", value * 1024
        if value >= 1 << 26 and value % (1 << 20) == 0:
            unit, meant = "bytes", value >> 20
        elif not 1 <= value <= 16:
            return
        message = f"`{name}` counts mebibytes and {value} looks like {unit}; write {meant}"
        raise DeclarationError("MVM303", message)


def _out_of_bounds(rule: "str", helper: "str", name: "str", value: "int", least: "int", most: "int") -> "str":
    if rule == "MVM406":
        return f"`{name}` is {value}, which is no port; take one from {least} to {most}"
    if rule == "MVM301":
        named = "cpu_cores" if name in ("cpu", "vcpus") else name
        unit = " MiB" if named.endswith("_mb") else ""
        return f"`{named}` is {value}, out of bounds; take a value from {least} to {most}{unit}"
    return f"`{name}` of `mvm.{helper}` is {value}; it must be {least} to {most}"


def identifier(where: "str", value: "str") -> "None":
    """`^[a-z][a-z0-9-]{0,62}$`"""
    if not (0 < len(value) <= 63 and value[0] in _LOWER and not value.strip(_LOWER + _DIGITS + "-")):
        words = "must be 1 to 63 lower-case letters, digits and hyphens and start with a letter"
        raise DeclarationError("MVM006", f"{where} {words if value else 'is empty'}")


def _has_nul(value: "Any") -> "bool":
    if isinstance(value, str):
        return "\0" in value
    return type(value) in (list, tuple) and any(map(_has_nul, value))


def _variable(key: "str") -> "None":
    letters = _LOWER + _LOWER.upper() + "_"
    if not key or key[0] not in letters or key.strip(letters + _DIGITS):
        words = "use letters, digits and `_`, not beginning with a digit"
        raise DeclarationError("MVM507", f"`env`: `{key}` is no name of an environment variable; {words}")


def _env(helper: "str", given: "Arguments") -> "None":
    values: "Mapping[str, Any]" = given["env"] or {}
    for key, value in values.items():
        _variable(key)
        if _has_nul(value):
            raise DeclarationError("MVM005", f"the value of `{key}` in `env` contains a NUL character")


def _empty_hook(value: "Any") -> "bool":
    """Is there a part that runs nothing? An empty list of hooks is none at all."""
    if isinstance(value, str):
        return not value
    if type(value) not in (list, tuple) or not value:
        return False
    if all(isinstance(one, str) for one in value):
        return not value[0]
    return any(not one or not one[0] for one in value if isinstance(one, (str, list, tuple)))


def _volumes(mounts: "Iterable[Any]") -> "None":
    sizes: "dict[str, int | None]" = {}
    for source in (mount.arguments["source"] for mount in mounts):
        if source.helper == "volume":
            volume(sizes, source.arguments["name"], source.arguments["size_mb"])


def volume(sizes: "dict[str, int | None]", name: "str", size: "int | None") -> "None":
    """One volume has one size, wherever it is mounted."""
    if sizes.setdefault(name, size) != size:
        raise DeclarationError("MVM005", f"two mounts give the volume `{_shown(name)}` different sizes")


def _declaration(helper: "str", given: "Arguments") -> "None":
    if given["name"] is not None:
        identifier("the app's name", given["name"])
    _env(helper, given)
    for name in ("before_build", "before_start", "after_start", "before_stop"):
        if _empty_hook(given[name]):
            raise DeclarationError("MVM005", f"`{name}` of `mvm.{helper}` has a hook that is empty")
    source = given["source"]
    if given["include"] is not None and source is not None and list(source.arguments["include"]) != ["**"]:
        words = "and only one of them can count: remove one of them"
        raise DeclarationError("MVM011", f"`include` stands beside the `include` of `source`, {words}")
    _volumes(given["mounts"] or ())
    if given["entrypoint"] is not None and given["entrypoints"] is not None:
        words = "only one of them can count; put all into `entrypoints`"
        raise DeclarationError("MVM608", f"`entrypoints` stands beside `entrypoint`, and {words}")
    single = [given["entrypoint"]] if given["entrypoint"] is not None else []
    functions = [e.arguments for e in given["entrypoints"] or single if e.helper == "entrypoint_function"]
    _primary([f["primary"] for f in functions])
    names = [f["function"] for f in functions]
    _once("MVM609", "`entrypoints`: the function `{}` is an entrypoint already; remove this one", names)
    targets = [m.arguments["target"] for m in given["mounts"] or ()]
    _once("MVM005", "two mounts have the target `{}`", targets)


def _primary(flags: "list[bool | None]") -> "None":
    """One function is primary by itself, unless it says that it is not; of several exactly one must be."""
    reason = ""
    if flags == [False]:
        reason = "`primary` is False on the only entrypoint, so a call would reach none; remove it or set it to True"
    elif len(flags) > 1 and not any(flags):
        reason = (
            "`entrypoints`: none of the functions is primary, so a call without a name would reach none; mark one with "
            "`primary=True`"
        )
    elif sum(map(bool, flags)) > 1:
        reason = (
            "`entrypoints`: another function is primary already, so a call without a name would be ambiguous; keep one"
        )
    if reason:
        raise DeclarationError("MVM603", reason)


def _once(rule: "str", message: "str", values: "Iterable[str]") -> "None":
    seen: "set[str]" = set()
    for value in values:
        if value in seen:
            raise DeclarationError(rule, message.format(value))
        seen.add(value)


def _resources(helper: "str", given: "Arguments") -> "None":
    if sum(given[name] is not None for name in ("cpu_cores", "cpu", "vcpus")) > 1:
        raise DeclarationError("MVM011", "`cpu_cores` is given twice: remove one of them")


def _workload(helper: "str", given: "Arguments") -> "None":
    identifier("the workload's id", given["id"])


def _image(helper: "str", given: "Arguments") -> "None":
    from mvm._reference import misfit, wrong_digest

    reference, digest = given["reference"], given["digest"]
    why = misfit(reference)
    if why:
        words = f"`image`: `{_shown(reference)}` is no OCI reference, because {why}; write `registry/name:tag`"
        raise DeclarationError("MVM202", words)
    why = wrong_digest(digest) if digest is not None else None
    if why:
        raise DeclarationError("MVM202", f"`digest` is malformed: {why}; write `sha256:` and 64 hex digits")
    inside = reference.partition("@")[2]
    if inside and digest is not None and inside != digest:
        words = "`digest` differs from the digest inside the reference; keep the one that was reviewed"
        raise DeclarationError("MVM203", words)


def _shown(text: "str") -> "str":
    """A value as a message may show it: short, on one line."""
    clean = "".join("\u00b7" if c < " " or c in "`\x7f" else c for c in text)
    return clean if len(clean) <= 60 else clean[:60] + "\u2026"


def _host(field: "str", host: "str") -> "None":
    if not host:
        raise DeclarationError("MVM406", f"`{field}`: `` is no host, because it is empty; write a full host name")


def _destination(helper: "str", given: "Arguments") -> "None":
    _host("egress", given["host"])


def _resolver(helper: "str", given: "Arguments") -> "None":
    if not given["host"]:
        raise DeclarationError("MVM406", "`dns`: `` is no address of a resolver; write its IP address")


def _network(helper: "str", given: "Arguments") -> "None":
    if given["mode"] == "host":
        words = "would expose the host's own services to the guest and is refused; use \"deny\" and an allowlist"
        raise DeclarationError("MVM403", f'`network` mode "host" {words}')
    for port in given["ports"] or ():
        for name in ("guest", "host"):
            number = port.get(name)
            if number is not None and not 1 <= number <= 65535:
                raise DeclarationError("MVM406", _out_of_bounds("MVM406", helper, name, port[name], 1, 65535))
    positions = enumerate(given["ports"] or ())
    _once("MVM005", "two ports have the `mapping_id` `{}`", [_given(p, "mapping_id", str(i)) for i, p in positions])
    for peer in given["peers"] or ():
        identifier("`peers` of `mvm.network`", peer)
    for host in given["allow_https"] or ():
        _host("allow_https", host)
    listed = {**given, "egress": given["egress"] and given["egress"].arguments["allowlist"]}
    idle = next((name for name in ("allow_https", "egress", "ports") if listed[name]), None)
    if given["mode"] == "none" and idle:
        words = f"lets nothing pass, so `{idle}` would do nothing; use \"deny\" or remove the list"
        raise DeclarationError("MVM409", f'`network` mode "none" {words}')


def _given(port: "Mapping[str, Any]", name: "str", default: "str") -> "str":
    value = port.get(name)
    return default if value is None else str(value)


def _secret(helper: "str", given: "Arguments") -> "None":
    if given["var"] is not None:
        _variable(given["var"])


def _mount(helper: "str", given: "Arguments") -> "None":
    if not given["target"].startswith("/"):
        raise DeclarationError("MVM005", "`target` of `mvm.mount` must be an absolute path")


def _named(helper: "str", given: "Arguments") -> "None":
    name = "name" if helper == "volume" else "id"
    identifier(f"`{name}` of `mvm.{helper}`", given[name])


_OWN: "dict[str, Callable[[str, Arguments], None]]" = {
    "app": _declaration,
    "func": _declaration,
    "workload": _workload,
    "resources": _resources,
    "oci_image": _image,
    "network": _network,
    "host_port": _destination,
    "dns_resolver": _resolver,
    "secret": _secret,
    "entrypoint": _env,
    "entrypoint_function": _env,
    "mount": _mount,
    "volume": _named,
    "workload_ref": _named,
}
