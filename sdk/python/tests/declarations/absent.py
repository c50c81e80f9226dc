"""`None` for an argument that may be left out means the same as leaving it out, whatever its default is."""

import mvm

mvm.workload(id="absent")


@mvm.app(
    name=None,
    source=mvm.local_path(".", include=None, exclude=None),
    image=mvm.python_image(python=None, packages=None),
    resources=mvm.resources(cpu_cores=None, memory_mb=None, rootfs_size_mb=None, cpu=2, vcpus=None),
    network=mvm.network(
        mode=None,
        allow_https=None,
        egress=None,
        ports=[{"guest": 80, "host": None, "proto": None, "host_addr": None, "guest_addr": None, "mapping_id": None}],
        peers=None,
        dns=mvm.dns_resolver("9.9.9.9", port=None),
    ),
    env={"KEY": mvm.secret("key", type=None, hosts=None, var=None)},
    entrypoint=mvm.entrypoint_function(
        module="absent",
        function="first",
        primary=None,
        format=None,
        language=None,
        working_dir=None,
        env=None,
        concurrency=mvm.warm_process(
            pool_size=1, max_calls_per_worker=2, max_rss_mb=64, in_process=None, max_queue_depth=None
        ),
    ),
    entrypoints=None,
    dependencies=None,
    mounts=[
        mvm.mount(source=mvm.volume("data", size_mb=None), target="/data", mode=None),
        mvm.mount(source=mvm.tmpfs(size_mb=None), target="/tmp"),
    ],
    depends_on=None,
    before_build=None,
    before_start=None,
    after_start=None,
    before_stop=None,
    health_check=mvm.health_check(
        command=["true"], interval_secs=None, timeout_secs=None, retries=None, start_period_secs=None
    ),
    threat_tier=None,
    include=None,
)
def first() -> None: ...


@mvm.app(image=mvm.node_image(node=None, packages=None), entrypoint=mvm.entrypoint(command=["node"], env=None))
def second() -> None: ...


@mvm.func(image=None)
def third() -> None: ...


@mvm.func(name="third", image=mvm.python_image())
def fourth() -> None: ...
