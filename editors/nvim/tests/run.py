#!/usr/bin/env python3
"""Runs the plugin's tests in real, headless Neovims against the real server: run.py [NAME OF A TEST]

The new one comes from a hashed requirement file into `target/nvim`, once; the second run needs no network. The old one,
of before `vim.lsp.enable`, is the distribution's, if that is an old one.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[2]
sys.path.append(str(REPOSITORY / "tests"))
from wheels import TARGET, environment  # noqa: E402


def before_0_11(program: str) -> bool:
    """Whether a Neovim is older than `vim.lsp.enable`."""
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    print(said.splitlines()[0], flush=True)
    return tuple(int(part) for part in said.split()[1].lstrip("v").split("-")[0].split(".")[:2]) < (0, 11)


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
        surroundings = {**kept, "HOME": home, "PATH": path, "NVIM_LOG_FILE": f"{home}/log"}
        # Guests' layers are shared with the other suites, all else is of this run alone.
        surroundings["XDG_CACHE_HOME"] = str(TARGET / "e2e-cache")
        arguments = [str(binaries / "mvm-lsp"), str(REPOSITORY / "examples")]
        program = environment("nvim", HERE / "requirements.txt") / "nvim"
        new = [str(program), "--clean", "--headless", "-l", str(HERE / "run.lua"), *arguments, *sys.argv[1:2]]
        failed = subprocess.run(new, env=surroundings, timeout=1200).returncode
        old = shutil.which("nvim")
        if old and not sys.argv[1:] and before_0_11(old):
            surroundings["MVM_TEST_SERVER"], surroundings["MVM_TEST_EXAMPLES"] = arguments
            command = [old, "--clean", "--headless", "-c", f"luafile {HERE / 'old.lua'}"]
            failed |= subprocess.run(command, env=surroundings, stdin=subprocess.DEVNULL, timeout=1200).returncode
        return failed


if __name__ == "__main__":
    sys.exit(main())
