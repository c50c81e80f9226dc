#!/usr/bin/env python3
"""Compares the splitter with CPython on ten large packages, and runs every rule over them.

Their wheels come from pip by name and hash, and stay under `target/python-packages`: the second run needs no network.
Nothing of them is installed or executed; only their `.py` files are unpacked.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or REPOSITORY / "target").resolve()
WORK = TARGET / "python-packages"
LIST = HERE / "packages.txt"


def sources() -> Path:
    """The directory of the packages' sources."""
    directory, stamp = WORK / "sources", WORK / "made-from"
    key = hashlib.sha256(LIST.read_bytes()).hexdigest()
    if stamp.is_file() and stamp.read_text() == key:
        return directory
    shutil.rmtree(WORK, ignore_errors=True)
    wheels = WORK / "wheels"
    wheels.mkdir(parents=True)
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    # The pure wheels, whatever machine and interpreter this is.
    pip += ["--only-binary", ":all:", "--platform", "any", "--python-version", "3.12", "--implementation", "py"]
    subprocess.run([*pip, "--abi", "none", "--require-hashes", "-r", str(LIST), "-d", str(wheels)], check=True)
    for wheel in sorted(wheels.glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            for entry in archive.infolist():
                if entry.filename.endswith(".py"):
                    # `extract` keeps what it writes below its directory.
                    archive.extract(entry, directory / wheel.name.split("-")[0])
    stamp.write_text(key)
    return directory


def main() -> None:
    environment = {**os.environ, "MVM_TEST_PACKAGES": str(sources())}
    cargo = os.environ.get("CARGO") or "cargo"
    test = [cargo, "test", "--quiet", "--locked", "-p", "mvm-compiler", "--test", "items_cpython"]
    done = subprocess.run([*test, "--", "--ignored", "ten_large_packages"], cwd=REPOSITORY, env=environment)
    rules = [cargo, "test", "--quiet", "--locked", "-p", "mvm-compiler", "--lib", "real_code_has_no_error"]
    checked = subprocess.run(rules, cwd=REPOSITORY, env={**os.environ, "MVM_REAL_CODE": str(sources())})
    sys.exit(done.returncode or checked.returncode)


if __name__ == "__main__":
    main()
