"""Declare, next to a Python function, the microVM it runs in.

    import mvm

    @mvm.app(image=mvm.nix_packages(["python3"]))
    def hello(name: str = "world") -> str:
        return f"Hello, {name}!"

``mvmctl`` and ``mvm-lsp`` *read* such declarations and never import the file. This package is what ``import mvm``
finds when the file is imported after all: in the guest and in unit tests. A decorated function stays the function it
was; its declaration is checked and kept as ``hello.mvm``.

The guest imports this module before it can answer a call. Hence no import here; annotations are strings, and
everything that is not needed to run a declaration lives in modules that are loaded when asked for.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, Literal, NoReturn, Protocol, TypedDict, TypeVar, Union

    from typing_extensions import NotRequired, ParamSpec, TypeAlias

    _P = ParamSpec("_P")
    _R_co = TypeVar("_R_co", covariant=True)
    _C = TypeVar("_C", bound=Callable[..., Any])

    class Declared(Protocol[_P, _R_co]):
        """A decorated function: callable as before, with its declaration as an attribute."""

        mvm: "Declaration"
        __name__: str

        def __call__(self, *args: _P.args, **kwargs: _P.kwargs) -> _R_co: ...

    class PortMapping(TypedDict):
        """A published port, as a dictionary."""

        guest: int
        host: NotRequired[int]
        proto: NotRequired[Literal["tcp", "udp"]]
        host_addr: NotRequired[str]
        guest_addr: NotRequired[str]
        mapping_id: NotRequired[str]

    HookArgument: TypeAlias = Union[str, "Hook", Sequence[str], Sequence["Hook"]]

__version__ = "0.1.0"

# In the guest the declaration has been read and checked already: the agent says so, and the time is saved.
_CHECKED = "MVM_GUEST" not in __import__("os").environ

__all__ = [
    "Declaration", "DeclarationError", "app", "dns_none", "dns_resolver", "dns_system", "egress", "entrypoint",
    "entrypoint_function", "func", "health_check", "hook", "host_path", "host_port", "literal", "local_path", "mount",
    "network", "nix_packages", "no_deps", "node_deps", "node_image", "oci_image", "python_deps", "python_image",
    "resources", "secret", "tmpfs", "volume", "warm_process", "workload", "workload_ref",
]  # fmt: skip


class DeclarationError(TypeError):
    """A declaration that cannot be right. ``rule`` is the id of the finding that ``mvm-lsp`` shows for it."""

    def __init__(self, rule: "str", message: "str") -> "None":
        super().__init__(rule, message)
        self.rule = rule
        self.message = message

    def __str__(self) -> "str":
        return f"{self.message} [{self.rule}]"


class Value:
    """What a helper returns: its name and its arguments, checked. Compares by content and cannot be changed."""

    __slots__ = ("arguments", "helper")
    helper: "str"
    arguments: "Mapping[str, Any]"

    def __init__(self, helper: "str", arguments: "Mapping[str, Any]") -> "None":
        if _CHECKED:
            from mvm._check import check

            check(helper, arguments)
        object.__setattr__(self, "helper", helper)
        object.__setattr__(self, "arguments", arguments)

    def __setattr__(self, name: "str", value: "object") -> "NoReturn":
        raise AttributeError(f"a declaration cannot be changed once it is made (tried to set {name!r})")

    def __eq__(self, other: "object") -> "bool":
        if not isinstance(other, Value):
            return NotImplemented
        return self.helper == other.helper and self.arguments == other.arguments

    def __hash__(self) -> "int":
        return hash(repr(self))

    def __repr__(self) -> "str":
        given = ", ".join(f"{k}={v!r}" for k, v in self.arguments.items() if v is not None)
        return f"mvm.{self.helper}({given})"


class Source(Value):
    """The files to package."""

    __slots__ = ()


class Image(Value):
    """What the root file system is made of."""

    __slots__ = ()


class Resources(Value):
    """The size of the machine."""

    __slots__ = ()


class Network(Value):
    """What the machine may reach, and what may reach it."""

    __slots__ = ()


class Egress(Value):
    """The destinations that are allowed."""

    __slots__ = ()


class HostPort(Value):
    """A destination."""

    __slots__ = ()


class Dns(Value):
    """How names are resolved."""

    __slots__ = ()


class EnvValue(Value):
    """A value of an environment variable."""

    __slots__ = ()


class Entrypoint(Value):
    """A function to call or a command to run."""

    __slots__ = ()


class Concurrency(Value):
    """A pool of workers."""

    __slots__ = ()


class Hook(Value):
    """A command around build, start and stop."""

    __slots__ = ()


class Dependencies(Value):
    """The packages of a language, from a lockfile."""

    __slots__ = ()


class Mount(Value):
    """Something mounted in the guest."""

    __slots__ = ()


class MountSource(Value):
    """What is mounted."""

    __slots__ = ()


class HealthCheck(Value):
    """How readiness is asked for."""

    __slots__ = ()


class WorkloadRef(Value):
    """Another workload."""

    __slots__ = ()


class Workload(Value):
    """The workload that a file's apps form together, and the module that says so."""

    __slots__ = ("module",)
    module: "str"

    def __init__(self, helper: "str", arguments: "Mapping[str, Any]") -> "None":
        super().__init__(helper, arguments)
        frame = __import__("sys")._getframe(1)
        while frame.f_back and frame.f_globals.get("__name__") == __name__:
            frame = frame.f_back
        object.__setattr__(self, "module", frame.f_globals.get("__name__"))


