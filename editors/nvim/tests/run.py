#!/usr/bin/env python3
"""Runs the plugin's tests in a real, headless Neovim against the real server: run.py [NAME OF A TEST]

Neovim comes from a hashed requirement file into `target/nvim`, once; the second run needs no network.
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


def neovim() -> Path:
    """Neovim's binary, installed when it is not there."""
    directory, wanted = TARGET / "nvim", HERE / "requirements.txt"
    stamp, binary = directory / "made-from", directory / "bin" / "nvim"
    key = hashlib.sha256(wanted.read_bytes()).hexdigest()
    if not (stamp.is_file() and stamp.read_text() == key and binary.exists()):
        print(f"making {directory}", flush=True)
        shutil.rmtree(directory, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(directory)], check=True)
        pip = [str(directory / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--require-hashes", "--only-binary", ":all:", "-r", str(wanted)], check=True)
        stamp.write_text(key)
    return binary


def main() -> int:
    """Builds the server, makes a home of its own, and runs the tests."""
    cargo = os.environ.get("CARGO") or "cargo"
    build = [cargo, "build", "--quiet", "-p", "mvm-lsp", "-p", "mvmctl"]
    if subprocess.run(build, cwd=REPOSITORY).returncode:
        return 1
    binaries = TARGET / "debug"
    with tempfile.TemporaryDirectory() as home:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("XDG_", "NVIM", "VIM", "MVM"))}
        path = f"{binaries}{os.pathsep}{os.environ['PATH']}"
        environment = {**kept, "HOME": home, "PATH": path, "NVIM_LOG_FILE": f"{home}/log"}
        # Guests' layers are shared with the other suites, all else is of this run alone.
        environment["XDG_CACHE_HOME"] = str(TARGET / "e2e-cache")
        command = [str(neovim()), "--clean", "--headless", "-l", str(HERE / "run.lua")]
        arguments = [str(binaries / "mvm-lsp"), str(REPOSITORY / "examples"), *sys.argv[1:2]]
        return subprocess.run([*command, *arguments], env=environment, timeout=1200).returncode


if __name__ == "__main__":
    sys.exit(main())
