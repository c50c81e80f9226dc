#!/usr/bin/env python3
"""Runs `:mvm-ir` in a real Kakoune, without a screen: test.py DIRECTORY-OF-PROGRAMS

The IR of a file is shown as `mvmctl compile` prints it; of a file with errors, what is wrong with it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
EXAMPLES = HERE.parents[1] / "examples"


def shown(programs: Path, file: Path, home: Path) -> str:
    """What the buffer holds after `:mvm-ir`."""
    out = home / "shown"
    commands = f"source {HERE / 'kak-lsp.kak'}; edit {file}; mvm-ir; write! {out}; quit!"
    environment = {**os.environ, "HOME": str(home), "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    subprocess.run(["kak", "-n", "-ui", "dummy", "-e", commands], env=environment, check=True, timeout=300)
    return out.read_text()


def main() -> None:
    """Both cases."""
    programs = Path(sys.argv[1]).resolve()
    print(subprocess.run(["kak", "-version"], capture_output=True, text=True, check=True).stdout.strip())
    with tempfile.TemporaryDirectory() as home:
        file = EXAMPLES / "hello" / "hello.py"
        ir = json.loads(shown(programs, file, Path(home)))
        compiled = subprocess.run([programs / "mvmctl", "compile", file, "--out", "-"], capture_output=True, check=True)
        assert ir == json.loads(compiled.stdout), ir
        assert ir["apps"][0]["name"] == "hello", ir
        print("ok   :mvm-ir shows the Workload IR")
        said = shown(programs, EXAMPLES / "insecure" / "insecure.py", Path(home))
        assert "error[MVM101]" in said, said
        print("ok   :mvm-ir says what is wrong with a file that has none")


if __name__ == "__main__":
    main()
