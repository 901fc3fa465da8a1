"""Where is work done that can be ended at any moment? In a process of its own, which is killed when the time is up.

One process imports what a table needs, once; every piece of work is done by a copy of it, which starts in milliseconds.
"""

import os
import pickle
import resource
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
from contextlib import suppress
from importlib import import_module
from typing import Any

from limits import STEP, look_at_clock

MEGABYTES = 3000  # of memory that one piece of work may take
LONGEST = 400  # seconds after which a copy ends by itself, whatever became of the page


class Workshop:
    """`run("module", "function", argument)` gives what that function of this folder gives."""

    preload: tuple[str, ...] = ()  # modules that are imported once, for all copies: whoever starts the page says which

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.process: subprocess.Popen[bytes] | None = None
        self.door: socket.socket | None = None

    def start(self) -> None:
        mine, theirs = socket.socketpair()
        environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
        command = [sys.executable, __file__, str(theirs.fileno()), *self.preload]
        self.process = subprocess.Popen(
            command, pass_fds=[theirs.fileno()], env=environment, stdin=subprocess.DEVNULL, start_new_session=True
        )
        theirs.close()
        if self.door:
            self.door.close()
        self.door = mine

    def bring(self, end: socket.socket) -> None:
        with self.lock:
            if self.process is None or self.process.poll() is not None:
                self.start()
            assert self.door is not None
            socket.send_fds(self.door, [b"."], [end.fileno()])

    def run(self, module: str, function: str, *given: Any) -> Any:
        mine, theirs = socket.socketpair()
        with mine:
            with theirs:
                self.bring(theirs)
            (number,) = struct.unpack("!I", receive(mine, 4))
            try:
                write(mine, pickle.dumps((module, function, given)))
                found, error = pickle.loads(read(mine))
            except BaseException:
                with suppress(ProcessLookupError):  # it may have ended by itself
                    os.kill(number, signal.SIGKILL)
                raise
        if error is not None:
            raise error
        return found


def write(end: socket.socket, content: bytes) -> None:
    end.sendall(struct.pack("!I", len(content)) + content)


def read(end: socket.socket) -> bytes:
    return receive(end, struct.unpack("!I", receive(end, 4))[0])


def receive(end: socket.socket, count: int) -> bytes:
    """So many bytes, as soon as they are there; the clock is looked at meanwhile."""
    parts = bytearray()
    while len(parts) < count:
        look_at_clock()
        if select.select([end], [], [], STEP)[0]:
            if not (part := end.recv(count - len(parts))):
                raise RuntimeError("a process that worked for a visitor ended before its work was done")
            parts += part
    return bytes(parts)


WORKSHOP = Workshop()


# In the other process.


def serve(door: socket.socket, preload: list[str]) -> None:
    """A copy for every piece of work that is brought, until the page is gone."""
    for module in preload:
        import_module(module)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for a copy
    while True:
        said, ends, *_ = socket.recv_fds(door, 1, 1)
        if not said:
            return
        with socket.socket(fileno=ends[0]) as end:
            if os.fork() == 0:
                door.close()
                do(end)
                os._exit(0)


def do(end: socket.socket) -> None:
    signal.alarm(LONGEST)
    os.nice(10)  # the page goes before
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_DATA, (MEGABYTES * 10**6, MEGABYTES * 10**6))
    end.sendall(struct.pack("!I", os.getpid()))
    answer: tuple[Any, Exception | None]
    try:
        module, function, given = pickle.loads(read(end))
        answer = getattr(import_module(module), function)(*given), None
    except Exception as error:
        answer = None, error if type(error) is ValueError else RuntimeError(f"{type(error).__name__}: {error}")
    with suppress(BrokenPipeError):  # nobody waits for it any more
        write(end, pickle.dumps(answer))


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])), sys.argv[2:])
