"""JSON Schemas of a function's arguments and result, from its annotations. What cannot be derived is left out.

The annotations are read as they are written, so that every interpreter gives what the compiler gives.
"""

import ast
import contextlib

from mvm._types import Alias, Record, known_name, types_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, Optional, Union

    Json = dict[str, Any]
    Definition = Union[ast.FunctionDef, ast.AsyncFunctionDef]
    Bound = dict[str, Optional[Json]]
    Within = tuple[str, ...]

    from mvm._types import Types

_PARTS = 2_000

_NAMED: "dict[str, Json]" = {
    "str": {"type": "string"},
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "bool": {"type": "boolean"},
    "None": {"type": "null"},
    "list": {"type": "array"},
    "List": {"type": "array"},
    "Sequence": {"type": "array"},
    "dict": {"type": "object"},
    "Dict": {"type": "object"},
    "Mapping": {"type": "object"},
    "Any": {},
    "object": {},
}


def schemas(function: "Callable[..., Any]") -> "Json":
    """`args_schema` and `return_schema` of a function, as far as they can be derived."""
    definition = _definition(function)
    if definition is None:
        return {}
    reader = _Reader(_types(function))
    found = {"args_schema": reader.arguments(definition), "return_schema": reader.schema(definition.returns, {}, ())}
    return {name: schema for name, schema in found.items() if schema is not None}


def _types(function: "Callable[..., Any]") -> "Types":
    """The types that the function's module defines."""
    import inspect

    module = inspect.getmodule(function)
    try:
        source = inspect.getsource(module) if module is not None else ""
        return types_of(ast.parse(source))
    except (OSError, TypeError, SyntaxError):
        return {}


def _definition(function: "Callable[..., Any]") -> "Optional[Definition]":
    """The function as it is written."""
    import inspect
    import textwrap

    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):
        return None
    first = tree.body[0]
    return first if isinstance(first, (ast.FunctionDef, ast.AsyncFunctionDef)) else None


def _json(value: "Any") -> "Any":
    """A default as JSON; `TypeError` when JSON cannot carry it."""
    import json

    if isinstance(value, (bytes, set, complex)) or _deep(value, 0):
        raise TypeError("JSON cannot carry this")
    return json.loads(json.dumps(value, allow_nan=False))


def _deep(value: "Any", depth: int) -> bool:
    """Is it nested deeper than the compiler takes a default over? Readers of JSON have bounds."""
    if isinstance(value, (list, tuple)):
        parts: "list[Any]" = [*value]
    else:
        parts = [*value.values()] if isinstance(value, dict) else []
    return depth > 32 or any(_deep(part, depth + 1) for part in parts)


def _object(properties: "Json", required: "list[str]", more: bool) -> "Json":
    schema: "Json" = {"type": "object", "properties": properties, "additionalProperties": more}
    return {**schema, "required": required} if required else schema


