#!/usr/bin/env python3
"""Runs what `--check` promises to other programs: its outputs against their schemas, and the commands of the
pre-commit hooks, the GitHub Action and the GitLab template as they are written in their files.

    run.py PATH/TO/mvm-lsp

The environment is made under `target/check-glue` and made again only when `requirements.txt` changes: the second run
needs no network.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pty
import shutil
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree as ElementTree
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or REPOSITORY / "target").resolve()
PROGRAM = Path(sys.argv[1] if len(sys.argv) > 1 else TARGET / "debug" / "mvm-lsp").resolve()

BAD = """import mvm


@mvm.app(
    name="a",
    image=mvm.nix_packages(["python312"]),
    resources=mvm.resources(cpu_cores=1, memory_mbs=512),
    network=mvm.network(mode="bridge"),
)
def run(prompt: str) -> str:
    return prompt
"""


def environment() -> Path:
    """An environment with the requirements; its directory of programs."""
    wanted = HERE / "requirements.txt"
    directory = TARGET / "check-glue"
    stamp = directory / "made-from"
    key = hashlib.sha256(wanted.read_bytes() + sys.executable.encode()).hexdigest()
    if not (stamp.is_file() and stamp.read_text() == key):
        print(f"making {directory}", flush=True)
        shutil.rmtree(directory, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(directory)], check=True)
        pip = [str(directory / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "-r", str(wanted)], check=True)
        stamp.write_text(key)
    return directory / "bin"


class Case(unittest.TestCase):
    """A directory with a file that has findings, and `mvm-lsp` in PATH."""

    def setUp(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="mvm-glue-"))
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        self.work = self.directory / "work"
        self.work.mkdir()
        (self.work / "a b&<c>.py").write_text(BAD)
        programs = self.directory / "bin"
        programs.mkdir()
        (programs / "mvm-lsp").symlink_to(PROGRAM)
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("GIT_", "PRE_COMMIT", "PYTHON"))}
        self.environment = {
            **kept,
            "PATH": f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "XDG_CACHE_HOME": str(self.directory / "cache"),
            "HOME": str(self.directory),
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_COUNT": "1",
            # A checkout that belongs to somebody else is read here, not run.
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "*",
        }

    def run_in(self, command: list[str], **extra: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.work,
            env={**self.environment, **extra},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
        )

    def check(self, output: str, *arguments: str) -> str:
        done = self.run_in(["mvm-lsp", "--check", "--output", output, *arguments])
        self.assertEqual(done.returncode, 1, done.stderr)
        return done.stdout


class Terminal(Case):
    """What people see."""

    def on_a_terminal(self, *arguments: str, **extra: str) -> str:
        """The output of a check whose standard output is a terminal."""
        ours, theirs = pty.openpty()
        environment = {**self.environment, "TERM": "xterm-256color", **extra}
        for name in ("NO_COLOR", "CLICOLOR_FORCE", "CI", "COLUMNS"):
            if name not in extra:
                environment.pop(name, None)
        program = ["mvm-lsp", "--check", "--no-cache", *arguments]
        with subprocess.Popen(
            program, cwd=self.work, env=environment, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs
        ) as child:
            os.close(theirs)
            told = b""
            # The end of a terminal is an error.
            with contextlib.suppress(OSError):
                while part := os.read(ours, 1 << 16):
                    told += part
        os.close(ours)
        self.assertEqual(child.returncode, 1, told)
        return told.decode()

    def test_a_terminal_gets_colours_and_excerpts(self) -> None:
        told = self.on_a_terminal()
        self.assertIn("\x1b[1;31merror[MVM003]\x1b[0m", told)
        self.assertIn("^^^^^^^^^^", told)
        self.assertIn("Found ", told)

    def test_what_turns_colours_off(self) -> None:
        for extra in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
            told = self.on_a_terminal(**extra)
            self.assertIn("error[MVM003]", told)
            self.assertNotIn("\x1b[1;31m", told, extra)


class Outputs(Case):
    """Every format for programs is what its readers expect."""

    def test_sarif_is_valid_and_whole(self) -> None:
        import jsonschema

        (self.work / "unreadable.py").write_bytes(b"import mvm # \xff")
        done = self.run_in(["mvm-lsp", "--check", "--output", "sarif"])
        self.assertEqual(done.returncode, 2, done.stderr)
        document = json.loads(done.stdout)
        schema = json.loads((HERE.parent / "schemas" / "sarif-2.1.0.json").read_text())
        jsonschema.validators.validator_for(schema)(schema).validate(document)
        run = document["runs"][0]
        rules = run["tool"]["driver"]["rules"]
        self.assertTrue(run["results"])
        for result in run["results"]:
            self.assertEqual(rules[result["ruleIndex"]]["id"], result["ruleId"])
            self.assertTrue(result["partialFingerprints"])
            place = result["locations"][0]["physicalLocation"]["artifactLocation"]
            self.assertEqual(place["uri"], "a%20b%26%3Cc%3E.py")
        self.assertTrue(any(result.get("fixes") for result in run["results"]))
        self.assertFalse(run["invocations"][0]["executionSuccessful"])

    def test_junit(self) -> None:
        root = ElementTree.fromstring(self.check("junit"))
        cases = root.findall("./testsuite/testcase")
        self.assertEqual(int(root.get("tests", "0")), len(cases))
        self.assertEqual(int(root.get("failures", "0")), len(root.findall("./testsuite/testcase/failure")))
        self.assertEqual(cases[0].get("classname"), "a b&<c>.py")

    def test_checkstyle(self) -> None:
        root = ElementTree.fromstring(self.check("checkstyle"))
        errors = root.findall("./file/error")
        self.assertEqual(errors[0].get("source"), "mvm.MVM003")
        self.assertEqual(errors[0].get("line"), "7")

    def test_gitlab(self) -> None:
        import jsonschema

        schema = {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["description", "check_name", "fingerprint", "severity", "location"],
                "properties": {
                    "severity": {"enum": ["info", "minor", "major", "critical", "blocker"]},
                    "location": {
                        "required": ["path", "lines"],
                        "properties": {
                            "path": {"type": "string", "pattern": "^[^./]"},
                            "lines": {"required": ["begin"], "properties": {"begin": {"type": "integer"}}},
                        },
                    },
                },
            },
        }
        issues = json.loads(self.check("gitlab"))
        jsonschema.validate(issues, schema)
        prints = [issue["fingerprint"] for issue in issues]
        self.assertEqual(len(prints), len(set(prints)))

    def test_rdjson_counts_bytes(self) -> None:
        (self.work / "a b&<c>.py").write_text(BAD.replace("mvm.resources(", "mvm.resources(**{'é': 1}, "))
        report = json.loads(self.check("rdjson"))
        self.assertEqual(report["source"]["name"], "mvm-lsp")
        text = (self.work / "a b&<c>.py").read_bytes().split(b"\n")
        for diagnostic in report["diagnostics"]:
            if diagnostic["code"]["value"] == "MVM003" and "memory_mbs" in diagnostic["message"]:
                start, end = (diagnostic["location"]["range"][k] for k in ("start", "end"))
                line = text[start["line"] - 1]
                self.assertEqual(line[start["column"] - 1 : end["column"] - 1], b"memory_mbs")
                break
        else:
            self.fail("MVM003 is not reported")

    def test_the_schema_of_project_files_agrees_with_the_program(self) -> None:
        import jsonschema

        schema = json.loads((REPOSITORY / "server" / "schema" / "mvm.schema.json").read_text())
        jsonschema.Draft202012Validator.check_schema(schema)
        validator = jsonschema.Draft202012Validator(schema)
        rules = json.loads(self.run_in(["mvm-lsp", "rules", "--json"]).stdout)
        selectors = ["ALL", "MVM5"] + [r["id"] for r in rules] + [r["name"] for r in rules]
        good = {"select": selectors, "severity": {"MVM2": "off"}, "per-file-ignores": {"tests/**": ["MVM5"]}}
        validator.validate({"check": good})
        for bad in ({"selct": []}, {"select": "MVM5"}, {"severity": {"MVM2": "loud"}}, {"ignore": ["mvm 5"]}):
            self.assertFalse(validator.is_valid({"check": bad}), bad)
            text = "[check]\n" + "".join(f"{key} = {toml(value)}\n" for key, value in bad.items())
            (self.work / "mvm.toml").write_text(text)
            self.assertEqual(self.run_in(["mvm-lsp", "--check"]).returncode, 2, bad)


def toml(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {toml(inner)}" for key, inner in value.items()) + "}"
    return json.dumps(value)


class Glue(Case):
    """The files that others include run the commands that they hold."""

    def test_pre_commit(self) -> None:
        git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org"]
        for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "a"]):
            done = self.run_in([*git, *command])
            self.assertEqual(done.returncode, 0, done.stderr)
        hooks = self.directory / "hooks"
        hooks.mkdir()
        shutil.copy(REPOSITORY / ".pre-commit-hooks.yaml", hooks)
        for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "a"]):
            self.assertEqual(self.run_in([*git, "-C", str(hooks), *command]).returncode, 0)
        home = {"PRE_COMMIT_HOME": str(self.directory / "pre-commit")}
        check = self.run_in(["pre-commit", "try-repo", str(hooks), "mvm-check", "--all-files"], **home)
        self.assertEqual(check.returncode, 1, check.stdout + check.stderr)
        self.assertIn("MVM003", check.stdout)
        fix = self.run_in(["pre-commit", "try-repo", str(hooks), "mvm-fix", "--all-files"], **home)
        self.assertIn("files were modified by this hook", fix.stdout + fix.stderr)
        self.assertIn("memory_mb=512", (self.work / "a b&<c>.py").read_text())

    def test_github_action(self) -> None:
        import yaml

        action = yaml.safe_load((REPOSITORY / "action.yml").read_text())
        inputs = {name: spec["default"] for name, spec in action["inputs"].items()}
        inputs["arguments"] = "--select=MVM0\n--fail-on=error\n"
        inputs["paths"] = "*b&*.py\n"
        results = []
        for step in action["runs"]["steps"]:
            self.assertEqual(step["shell"], "bash")
            self.assertNotIn("${{", step["run"], "inputs come as environment")
            given = {key: expand(value, inputs) for key, value in step.get("env", {}).items()}
            command = ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", step["run"]]
            results.append(self.run_in(command, GITHUB_ACTION_PATH=str(REPOSITORY), **given))
        install, check = results
        self.assertEqual(install.returncode, 0, install.stderr)
        self.assertEqual(check.returncode, 1, check.stderr)
        self.assertIn("::error file=a b&<c>.py,line=7,", check.stdout)
        self.assertNotIn("MVM4", check.stdout)
        sarif = json.loads((self.work / expand(action["outputs"]["sarif"]["value"], inputs)).read_text())
        self.assertEqual(sarif["version"], "2.1.0")

    def test_gitlab_template(self) -> None:
        import yaml

        job = yaml.safe_load((REPOSITORY / "templates" / "mvm-check.yml").read_text())["mvm-check"]
        done = self.run_in(["bash", "-e", "-o", "pipefail", "-c", "\n".join(job["script"])], **job["variables"])
        self.assertEqual(done.returncode, 1, done.stderr)
        reports = job["artifacts"]["reports"]
        self.assertTrue(json.loads((self.work / reports["codequality"]).read_text()))
        ElementTree.parse(self.work / reports["junit"])


def expand(text: str, inputs: dict[str, str]) -> str:
    for name, value in inputs.items():
        text = text.replace("${{ inputs." + name + " }}", value)
    return text


if __name__ == "__main__":
    if not PROGRAM.is_file():
        sys.exit(f"there is no {PROGRAM}; `cargo xtask test glue` builds it")
    if Path(sys.prefix).resolve() != TARGET / "check-glue":
        inside = environment()
        os.execv(inside / "python", [str(inside / "python"), str(Path(__file__).resolve()), str(PROGRAM)])
    unittest.main(argv=sys.argv[:1], verbosity=2)
