"""The walls around a render process: what it may use up, what it may see, and when it must go.

`raise_walls` is the one place where a render process gives things up; a further wall is a further line there. The rest is the front's part:
the processes that multiprocessing starts for us get a neutral environment and nothing of the program that we are part of.
"""

from __future__ import annotations

import ctypes
import fcntl
import math
import multiprocessing
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import forkserver, popen_forkserver, process, spawn, util
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any

# linux/prctl.h
_PR_SET_PDEATHSIG = 1

# What a program needs to find its libraries, speak its language and put its temporary files; nothing else goes into a render process.
_NEUTRAL = (
    "PATH", "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "LC_MESSAGES", "TZ", "TMPDIR", "TEMP", "TMP", "LD_LIBRARY_PATH",
    "PYTHONHOME", "PYTHONHASHSEED", "PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX", "PYTHONWARNINGS", "PYTHONUTF8", "VIRTUAL_ENV",
)  # fmt: skip

# What malloc and Pillow read when they start. A picture in one block of huge pages has a hundredth of the page faults, and can be lent to
# libvips as it is: a sixth of the CPU time of a JPEG of 16 megapixels. Either alone gains little or loses: a whole decode of 24 megapixels
# takes 90 ms without both, 132 in one block without huge pages, 61 with both.
TUNED = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1", "PILLOW_BLOCK_SIZE": "1024m"}

# A day: each render moves the soft limit, which cannot pass the hard one; only a process that ignores SIGXCPU ever meets this.
_HARD_CPU_SECONDS = 86_400


@dataclass(frozen=True)
class Walls:
    """What one render process may use. `cpu_seconds`: for one render, over all its threads; `file_bytes`: of one file that it writes."""

    memory_bytes: int = 2_000_000_000
    cpu_seconds: int = 30
    file_bytes: int = 256_000_000
    open_files: int = 64


def raise_walls(walls: Walls) -> None:
    """In a render process, once, before it sees a picture."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the front's business
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # pebble's own handler waits for Python, which a hanging codec never returns to
    _die_with_the_front()
    allow_cpu(walls.cpu_seconds)
    _lower(resource.RLIMIT_AS, walls.memory_bytes)
    _lower(resource.RLIMIT_FSIZE, walls.file_bytes)
    _lower(resource.RLIMIT_NOFILE, walls.open_files)
    _lower(resource.RLIMIT_CORE, 0)
    _be_silent()


def allow_cpu(seconds: int) -> None:
    """Before each render: `seconds` more. RLIMIT_CPU counts over a process's life, so a fixed one kills every n-th healthy render."""
    hard = _within_hard(resource.RLIMIT_CPU, _HARD_CPU_SECONDS)
    soft = math.ceil(time.process_time()) + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (min(soft, hard), hard))


def start_children_neutrally() -> None:
    """In a front of ours, before multiprocessing starts anything: forkserver and resource tracker get no credentials to inherit.

    multiprocessing offers no way to say which environment they start in, and starts them again by itself, from any thread, when they
    were killed. Emptying `os.environ` around a start of ours would miss those, and other threads (boto3 reads it) would see it empty.
    So the one function that executes them is replaced; `test_workers` looks into /proc whether it still is that function.
    """
    util.spawnv_passfds = _spawn_neutrally


class _Starting(threading.local):
    """Whether this thread starts a process of ours just now."""

    ours = False


_starting = _Starting()


@contextmanager
def _ours() -> Iterator[None]:
    """Within it, the processes that this thread asks multiprocessing for are ours, whatever else this program starts by it."""
    before, _starting.ours = _starting.ours, True
    try:
        yield
    finally:
        _starting.ours = before


class _ForkServer(forkserver.ForkServer):
    """One for us alone: what an application has multiprocessing's own preload, or holds in its environment, is not for render processes."""

    def ensure_running(self) -> None:
        with _ours():
            super().ensure_running()


class _Popen(popen_forkserver.Popen):
    def _launch(self, process_obj: process.BaseProcess) -> None:
        with _ours():
            super()._launch(process_obj)  # type: ignore[misc]  # not in the stubs


class _RenderProcess(ForkServerProcess):
    def start(self) -> None:
        """Daemonic processes, such as those of `multiprocessing.Pool`, may have none, because one that is terminated leaves its children
        behind. Ours go with whoever started them, however that ends, so this one is not daemonic while it starts us."""
        config = process.current_process()._config  # type: ignore[attr-defined]
        daemonic = config.pop("daemon", None)
        try:
            super().start()
        finally:
            if daemonic is not None:
                config["daemon"] = daemonic

    @staticmethod
    def _Popen(process_obj: process.BaseProcess) -> Any:
        return _Popen(process_obj)


