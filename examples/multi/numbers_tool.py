"""The same with `mvm.func`: functions that share a name share a machine, and each is an entrypoint."""

import mvm


@mvm.func(name="numbers")
def mean(values: "list[float]") -> float:
    """The arithmetic mean; the first function is the one called when none is named."""
    return sum(values) / len(values)


@mvm.func(name="numbers")
def primes(limit: int) -> "list[int]":
    """Primes below `limit`."""
    sieve = bytearray([1]) * max(limit, 2)
    sieve[:2] = b"\0\0"
    for n in range(2, int(limit**0.5) + 1 if limit > 0 else 0):
        if sieve[n]:
            sieve[n * n :: n] = bytes(len(range(n * n, len(sieve), n)))
    return [n for n, prime in enumerate(sieve) if prime and n < limit]
