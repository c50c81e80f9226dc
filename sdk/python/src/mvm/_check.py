"""Are the arguments of a helper right? The same questions, answers and words as the compiler's.

Loaded with the first declaration, except in the guest, where the compiler has asked already.
"""

from mvm import Declaration, DeclarationError, Value, _optional
from mvm._table import HELPERS, PORT, STR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from mvm._table import Type


def check(helper: "str", arguments: "Mapping[str, Any]") -> "None":
    """Raises `DeclarationError` for the first argument that is wrong. `None` is what an absent argument is."""
    types, optional = HELPERS[helper], _optional.get(helper, {})
    for name, value in arguments.items():
        if value is not None or name not in optional:
            _typed(name, helper, types[name], value)
    from mvm import _limits

    _limits.check(helper, arguments)


def check_function(helper: "str", arguments: "Mapping[str, Any]", function: "Any") -> "None":
    """A declaration decorates a function at the top level of a module, and may take its name."""
    if isinstance(function, type):
        words = "a class cannot be called as a workload: decorate a function at the top level"
        raise DeclarationError("MVM007", words)
    while hasattr(function, "__wrapped__"):  # what another decorator stands before
        function = function.__wrapped__
    if getattr(function, "__code__", None) is None:
        words = f"`@mvm.{helper}` decorates no function: what another decorator makes of one must be one"
        raise DeclarationError("MVM007", words)
    around = function.__qualname__.rpartition(".")[0]
    if around.endswith("<locals>") and _caller() == "<module>":
        words = "cannot tell which function it decorates: let the decorator below use `functools.wraps`"
        raise DeclarationError("MVM007", f"`@mvm.{helper}` {words}")
    if around.endswith("<locals>"):
        words = "a nested function cannot be declared as a workload: move it to the top level"
        raise DeclarationError("MVM007", words)
    if around:
        words = "a method cannot be declared as a workload: declare a function at the top level"
        raise DeclarationError("MVM007", words)
    if arguments["name"] is None:
        from mvm import _limits

        _limits.identifier("the app's name", function.__name__)


def _caller() -> "str":
    """The name of the code that applies the decorator: that of a module's own is `<module>`."""
    frame = __import__("sys")._getframe(1)
    while frame.f_back and str(frame.f_globals.get("__name__")).partition(".")[0] == "mvm":
        frame = frame.f_back
    return str(frame.f_code.co_name)


def check_shared(first: "Declaration", further: "Declaration", function: "Callable[..., Any]") -> "None":
    """A further `func` of one name adds entrypoints. What else it says cannot count, so it must be the same."""
    from mvm._emit import lower

    alone = Declaration(further.helper, further.arguments)
    alone.functions.append(function)
    head, own = (lower([one], None) for one in (first, alone))
    for name, value in further.arguments.items():
        if value is None or name in ("name", "entrypoint", "entrypoints"):
            continue
        field = {"include": "source", "depends_on": "network"}.get(name, name)
        apps = [one["apps"][0] for one in (head, own)]
        if name in ("before_build", "before_start", "after_start", "before_stop"):
            apps = [app.get("hooks", {}) for app in apps]
        differs = apps[0].get(field) != apps[1].get(field) or (name == "mounts" and head["volumes"] != own["volumes"])
        if differs:
            words = "says, and only that counts: remove it here"
            message = f"`{name}` differs from what the first function of `{first.name}` {words}"
            raise DeclarationError("MVM006", message)
    seen = [(e["module"], e["function"]) for e in head["apps"][0]["entrypoints"] if e["kind"] == "function"]
    for entrypoint in own["apps"][0]["entrypoints"]:
        if entrypoint["kind"] == "function" and (entrypoint["module"], entrypoint["function"]) in seen:
            words = f"`entrypoints`: the function `{entrypoint['function']}` is an entrypoint already; remove this one"
            raise DeclarationError("MVM609", words)


