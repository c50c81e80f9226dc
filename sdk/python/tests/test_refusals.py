"""What the package refuses at import the compiler refuses too, and where the types tell, in the same words."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

import mvm

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

REFUSED = [
    "mvm.network(mode='none', allow_https=['a.example'])",
    "mvm.network(ports=[{'guest': 0}])",
    "mvm.oci_image('python@sha256:1')",
    "mvm.local_path('')",
    "mvm.entrypoint(command=[])",
    "mvm.warm_process(pool_size=0, max_calls_per_worker=1, max_rss_mb=1)",
    "mvm.mount(source=mvm.tmpfs(), target='tmp')",
    "mvm.volume('A')",
    "mvm.workload_ref('A b')",
    "mvm.literal('a\\0b')",
    "mvm.tmpfs(size_mb=0)",
    "mvm.health_check(command=['a'], retries=0)",
    "mvm.secret('')",
    "mvm.dns_resolver('')",
]


def declaration(call: str) -> str:
    if call.startswith("name="):
        return f"import mvm\n@mvm.app({call}, image=mvm.nix_packages(['python3']))\ndef run() -> None:\n    pass\n"
    argument = PLACES[call[len("mvm.") : call.index("(")]] % call
    image = "" if argument.startswith("image=") else "image=mvm.nix_packages(['python3']), "
    return f"import mvm\n@mvm.app({image}{argument})\ndef run() -> None:\n    pass\n"


def refusal(text: str) -> mvm.DeclarationError:
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


@pytest.mark.parametrize("call", REFUSED)
def test_both_refuse(call: str, mvmctl: str, tmp_path: Path) -> None:
    text = declaration(call)
    refusal(text)
    code, _ = compiled(mvmctl, text, tmp_path)
    assert code != 0, "the compiler accepts what the package refuses"
