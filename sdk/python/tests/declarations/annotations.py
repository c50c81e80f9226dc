"""Schemas of arguments and results, from annotations as they are written."""

import typing
from typing import Any, Dict, List, Literal, Optional, Union

import mvm

Alias = List[int]


@mvm.app(
    name="annotations",
    image=mvm.nix_packages(["python3"]),
    entrypoints=[mvm.entrypoint_function(module="annotations", function="run", primary=True)],
)
def run(
    text: str,
    plain: "list[dict[str, int]]",
    newer: "str | None",
    nested: Dict[str, List[Optional[float]]],
    either: Union[int, str, None],
    choice: Literal["a", 1, True, None],
    anything: Any,
    qualified: typing.Sequence[bool],
    alias: Alias,
    keys: Dict[int, str],
    unknown: "Path",
    bare,
    number: float = 0.5,
    tiny: float = 1e-7,
    many: list = [1, "two", {"three": None}],
    *args: int,
    only: bool = False,
    needed: int,
    **more: str,
) -> "Optional[Literal['x', 'y']]":
    """Takes one parameter of every kind of annotation."""