class Declaration(Value):
    """An ``app`` or ``func`` and what it decorates: one function, or several that share the name of a ``func``."""

    __slots__ = ("functions",)
    functions: "list[Callable[..., Any]]"

    def __init__(self, helper: "str", arguments: "Mapping[str, Any]") -> "None":
        super().__init__(helper, arguments)
        object.__setattr__(self, "functions", [])

    @property
    def name(self) -> "str":
        """The name of the app; the function's where none is given."""
        name = self.arguments["name"]
        return str(self.functions[0].__name__ if name is None else name)

    def ir(self) -> "dict[str, Any]":
        """The Workload IR of this declaration alone."""
        from mvm._emit import lower

        return lower([self], None)

    def _add(self, function: "Callable[_P, _R_co]") -> "Declared[_P, _R_co]":
        if _CHECKED:
            from mvm._check import check_function

            check_function(self.helper, self.arguments, function)
        target = self._shared_by(function) or self
        if target is self:
            _declarations.append(self)
        elif _CHECKED:
            from mvm._check import check_shared

            check_shared(target, self, function)
        target.functions.append(function)
        function.mvm = target  # type: ignore[attr-defined]
        return function  # type: ignore[return-value]

    def _shared_by(self, function: "Callable[..., Any]") -> "Declaration | None":
        """An earlier `func` of the same name in the same module, which this one adds an entrypoint to."""
        given = self.arguments["name"]
        name = function.__name__ if given is None else given
        for other in _declarations if self.helper == "func" else ():
            same = other.helper == "func" and other.name == name
            if same and other.functions[0].__module__ == function.__module__:
                return other
        return None


# What the decorators of the running program received, for `python -m mvm emit`.
_declarations: "list[Declaration]" = []
_workloads: "list[Workload]" = []


# Of each helper, the arguments that may be left out.
_optional: "dict[str, Mapping[str, Any]]" = {}


def _helper(function: "_C") -> "_C":
    """Explains a call that does not fit the signature, in the words of the compiler."""
    if not _CHECKED:
        return function
    optional = _optional[function.__name__] = function.__kwdefaults__ or {}

    def call(*args: "Any", **kwargs: "Any") -> "Any":
        # `None` means the same as leaving an optional argument out.
        kwargs = {name: value for name, value in kwargs.items() if value is not None or name not in optional}
        try:
            return function(*args, **kwargs)
        except TypeError as error:
            if isinstance(error, DeclarationError):
                raise
            from mvm._explain import misfit

            raise (misfit(function, args, kwargs) or error) from None

    call.__name__ = call.__qualname__ = function.__name__
    call.__doc__ = function.__doc__
    call.__wrapped__ = function  # type: ignore[attr-defined]
    return call  # type: ignore[return-value]


@_helper
def local_path(
    path: "str", *, include: "Sequence[str]" = ("**",), exclude: "Sequence[str]" = ()
) -> "Source":
    """Package a directory.

    Args:
        path: The directory, relative to the declaring file's.
        include: Glob patterns of the files to take; ``**`` takes all.
        exclude: Glob patterns of files to leave out.
    """
    return Source("local_path", locals())


