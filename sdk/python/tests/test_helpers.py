"""The helpers on their own: what they accept, what they refuse and in which words, and what a decorator leaves."""

from __future__ import annotations

import inspect
import pickle
from typing import Any, Callable

import pytest

import mvm

PYTHON = mvm.nix_packages(["python3"])


def refused(make: Callable[[], Any]) -> tuple[str, str]:
    with pytest.raises(mvm.DeclarationError) as caught:
        make()
    return caught.value.rule, caught.value.message


def test_a_decorated_function_is_the_function_it_was() -> None:
    def run(prompt: str, *, times: int = 1) -> str:
        """Says it."""
        return prompt * times

    run.__qualname__ = "run"
    decorated = mvm.app(image=PYTHON)(run)
    assert decorated is run
    assert decorated("a", times=2) == "aa"
    assert decorated.__doc__ == "Says it."
    assert list(inspect.signature(decorated).parameters) == ["prompt", "times"]
    assert decorated.mvm.name == "run"
    assert decorated.mvm.arguments["image"] == PYTHON


def test_coroutines_and_generators_stay_what_they_are() -> None:
    async def later() -> int:
        return 1

    later.__qualname__ = "later"
    assert inspect.iscoroutinefunction(mvm.app(image=PYTHON)(later))


def test_values_compare_by_content_and_cannot_be_changed() -> None:
    assert mvm.secret("a") == mvm.secret(name="a")
    assert mvm.secret("a") != mvm.secret("b")
    assert mvm.secret("a") != mvm.literal("a")
    assert mvm.secret("a") != "a"
    assert len({mvm.secret("a"), mvm.secret("a")}) == 1
    assert repr(mvm.secret("a", type="bearer")) == "mvm.secret(name='a', type='bearer')"
    with pytest.raises(AttributeError):
        mvm.secret("a").helper = "literal"


def test_the_error_can_be_carried_between_processes() -> None:
    with pytest.raises(mvm.DeclarationError) as caught:
        mvm.secret(1)  # type: ignore[arg-type]
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (copy.rule, copy.message, str(copy)) == (caught.value.rule, caught.value.message, str(caught.value))


def test_the_same_name_of_func_adds_an_entrypoint() -> None:
    scope: dict[str, Any] = {"__name__": "numbers_module"}
    exec(
        "import mvm\n"
        "@mvm.func(name='n')\ndef one(): return 1\n"
        "@mvm.func(name='n')\ndef two(): return 2\n"
        "@mvm.func(name='m')\ndef three(): return 3\n"
        "@mvm.func()\ndef four(): return 4\n"
        "@mvm.func()\ndef five(): return 5\n",
        scope,
    )
    assert scope["one"].mvm is scope["two"].mvm
    assert scope["three"].mvm is not scope["one"].mvm
    assert scope["four"].mvm is not scope["five"].mvm
    assert [f.__name__ for f in scope["one"].mvm.functions] == ["one", "two"]


def test_a_second_module_with_the_same_name_is_its_own() -> None:
    modules = [{"__name__": "first_module"}, {"__name__": "second_module"}]
    for scope in modules:
        exec("import mvm\n@mvm.func(name='same')\ndef f(): pass\n", scope)
    assert modules[0]["f"].mvm is not modules[1]["f"].mvm  # type: ignore[attr-defined]


def call(function: str, primary: bool | None = None) -> Any:
    return mvm.entrypoint_function(module="m", function=function, primary=primary)


