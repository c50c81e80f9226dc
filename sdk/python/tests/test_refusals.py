"""What the package refuses at import the compiler refuses too, and where the types tell, in the same words."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import python

import mvm
from mvm._emit import workload_of

# Where a helper stands in a declaration.
PLACES = {
    "secret": "env={'A': %s}",
    "literal": "env={'A': %s}",
    "hook": "before_start=%s",
    "host_port": "network=mvm.network(egress=mvm.egress([%s]))",
    "nix_packages": "image=%s",
    "oci_image": "image=%s",
    "network": "network=%s",
    "dns_resolver": "network=mvm.network(dns=%s)",
    "resources": "resources=%s",
    "local_path": "source=%s",
    "entrypoint": "entrypoint=%s",
    "entrypoint_function": "entrypoint=%s",
    "warm_process": "entrypoint=mvm.entrypoint_function(module='a', function='run', concurrency=%s)",
    "mount": "mounts=[%s]",
    "volume": "mounts=[mvm.mount(source=%s, target='/a')]",
    "tmpfs": "mounts=[mvm.mount(source=%s, target='/a')]",
    "workload_ref": "depends_on=[%s]",
    "health_check": "health_check=%s",
    "python_deps": "dependencies=%s",
    "node_deps": "dependencies=%s",
    "python_image": "image=%s",
    "node_image": "image=%s",
    "host_path": "mounts=[mvm.mount(source=%s, target='/a')]",
}

SAME_WORDS = [
    "mvm.hook('a', zz=1)",
    "mvm.host_port()",
    "mvm.secret('a', 'bearer')",
    "mvm.hook('a', 'b')",
    "mvm.secret(5)",
    "mvm.secret('a', name='b')",
    "mvm.secret('a', nmae='b')",
    "mvm.nix_packages('a')",
    "mvm.hook(['a', 1])",
    "mvm.hook(1)",
    "mvm.secret('a', type='x')",
    "mvm.network(ports=[{}])",
    "mvm.network(ports=[{'guest': 1, 'gest': 2}])",
    "mvm.network(dns=mvm.literal('a'))",
    "mvm.resources(memory_mb=512.0)",
    "mvm.resources(cpu_cores=1, cpu=2)",
    "mvm.dns_resolver('9.9.9.9', 53)",
    "mvm.resources(memory_mb=16)",
    "mvm.resources(memory_mb=17)",
    "mvm.resources(memory_mb=536870912)",
    "mvm.resources(rootfs_size_mb=0)",
    "mvm.resources(cpu_cores=0)",
    "mvm.host_port('a.example', 0)",
    "mvm.host_port('a.example', 70000)",
    "mvm.network(mode='host')",
    "mvm.resources(vcpus=65)",
    "name='Agent Tool'",
    "name=''",
    "mvm.entrypoint(command=['a'], env={'1ST': 'a'})",
    "mvm.entrypoint_function(module='a', function='run', primary=False)",
]

# Apart from what a declaration's own arguments say.
SAME_WORDS += [
    "mvm.network(mode='none', allow_https=['a.example'])",
    "mvm.network(mode='none', egress=mvm.egress([mvm.host_port('a.example', 443)]))",
    "mvm.network(mode='none', ports=[{'guest': 80}])",
    "mvm.network(allow_https=[''])",
    "mvm.network(ports=[{'guest': 0}])",
    "mvm.network(ports=[{'guest': 80, 'host': 65536}])",
    "mvm.network(ports=[{'guest': 80, 'mapping_id': 'a'}, {'guest': 81, 'mapping_id': 'a'}])",
    "mvm.network(ports=[{'guest': 80, 'mapping_id': '1'}, {'guest': 81}])",
    "mvm.host_port('', 443)",
    "mvm.oci_image('')",
    "mvm.oci_image('python@sha256:1')",
    "mvm.oci_image('https://a.example/b')",
    "mvm.oci_image('a b')",
    "mvm.oci_image('python:')",
    "mvm.oci_image('python:-1')",
    "mvm.oci_image('Python:1')",
    "mvm.oci_image('a//b:1')",
    "mvm.oci_image('a-:1')",
    "mvm.oci_image(':1')",
    "mvm.oci_image('a.example:80/:1')",
    "mvm.oci_image('python@sha512:' + 'a' * 128)",
    "mvm.oci_image('python@sha256:' + 'A' * 64)",
    "mvm.oci_image('python:3', digest='sha256:1')",
    "mvm.oci_image('python:3', digest='')",
    "mvm.oci_image('python@sha256:' + 'a' * 64, digest='sha256:' + 'b' * 64)",
    "mvm.local_path('')",
    "mvm.local_path('a\\0b')",
    "mvm.local_path('.', exclude=['a\\0b'])",
    "mvm.entrypoint(command=[])",
    "mvm.entrypoint(command=['', 'a'])",
    "mvm.entrypoint(command=['a'], env={'A': 'a\\0b'})",
    "mvm.entrypoint_function(module='', function='run')",
    "mvm.entrypoint_function(module='a', function='')",
    "mvm.warm_process(pool_size=0, max_calls_per_worker=1, max_rss_mb=1)",
    "mvm.warm_process(pool_size=1, max_calls_per_worker=4294967296, max_rss_mb=1)",
    "mvm.warm_process(pool_size=1, max_calls_per_worker=1, max_rss_mb=1, max_queue_depth=-1)",
    "mvm.mount(source=mvm.tmpfs(), target='tmp')",
    "mvm.volume('A')",
    "mvm.volume('')",
    "mvm.volume('a', size_mb=0)",
    "mvm.workload_ref('A b')",
    "mvm.literal('a\\0b')",
    "mvm.tmpfs(size_mb=0)",
    "mvm.host_path('')",
    "mvm.python_deps(lockfile='')",
    "mvm.node_deps(lockfile='')",
    "mvm.health_check(command=['a'], retries=0)",
    "mvm.health_check(command=['a'], start_period_secs=-1)",
    "mvm.health_check(command=[])",
    "mvm.secret('')",
    "mvm.hook('')",
    "mvm.hook([])",
    "mvm.dns_resolver('')",
    "mvm.dns_resolver('9.9.9.9', port=0)",
    "env={'A': 'a\\0b'}",
    "env={'1A': 'a'}",
    "env={1: 'a'}",
    "mounts=[mvm.mount(source=mvm.tmpfs(), target='/a'), mvm.mount(source=mvm.tmpfs(), target='/a')]",
    "entrypoint=mvm.entrypoint(command=['a']), entrypoints=[mvm.entrypoint(command=['b'])]",
    "entrypoints=[mvm.entrypoint_function(module='a', function='f'), "
    "mvm.entrypoint_function(module='a', function='g')]",
    "entrypoints=[mvm.entrypoint_function(module='a', function='f', primary=True), "
    "mvm.entrypoint_function(module='a', function='g', primary=True)]",
    "entrypoints=[mvm.entrypoint_function(module='a', function='f', primary=True), "
    "mvm.entrypoint_function(module='a', function='f')]",
    "nmae='a'",
    "name=1",
    "mvm.mount(mvm.tmpfs(), '/a')",
    "mvm.nix_packages(None)",
    "image=None",
    "mvm.network(ports=[{'guest': None}])",
    "mvm.network(ports=[{1: 2}])",
    "mvm.network(peers=['A b'])",
    "mvm.nix_packages(['python3', ''])",
    "mvm.python_image(packages=[''])",
    "mvm.node_image(packages=[''])",
    "mvm.secret('a', var='1')",
    "before_start=''",
    "before_start=['']",
    "before_start=[[]]",
    "before_start=['a', mvm.hook('b'), '']",
    "before_start=[['a\\0']]",
    "before_stop=mvm.hook(['a', 1])",
    "source=mvm.local_path('.', include=['*.py']), include=['a']",
    "mounts=[mvm.mount(source=mvm.volume('a', size_mb=1), target='/a'), "
    "mvm.mount(source=mvm.volume('a'), target='/b')]",
]

# Whole files: what a declaration decorates, and what several of them are together.
FILES = {
    "bare": "@mvm.app\ndef run() -> None:\n    pass\n",
    "class": "@mvm.app(image=mvm.python_image())\nclass Run:\n    pass\n",
    "method": "class A:\n    @mvm.app(image=mvm.python_image())\n    def run(self) -> None:\n        pass\n",
    "nested": "def f():\n    @mvm.app(image=mvm.python_image())\n    def run() -> None:\n        pass\nf()\n",
    "without an image": "@mvm.app()\ndef run() -> None:\n    pass\n",
    "function's name": "@mvm.app(image=mvm.python_image())\ndef Run() -> None:\n    pass\n",
    "workload's id": "mvm.workload(id='A b')\n@mvm.app(image=mvm.python_image())\ndef run() -> None:\n    pass\n",
    "no such helper": "@mvm.app(image=mvm.pythn_image())\ndef run() -> None:\n    pass\n",
    "func's function twice": "".join("@mvm.func(name='a')\ndef run() -> None:\n    pass\n" for _ in "ab"),
    "func's image again": "@mvm.func(name='a')\ndef run() -> None:\n    pass\n"
    "@mvm.func(name='a', image=mvm.node_image())\ndef other() -> None:\n    pass\n",
    "func's hooks again": "@mvm.func(name='a', before_stop='a')\ndef run() -> None:\n    pass\n"
    "@mvm.func(name='a', before_stop='b')\ndef other() -> None:\n    pass\n",
}
TOGETHER = {
    "two apps": "".join(f"@mvm.app(image=mvm.python_image())\ndef {name}() -> None:\n    pass\n" for name in "ab"),
    "two sizes": "mvm.workload(id='w')\n"
    + "".join(
        f"@mvm.app(image=mvm.python_image(), mounts=[mvm.mount(source=mvm.volume('v', size_mb={n}), target='/v')])\n"
        f"def {name}() -> None:\n    pass\n"
        for name, n in (("a", 1), ("b", 2))
    ),
    "two ids": "mvm.workload(id='a')\nmvm.workload(id='b')\n"
    "@mvm.app(image=mvm.python_image())\ndef run() -> None:\n    pass\n",
}

# What a file that is executed cannot be refused for, and why.
COMPILER_ALONE = {
    "MVM001": (
        "@mvm.app(image=mvm.python_image())\ndef run(:\n    pass\n",
        "Python refuses the file itself, before the package is asked",
    ),
    "MVM002": (
        "@mvm.app(image=mvm.python_image(), env={'A': str(1)})\ndef run() -> None:\n    pass\n",
        "when the call arrives, the value is one: how it was computed is gone",
    ),
    "MVM010": (
        "@mvm.app(image=mvm.python_image())\ndef run() -> None:\n    pass\nmvm = None\n",
        "what is rebound afterwards changes nothing for the interpreter, and the package does not hear of it",
    ),
    "MVM011": (
        "@mvm.app(image=mvm.python_image(), env={'A': 'a', 'A': 'b'})\ndef run() -> None:\n    pass\n",
        "a dictionary that exists has each key once",
    ),
    "MVM015": (
        "@mvm.app(image=mvm.python_image(), env={'A': 'a\u202eb'})\ndef run() -> None:\n    pass\n",
        "the value is what it is; only a reader of the source is deceived",
    ),
}


def declaration(call: str) -> str:
    if not call.startswith("mvm."):
        image = "" if call.startswith("image=") else ", image=mvm.nix_packages(['python3'])"
        return f"import mvm\n@mvm.app({call}{image})\ndef run() -> None:\n    pass\n"
    argument = PLACES[call[len("mvm.") : call.index("(")]] % call
    image = "" if argument.startswith("image=") else "image=mvm.nix_packages(['python3']), "
    return f"import mvm\n@mvm.app({image}{argument})\ndef run() -> None:\n    pass\n"


def refusal(text: str) -> mvm.DeclarationError:
    mvm._declarations.clear()  # every file here has the same name
    with pytest.raises(mvm.DeclarationError) as caught:
        exec(compile(text, "a.py", "exec"), {"__name__": "refused"})
    return caught.value


def compiled(mvmctl: str, text: str, directory: Path) -> tuple[int, list[Any]]:
    (directory / "a.py").write_text(text, encoding="utf-8")
    command = [mvmctl, "--json", "compile", "a.py", "--out", "-"]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, encoding="utf-8", timeout=60)
    answers = [json.loads(line) for line in (done.stdout + done.stderr).splitlines() if line.startswith("{")]
    return done.returncode, [one for answer in answers for one in answer.get("error", answer).get("findings", [])]


@pytest.mark.parametrize("call", SAME_WORDS)
def test_the_same_rule_and_words(call: str, mvmctl: str, tmp_path: Path) -> None:
    text = declaration(call)
    error = refusal(text)
    code, findings = compiled(mvmctl, text, tmp_path)
    assert code != 0
    assert [error.rule, error.message] in [[one["rule"], one["message"]] for one in findings]


@pytest.mark.parametrize("what", FILES)
def test_files_in_the_same_words(what: str, mvmctl: str, tmp_path: Path) -> None:
    text = f"import mvm\n{FILES[what]}"
    code, findings = compiled(mvmctl, text, tmp_path)
    assert code != 0
    if what == "no such helper":  # the module itself answers, as any module does
        with pytest.raises(AttributeError, match="pythn_image"):
            exec(compile(text, "a.py", "exec"), {"__name__": "refused"})
        return
    error = refusal(text)
    assert [error.rule, error.message] in [[one["rule"], one["message"]] for one in findings]


@pytest.mark.parametrize("what", TOGETHER)
def test_what_only_the_whole_file_tells_is_refused_when_it_is_emitted(what: str, mvmctl: str, tmp_path: Path) -> None:
    code, findings = compiled(mvmctl, f"import mvm\n{TOGETHER[what]}", tmp_path)
    assert code != 0
    done = python("-m", "mvm", "emit", str(tmp_path / "a.py"))
    assert done.returncode == 1
    assert any(one["message"] in done.stderr for one in findings), done.stderr


# Refusals that no declaration file leads to.
NOT_BY_A_FILE = {
    "declares nothing": "a file without declarations is no mistake for `mvm-lsp`, only for a command that wants one",
    "decorates no function": "what another decorator returns is known only when it has run",
    "cannot tell which function": "what another decorator returns is known only when it has run",
}


def test_every_refusal_of_the_package_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each place that makes a refusal is reached by one of the files above, whose words are compared."""
    source = Path(mvm.__file__).parent
    places = {
        (path.name, node.lineno, node.end_lineno)
        for path in sorted(source.glob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "DeclarationError"
    }
    made = mvm.DeclarationError.__init__

    def noted(self: mvm.DeclarationError, rule: str, message: str) -> None:
        made(self, rule, message)
        frame = sys._getframe(1)
        file, line = Path(frame.f_code.co_filename).name, frame.f_lineno
        places.difference_update([p for p in places if p[0] == file and p[1] <= line <= (p[2] or 0)])

    monkeypatch.setattr(mvm.DeclarationError, "__init__", noted)
    texts = [declaration(call) for call in SAME_WORDS] + [f"import mvm\n{t}" for t in {**FILES, **TOGETHER}.values()]
    for number, text in enumerate(texts):
        name = f"compared_{number}"
        try:
            exec(compile(text, "a.py", "exec"), {"__name__": name})
            workload_of(name, "a.py")
        except mvm.DeclarationError:
            pass
        except AttributeError:
            assert "pythn_image" in text
    # The words stand in the call, or on the line above it.
    words = {p: (source / p[0]).read_text(encoding="utf-8").splitlines()[p[1] - 3 : p[2]] for p in places}
    left = {p: w for p, w in words.items() if not any(known in "\n".join(w) for known in NOT_BY_A_FILE)}
    assert left == {}


@pytest.mark.parametrize("rule", COMPILER_ALONE)
def test_what_the_compiler_alone_can_tell(rule: str, mvmctl: str, tmp_path: Path) -> None:
    text, why = COMPILER_ALONE[rule]
    assert why
    _, findings = compiled(mvmctl, f"import mvm\n{text}", tmp_path)
    assert rule in [one["rule"] for one in findings]
    try:
        exec(compile(f"import mvm\n{text}", "a.py", "exec"), {"__name__": "accepted"})
    except SyntaxError:
        assert rule == "MVM001"
