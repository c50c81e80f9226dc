"""Environments with what tests take from PyPI: made once from a hashed requirement file, and anew when that changes.

Imported by the runners of suites; `wheels.py NAME REQUIREMENTS` makes one and prints the directory of its programs. The
second run needs no network.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or REPOSITORY / "target").resolve()


def environment(name: str, wanted: Path) -> Path:
    """The directory of the programs of `target/NAME`, which has what a requirement file names."""
    directory = TARGET / name
    stamp, programs = directory / "made-from", directory / "bin"
    key = hashlib.sha256(wanted.read_bytes() + sys.version.encode()).hexdigest()
    if not (stamp.is_file() and stamp.read_text() == key):
        print(f"making {directory}", file=sys.stderr, flush=True)
        shutil.rmtree(directory, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(directory)], check=True)
        pip = [str(programs / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--require-hashes", "--only-binary", ":all:", "-r", str(wanted)], check=True)
        stamp.write_text(key)
    return programs


if __name__ == "__main__":
    print(environment(sys.argv[1], Path(sys.argv[2])))