@_helper
def nix_packages(packages: "Sequence[str]") -> "Image":
    """Make the image of packages, by their names in nixpkgs.

    Args:
        packages: The names, such as ``python312`` or ``uv``. ``python3`` takes the version there is.
    """
    return Image("nix_packages", locals())


@_helper
def python_image(*, python: "str" = "3.12", packages: "Sequence[str]" = ()) -> "Image":
    """Make the image of a Python and further packages.

    Args:
        python: The version, such as ``3.12``.
        packages: Further packages, by their names in nixpkgs.
    """
    return Image("python_image", locals())


@_helper
def node_image(*, node: "str" = "22", packages: "Sequence[str]" = ()) -> "Image":
    """Make the image of a Node.js and further packages.

    Args:
        node: The major version, such as ``22``.
        packages: Further packages, by their names in nixpkgs.
    """
    return Image("node_image", locals())


@_helper
def oci_image(reference: "str", *, digest: "str | None" = None) -> "Image":
    """Start from a container image.

    Args:
        reference: The image, such as ``docker.io/library/python:3.12-slim@sha256:…``.
        digest: ``sha256:…``, when it is not part of the reference. Without one the image may change under you.
    """
    return Image("oci_image", locals())


@_helper
def resources(
    *,
    cpu_cores: "int | None" = None,
    memory_mb: "int" = 256,
    rootfs_size_mb: "int" = 512,
    cpu: "int | None" = None,
    vcpus: "int | None" = None,
) -> "Resources":
    """Size the machine.

    Args:
        cpu_cores: Virtual CPUs, 1 to 64; 1 when not given.
        memory_mb: Memory in MiB, at least 64.
        rootfs_size_mb: Writable disk in MiB, at least 64.
        cpu: Another spelling of ``cpu_cores``.
        vcpus: Another spelling of ``cpu_cores``.
    """
    return Resources("resources", locals())


@_helper
def network(
    *,
    mode: "Literal['deny', 'none', 'bridge', 'host']" = "deny",
    allow_https: "Sequence[str] | None" = None,
    egress: "Egress | None" = None,
    ports: "Sequence[PortMapping] | None" = None,
    peers: "Sequence[str] | None" = None,
    dns: "Dns | None" = None,
) -> "Network":
    """Say what the machine may reach. Nothing, unless it is listed.

    Args:
        mode: ``deny`` lets the listed destinations through, ``none`` nothing at all, ``bridge`` any public address
            when no destination is listed. ``host`` is refused.
        allow_https: Hosts that may be reached on port 443.
        egress: Destinations with their ports.
        ports: Ports to publish on the host.
        peers: Other workloads that may be reached.
        dns: How names are resolved.
    """
    return Network("network", locals())


@_helper
def egress(allowlist: "Sequence[HostPort]") -> "Egress":
    """List the destinations that are allowed.

    Args:
        allowlist: Host and port pairs.
    """
    return Egress("egress", locals())


@_helper
def host_port(host: "str", port: "int") -> "HostPort":
    """Name a destination.

    Args:
        host: A host name or a public address; no wildcard, no URL.
        port: 1 to 65535.
    """
    return HostPort("host_port", locals())


@_helper
def dns_none() -> "Dns":
    """Resolve no names."""
    return Dns("dns_none", locals())


@_helper
def dns_system() -> "Dns":
    """Resolve names as the host does."""
    return Dns("dns_system", locals())


@_helper
def dns_resolver(host: "str", *, port: "int" = 53) -> "Dns":
    """Resolve names with a given server.

    Args:
        host: Its address.
        port: Its port.
    """
    return Dns("dns_resolver", locals())


@_helper
def literal(value: "str") -> "EnvValue":
    """Set an environment variable to a text. A bare string means the same.

    Args:
        value: The text. Never a credential: use ``secret``.
    """
    return EnvValue("literal", locals())


@_helper
def secret(
    name: "str",
    *,
    type: "Literal['bearer', 'basic', 'sigv4', 'hmac'] | None" = None,
    hosts: "Sequence[str] | None" = None,
    var: "str | None" = None,
) -> "EnvValue":
    """Set an environment variable from the host's secret store, at boot. The value is in no file and no log.

    Args:
        name: Its name in the store (``mvmctl secret set NAME``).
        type: How it is used.
        hosts: The only hosts it may be sent to.
        var: The variable in the guest, when it is not the key in ``env``.
    """
    return EnvValue("secret", locals())


