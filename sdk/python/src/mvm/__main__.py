"""`python -m mvm emit FILE|MODULE`: executes the file, and prints the Workload IR of what its decorators received."""

import sys

USAGE = """\
usage: python -m mvm emit FILE|MODULE

Prints the Workload IR of what the decorators in FILE or MODULE received, as canonical JSON.

This EXECUTES the module, with everything it does when imported. It is meant for tests and for guests.
On a host use `mvmctl compile FILE --out -`, which prints the same and executes nothing.
"""


def emit(target: "str") -> "str":
    """Executes a file or a module and returns the canonical Workload IR of its declarations."""
    import importlib.machinery
    import importlib.util
    import os

    from mvm._emit import canonical, workload_of

    if not target.endswith(".py"):
        sys.path.insert(0, os.getcwd())
        module = importlib.import_module(target)
        return canonical(workload_of(module.__name__, module.__file__))
    name = os.path.splitext(os.path.basename(target))[0]
    sys.path.insert(0, os.path.dirname(os.path.abspath(target)))
    loader = importlib.machinery.SourceFileLoader(name, target)
    spec = importlib.util.spec_from_file_location(name, target, loader=loader)
    if spec is None:
        raise ImportError(f"{target} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    loader.exec_module(module)
    return canonical(workload_of(name, os.path.abspath(target)))


def main(arguments: "list[str]") -> "int":
    """The command line; returns the exit code."""
    from mvm import DeclarationError

    if arguments in (["-h"], ["--help"]):
        print(USAGE, end="")
        return 0
    if len(arguments) != 2 or arguments[0] != "emit":
        print(USAGE, end="", file=sys.stderr)
        return 2
    try:
        text = emit(arguments[1])
    except DeclarationError as error:
        print(f"{arguments[1]}: {error}", file=sys.stderr)
        return 1
    except (ImportError, OSError, SyntaxError) as error:
        print(f"cannot import {arguments[1]}: {error}", file=sys.stderr)
        return 2
    sys.stdout.buffer.write(text.encode() + b"\n")  # as `mvmctl compile --out -` ends
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
