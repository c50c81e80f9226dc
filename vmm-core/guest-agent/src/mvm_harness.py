"""Runs the app's functions: imports their modules once, then answers calls that arrive on descriptor 3.

Start-up time is the product here, so only built-in modules are imported before the app asks for more.
"""

import sys
from posix import _exit, environ, getpid, putenv, read, set_inheritable, stat, urandom, write

CHANNEL = 3
MAX_RESULT = 16 << 20
MAX_TEXT = 64 << 10
set_inheritable(CHANNEL, False)

try:
    from _json import encode_basestring_ascii, make_encoder, make_scanner

    class _Options:
        strict = True
        object_hook = object_pairs_hook = array_hook = None
        parse_float = float
        parse_int = int
        parse_constant = None
        memo = {}

    _scan = make_scanner(_Options)

    def loads(text):
        return _scan(text, 0)[0]

    def _refuse(value):
        raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")

    def dumps(value):
        encoder = make_encoder({}, _refuse, encode_basestring_ascii, None, ":", ",", False, False, False)
        return "".join(encoder(value, 0))

    loads('{"a":[1,2.5,"x",null]}')
    dumps({"a": [1, 2.5, "x", None]})
except Exception:  # another Python than CPython, or one whose accelerator looks different
    import json

    loads = json.loads

    def dumps(value):
        return json.dumps(value, allow_nan=False, separators=(",", ":"))


def receive():
    def exactly(count):
        parts = []
        while count:
            part = read(CHANNEL, min(count, 1 << 20))
            if not part:
                _exit(0)
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    return loads(exactly(int.from_bytes(exactly(4), "big")).decode())


def send(text):
    data = text.encode()
    data = memoryview(len(data).to_bytes(4, "big") + data)
    while data:
        data = data[write(CHANNEL, data):]


def is_dir(path):
    try:
        return stat(path).st_mode & 0o170000 == 0o040000
    except OSError:
        return False


def set_path(first, further):
    """The app's directory first, as if it had been started there; then what `site` would have added."""
    version = "%d.%d" % sys.version_info[:2]
    sites = [
        f"{sys.prefix}/lib/python{version}/site-packages",
        f"/usr/local/lib/python{version}/dist-packages",
        "/usr/lib/python3/dist-packages",
    ]
    sys.path[:0] = [path for path in (first, *further) if path]
    from posix import listdir

    for path in sites:
        if not is_dir(path):
            continue
        if any(name.endswith(".pth") for name in listdir(path)):
            import site

            site.addsitedir(path)
        elif path not in sys.path:
            sys.path.append(path)


def text_of(error):
    try:
        return str(error)[:MAX_TEXT]
    except BaseException:
        return "<the exception's text raised an exception>"


def trace_of(error, frames):
    import traceback

    try:
        lines = traceback.format_exception(type(error), error, frames)
    except BaseException:
        return f"{type(error).__name__}\n"
    text = "".join(lines)
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT // 2] + "\n…\n" + text[-MAX_TEXT // 2 :]


def own_frames_left_out(frames):
    inner = frames
    while inner is not None and is_ours(inner.tb_frame.f_code.co_filename):
        inner = inner.tb_next
    return inner


def is_ours(filename):
    return filename == __file__ or filename.startswith("<frozen importlib") or "/asyncio/" in filename


def name_of(kind):
    module = kind.__module__
    return kind.__qualname__ if module in ("builtins", "__main__") else f"{module}.{kind.__qualname__}"


def raised(error):
    return {
        "outcome": "raised",
        "exception": name_of(type(error)),
        "message": text_of(error),
        "traceback": trace_of(error, own_frames_left_out(error.__traceback__)),
    }


