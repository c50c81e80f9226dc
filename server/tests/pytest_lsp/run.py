#!/usr/bin/env python3
"""Drives the built server by an independent client, pytest-lsp: run.py DIRECTORY-OF-PROGRAMS [ARGUMENTS OF PYTEST]

The client comes from a hashed requirement file into `target/pytest-lsp`, once; the second run needs no network.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or REPOSITORY / "target").resolve()


def environment() -> Path:
    """The interpreter that has pytest-lsp, made when it is not there."""
    directory, wanted = TARGET / "pytest-lsp", HERE / "requirements.txt"
    stamp, python = directory / "made-from", directory / "bin" / "python"
    key = hashlib.sha256(wanted.read_bytes() + sys.version.encode()).hexdigest()
    if not (stamp.is_file() and stamp.read_text() == key and python.exists()):
        print(f"making {directory}", flush=True)
        shutil.rmtree(directory, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(directory)], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--require-hashes", "--only-binary", ":all:", "-r", str(wanted)], check=True)
        stamp.write_text(key)
    return python


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
        command = [str(environment()), "-m", "pytest", "-q", "-p", "no:cacheprovider", str(HERE), *sys.argv[2:]]
        return subprocess.run(command, cwd=HERE, env={**kept, **own}, stdin=subprocess.DEVNULL).returncode


if __name__ == "__main__":
    sys.exit(main())