@_helper
def entrypoint(
    *, command: "Sequence[str]", working_dir: "str" = "/app", env: "Mapping[str, str | EnvValue] | None" = None
) -> "Entrypoint":
    """Run a command.

    Args:
        command: Program and arguments.
        working_dir: The directory it starts in.
        env: Its environment, in addition to the app's.
    """
    return Entrypoint("entrypoint", locals())


@_helper
def entrypoint_function(
    *,
    module: "str",
    function: "str",
    primary: "bool | None" = None,
    format: "Literal['json', 'msgpack']" = "json",
    language: "Literal['python', 'node']" = "python",
    working_dir: "str" = "/app",
    env: "Mapping[str, str | EnvValue] | None" = None,
    concurrency: "Concurrency | None" = None,
) -> "Entrypoint":
    """Call a function.

    Args:
        module: Its module, as it is imported from the source directory.
        function: Its name, at the top level of the module.
        primary: Called when no function is named. The only one is; of several, one must be.
        format: How arguments and results are encoded.
        language: The language it is written in.
        working_dir: The directory it starts in.
        env: Its environment, in addition to the app's.
        concurrency: A pool of workers.
    """
    return Entrypoint("entrypoint_function", locals())


@_helper
def warm_process(
    *,
    pool_size: "int",
    max_calls_per_worker: "int",
    max_rss_mb: "int",
    in_process: "Literal['serial']" = "serial",
    max_queue_depth: "int | None" = None,
) -> "Concurrency":
    """Keep worker processes between calls.

    Args:
        pool_size: Workers.
        max_calls_per_worker: Calls before a worker is replaced.
        max_rss_mb: Resident memory, in MiB, before a worker is replaced.
        in_process: How calls share a worker.
        max_queue_depth: Calls that may wait.
    """
    return Concurrency("warm_process", locals())


@_helper
def hook(cmd: "str | Sequence[str]") -> "Hook":
    """Run a command before or after a step in the machine's life.

    Args:
        cmd: A line for the shell, or program and arguments.
    """
    return Hook("hook", locals())


@_helper
def python_deps(*, lockfile: "str", tool: "Literal['uv', 'pip-tools']" = "uv") -> "Dependencies":
    """Install Python packages, from a lockfile with hashes.

    Args:
        lockfile: Its path, relative to the source directory.
        tool: What wrote it.
    """
    return Dependencies("python_deps", locals())


@_helper
def node_deps(*, lockfile: "str", tool: "Literal['pnpm', 'npm', 'yarn']" = "pnpm") -> "Dependencies":
    """Install Node.js packages, from a lockfile with hashes.

    Args:
        lockfile: Its path, relative to the source directory.
        tool: What wrote it.
    """
    return Dependencies("node_deps", locals())


@_helper
def no_deps() -> "Dependencies":
    """Install nothing. The default."""
    return Dependencies("no_deps", locals())


@_helper
def mount(*, source: "MountSource", target: "str", mode: "Literal['ro', 'rw']" = "ro") -> "Mount":
    """Mount something in the guest.

    Args:
        source: What.
        target: Where: an absolute path.
        mode: Read only, or read and write.
    """
    return Mount("mount", locals())


@_helper
def volume(name: "str", *, size_mb: "int | None" = None) -> "MountSource":
    """A volume of the workload, which outlives its machines.

    Args:
        name: Its name.
        size_mb: Its size in MiB.
    """
    return MountSource("volume", locals())


@_helper
def host_path(path: "str") -> "MountSource":
    """A directory of the host.

    Args:
        path: Its path.
    """
    return MountSource("host_path", locals())


@_helper
def tmpfs(*, size_mb: "int | None" = None) -> "MountSource":
    """Memory.

    Args:
        size_mb: Upper bound in MiB.
    """
    return MountSource("tmpfs", locals())


