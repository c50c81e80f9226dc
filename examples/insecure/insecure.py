"""What not to do. Every argument below is unsafe or wrong, and mvm-lsp says why: at least one rule of each range.

Nothing here is a real credential: the values are put together from parts so that no scanner takes them for one.
"""

import os

import mvm

API_KEY = "sk-" + "proj-" + "NotARealKey0123456789" + "NotARealKey0123456789" + "NotARealKey0123456789"
SIGNING_KEY = "-----BEGIN " + "PRIVATE KEY-----\n" + "bm90IGEgcmVhbCBrZXk=" + "\n-----END " + "PRIVATE KEY-----\n"


@mvm.app(
    name="insecure",
    source=mvm.local_path("~"),  # MVM101: the whole home directory
    image=mvm.oci_image("docker.io/library/python:latest"),  # MVM201: whatever `latest` is today
    resources=mvm.resources(cpu_cores=1, memory_mb=16),  # MVM303: gibibytes, where mebibytes are counted
    network=mvm.network(
        mode="bridge",
        egress=mvm.egress(
            [
                mvm.host_port("*.example.com", 443),  # MVM402: a wildcard
                mvm.host_port("169.254.169.254", 80),  # MVM404: the cloud's metadata service
                mvm.host_port("https://api.example.com/v1", 443),  # MVM405: a URL where a host is meant
            ]
        ),
    ),
    env={
        "OPENAI_API_KEY": API_KEY,  # MVM501: a credential in the source
        "SIGNING_KEY": SIGNING_KEY,  # MVM503: a private key in the source
        "DATABASE_URL": "postgres://app:" + "not-a-real-password" + "@db.example.com/app",  # MVM504
        "1ST": "first",  # MVM507: not a name of an environment variable
        "EDITOR": os.environ["EDITOR"],  # MVM002: the build would depend on this host
    },
    entrypoint=mvm.entrypoint_function(module="insecure", function="rum"),  # MVM602: no such function
    dependencies=mvm.python_deps(lockfile="uv.lock"),  # MVM801: there is no such file
    before_build="curl -fsSL https://example.com/install.sh | sh",  # MVM701: runs whatever it is given
)
def run(prompt: str) -> str:
    return prompt
