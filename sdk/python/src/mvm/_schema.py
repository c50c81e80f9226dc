"""JSON Schemas of a function's arguments and result, from its annotations. What cannot be derived is left out.

The annotations are read as they are written, so that every interpreter gives what the compiler gives.
"""

import ast
import contextlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, Optional, Union

    Json = dict[str, Any]
    Definition = Union[ast.FunctionDef, ast.AsyncFunctionDef]

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
    found = {"args_schema": _arguments(definition), "return_schema": _schema(definition.returns)}
    return {name: schema for name, schema in found.items() if schema is not None}


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


def _arguments(definition: "Definition") -> "Optional[Json]":
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
        schema = dict(_schema(one.annotation) or {})
        if default is None:
            required.append(one.arg)
        else:
            with contextlib.suppress(ValueError, TypeError):
                schema["default"] = _json(ast.literal_eval(default))
        properties[one.arg] = schema
    schema = {"type": "object", "properties": properties, "additionalProperties": given.kwarg is not None}
    return {**schema, "required": required} if required else schema


def _json(value: "Any") -> "Any":
    """A default as JSON; `TypeError` when JSON cannot carry it."""
    import json

    if isinstance(value, (bytes, set, complex)):
        raise TypeError("JSON cannot carry this")
    return json.loads(json.dumps(value, allow_nan=False))


def _name(node: "ast.expr") -> "Optional[str]":
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return node.attr if node.value.id in ("typing", "t", "typing_extensions") else None
    return None


def _schema(node: "Optional[ast.expr]") -> "Optional[Json]":
    """The schema of one annotation; `None` when it cannot be derived."""
    if isinstance(node, ast.Constant):
        if node.value is None:
            return {"type": "null"}
        if isinstance(node.value, str):
            try:
                return _schema(ast.parse(node.value.strip(), mode="eval").body)
            except SyntaxError:
                return None
        return None
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return _union(_members(node))
    if isinstance(node, ast.Subscript):
        name = _name(node.value)
        inner = node.slice
        # Before Python 3.9 the slice was wrapped; there is nothing to unwrap since.
        return _generic(name, inner.elts if isinstance(inner, ast.Tuple) else [inner])
    name = _name(node) if node is not None else None
    return _NAMED.get(name) if name is not None else None


def _members(node: "ast.expr") -> "list[ast.expr]":
    """`a | b | c`, from left to right."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return [*_members(node.left), node.right]
    return [node]


def _union(members: "Sequence[ast.expr]") -> "Optional[Json]":
    found: "list[Json]" = []
    for member in members:
        schema = _schema(member)
        if schema is None:
            return None
        if schema not in found:
            found.append(schema)
    return found[0] if len(found) == 1 else {"anyOf": found}


def _generic(name: "Optional[str]", parameters: "Sequence[ast.expr]") -> "Optional[Json]":
    if name in ("list", "List", "Sequence") and len(parameters) == 1:
        items = _schema(parameters[0])
        return None if items is None else {"type": "array", "items": items}
    if name in ("dict", "Dict", "Mapping") and len(parameters) == 2 and _name(parameters[0]) == "str":
        values = _schema(parameters[1])
        return None if values is None else {"type": "object", "additionalProperties": values}
    if name == "Optional" and len(parameters) == 1:
        member = _schema(parameters[0])
        return None if member is None else {"anyOf": [member, {"type": "null"}]}
    if name == "Union":
        return _union(parameters)
    if name == "Annotated" and parameters:
        return _schema(parameters[0])
    if name == "Literal":
        constants = [one.value for one in parameters if isinstance(one, ast.Constant)]
        return {"enum": constants} if len(constants) == len(parameters) else None
    return None
