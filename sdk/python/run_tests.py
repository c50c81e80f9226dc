#!/usr/bin/env python3
"""Runs the tests of the Python package on every supported interpreter found, and its linters once.

    run_tests.py [--programs DIRECTORY] [--python 3.11]... [--no-lint] [PYTEST ARGUMENTS]

Environments are made under `target/sdk-python` from the hashed requirement files beside this script, and made again
only when those change: the second run needs no network. Needs cargo (the compiler is what the package is held
against) and a Python with `venv`.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or REPOSITORY / "target").resolve()
WORK = TARGET / "sdk-python"
OLDEST, LINTED = (3, 9), (3, 10)


def version_of(python: str) -> tuple[int, int] | None:
    """Its version, when it is a Python that can make environments."""
    code = "import sys, venv, ensurepip; print(*sys.version_info[:2])"
    try:
        done = subprocess.run([python, "-c", code], capture_output=True, text=True, timeout=30)
    except OSError:
        return None
    numbers = done.stdout.split()
    return (int(numbers[0]), int(numbers[1])) if done.returncode == 0 and len(numbers) == 2 else None


def interpreters() -> dict[tuple[int, int], str]:
    """The supported interpreters of this machine, one for each version."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    candidates = [sys.executable]
    candidates += [str(p) for p in sorted(pyenv.glob("versions/3.*/bin/python")) if re.search(r"/3\.\d+\.\d+/", str(p))]
    candidates += filter(None, (shutil.which(f"python3.{minor}") for minor in range(9, 20)))
    found: dict[tuple[int, int], str] = {}
    for candidate in candidates:
        version = version_of(candidate)
        if version and version >= OLDEST:
            found.setdefault(version, candidate)
    return dict(sorted(found.items()))


def environment(version: tuple[int, int], python: str, requirements: str) -> Path:
    """An environment with exactly the requirements; its interpreter."""
    wanted = HERE / requirements
    name = f"{version[0]}.{version[1]}-{wanted.stem.removeprefix('requirements-')}"
    directory = WORK / name
    stamp = directory / "made-from"
    key = hashlib.sha256(wanted.read_bytes() + python.encode()).hexdigest()
    inside = directory / "bin" / "python"
    if not (stamp.is_file() and stamp.read_text() == key and inside.exists()):
        print(f"making {directory.relative_to(TARGET.parent)}", flush=True)
        shutil.rmtree(directory, ignore_errors=True)
        run([python, "-m", "venv", str(directory)])
        pip = [str(inside), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
        run([*pip, "--only-binary", ":all:", "-r", str(wanted)])
        stamp.write_text(key)
    return inside


def run(command: list[str], **extra: str) -> None:
    """Runs a command, and ends with its failure."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    done = subprocess.run(command, cwd=HERE, env={**kept, **extra}, stdin=subprocess.DEVNULL)
    if done.returncode:
        sys.exit(f"failed with exit code {done.returncode}: {' '.join(command)}")


def compiler(programs: Path | None) -> dict[str, str]:
    """Builds what the tests hold the package against; the variables that hand it over."""
    cargo = os.environ.get("CARGO") or "cargo"
    if programs is None:
        programs = TARGET / "debug"
        run([cargo, "build", "--quiet", "-p", "mvmctl"])
    # The whole workspace: what the other suites' tests are built from serves here too.
    run([cargo, "build", "--quiet", "--workspace", "--example", "dump_table"])
    WORK.mkdir(parents=True, exist_ok=True)
    table = WORK / "table.json"
    table.write_bytes(subprocess.run([TARGET / "debug/examples/dump_table"], check=True, capture_output=True).stdout)
    return {"MVM_TABLE": str(table), "MVMCTL": str(programs / "mvmctl")}


def lint(version: tuple[int, int], python: str) -> None:
    """Linters, type checkers, and a wheel that installs and works."""
    inside = str(environment(version, python, "requirements-lint.txt"))
    run([inside, "-m", "ruff", "check", "--no-cache", "."])
    run([inside, "-m", "mypy", "--cache-dir", str(WORK / "mypy")])
    run([inside, "-m", "pyright", "--pythonpath", inside], PYRIGHT_PYTHON_CACHE_DIR=str(WORK / "pyright"))
    wheels, installed = WORK / "wheels", WORK / "installed"
    shutil.rmtree(wheels, ignore_errors=True)
    shutil.rmtree(installed, ignore_errors=True)
    run([inside, "-m", "hatchling", "build", "-t", "wheel", "-d", str(wheels)])
    wheel = str(next(wheels.glob("mvm-*.whl")))
    run([inside, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--target", str(installed), wheel])
    check = "assert m.version('mvm') == mvm.__version__ and m.requires('mvm') is None"
    check = f"import mvm, importlib.metadata as m; {check}; assert {str(installed)!r} in mvm.__file__"
    run([inside, "-c", check], PYTHONPATH=str(installed))
    if not (installed / "mvm" / "py.typed").is_file():
        sys.exit("the wheel lacks py.typed")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", action="append", metavar="VERSION", help="only this version, such as 3.11")
    parser.add_argument("--programs", type=Path, metavar="DIRECTORY", help="where the built programs lie, if they do")
    parser.add_argument("--no-lint", action="store_true", help="run the tests only")
    options, pytest_arguments = parser.parse_known_args()
    found = interpreters()
    chosen = {v: p for v, p in found.items() if not options.python or f"{v[0]}.{v[1]}" in options.python}
    if not chosen:
        sys.exit(f"no Python of {options.python or '3.9 or newer'} with venv found; found: {sorted(found)}")
    handed = compiler(options.programs and options.programs.resolve())
    for version, python in chosen.items():
        inside = environment(version, python, "requirements-test.txt")
        print(f"pytest on Python {version[0]}.{version[1]}", flush=True)
        run([str(inside), "-m", "pytest", "-q", *pytest_arguments], **handed)
    linting = [(v, p) for v, p in found.items() if v >= LINTED]
    if options.no_lint:
        return
    if not linting:
        sys.exit("mypy, pyright and ruff need Python 3.10 or newer: install one, or say --no-lint")
    lint(*linting[len(linting) // 2])


if __name__ == "__main__":
    main()