def _members(node: "ast.expr") -> "list[ast.expr]":
    """`a | b | c`, from left to right."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return [*_members(node.left), node.right]
    return [node]


def _literals(members: "Sequence[ast.expr]") -> "Optional[Json]":
    values: "list[Any]" = []
    for member in members:
        try:
            value = ast.literal_eval(member)
        except (ValueError, TypeError):
            return None
        if value is not None and not isinstance(value, (str, int)):
            return None
        values.append(value)
    return {"enum": values}


class _Reader:
    """Derives the schemas of one function."""

    def __init__(self, types: "Types") -> None:
        self.types = types
        self.parts = _PARTS

    def arguments(self, definition: "Definition") -> "Optional[Json]":
        given = definition.args
        named = [*given.args, *given.kwonlyargs]
        every = [*named, *(one for one in (given.vararg, given.kwarg) if one)]
        # Arguments arrive by name, so what only takes a position cannot be described.
        if given.posonlyargs or not any(one.annotation for one in every):
            return None
        defaults: "list[Optional[ast.expr]]" = [None] * (len(given.args) - len(given.defaults))
        defaults += [*given.defaults, *given.kw_defaults]
        properties: "Json" = {}
        required: "list[str]" = []
        for one, default in zip(named, defaults):
            schema = dict(self.schema(one.annotation, {}, ()) or {})
            if default is None:
                required.append(one.arg)
            else:
                with contextlib.suppress(ValueError, TypeError):
                    schema["default"] = _json(ast.literal_eval(default))
            properties[one.arg] = schema
        return _object(properties, required, given.kwarg is not None)

    def schema(self, node: "Optional[ast.expr]", bound: "Bound", within: "Within") -> "Optional[Json]":
        """The schema of one annotation; `None` when it cannot be derived. `bound` are the parameters of a generic
        alias, `within` the types being read: one that holds itself cannot be written out."""
        if node is None or self.parts == 0:
            return None
        self.parts -= 1
        if isinstance(node, ast.Constant):
            if node.value is None:
                return {"type": "null"}
            if isinstance(node.value, str):
                try:
                    return self.schema(ast.parse(node.value.strip(), mode="eval").body, bound, within)
                except SyntaxError:
                    return None
            return None
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
            return self.union(_members(node), bound, within)
        if isinstance(node, ast.Subscript):
            inner = node.slice
            return self.generic(node.value, inner.elts if isinstance(inner, ast.Tuple) else [inner], bound, within)
        if isinstance(node, ast.Name):
            if node.id in bound:
                return bound[node.id]
            if node.id in self.types:
                return self.defined(node.id, {}, within)
        name = known_name(node)
        return _NAMED.get(name) if name is not None else None

    def defined(self, name: str, bound: "Bound", within: "Within") -> "Optional[Json]":
        """A type of the module."""
        definition = self.types[name]
        if definition is None or name in within:
            return None
        within = (*within, name)
        if isinstance(definition, Alias):
            return self.schema(definition.target, bound, within) if len(definition.parameters) == len(bound) else None
        fields = self.fields(definition, within)
        if fields is None:
            return None
        required = [name for name, (_, needed) in fields.items() if needed]
        return _object({name: schema or {} for name, (schema, _) in fields.items()}, required, False)

    def fields(self, record: "Record", within: "Within") -> "Optional[dict[str, tuple[Optional[Json], bool]]]":
        """The fields of a record, those of its bases first: schema, and whether they must be there."""
        found: "dict[str, tuple[Optional[Json], bool]]" = {}
        is_typed_dict = False
        for base in record.bases:
            if base in self.types:
                above = self.types[base]
                inherited = self.fields(above, within) if isinstance(above, Record) else None
                if inherited is None or not isinstance(above, Record):
                    return None
                is_typed_dict = is_typed_dict or not above.is_dataclass
                found.update(inherited)
            elif base == "TypedDict":
                is_typed_dict = True
            elif base != "object":
                return None
        if is_typed_dict == record.is_dataclass:
            return None
        for name, annotation, required in record.fields:
            if isinstance(annotation, ast.Subscript):
                outer = known_name(annotation.value)
                if is_typed_dict and outer in ("Required", "NotRequired", "ReadOnly"):
                    annotation = annotation.slice
                    required = required if outer == "ReadOnly" else outer == "Required"
                elif record.is_dataclass and outer == "InitVar":
                    annotation = annotation.slice
            found[name] = (self.schema(annotation, {}, within), required)
        return found

    def union(self, members: "Sequence[ast.expr]", bound: "Bound", within: "Within") -> "Optional[Json]":
        found: "list[Json]" = []
        for member in members:
            schema = self.schema(member, bound, within)
            if schema is None:
                return None
            if schema not in found:
                found.append(schema)
        return found[0] if len(found) == 1 else {"anyOf": found}

    def generic(
        self, base: "ast.expr", parameters: "Sequence[ast.expr]", bound: "Bound", within: "Within"
    ) -> "Optional[Json]":
        name = known_name(base)
        if isinstance(base, ast.Name) and base.id in self.types:
            alias = self.types[base.id]
            if not isinstance(alias, Alias) or len(alias.parameters) != len(parameters):
                return None
            given = {p: self.schema(one, bound, within) for p, one in zip(alias.parameters, parameters)}
            return self.defined(base.id, given, within)
        if name in ("list", "List", "Sequence") and len(parameters) == 1:
            items = self.schema(parameters[0], bound, within)
            return None if items is None else {"type": "array", "items": items}
        if name in ("dict", "Dict", "Mapping") and len(parameters) == 2:
            # JSON has string keys only.
            if self.schema(parameters[0], bound, within) != _NAMED["str"]:
                return None
            values = self.schema(parameters[1], bound, within)
            return None if values is None else {"type": "object", "additionalProperties": values}
        if name == "Optional" and len(parameters) == 1:
            member = self.schema(parameters[0], bound, within)
            return None if member is None else {"anyOf": [member, {"type": "null"}]}
        if name == "Union":
            return self.union(parameters, bound, within)
        if name == "Annotated" and parameters:
            return self.schema(parameters[0], bound, within)
        if name == "Literal":
            return _literals(parameters)
        return None
