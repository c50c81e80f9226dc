"""Are the arguments of a helper right? The same questions, answers and words as the compiler's.

Loaded with the first declaration, except in the guest, where the compiler has asked already.
"""

from mvm import DeclarationError, Value
from mvm._table import HELPERS, PORT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from mvm._table import Type


def check(helper: "str", arguments: "Mapping[str, Any]") -> "None":
    """Raises `DeclarationError` for the first argument that is wrong. `None` is what an absent argument is."""
    types = HELPERS[helper]
    for name, value in arguments.items():
        if value is not None:
            _typed(f"`{name}` of `mvm.{helper}`", types[name], value)
    from mvm import _limits

    _limits.check(helper, arguments)


def check_function(helper: "str", arguments: "Mapping[str, Any]", function: "Any") -> "None":
    """A declaration decorates a function at the top level of a module, and may take its name."""
    code = getattr(function, "__code__", None)
    if code is None or function.__qualname__ != function.__name__:
        what = "a class" if isinstance(function, type) else "a nested function or a method" if code else "no function"
        raise DeclarationError("MVM007", f"`@mvm.{helper}` decorates {what}; move it to a function at the top level")
    if arguments["name"] is None:
        from mvm import _limits

        _limits.identifier("the name of the app, which is the function's,", function.__name__)


def _typed(where: "str", expected: "Type", value: "object") -> "None":
    wrong = _misfit(expected, value)
    if wrong is not None:
        expected, value = wrong
        raise DeclarationError("MVM005", f"{where} must be {describe(expected)}, not {_what(value)}")


def _misfit(expected: "Type", value: "Any") -> "tuple[Type, object] | None":
    """The innermost type and value that do not fit; `None` when they do."""
    kind, rest = expected[0], expected[1:]
    if kind == "any":
        misfits = [_misfit(one, value) for one in rest]
        return None if None in misfits else (expected, value)
    if kind == "list":
        if not _is(value, list, tuple):
            return expected, value
        return next(filter(None, (_misfit(rest[0], one) for one in value)), None)
    if kind == "dict":
        if not _is(value, dict) or not all(_is(key, str) for key in value):
            return expected, value
        return next(filter(None, (_misfit(rest[0], one) for one in value.values())), None)
    if kind == "port":
        return _misfit_port(expected, value)
    return None if _fits(kind, rest, value) else (expected, value)


def _is(value: "Any", *kinds: "type") -> "bool":
    """`isinstance` that leaves the value's static type alone: what is in it is not known yet."""
    return isinstance(value, kinds)


def _fits(kind: "str", rest: "tuple[Any, ...]", value: "object") -> "bool":
    if kind == "str":
        return isinstance(value, str)
    if kind == "int":
        return isinstance(value, int) and not isinstance(value, bool)
    if kind == "bool":
        return isinstance(value, bool)
    if kind == "one_of":
        return isinstance(value, str) and value in rest
    return isinstance(value, Value) and value.helper in rest


def _misfit_port(expected: "Type", value: "Any") -> "tuple[Type, object] | None":
    if not _is(value, dict):
        return expected, value
    for name, (_, required) in PORT.items():
        if required and name not in value:
            raise DeclarationError("MVM004", f"a port needs `{name}`")
    for name, given in value.items():
        if name not in PORT:
            raise DeclarationError("MVM003", f"a port has no field `{name}`{_hint(str(name), PORT)}")
        wrong = _misfit(PORT[name][0], given)
        if wrong is not None:
            return wrong
    return None


def describe(expected: "Type") -> "str":
    """A type in the words of a message."""
    kind, rest = expected[0], expected[1:]
    if kind == "list":
        return f"a list of {_plural(rest[0])}"
    if kind == "dict":
        return f"a dictionary from strings to {_plural(rest[0])}"
    if kind == "one_of":
        return _either(f'"{value}"' for value in rest)
    if kind == "helper":
        return _either(f"`mvm.{name}(…)`" for name in rest)
    if kind == "any":
        return _either(describe(one) for one in rest)
    return {"str": "a string", "int": "an integer", "bool": "`True` or `False`"}.get(
        kind, "a dictionary that describes one port"
    )


def _plural(expected: "Type") -> "str":
    if expected[0] == "any":
        return _either(_plural(one) for one in expected[1:])
    plurals = {"str": "strings", "int": "integers", "bool": "booleans", "port": "port dictionaries"}
    return plurals.get(expected[0]) or describe(expected)


def _either(parts: "Iterable[str]") -> "str":
    """`a, b or c`, each once."""
    unique = list(dict.fromkeys(parts))
    return " or ".join(filter(None, [", ".join(unique[:-1]), unique[-1]]))


def _what(value: "object") -> "str":
    """A value in the words of a message: its kind, never its content."""
    if isinstance(value, Value):
        return f"`mvm.{value.helper}(…)`"
    kinds = {
        "NoneType": "`None`", "bool": f"`{value}`", "int": "an integer", "float": "a float", "str": "a string",
        "bytes": "bytes", "list": "a list", "tuple": "a tuple", "dict": "a dictionary", "set": "a set",
    }  # fmt: skip
    return kinds.get(type(value).__name__, f"a value of type `{type(value).__name__}`")


def _hint(name: "str", known: "Iterable[str]") -> "str":
    import difflib

    near = difflib.get_close_matches(name, known, 1)
    return f"; did you mean `{near[0]}`?" if near else ""


def misfit(function: "Callable[..., Any]", args: "tuple[Any, ...]", kwargs: "dict[str, Any]") -> "TypeError | None":
    """Why a call does not fit the signature of a helper."""
    import inspect

    helper = function.__name__
    parameters = inspect.signature(function).parameters
    for name in kwargs:
        if name not in parameters:
            return DeclarationError("MVM003", f"`mvm.{helper}` has no argument `{name}`{_hint(name, parameters)}")
    by_position = [p.name for p in parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    if helper in ("app", "func") and len(args) == 1 and callable(args[0]):
        return DeclarationError("MVM008", f"`@mvm.{helper}` must be called: write `@mvm.{helper}(...)`")
    if len(args) > len(by_position):
        return DeclarationError("MVM005", f"`mvm.{helper}` takes its arguments by keyword")
    for name in by_position[: len(args)]:
        if name in kwargs:
            return DeclarationError("MVM011", f"`{name}` of `mvm.{helper}` is given twice")
    given = {*by_position[: len(args)], *kwargs}
    for parameter in parameters.values():
        if parameter.default is parameter.empty and parameter.name not in given:
            return DeclarationError("MVM004", f"`mvm.{helper}` needs `{parameter.name}`")
    return None
