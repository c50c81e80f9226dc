"""What strict type checkers must accept, and infer. Read by mypy and pyright, never run."""

import mvm


@mvm.app(
    name="agent-tool",
    source=mvm.local_path("."),
    image=mvm.nix_packages(["python312", "uv"]),
    resources=mvm.resources(cpu_cores=1, memory_mb=512),
    network=mvm.network(mode="deny", allow_https=["api.openai.com"], ports=[{"guest": 8080}]),
    env={"OPENAI_API_KEY": mvm.secret("openai-api-key"), "LEVEL": "info"},
    entrypoint=mvm.entrypoint_function(module="tool", function="run", primary=True),
    before_start=["echo", "hello"],
    after_start=[mvm.hook("true"), mvm.hook(["true"])],
)
def run(prompt: str, *, times: int = 1) -> str:
    """Stays what it is for a type checker too."""
    return prompt * times


@mvm.func(name="later")
async def later() -> int:
    """A coroutine."""
    return 1


answer: str = run("a", times=2)
name: str = run.mvm.name
declaration: mvm.Declaration = later.mvm


async def number() -> int:
    """Awaits what it awaited before."""
    return await later()
