"""Importing the package is cheap, since a guest does it before it can answer; in a guest it checks nothing twice."""

from __future__ import annotations

import json
from pathlib import Path

from conftest import python

LOADED = "import sys; before = set(sys.modules); import mvm; print(sorted(set(sys.modules) - before))"


def test_import_loads_one_module_and_nothing_else() -> None:
    done = python("-c", LOADED)
    assert done.stdout.strip() == "['mvm']", done.stderr


def test_a_declaration_in_a_guest_loads_nothing_more() -> None:
    script = (
        "import sys; before = set(sys.modules)\n"
        "import mvm\n"
        "@mvm.app(image=mvm.nix_packages(['python3']), env={'A': mvm.secret('a')})\n"
        "def run(): return 1\n"
        "print(sorted(set(sys.modules) - before), run(), run.mvm.name)"
    )
    done = python("-c", script, MVM_GUEST="1")
    assert done.stdout.strip() == "['mvm'] 1 run", done.stderr


def test_a_correct_declaration_needs_no_heavy_module() -> None:
    script = (
        "import sys; before = set(sys.modules)\n"
        "import mvm\n"
        "@mvm.app(image=mvm.nix_packages(['python3']), network=mvm.network(allow_https=['a.example']))\n"
        "def run(): return 1\n"
        "print(sorted(set(sys.modules) - before))"
    )
    done = python("-c", script)
    assert done.stdout.strip() == "['mvm', 'mvm._check', 'mvm._limits', 'mvm._table']", done.stderr


def test_the_example_runs_without_a_machine(tmp_path: Path) -> None:
    (tmp_path / "t.py").write_text(
        "import json, mvm\n"
        "@mvm.app(image=mvm.python_image())\n"
        "def run(prompt: str) -> str:\n    return prompt.upper()\n"
        "print(json.dumps([run('a'), run.mvm.ir()['id']]))\n"
    )
    done = python(str(tmp_path / "t.py"))
    assert json.loads(done.stdout) == ["A", "run"], done.stderr