@_helper
def health_check(
    *,
    command: "Sequence[str]",
    interval_secs: "int" = 30,
    timeout_secs: "int" = 5,
    retries: "int" = 3,
    start_period_secs: "int" = 0,
) -> "HealthCheck":
    """Ask whether the app is ready: exit code 0 means yes.

    Args:
        command: Program and arguments.
        interval_secs: Seconds between two checks.
        timeout_secs: Seconds before a check is given up.
        retries: Failures in a row before the app counts as unhealthy.
        start_period_secs: Seconds after the start in which failures do not count.
    """
    return HealthCheck("health_check", locals())


@_helper
def workload_ref(id: "str") -> "WorkloadRef":
    """Name another workload, for ``depends_on``.

    Args:
        id: Its id.
    """
    return WorkloadRef("workload_ref", locals())


@_helper
def workload(*, id: "str") -> "None":
    """Make one workload of all the apps in this file, each in a machine of its own.

    Args:
        id: The id of the workload.
    """
    _workloads.append(Workload("workload", locals()))


def _decorator(helper: "str", arguments: "Mapping[str, Any]") -> "Callable[[Callable[_P, _R_co]], Declared[_P, _R_co]]":
    declared = Declaration(helper, arguments)

    def decorate(function: "Callable[_P, _R_co]") -> "Declared[_P, _R_co]":
        return declared._add(function)

    return decorate


@_helper
def app(
    *,
    name: "str | None" = None,
    source: "Source | None" = None,
    image: "Image",
    resources: "Resources | None" = None,
    network: "Network | None" = None,
    env: "Mapping[str, str | EnvValue] | None" = None,
    entrypoint: "Entrypoint | None" = None,
    entrypoints: "Sequence[Entrypoint] | None" = None,
    dependencies: "Dependencies | None" = None,
    mounts: "Sequence[Mount] | None" = None,
    depends_on: "Sequence[WorkloadRef] | None" = None,
    before_build: "HookArgument | None" = None,
    before_start: "HookArgument | None" = None,
    after_start: "HookArgument | None" = None,
    before_stop: "HookArgument | None" = None,
    health_check: "HealthCheck | None" = None,
    threat_tier: "str | None" = None,
    include: "Sequence[str] | None" = None,
) -> "Callable[[Callable[_P, _R_co]], Declared[_P, _R_co]]":
    """Declare that the decorated function runs in a microVM of its own.

    Args:
        name: Name of the app; the function's when not given.
        source: The files to package; this file's directory when not given.
        image: What the root file system is made of.
        resources: The size of the machine.
        network: What it may reach; nothing when not given.
        env: Environment variables: texts and secrets.
        entrypoint: What is called or run; the decorated function when not given.
        entrypoints: Several of them.
        dependencies: The packages of a language, from a lockfile.
        mounts: Volumes, directories of the host, and memory.
        depends_on: Other workloads that this one may reach.
        before_build: Commands that run once, in a microVM, while the image is built.
        before_start: Commands that run at every boot, before the entrypoint.
        after_start: Commands that run at every boot, once the entrypoint is ready.
        before_stop: Commands that run before shutdown.
        health_check: How readiness is asked for.
        threat_tier: Passed through.
        include: Another spelling of ``source=mvm.local_path(".", include=...)``.
    """
    return _decorator("app", locals())


@_helper
def func(
    *,
    name: "str | None" = None,
    source: "Source | None" = None,
    image: "Image | None" = None,
    resources: "Resources | None" = None,
    network: "Network | None" = None,
    env: "Mapping[str, str | EnvValue] | None" = None,
    entrypoint: "Entrypoint | None" = None,
    entrypoints: "Sequence[Entrypoint] | None" = None,
    dependencies: "Dependencies | None" = None,
    mounts: "Sequence[Mount] | None" = None,
    depends_on: "Sequence[WorkloadRef] | None" = None,
    before_build: "HookArgument | None" = None,
    before_start: "HookArgument | None" = None,
    after_start: "HookArgument | None" = None,
    before_stop: "HookArgument | None" = None,
    health_check: "HealthCheck | None" = None,
    threat_tier: "str | None" = None,
    include: "Sequence[str] | None" = None,
) -> "Callable[[Callable[_P, _R_co]], Declared[_P, _R_co]]":
    """Declare as ``app`` does, with Python 3.12 as the image. The same name again adds an entrypoint to the first.

    Args: as for ``app``.
    """
    return _decorator("func", locals())
