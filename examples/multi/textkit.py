"""Several functions in one machine: one app, three entrypoints, of which `summary` is called when none is named."""

import asyncio

import mvm


@mvm.app(
    name="textkit",
    image=mvm.nix_packages(["python3"]),
    resources=mvm.resources(memory_mb=256),
    entrypoints=[
        mvm.entrypoint_function(module="textkit", function="summary", primary=True),
        mvm.entrypoint_function(module="textkit", function="slug"),
        mvm.entrypoint_function(module="textkit", function="longest"),
    ],
)
def summary(text: str) -> "dict[str, int]":
    """Counts characters, words and lines."""
    return {"characters": len(text), "words": len(text.split()), "lines": len(text.splitlines())}


def slug(title: str, separator: str = "-") -> str:
    """A title as a part of a URL."""
    kept = "".join(c if c.isascii() and c.isalnum() else " " for c in title.lower())
    return separator.join(kept.split())


async def longest(texts: "list[str]", count: int = 1) -> "list[str]":
    """The longest texts, longest first. Coroutines work like functions."""
    await asyncio.sleep(0)
    if count < 0:
        raise ValueError("count must not be negative")
    return sorted(texts, key=len, reverse=True)[:count]