def _typed(name: "str", helper: "str", expected: "Type", value: "Any") -> "None":
    kind, rest = expected[0], expected[1:]
    if kind == "any":
        chosen = next((one for one in rest if _fits(one, value)), None) or _closest(rest, value)
        return _typed(name, helper, chosen, value) if chosen else _mismatch(name, helper, expected, value)
    if kind == "list" and _is(value, list, tuple):
        for one in value:
            _typed(name, helper, rest[0], one)
    elif kind == "dict" and _is(value, dict):
        for key, one in value.items():
            _typed(name, helper, STR, key)
            _typed(name, helper, rest[0], one)
    elif kind == "port" and _is(value, dict):
        _port(helper, value)
    elif kind == "one_of" and _is(value, str) and value not in rest:
        raise DeclarationError("MVM005", f"`{name}` of `mvm.{helper}` must be {describe(expected)}")
    elif not _fits(expected, value):
        _mismatch(name, helper, expected, value)


def _mismatch(name: "str", helper: "str", expected: "Type", value: "Any") -> "None":
    message = f"`{name}` of `mvm.{helper}` must be {describe(expected)}, found {_what(value)}"
    raise DeclarationError("MVM005", message)


def _is(value: "Any", *kinds: "type") -> "bool":
    """`isinstance` that leaves the value's static type alone: what is in it is not known yet."""
    return isinstance(value, kinds)


def _fits(expected: "Type", value: "Any") -> "bool":
    """Does the value have this type?"""
    kind, rest = expected[0], expected[1:]
    if kind == "any":
        return any(_fits(one, value) for one in rest)
    if kind == "list":
        return _is(value, list, tuple) and all(_fits(rest[0], one) for one in value)
    if kind == "dict":
        return _is(value, dict) and all(_fits(rest[0], one) for one in value.values())
    if kind == "helper":
        return _is(value, Value) and value.helper in rest
    if kind == "int":
        return _is(value, int) and not _is(value, bool)
    return _is(value, {"str": str, "one_of": str, "bool": bool, "port": dict}[kind])


def _closest(types: "tuple[Type, ...]", value: "Any") -> "Type | None":
    """The alternative of the same outer form: its check finds the part that is wrong."""
    kind = "list" if _is(value, list, tuple) else "dict" if _is(value, dict) else None
    return next((one for one in reversed(types) if one[0] == kind), None)


def _port(helper: "str", port: "Mapping[Any, Any]") -> "None":
    for name, value in port.items():
        _typed("ports", helper, STR, name)
        if name not in PORT:
            known = either(f"`{field}`" for field in PORT)
            raise DeclarationError("MVM003", f"a port has no field `{name}`: it has {known}")
        if value is not None or PORT[name][1]:
            _typed(name, helper, PORT[name][0], value)
    for name, (_, required) in PORT.items():
        if required and name not in port:
            raise DeclarationError("MVM004", f"a port lacks the field `{name}`")


def describe(expected: "Type") -> "str":
    """A type in the words of a message."""
    kind, rest = expected[0], expected[1:]
    if kind == "list":
        return f"a list of {_plural(rest[0])}"
    if kind == "dict":
        return f"a dictionary from strings to {_plural(rest[0])}"
    if kind == "one_of":
        return either(f'"{value}"' for value in rest)
    if kind == "helper":
        return either(f"`mvm.{name}(…)`" for name in rest)
    if kind == "any":
        return either(describe(one) for one in rest)
    words = {"str": "a string", "int": "an integer", "bool": "`True` or `False`"}
    return words.get(kind, "a dictionary that describes one port")


def _plural(expected: "Type") -> "str":
    if expected[0] == "any":
        return either(_plural(one) for one in expected[1:])
    plurals = {"str": "strings", "int": "integers", "bool": "booleans", "port": "port dictionaries"}
    return plurals.get(expected[0]) or describe(expected)


def either(parts: "Iterable[str]") -> "str":
    """`a, b or c`, each once."""
    unique = list(dict.fromkeys(parts))
    return " or ".join(filter(None, [", ".join(unique[:-1]), *unique[-1:]]))


def _what(value: "object") -> "str":
    """A value in the words of a message: its kind, never its content."""
    if isinstance(value, Value):
        return f"`mvm.{value.helper}(…)`"
    kinds = {
        "NoneType": "`None`", "bool": f"`{value}`", "int": "an integer", "float": "a float", "str": "a string",
        "bytes": "bytes", "list": "a list", "tuple": "a tuple", "dict": "a dictionary", "set": "a set",
    }  # fmt: skip
    return kinds.get(type(value).__name__, f"a value of type `{type(value).__name__}`")