def load(targets):
    functions = {}
    for module_name, name in targets:
        try:
            __import__(module_name)
        except BaseException as error:
            return None, {
                "event": "failed",
                "message": f"importing {module_name} raised {name_of(type(error))}: {text_of(error)}",
                "detail": trace_of(error, own_frames_left_out(error.__traceback__)),
            }
        module = sys.modules[module_name]
        function = getattr(module, name, None)
        if not callable(function):
            there = sorted(
                key
                for key, value in vars(module).items()
                if not key.startswith("_")
                and callable(value)
                and getattr(value, "__module__", None) == module_name
            )
            what = "is not callable" if function is not None else "is not there"
            return None, {
                "event": "failed",
                "message": f"the function {name} {what} in the module {module_name}"
                + (f"; it has {', '.join(there[:20])}" if there else ""),
                "detail": "",
            }
        functions[f"{module_name}:{name}"] = function
    return functions, None


def bad_arguments(function, args, kwargs):
    """Why the arguments do not fit, or None. Plain functions are simply called: see `invoke`."""
    if type(function) is type(load) and not hasattr(function, "__wrapped__"):
        return None
    import inspect

    try:
        inspect.signature(function).bind(*args, **kwargs)
    except TypeError as error:
        return str(error)
    except ValueError:
        return None  # a built-in without a signature: calling it will tell
    return None


def invoke(function, args, kwargs):
    why = bad_arguments(function, args, kwargs)
    if why is not None:
        return {"outcome": "bad_arguments", "message": why}
    try:
        value = function(*args, **kwargs)
        if hasattr(type(value), "__await__"):
            value = wait_for(value)
    except TypeError as error:
        # Raised in our own frame: the arguments did not fit and no line of the function has run.
        if error.__traceback__.tb_next is None and type(function) is type(load):
            return {"outcome": "bad_arguments", "message": text_of(error)}
        return raised(error)
    except BaseException as error:
        return raised(error)
    return {"outcome": "returned", "value": value}


def wait_for(awaitable):
    import asyncio

    async def run():
        return await awaitable

    return asyncio.run(run())


def encode(outcome):
    try:
        text = dumps(outcome)
    except RecursionError:
        why = "the result is nested too deeply for JSON, or contains itself"
    except BaseException as error:
        why = text_of(error)
    else:
        if len(text) <= MAX_RESULT:
            return text
        why = f"the result is {len(text)} bytes of JSON; the limit is {MAX_RESULT}"
    return dumps({"outcome": "not_serializable", "message": why})


def flush():
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BaseException:
            pass


def resume(env):
    """This process was frozen and is one of its lives: what was random before is drawn anew, what comes late is set."""
    for key, value in env.items():
        if "os" in sys.modules:
            sys.modules["os"].environ[key] = value
        else:
            putenv(key, value)
            environ[key.encode()] = value.encode()
    for module, renew in (
        ("random", lambda random: random.seed()),
        ("numpy.random", lambda random: random.seed()),
        ("_ssl", lambda ssl: ssl.RAND_add(urandom(64), 64.0)),
        ("uuid", lambda uuid: vars(uuid).update(_node=None, _last_timestamp=None)),
        ("tempfile", lambda tempfile: vars(tempfile).update(_name_sequence=None)),
    ):
        if module in sys.modules:
            try:
                renew(sys.modules[module])
            except BaseException:
                pass  # a module of this name that is another's
    send('{"event":"ready"}')


def main():
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True, errors="backslashreplace")
    start = receive()
    if "hold" in start:
        send('{"event":"ready"}')
        resume(receive()["resume"]["env"])
        start = receive()
    sys.argv = [""]
    set_path(start["working_dir"], start["python_path"])
    functions, failure = load(start["functions"])
    flush()
    if failure:
        send(dumps(failure))
        _exit(0)
    send('{"event":"ready"}')
    own = getpid()
    while True:
        call = receive()
        if "resume" in call:
            resume(call["resume"]["env"])
            continue
        text = encode(invoke(functions[call["function"]], call["args"], call["kwargs"]))
        flush()
        if getpid() != own:
            _exit(0)  # a child that the function forked and that returned into us
        send(text)


main()
