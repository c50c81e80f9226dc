#!/usr/bin/env python3
"""Drives the built server by an independent client, pytest-lsp: run.py DIRECTORY-OF-PROGRAMS [ARGUMENTS OF PYTEST]

The client comes from a hashed requirement file into `target/pytest-lsp`, once; the second run needs no network.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[2]
sys.path.append(str(REPOSITORY / "tests"))
from wheels import TARGET, environment  # noqa: E402


def main() -> int:
    """Runs the tests with a home of their own."""
    programs = Path(sys.argv[1] if len(sys.argv) > 1 else TARGET / "debug").resolve()
    server = programs / "mvm-lsp"
    if not server.is_file():
        print(f"there is no {server}: build it with `cargo build -p mvm-lsp`", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as home:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("MVM", "PYTEST", "PYTHON"))}
        own = {"HOME": home, "MVM_HOME": f"{home}/mvm", "MVM_LSP": str(server), "PYTHONDONTWRITEBYTECODE": "1"}
        command = [str(environment("pytest-lsp", HERE / "requirements.txt") / "python"), "-m", "pytest", "-q", "-p", "no:cacheprovider", str(HERE), *sys.argv[2:]]
        return subprocess.run(command, cwd=HERE, env={**kept, **own}, stdin=subprocess.DEVNULL).returncode


if __name__ == "__main__":
    sys.exit(main())
