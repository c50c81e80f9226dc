"""Schemas of types that the module defines itself."""

import dataclasses
from dataclasses import dataclass, field
from typing import Any, ClassVar, Dict, List, Literal, Optional, TypedDict, Union

import mvm

Tags = List[str]
Names: Any = Dict[str, Tags]
Level = Literal["low", "high", -1]
Twice = int
Twice = str


class Point(TypedDict):
    x: float
    y: float


class Place(Point, total=False):
    name: Optional[str]
    level: "Level"


@dataclass
class Base:
    id: int
    KIND: ClassVar[str] = "base"
    note: str = ""


@dataclasses.dataclass(eq=False)
class Job(Base):
    """With a method, which is no field."""

    where: "Place" = field(default_factory=dict)
    tags: Tags = field(default_factory=list)
    hidden: int = field(default=0, init=False)
    unknown: Optional["Elsewhere"] = None

    def run(self) -> int:
        return self.id


class Tree(TypedDict):
    value: int
    children: "List[Tree]"


class Plain:
    x: int


@mvm.app(image=mvm.nix_packages(["python3"]))
def types(
    job: Job,
    tree: Tree,
    names: Names,
    twice: Twice,
    plain: Plain,
    place: Optional[Place],
    either: "Union[Point, Level]",
    points: "list[Point]" = [],
    later: "Later" = None,
) -> "dict[str, Point]":
    """Takes one parameter of every kind of type."""


Later = Optional[int]
