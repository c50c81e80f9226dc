"""Schemas of functions, tried on real values with `jsonschema`; the newer syntax where the interpreter has it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from conftest import HERE, python


def entrypoint(file: Path) -> Any:
    done = python("-m", "mvm", "emit", str(file))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["apps"][0]["entrypoints"][0]


def fits(schema: Any, value: Any) -> bool:
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema).is_valid(value)


POINT = {"x": 1.5, "y": 2}
WHOLE = {
    "job": {"id": 1, "where": {**POINT, "level": "low"}, "tags": ["a"], "unknown": {"anything": 1}},
    "tree": {"value": 1, "children": [1]},
    "names": {"a": ["b"]},
    "twice": 1,
    "plain": {"x": "anything"},
    "place": None,
    "either": -1,
}


@pytest.mark.parametrize(
    ("change", "accepted"),
    [
        ({}, True),
        ({"points": [POINT, POINT], "later": 3, "either": POINT}, True),
        ({"twice": ["what is bound twice takes anything"]}, True),
        ({"job": {"id": 1}}, True),
        ({"job": {}}, False),
        ({"job": {"id": "1"}}, False),
        ({"job": {"id": 1, "hidden": 1}}, False),
        ({"job": {"id": 1, "KIND": "x"}}, False),
        ({"job": {"id": 1, "where": {"x": 1}}}, False),
        ({"tree": {"value": 1}}, False),
        ({"names": {"a": "b"}}, False),
        ({"place": {**POINT, "level": "middle"}}, False),
        ({"place": {**POINT, "name": None}}, True),
        ({"either": "middle"}, False),
        ({"points": [{"x": 1}]}, False),
        ({"later": "3"}, False),
        ({"more": 1}, False),
    ],
)
def test_arguments_of_own_types(change: dict[str, Any], accepted: bool) -> None:
    found = entrypoint(HERE / "declarations" / "own_types.py")
    assert fits(found["args_schema"], {**WHOLE, **change}) == accepted


def test_results() -> None:
    found = entrypoint(HERE / "declarations" / "own_types.py")["return_schema"]
    assert fits(found, {"a": POINT})
    assert not fits(found, {"a": 1})


@pytest.mark.parametrize(
    ("change", "accepted"),
    [
        ({}, True),
        ({"newer": "x", "choice": "a", "nested": {"k": [1, None]}, "number": 2, "extra": 1}, True),
        ({"newer": 1}, False),
        ({"choice": "b"}, False),
        ({"nested": {"k": ["1"]}}, False),
        ({"only": 1}, False),
        ({"text": None}, False),
    ],
)
def test_arguments_of_builtin_types(change: dict[str, Any], accepted: bool) -> None:
    schema = entrypoint(HERE / "declarations" / "annotations.py")["args_schema"]
    whole = {
        "text": "t", "plain": [{"a": 1}], "newer": None, "nested": {}, "either": 1, "choice": "a", "anything": [],
        "qualified": [True], "alias": [1], "keys": {}, "unknown": 1, "bare": 1, "needed": 1,
    }  # fmt: skip
    assert fits(schema, {**whole, **change}) == accepted


NEWER = """
import mvm
from typing import TypedDict

type Pair[T] = list[T]
type Table[K, V] = dict[K, V]
type Id = int | None


class Row(TypedDict):
    ids: Pair[Id]
    table: Table[str, Pair[float]]


@mvm.app(image=mvm.nix_packages(["python3"]))
def run[T](row: Row, free: T, pair: Pair[Row] | None = None) -> Table[str, Id]:
    return {}
"""


def test_the_syntax_of_pep_695(tmp_path: Path, mvmctl: str) -> None:
    file = tmp_path / "newer.py"
    file.write_text(NEWER, encoding="utf-8")
    compiled = subprocess.run([mvmctl, "compile", str(file), "--out", "-"], capture_output=True, text=True, timeout=60)
    assert compiled.returncode == 0, compiled.stderr
    found = json.loads(compiled.stdout)["apps"][0]["entrypoints"][0]
    row = {"ids": [1, None], "table": {"a": [0.5]}}
    assert fits(found["args_schema"], {"row": row, "free": object, "pair": [row]})
    assert not fits(found["args_schema"], {"row": {**row, "ids": ["1"]}, "free": 1})
    assert fits(found["return_schema"], {"a": None})
    assert not fits(found["return_schema"], {"a": "1"})
    if sys.version_info >= (3, 12):
        done = python("-m", "mvm", "emit", str(file))
        assert done.stdout == compiled.stdout, done.stderr