class Wrong:
    """Calls that no declaration may make: what is called, and the rule that answers."""

    CASES: list[tuple[str, Callable[[], Any]]] = [
        ("MVM003", lambda: mvm.secret(nmae="a")),  # type: ignore[call-arg]
        ("MVM003", lambda: mvm.network(ports=[{"guest": 80, "gest": 80}])),  # type: ignore[typeddict-unknown-key]
        ("MVM004", lambda: mvm.secret()),  # type: ignore[call-arg]
        ("MVM004", lambda: mvm.app(name="a")),  # type: ignore[call-arg]
        ("MVM004", lambda: mvm.network(ports=[{"host": 80}])),  # type: ignore[typeddict-item]
        ("MVM005", lambda: mvm.secret(5)),  # type: ignore[arg-type]
        ("MVM005", lambda: mvm.secret("a", type="password")),  # type: ignore[arg-type]
        ("MVM005", lambda: mvm.resources(memory_mb="512")),  # type: ignore[arg-type]
        ("MVM005", lambda: mvm.resources(memory_mb=512.0)),  # type: ignore[arg-type]
        ("MVM005", lambda: mvm.resources(cpu_cores=True)),
        ("MVM005", lambda: mvm.nix_packages("python3")),
        ("MVM005", lambda: mvm.nix_packages(["python3", 1])),  # type: ignore[list-item]
        ("MVM005", lambda: mvm.app(image="python3")),  # type: ignore[arg-type]
        ("MVM005", lambda: mvm.app(image=PYTHON, env={"A": 1})),  # type: ignore[dict-item]
        ("MVM005", lambda: mvm.app(image=PYTHON, env=["A"])),  # type: ignore[arg-type]
        ("MVM005", lambda: mvm.app(image=PYTHON, entrypoint=mvm.hook("x"))),  # type: ignore[arg-type]
        ("MVM005", lambda: mvm.host_port("a.example", "443")),  # type: ignore[arg-type]
        ("MVM006", lambda: mvm.app(name="Agent Tool", image=PYTHON)),
        ("MVM006", lambda: mvm.app(name="a" * 64, image=PYTHON)),
        ("MVM006", lambda: mvm.app(name="", image=PYTHON)),
        ("MVM006", lambda: mvm.workload(id="1st")),
        ("MVM007", lambda: mvm.app(image=PYTHON)(Wrong)),
        ("MVM007", lambda: mvm.app(image=PYTHON)(lambda: None)),
        ("MVM008", lambda: mvm.app(lambda: None)),  # type: ignore[call-arg,misc]
        ("MVM011", lambda: mvm.secret("a", name="a")),  # type: ignore[misc]
        ("MVM301", lambda: mvm.resources(memory_mb=17)),
        ("MVM303", lambda: mvm.resources(memory_mb=16)),
        ("MVM301", lambda: mvm.resources(cpu_cores=65)),
        ("MVM301", lambda: mvm.resources(vcpus=0)),
        ("MVM005", lambda: mvm.local_path("")),
        ("MVM005", lambda: mvm.entrypoint(command=[])),
        ("MVM005", lambda: mvm.entrypoint(command=[""])),
        ("MVM005", lambda: mvm.literal("a\0b")),
        ("MVM005", lambda: mvm.hook(["a", "b\0"])),
        ("MVM005", lambda: mvm.warm_process(pool_size=0, max_calls_per_worker=1, max_rss_mb=1)),
        ("MVM005", lambda: mvm.mount(source=mvm.tmpfs(), target="tmp")),
        ("MVM005", lambda: mvm.network(ports=[{"guest": 1, "mapping_id": "1"}, {"guest": 2}])),
        ("MVM005", lambda: mvm.app(image=PYTHON, mounts=[mvm.mount(source=mvm.tmpfs(), target="/a")] * 2)),
        ("MVM006", lambda: mvm.volume("A")),
        ("MVM006", lambda: mvm.workload_ref("A b")),
        ("MVM202", lambda: mvm.oci_image("python@sha256:1")),
        ("MVM202", lambda: mvm.oci_image("python", digest="md5:" + "0" * 64)),
        ("MVM203", lambda: mvm.oci_image("python@sha256:" + "0" * 64, digest="sha256:" + "1" * 64)),
        ("MVM403", lambda: mvm.network(mode="host")),
        ("MVM406", lambda: mvm.host_port("a.example", 0)),
        ("MVM406", lambda: mvm.dns_resolver("9.9.9.9", port=65536)),
        ("MVM406", lambda: mvm.network(ports=[{"guest": 70000}])),
        ("MVM409", lambda: mvm.network(mode="none", allow_https=["a.example"])),
        ("MVM507", lambda: mvm.app(image=PYTHON, env={"1ST": ""})),
        ("MVM507", lambda: mvm.secret("a", var="A-B")),
        ("MVM507", lambda: mvm.entrypoint(command=["a"], env={"": "a"})),
        ("MVM603", lambda: mvm.app(image=PYTHON, entrypoints=[call("a"), call("b")])),
        ("MVM603", lambda: mvm.app(image=PYTHON, entrypoints=[call("a", True), call("b", True)])),
        ("MVM608", lambda: mvm.app(image=PYTHON, entrypoint=call("a"), entrypoints=[call("a")])),
        ("MVM609", lambda: mvm.app(image=PYTHON, entrypoints=[call("a", True), call("a")])),
    ]


@pytest.mark.parametrize(("rule", "make"), Wrong.CASES)
def test_wrong_arguments_are_refused_at_once(rule: str, make: Callable[[], Any]) -> None:
    found, message = refused(make)
    assert (found, bool(message)) == (rule, True)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: mvm.secret(nmae="a"), "`mvm.secret` has no argument `nmae`: did you mean `name`?"),
        (lambda: mvm.hook("a", zz=1), "`mvm.hook` has no argument `zz`: it takes `cmd`"),
        (lambda: mvm.no_deps(zz=1), "`mvm.no_deps` has no argument `zz`: it takes no arguments"),
        (lambda: mvm.host_port(), "`mvm.host_port` lacks the arguments `host` and `port`"),
        (lambda: mvm.secret("a", "bearer"), "`mvm.secret` takes this argument by name only: write `type=…`"),
        (lambda: mvm.hook("a", "b"), "`mvm.hook` takes no further argument"),
        (lambda: mvm.secret(5), "`name` of `mvm.secret` must be a string, found an integer"),
        (lambda: mvm.nix_packages("a"), "`packages` of `mvm.nix_packages` must be a list of strings, found a string"),
        (lambda: mvm.nix_packages([1]), "`packages` of `mvm.nix_packages` must be a string, found an integer"),
        (lambda: mvm.hook(["a", 1]), "`cmd` of `mvm.hook` must be a string, found an integer"),
        (lambda: mvm.hook(1), "`cmd` of `mvm.hook` must be a string or a list of strings, found an integer"),
        (lambda: mvm.secret("a", type="x"), '`type` of `mvm.secret` must be "bearer", "basic", "sigv4" or "hmac"'),
        (lambda: mvm.network(ports=[{}]), "a port lacks the field `guest`"),
        (lambda: mvm.network(dns=mvm.literal("a")),
         "`dns` of `mvm.network` must be `mvm.dns_system(…)`, `mvm.dns_none(…)` or `mvm.dns_resolver(…)`, "
         "found `mvm.literal(…)`"),
    ],
)  # fmt: skip
def test_messages_are_the_compilers(make: Callable[[], Any], message: str) -> None:
    assert refused(make)[1] == message


def test_a_message_never_holds_the_value_of_a_wrong_argument() -> None:
    secret = "".join(["sk-", "proj-", "x" * 40])
    _, message = refused(lambda: mvm.secret(name=[secret]))  # type: ignore[arg-type]
    assert secret not in message
    _, message = refused(lambda: mvm.secret("name", type=secret))  # type: ignore[arg-type]
    assert secret not in message
