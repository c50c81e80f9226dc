"""`mvm.func`: the same name again adds an entrypoint."""

import mvm


@mvm.func(name="functions", resources=mvm.resources(memory_mb=128))
def first(values: "list[float]") -> float:
    """Is primary."""
    return sum(values)


@mvm.func(name="functions")
async def second(text: str, times: int = 2, *, loud: bool = False) -> str:
    """Is there too."""
    return text * times
