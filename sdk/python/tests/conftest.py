"""What the tests need from outside: the compiler's table and `mvmctl`, both handed over by `run_tests.py`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[2]
SOURCE = HERE.parent / "src"

sys.path.insert(0, str(SOURCE))


def outside(variable: str) -> str:
    """The path in a variable; a test that lacks it fails, and says how to run it."""
    value = os.environ.get(variable)
    if not value:
        pytest.fail(f"{variable} is not set: run sdk/python/run_tests.py, which builds what this test needs")
    return value


@pytest.fixture(scope="session")
def table() -> dict[str, dict[str, Any]]:
    """The compiler's helpers, by name."""
    helpers = json.loads(Path(outside("MVM_TABLE")).read_text(encoding="utf-8"))
    return {helper["name"]: helper for helper in helpers}


@pytest.fixture(scope="session")
def mvmctl() -> str:
    """The path of the compiler's command line."""
    return outside("MVMCTL")


def python(*arguments: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs this interpreter with the package on its path and nothing else of ours in its environment."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("MVM", "PYTHON"))}
    env = {**kept, "PYTHONPATH": str(SOURCE), "PYTHONUTF8": "1", "PYTHONDONTWRITEBYTECODE": "1", **environment}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, encoding="utf-8", timeout=60)
