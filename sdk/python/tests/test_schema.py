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


BEFORE = """
from __future__ import annotations
import dataclasses, enum, typing
import typing as t
from dataclasses import dataclass, field
from typing import Annotated, Any, Dict, Final, List, Literal, Mapping, NamedTuple, NewType, Optional, Sequence, Tuple
from typing import TypedDict, Union
import mvm

Name = str
Row = Dict[str, "Cell"]
Cell = Union[int, None]


class Color(enum.Enum):
    RED = 1


class Base(TypedDict):
    a: int


class Child(Base, total=False):
    b: "List[str]"


@dataclass
class Point:
    x: int
    y: float = 0.5
    tags: List[str] = field(default_factory=list)


@dataclasses.dataclass()
class Line(Point):
    to: Optional[Point] = None


class Plain:
    pass


"""

# Parameters: values that fit `a`, and values that do not.
PARAMETERS: list[tuple[str, list[Any], list[Any]]] = [
    ("a: int", [1, -1, 10**20], ["1", 1.5, None, [1]]),
    ("a: float", [1, 1.5, -0.0], ["1", None]),
    ("a: bool", [True], [1, "True", None]),
    ("a: str", ["", "é"], [1, None]),
    ("a: None", [None], [0, ""]),
    ("a: 'int'", [1], ["1"]),
    ("a: 'Optional[Name]'", ["x", None], [1]),
    ("a: Optional['int']", [1, None], ["1"]),
    ("a: Union[int, str]", [1, "1"], [None, 1.5]),
    ("a: Union[int]", [1], ["1"]),
    ("a: int | None", [1, None], ["1"]),
    ("a: 'int | str | None'", [1, "1", None], [1.5]),
    ("a: List[int]", [[], [1]], [["1"], {}, None]),
    ("a: list[int]", [[], [1]], [["1"], {}, None]),
    ("a: list[list[int]]", [[[1], []]], [[1]]),
    ("a: Sequence[str]", [["a"]], ["a", [1]]),
    ("a: t.List[t.Optional[int]]", [[1, None]], [["1"]]),
    ("a: list", [[1, "a"]], ["a"]),
    ("a: dict[str, int]", [{}, {"a": 1}], [{"a": "1"}, []]),
    ("a: Mapping[str, Any]", [{"a": []}], [[]]),
    ("a: dict", [{"a": 1}], [[]]),
    ("a: Any", [1, None, [], {}], []),
    ("a: object", [1, None, [], {}], []),
    ("a: Annotated[int, 'doc', max]", [1], ["1"]),
    ("a: t.Annotated['List[int]', 1]", [[1]], [["1"]]),
    ("a: Literal['a', 'b', 3, None]", ["a", 3, None], ["c", 4, "3"]),
    ("a: Literal[True]", [True], [False, "True"]),
    ("a: Literal[-1, 'é']", [-1, "é"], [1]),
    ("a: Base", [{"a": 1}], [{}, {"a": "1"}, {"a": 1, "z": 1}]),
    ("a: Child", [{"a": 1}, {"a": 1, "b": ["x"]}], [{"b": []}, {"a": 1, "b": [1]}]),
    ("a: Point", [{"x": 1}, {"x": 1, "y": 2, "tags": ["a"]}], [{}, {"x": "1"}, {"x": 1, "tags": [1]}]),
    ("a: Line", [{"x": 1, "to": {"x": 2}}, {"x": 1, "to": None}], [{"to": None}, {"x": 1, "to": {}}]),
    ("a: Optional[Row]", [{"r": 1}, {"r": None}, None], [{"r": "1"}]),
    # What cannot be told from the text is left open, not guessed.
    ("a: Color, b: int", [1, "RED"], []),
    ("a: Plain, b: int", [1, {}], []),
    ("a: Tuple[int, str], b: int", [[1, "a"], 1], []),
    ("a: set[int], b: int", [[1], 1], []),
    ("a: dict[int, str], b: int", [{"1": "a"}, 1], []),
    ("a: bytes, b: int", ["x"], []),
    ("a: complex, b: int", [1], []),
    ("a: Nowhere, b: int", [1], []),
    ("a: Union[int, Plain], b: int", [1, "x"], []),
    ("a: Literal[1.5], b: int", [1.5, 2], []),
    ("a, b: int", [1, None], []),
]


