"""Compiles modules, and all that they import, to byte code that is taken without looking at the source again.

Runs while a layer is built, in a guest without network, over the base image alone.
"""

import importlib.util
import py_compile
import sys

wanted, extra = sys.argv[1].split(","), sys.argv[2:]
for name in wanted:
    try:
        __import__(name)
    except BaseException as error:
        print(f"leaving out {name}: {type(error).__name__}", file=sys.stderr)

files = set(extra)
for module in list(sys.modules.values()):
    source = getattr(module, "__file__", None)
    if source and source.endswith(".py") and not source.startswith(("/app/", "/run/")):
        files.add(source)
done = 0
for source in sorted(files):
    try:
        py_compile.compile(
            source,
            cfile=importlib.util.cache_from_source(source),
            doraise=True,
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )
        done += 1
    except BaseException as error:
        print(f"leaving out {source}: {error}", file=sys.stderr)
print(f"compiled {done} of {len(files)} modules")
