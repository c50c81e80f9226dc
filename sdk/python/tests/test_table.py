"""The compiler's table, this package's table and its signatures say the same."""

from __future__ import annotations

import ast
import inspect
from typing import Any

import pytest

import mvm
from mvm._table import HELPERS, PORT

Table = dict[str, dict[str, Any]]


def test_the_same_helpers(table: Table) -> None:
    assert set(HELPERS) == set(table)
    assert set(mvm.__all__) - {"Declaration", "DeclarationError"} == set(table)


def as_table(ty: list[Any]) -> tuple[Any, ...]:
    kind, *rest = ty
    if kind == "record":
        return ("port",)
    if kind in ("list", "dict", "any"):
        return (kind, *map(as_table, rest))
    return (kind, *rest)


@pytest.mark.parametrize("helper", sorted(HELPERS))
def test_the_same_types(table: Table, helper: str) -> None:
    expected: dict[str, Any] = {}
    for param in table[helper]["params"]:
        for name in (param["name"], *param["aliases"]):
            expected[name] = as_table(param["type"])
    assert HELPERS[helper] == expected


def test_the_same_fields_of_a_port(table: Table) -> None:
    ports = next(p for p in table["network"]["params"] if p["name"] == "ports")
    kind, (record, *fields) = ports["type"]
    assert (kind, record) == ("list", "record")
    assert {f["name"]: (as_table(f["type"]), f["default"] == "required") for f in fields} == PORT


@pytest.mark.parametrize("helper", sorted(HELPERS))
def test_the_same_signatures(table: Table, helper: str) -> None:
    ours = inspect.signature(getattr(mvm, helper)).parameters
    names = [n for p in table[helper]["params"] for n in (p["name"], *p["aliases"])]
    assert sorted(ours) == sorted(names)
    for param in table[helper]["params"]:
        mine = ours[param["name"]]
        both = mine.kind is mine.POSITIONAL_OR_KEYWORD
        assert both == param["positional"], f"{helper}({param['name']}) by position"
        if param["default"] == "required" and helper != "func":
            assert mine.default is mine.empty, f"{helper}({param['name']}) is required"
        elif param["default"] == "value" and mine.default is not None:
            default = list(mine.default) if isinstance(mine.default, tuple) else mine.default
            assert default == ast.literal_eval(param["value"]), f"default of {helper}({param['name']})"
        else:
            assert mine.default is None, f"{helper}({param['name']}) is optional"
        for alias in param["aliases"]:
            assert ours[alias].default is None


@pytest.mark.parametrize("helper", sorted(HELPERS))
def test_every_parameter_is_documented(helper: str) -> None:
    function = getattr(mvm, helper)
    doc = inspect.getdoc(function) or ""
    assert doc.split("\n")[0].endswith(".")
    if helper != "func":
        for name in inspect.signature(function).parameters:
            assert f"    {name}: " in doc, f"{helper}({name}) is not documented"
