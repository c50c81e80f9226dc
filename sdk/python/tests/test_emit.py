"""`python -m mvm emit`: golden files, and the same bytes as the compiler that executes nothing."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from conftest import HERE, REPOSITORY, python

from mvm._emit import canonical

DECLARATIONS = sorted((HERE / "declarations").glob("*.py"))
EXAMPLES = sorted(p for p in REPOSITORY.glob("examples/*/*.py") if p.stem != "insecure")


def emit(file: Path) -> str:
    done = python("-m", "mvm", "emit", str(file))
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("file", DECLARATIONS, ids=lambda p: p.stem)
def test_golden(file: Path) -> None:
    golden = file.with_suffix(".json")
    ir = emit(file)
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(json.dumps(json.loads(ir), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    assert json.loads(ir) == json.loads(golden.read_text(encoding="utf-8"))
    assert ir == canonical(json.loads(ir)) + "\n", "the output is canonical"


@pytest.mark.parametrize("file", [*EXAMPLES, *DECLARATIONS], ids=lambda p: p.stem)
def test_the_compiler_says_the_same_without_executing(file: Path, mvmctl: str) -> None:
    done = subprocess.run(
        [mvmctl, "compile", str(file), "--out", "-"], capture_output=True, text=True, encoding="utf-8", timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert emit(file) == done.stdout


def test_a_module_by_name(tmp_path: Path) -> None:
    package = tmp_path / "pkg"
    package.mkdir()
    (package / "__init__.py").touch()
    declaration = "import mvm\n@mvm.app(source=mvm.local_path('..'), image=mvm.python_image())\ndef run(): pass\n"
    (package / "tool.py").write_text(declaration)
    by_name = python("-m", "mvm", "emit", "pkg.tool", cwd=tmp_path)
    by_file = python("-m", "mvm", "emit", "pkg/tool.py", cwd=tmp_path)
    assert by_name.stdout == by_file.stdout, by_name.stderr + by_file.stderr
    assert json.loads(by_name.stdout)["apps"][0]["entrypoints"][0]["module"] == "pkg.tool"


def test_a_declaration_of_an_imported_module_is_not_this_ones(tmp_path: Path) -> None:
    declaration = "import mvm\n@mvm.app(image=mvm.python_image())\ndef {}(): pass\n"
    (tmp_path / "other.py").write_text(declaration.format("other"))
    (tmp_path / "tool.py").write_text("import other\n" + declaration.format("tool"))
    done = python("-m", "mvm", "emit", "tool.py", cwd=tmp_path)
    assert [a["name"] for a in json.loads(done.stdout)["apps"]] == ["tool"], done.stderr


@pytest.mark.parametrize(
    ("text", "rule", "code"),
    [
        ("import mvm\n", "MVM004", 1),
        ("import mvm\n@mvm.app\ndef f(): pass\n", "MVM008", 1),
        ("import mvm\n" + "".join(f"@mvm.func()\ndef f{i}(): pass\n" for i in (1, 2)), "MVM009", 1),
        ("import mvm\nmvm.workload(id='a')\nmvm.workload(id='b')\n@mvm.func()\ndef f(): pass\n", "MVM006", 1),
        ("import mvm\n@mvm.func()\ndef Bad(): pass\n", "MVM006", 1),
        ("import mvm\nclass A:\n    @mvm.func()\n    def f(self): pass\n", "MVM007", 1),
        ("def\n", "SyntaxError", 2),
        ("import not_there_at_all\n", "not_there_at_all", 2),
    ],
)
def test_what_cannot_be_emitted_says_why(tmp_path: Path, text: str, rule: str, code: int) -> None:
    (tmp_path / "tool.py").write_text(text)
    done = python("-m", "mvm", "emit", "tool.py", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (code, "")
    assert rule in done.stderr or (rule == "SyntaxError" and "invalid syntax" in done.stderr)


def test_usage() -> None:
    assert python("-m", "mvm").returncode == 2
    assert "EXECUTES" in python("-m", "mvm", "--help").stdout


def test_canonical_form_is_that_of_rfc_8785() -> None:
    """The RFC's example for sorting, and its escapes."""
    keys = {"\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\U0001f600": 5, "\u0080": 6, "\u00f6": 7}
    assert list(json.loads(canonical(keys)).values()) == [2, 4, 6, 7, 1, 5, 3]
    assert canonical('\u20ac$\u000f\nA\'\u0042\u0022\u005c\\"/') == '"\u20ac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"'
    assert canonical({"b": [True, None], "a": {}}) == '{"a":{},"b":[true,null]}'


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (1.0, "1"),
        (-1.5, "-1.5"),
        (0.1, "0.1"),
        (1e21, "1e+21"),
        (1e20, "100000000000000000000"),
        (5e-324, "5e-324"),
        (1.7976931348623157e308, "1.7976931348623157e+308"),
        (333333333.33333329, "333333333.3333333"),
        (1e-7, "1e-7"),
        (0.000001, "0.000001"),
        (1.5e-9, "1.5e-9"),
        (9007199254740994.0, "9007199254740994"),
        (2e-3, "0.002"),
        (123456.789e3, "123456789"),
        (1e23, "1e+23"),
        (999999999999999900000.0, "999999999999999900000"),
    ],
)
def test_numbers_are_written_as_ecmascript_does(value: float, text: str) -> None:
    assert canonical(value) == text


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_json_cannot_carry_is_refused(value: float) -> None:
    with pytest.raises(TypeError):
        canonical(value)