class RenderContext(ForkServerContext):
    """The context of render processes: forks of a forkserver of our own, which knows nothing of the program that we are part of.

    multiprocessing would import the program's main module into every child, for functions that stand there: an application's script without
    `if __name__ == "__main__"` would run once more in each. Ours stand in modules. Other children of the program are started as ever.
    """

    Process = _RenderProcess

    def set_forkserver_preload(self, module_names: list[str]) -> None:
        """The modules that the forkserver imports, so that a render process is a fork and not an import. From now on it runs."""
        _replace(util, "spawnv_passfds", _spawn_neutrally)
        _replace(spawn, "get_preparation_data", _prepared)
        _replace(forkserver, "connect_to_new_process", _connect)
        _server.set_forkserver_preload(module_names)
        _server.ensure_running()  # and with it the resource tracker, which a lock of the pool would start otherwise


_server = _ForkServer()
_originals: dict[str, Any] = {}  # multiprocessing's functions, by name


def _replace(module: Any, name: str, ours: Any) -> None:
    """With a function that is `ours` for what is ours, and otherwise what it was. multiprocessing offers no other way in."""
    if name in _originals:
        return
    _originals[name] = found = getattr(module, name)

    def chosen(*arguments: Any) -> Any:
        return ours(*arguments) if _starting.ours else found(*arguments)

    setattr(module, name, chosen)


def _prepared(name: str) -> dict[str, Any]:
    told: dict[str, Any] = _originals["get_preparation_data"](name)
    return {key: value for key, value in told.items() if not key.startswith("init_main")}


def _connect(fds: Sequence[int]) -> tuple[int, int]:
    return _server.connect_to_new_process(fds)


def _let_go() -> None:
    """In a process that was forked from a front: its render processes are its parent's, to end and to wait for."""
    global _server  # noqa: PLW0603  # replaced whole: its lock may be held by a thread that does not exist here
    alive: int | None = getattr(_server, "_forkserver_alive_fd", None)
    if alive is not None:
        with suppress(OSError):
            os.close(alive)  # or the forkserver would outlive our parent
    _server = _ForkServer()
    for child in list(process._children):  # type: ignore[attr-defined]
        if isinstance(child, _RenderProcess):
            process._children.discard(child)  # type: ignore[attr-defined]


os.register_at_fork(after_in_child=_let_go)


def _spawn_neutrally(path: bytes, args: Sequence[Any], passfds: Sequence[int]) -> int:
    keep = [(os.POSIX_SPAWN_DUP2, fd, fd) for fd in passfds]  # onto itself: takes close-on-exec off
    return os.posix_spawn(path, list(args), _neutral_environment(), file_actions=keep)


def _neutral_environment() -> dict[str, str]:
    found = {name: os.environ[name] for name in _NEUTRAL if name in os.environ}
    # The forkserver is to import what we import, however we came to it.
    return {**found, **TUNED, "PYTHONPATH": os.pathsep.join(entry or os.getcwd() for entry in sys.path)}


def _die_with_the_front() -> None:
    """SIGKILL, from the kernel, as soon as the front is gone: its time limits are gone with it, and a codec may hang for ever.

    multiprocessing gives every child the read end of a pipe that only the front holds open; O_ASYNC makes its end a signal. When the
    forkserver goes first, pebble takes us for dead and would let us run: hence the parent-death signal.
    """
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    front = multiprocessing.parent_process()
    if front is None:
        raise RuntimeError("expected to be a child of multiprocessing for a render process")
    sentinel = front.sentinel
    fcntl.fcntl(sentinel, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(sentinel, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(sentinel, fcntl.F_SETFL, fcntl.fcntl(sentinel, fcntl.F_GETFL) | os.O_ASYNC)
    if not front.is_alive():
        os._exit(1)


def _lower(kind: int, most: int) -> None:
    limit = _within_hard(kind, most)
    resource.setrlimit(kind, (limit, limit))


def _within_hard(kind: int, wanted: int) -> int:
    hard = resource.getrlimit(kind)[1]
    return wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)


def _be_silent() -> None:
    """libtiff and its like write a line per odd tag to standard error, thousands for one hostile file; our errors go home by the pipe."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    os.close(nothing)


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl({option}): {os.strerror(number)}")


def parent_of(pid: int) -> int | None:
    """The parent of a process by /proc; None when it is gone."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text("ascii", "replace")
    except OSError:
        return None
    return int(status.rpartition(")")[2].split()[1])
