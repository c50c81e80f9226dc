"""The other spellings, each of which means what the better one does."""

import mvm as m
from mvm import app as declare
from mvm import nix_packages as packages


@declare(
    name="a" "-" f"b",
    include=["*.py"],
    image=packages(packages=("python3",)),
    resources=m.resources(cpu=2),
    network=m.network(egress=m.egress(allowlist=[m.host_port("a.example", 443)])),
    before_start=[],
)
def run():
    """Declares what `spellings` of the same content declare."""
