"""Every argument of every helper that can stand in one app."""

import mvm

PACKAGES = ["python312", "uv"]
COMMON = {"LEVEL": "info", "ZONE": "ä𝄞\u007f\t\"\\"}

mvm.workload(id="everything")


@mvm.app(
    name="all-of-it",
    source=mvm.local_path("..", include=["declarations/**", "*.py"], exclude=["**/*.log"]),
    image=mvm.nix_packages(PACKAGES),
    resources=mvm.resources(cpu_cores=2, memory_mb=1_024, rootfs_size_mb=2 * 1024),
    network=mvm.network(
        mode="bridge",
        allow_https=["api.openai.com", "pypi.example"],
        egress=mvm.egress([mvm.host_port("db.example.com", 5432), mvm.host_port(host="8.8.8.8", port=53)]),
        ports=[
            {"guest": 8080},
            {"guest": 53, "host": 5353, "proto": "udp", "host_addr": "127.0.0.1", "guest_addr": "0.0.0.0"},
            {"guest": 9000, "mapping_id": "metrics"},
        ],
        peers=["other"],
        dns=mvm.dns_resolver("9.9.9.9"),
    ),
    env={
        **COMMON,
        "OPENAI_API_KEY": mvm.secret("openai-api-key", type="bearer", hosts=["api.openai.com"]),
        "DB": mvm.secret(name="db", var="DATABASE_PASSWORD"),
        "PLAIN": mvm.literal("plain"),
        "EMPTY": "",
    },
    entrypoints=[
        mvm.entrypoint_function(
            module="declarations.everything",
            function="run",
            primary=True,
            format="msgpack",
            working_dir="/srv",
            env={"A": "1", "B": mvm.secret("b")},
            concurrency=mvm.warm_process(pool_size=2, max_calls_per_worker=100, max_rss_mb=256, max_queue_depth=8),
        ),
        mvm.entrypoint(command=["python3", "-m", "http.server"], working_dir="/app", env={"PORT": "8080"}),
    ],
    dependencies=mvm.python_deps(lockfile="declarations/requirements.txt", tool="pip-tools"),
    mounts=[
        mvm.mount(source=mvm.volume("data", size_mb=128), target="/data", mode="rw"),
        mvm.mount(source=mvm.volume("data", size_mb=128), target="/again"),
        mvm.mount(source=mvm.tmpfs(size_mb=16), target="/tmp"),
        mvm.mount(source=mvm.tmpfs(), target="/var/tmp"),
        mvm.mount(source=mvm.host_path("shared"), target="/shared"),
    ],
    depends_on=[mvm.workload_ref("database")],
    before_build="echo one line",
    before_start=["echo", "one", "vector"],
    after_start=mvm.hook(["echo", "a hook"]),
    before_stop=[mvm.hook("echo several"), ["echo", "of"], "them"],
    health_check=mvm.health_check(command=["true"], interval_secs=1, timeout_secs=2, retries=4, start_period_secs=8),
    threat_tier="high",
)
def run():
    """Has no annotations: no schema."""


@mvm.app(image=mvm.node_image(), network=mvm.network(mode="none", dns=mvm.dns_none()), dependencies=mvm.no_deps())
def second():
    """Has every default."""


@mvm.app(
    name="third",
    image=mvm.oci_image("docker.io/library/python:3.12-slim@sha256:" + "0123456789abcdef" * 4),
    dependencies=mvm.node_deps(lockfile="pnpm-lock.yaml"),
    entrypoint=mvm.entrypoint(command=["true"]),
    network=mvm.network(dns=mvm.dns_system()),
)
def third():
    """A command, not this function, is what runs."""
