#!/usr/bin/env python3
"""Runs the plugin's tests in real, headless Neovims against the real server.

run.py [--programs DIRECTORY] [NAME OF A TEST]

Without `--programs` the programs are built. The new Neovim comes from a hashed requirement file into `target/nvim`,
once; the second run needs no network. The old one, of before `vim.lsp.enable`, is the distribution's, if that is one.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
PLUGIN = HERE.parent
REPOSITORY = HERE.parents[2]
sys.path.append(str(REPOSITORY / "tests"))
from wheels import TARGET, environment  # noqa: E402


def before_0_11(program: str) -> bool:
    """Whether a Neovim is older than `vim.lsp.enable`."""
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    print(said.splitlines()[0], flush=True)
    return tuple(int(part) for part in said.split()[1].lstrip("v").split("-")[0].split(".")[:2]) < (0, 11)


def built() -> Path:
    """Builds the programs; where they then lie."""
    cargo = os.environ.get("CARGO") or "cargo"
    subprocess.run([cargo, "xtask", "build"], cwd=REPOSITORY, check=True)
    return TARGET / "debug"


def main() -> int:
    """Makes a home of its own, and runs the tests in every Neovim there is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", type=Path)
    parser.add_argument("name", nargs="?")
    given = parser.parse_args()
    binaries = (given.programs or built()).resolve()
    with tempfile.TemporaryDirectory() as home:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("XDG_", "NVIM", "VIM", "MVM"))}
        path = f"{binaries}{os.pathsep}{os.environ['PATH']}"
        surroundings = {**kept, "HOME": home, "PATH": path, "NVIM_LOG_FILE": f"{home}/log"}
        # Guests' layers are shared with the other suites, all else is of this run alone.
        surroundings["XDG_CACHE_HOME"] = str(TARGET / "e2e-cache")
        server, examples = str(binaries / "mvm-lsp"), str(REPOSITORY / "examples")
        surroundings["MVM_TEST_SERVER"], surroundings["MVM_TEST_EXAMPLES"] = server, examples

        def failed(*command: str | Path) -> int:
            words = [str(word) for word in command]
            return subprocess.run(words, env=surroundings, stdin=subprocess.DEVNULL, timeout=1200).returncode

        new = environment("nvim", HERE / "requirements.txt") / "nvim"
        clean = ("--clean", "--headless")
        failures = failed(new, *clean, "-l", HERE / "run.lua", server, examples, *([given.name] if given.name else []))
        if not given.name:
            failures |= failed(new, *clean, "--cmd", f"set runtimepath^={PLUGIN}", "-S", HERE / "enable.lua")
            old = shutil.which("nvim")
            if old and before_0_11(old):
                failures |= failed(old, *clean, "-c", f"luafile {HERE / 'old.lua'}")
        return failures


if __name__ == "__main__":
    sys.exit(main())
