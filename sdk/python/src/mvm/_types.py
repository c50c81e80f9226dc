"""Types that a module defines itself: aliases, `TypedDict`s and dataclasses, as they are written.

A name counts when the module binds it once, at its top level, and by nothing conditional.
"""

import ast

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Optional, Union

_TYPING = ("typing", "typing_extensions", "collections.abc", "dataclasses")


class Alias:
    """`Name = …`, `type Name[T] = …`."""

    def __init__(self, parameters: "list[str]", target: "ast.expr") -> None:
        self.parameters = parameters
        self.target = target


class Record:
    """A class, whose bases decide what it is. Fields: name, annotation, whether it must be there."""

    def __init__(self, bases: "list[str]", is_dataclass: bool, fields: "list[tuple[str, ast.expr, bool]]") -> None:
        self.bases = bases
        self.is_dataclass = is_dataclass
        self.fields = fields


if TYPE_CHECKING:
    Types = dict[str, Optional[Union[Alias, Record]]]


def types_of(tree: "ast.Module") -> "Types":
    """What names mean as types; `None` for a name of which only this is known, that it is not what it usually is."""
    found: "dict[str, list[Optional[ast.stmt]]]" = {}
    for statement in tree.body:
        for name in _bound(statement):
            found.setdefault(name, []).append(statement)
    types: "Types" = {}
    for name, statements in found.items():
        one = statements[0]
        if len(statements) == 1 and one is not None and _is_of_typing(one, name):
            continue
        types[name] = _definition(one) if len(statements) == 1 and one is not None else None
    return types


def known_name(node: "ast.expr") -> "Optional[str]":
    """A name, by itself or in a module that defines types."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return node.attr if node.value.id in ("typing", "t", "typing_extensions", "dataclasses") else None
    return None


def _bound(statement: "ast.stmt") -> "Iterator[str]":
    """Every name that a top-level statement binds."""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield statement.name
        for inner in ast.walk(statement):
            if isinstance(inner, ast.Global):
                yield from inner.names
        return
    if isinstance(statement, ast.AnnAssign) and statement.value is None:
        return
    pending: "list[ast.AST]" = [statement]
    while pending:
        node = pending.pop(0)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
            continue
        if isinstance(node, ast.alias):
            yield node.asname or node.name.split(".")[0]
        elif isinstance(node, ast.Name) and isinstance(node.ctx, (ast.Store, ast.Del)):
            yield node.id
        elif isinstance(node, ast.ExceptHandler) and node.name:
            yield node.name
        if not isinstance(node, ast.Lambda):
            pending.extend(ast.iter_child_nodes(node))


def _is_of_typing(statement: "ast.stmt", name: str) -> bool:
    if isinstance(statement, ast.Import):
        return any((one.asname or one.name) == name and one.name in _TYPING for one in statement.names)
    if isinstance(statement, ast.ImportFrom):
        return statement.module in _TYPING and any(one.name == name and not one.asname for one in statement.names)
    return False


def _definition(statement: "ast.stmt") -> "Optional[Union[Alias, Record]]":
    if isinstance(statement, ast.ClassDef):
        return _record(statement)
    if isinstance(statement, ast.Assign):
        plain = all(isinstance(target, ast.Name) for target in statement.targets)
        return Alias([], statement.value) if plain else None
    if isinstance(statement, ast.AnnAssign):
        return Alias([], statement.value) if isinstance(statement.target, ast.Name) and statement.value else None
    if type(statement).__name__ == "TypeAlias":  # since Python 3.12
        parameters: "Sequence[ast.AST]" = getattr(statement, "type_params", ())
        plain = all(type(p).__name__ == "TypeVar" and not getattr(p, "bound", None) for p in parameters)
        names = [str(getattr(p, "name", "")) for p in parameters]
        target: "ast.expr" = getattr(statement, "value")  # noqa: B009
        return Alias(names, target) if plain else None
    return None


def _record(node: "ast.ClassDef") -> "Optional[Record]":
    if getattr(node, "type_params", ()):
        return None  # what a generic class holds depends on its parameters
    is_dataclass = False
    for decorator in node.decorator_list:
        call = decorator if isinstance(decorator, ast.Call) else None
        name = known_name(call.func if call else decorator)
        if name == "dataclass" and not (call and any(k.arg == "init" for k in call.keywords)):
            is_dataclass = True
        elif name != "final":
            return None
    total = True
    for keyword in node.keywords:
        if keyword.arg != "total" or not isinstance(keyword.value, ast.Constant):
            return None
        total = bool(keyword.value.value)
    bases = [known_name(base) for base in node.bases]
    fields: "list[tuple[str, ast.expr, bool]]" = []
    for one in node.body:
        if not isinstance(one, ast.AnnAssign) or not isinstance(one.target, ast.Name):
            continue
        outer = one.annotation.value if isinstance(one.annotation, ast.Subscript) else one.annotation
        required, is_argument = _default(one.value, total)
        if is_argument and known_name(outer) not in ("ClassVar", "KW_ONLY"):
            fields.append((one.target.id, one.annotation, required))
    named = [base for base in bases if base is not None]
    return Record(named, is_dataclass, fields) if len(named) == len(bases) else None


def _default(value: "Optional[ast.expr]", total: bool) -> "tuple[bool, bool]":
    """Whether a field must be given, and whether it can be."""
    if value is None:
        return total, True
    if isinstance(value, ast.Call) and known_name(value.func) == "field":
        given = {k.arg: k.value for k in value.keywords}
        init = given.get("init")
        excluded = isinstance(init, ast.Constant) and init.value is False
        return not ({"default", "default_factory"} & set(given)), not excluded
    return False, True