# Parameters: arguments that fit, and arguments that do not; `None` when there is no schema.
KINDS: list[tuple[str, Any]] = [
    ("a: int, b: int = 2", ([{"a": 1}, {"a": 1, "b": 3}], [{}, {"b": 1}, {"a": 1, "c": 1}])),
    ("*, a: int, b: int = 2", ([{"a": 1}], [{}, {"b": 1}])),
    ("a: int, *, b: int", ([{"a": 1, "b": 1}], [{"a": 1}])),
    ("a: int, *rest: int", ([{"a": 1}], [{"a": 1, "rest": [1]}])),
    ("a: int, **more: int", ([{"a": 1}, {"a": 1, "z": 1}], [{}])),
    ("a: int, *rest: int, b: int = 1, **more: int", ([{"a": 1, "b": 2, "z": 1}], [{"b": 2}])),
    ("a: int, /, b: int", None),
    ("a, b", None),
    ("", None),
    ("a, *, b=1, c: int = 3", ([{"a": None}, {"a": [], "b": "x", "c": 1}], [{"b": 1}, {"a": 1, "c": "1"}])),
]

# How deep a default is nested, and whether it is told: readers of JSON have bounds.
DEPTHS = {31: True, 32: True, 33: True, 34: False, 100: False}


@pytest.fixture(scope="module")
def found(mvmctl: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The entrypoints of all of these, by their parameters, in which the compiler and the package agree."""
    every = [parameters for parameters, *_ in PARAMETERS] + [parameters for parameters, _ in KINDS]
    every += [f"a: list = {'[' * depth}{']' * depth}, b: int = 1" for depth in DEPTHS]
    text = BEFORE + "mvm.workload(id='all')\n"
    for i, parameters in enumerate(every):
        way = "async def" if i % 2 else "def"
        text += f"\n\n@mvm.app(name='a{i}', image=mvm.python_image())\n{way} run{i}({parameters}) -> None:\n    pass\n"
    file = tmp_path_factory.mktemp("schemas") / "all.py"
    file.write_text(text, encoding="utf-8")
    command = [mvmctl, "compile", str(file), "--out", "-"]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=60)
    assert done.returncode == 0, done.stderr
    emitted = python("-m", "mvm", "emit", str(file))
    assert emitted.returncode == 0, emitted.stderr
    read, ran = json.loads(done.stdout)["apps"], json.loads(emitted.stdout)["apps"]
    for parameters, one, other in zip(every, read, ran):
        assert one == other, parameters
    assert emitted.stdout == done.stdout
    return {parameters: app["entrypoints"][0] for parameters, app in zip(every, read)}


@pytest.mark.parametrize(("parameters", "good", "bad"), PARAMETERS)
def test_annotations_on_real_values(parameters: str, good: list[Any], bad: list[Any], found: dict[str, Any]) -> None:
    schema = found[parameters]["args_schema"]
    rest = {"b": 1} if "b: int" in parameters else {}
    for value in good:
        assert fits(schema, {"a": value, **rest}), value
    for value in bad:
        assert not fits(schema, {"a": value, **rest}), value
    assert not fits(schema, rest), "`a` must be given"
    assert not fits(schema, {"a": (good or [1])[0], **rest, "more": 1})


@pytest.mark.parametrize(("parameters", "arguments"), KINDS)
def test_kinds_of_parameters(parameters: str, arguments: Any, found: dict[str, Any]) -> None:
    entrypoint = found[parameters]
    assert ("args_schema" in entrypoint) == (arguments is not None)
    for value in arguments[0] if arguments else ():
        assert fits(entrypoint["args_schema"], value), value
    for value in arguments[1] if arguments else ():
        assert not fits(entrypoint["args_schema"], value), value


@pytest.mark.parametrize(("depth", "told"), DEPTHS.items())
def test_a_default_nested_too_deep_for_readers_of_json_is_left_out(
    depth: int, told: bool, found: dict[str, Any]
) -> None:
    parameters = f"a: list = {'[' * depth}{']' * depth}, b: int = 1"
    properties = found[parameters]["args_schema"]["properties"]
    assert ("default" in properties["a"]) == told
    assert properties["b"]["default"] == 1
