"""Why a call does not fit the signature of a helper, in the words of the compiler. Loaded only when one does not."""

import inspect

from mvm import DeclarationError
from mvm._check import either

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

# Other spellings are read, not offered.
_NOT_OFFERED = {"resources": ("cpu", "vcpus"), "app": ("include",), "func": ("include",)}


def misfit(function: "Callable[..., Any]", args: "tuple[Any, ...]", kwargs: "dict[str, Any]") -> "TypeError | None":
    """The error that says why; `None` when the call fits."""
    helper = function.__name__
    parameters = inspect.signature(function).parameters
    if helper in ("app", "func") and len(args) == 1 and callable(args[0]):
        words = f"`@mvm.{helper}` needs parentheses: without them it decorates nothing"
        return DeclarationError("MVM008", words)
    by_position = [p.name for p in parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    if len(args) > len(by_position):
        return _too_many(helper, list(parameters)[len(by_position) :])
    for name in kwargs:
        if name not in parameters:
            return _unknown(helper, name, [p for p in parameters if p not in _NOT_OFFERED.get(helper, ())])
        if name in by_position[: len(args)]:
            return DeclarationError("MVM011", f"`{name}` is given twice: remove one of them")
    given = {*by_position[: len(args)], *kwargs}
    absent = [p.name for p in parameters.values() if p.default is p.empty and p.name not in given]
    if not absent:
        return None
    names = either(f"`{name}`" for name in absent).replace(" or ", " and ")
    return DeclarationError("MVM004", f"`mvm.{helper}` lacks the argument{'s'[: len(absent) - 1]} {names}")


def _too_many(helper: "str", by_name: "list[str]") -> "TypeError":
    """The first argument that has no place, in a message."""
    if not by_name:
        return DeclarationError("MVM003", f"`mvm.{helper}` takes no further argument")
    return DeclarationError("MVM003", f"`mvm.{helper}` takes this argument by name only: write `{by_name[0]}=…`")


def _unknown(helper: "str", name: "str", known: "list[str]") -> "TypeError":
    near = nearest(name, known)
    if near:
        return DeclarationError("MVM003", f"`mvm.{helper}` has no argument `{name}`: did you mean `{near}`?")
    takes = either(f"`{one}`" for one in known) or "no arguments"
    return DeclarationError("MVM003", f"`mvm.{helper}` has no argument `{name}`: it takes {takes}")


def nearest(written: "str", names: "Iterable[str]") -> "str | None":
    """The name that is most probably meant, if any is near enough. The compiler measures in the same way."""
    written = written[:64].lower()
    bound = max(len(written) // 3, 1)
    distances = [(_distance(written, name.lower()), name) for name in names]
    close = [one for one in distances if one[0] <= bound]
    return min(close, key=lambda one: one[0])[1] if close else None


def _distance(a: "str", b: "str") -> "int":
    """Edits that lead from one to the other; a swap of neighbours is one."""
    before: "list[int]" = []
    last = list(range(len(b) + 1))
    for i in range(1, len(a) + 1):
        row = [i]
        for j in range(1, len(b) + 1):
            d = min(last[j - 1] + (a[i - 1] != b[j - 1]), last[j] + 1, row[j - 1] + 1)
            if i > 1 and j > 1 and a[i - 1] == b[j - 2] and a[i - 2] == b[j - 1]:
                d = min(d, before[j - 2] + 1)
            row.append(d)
        before, last = last, row
    return last[-1]
