"""JSON Schemas of a function's arguments and result, from its annotations. What cannot be derived is left out."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def schemas(function: "Callable[..., Any]") -> "dict[str, Any]":
    """`args_schema` and `return_schema` of a function, as far as they can be derived."""
    return {}
