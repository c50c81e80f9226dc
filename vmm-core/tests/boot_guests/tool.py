import os
import sys
import time


def run(prompt="hi"):
    print("hello from", prompt)
    print("and a warning", file=sys.stderr)
    return {"echo": prompt, "uid": os.getuid(), "cwd": os.getcwd()}


def boom():
    raise ValueError("no good: ümläut")


def forever():
    print("waiting")
    while True:
        time.sleep(1)


def not_a_number():
    return float("nan")


def thing():
    return object()


def hog():
    held = []
    while True:
        held.append(bytearray(b"x" * (4 << 20)))


def fork():
    while True:
        try:
            os.fork()
        except OSError:
            pass


def fork_sessions():
    while True:
        try:
            if os.fork() == 0:
                os.setsid()
        except OSError:
            pass


def spam():
    while True:
        print("x" * 1000)


def die():
    os._exit(7)


def others():
    """Processes of the app's user besides this one."""
    def is_other(pid):
        try:
            return pid.isdigit() and int(pid) != os.getpid() and os.stat("/proc/" + pid).st_uid == os.getuid()
        except OSError:
            return False
    return sum(map(is_other, os.listdir("/proc")))


def variable(name):
    print(os.environ.get(name))
    return os.environ.get(name)


async def later(number):
    return number + 1


def connect(host, port, text="ping"):
    import socket

    start = time.monotonic()
    try:
        with socket.create_connection((host, port), 60) as connection:
            connection.sendall(text.encode())
            connection.shutdown(socket.SHUT_WR)
            return {"got": connection.makefile().read()}
    except OSError as error:
        return {"error": type(error).__name__, "seconds": time.monotonic() - start}
