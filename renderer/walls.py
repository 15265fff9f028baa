"""The walls around a render process: what it may use up, what it may see, and when it must go.

`raise_walls` is the one place where a render process gives things up; a further wall is a further line there. The rest is the front's part:
the processes that multiprocessing starts get a neutral environment, and the front's own is closed to them.
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
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing import util
from typing import Any

# linux/prctl.h
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE = 1, 4

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


def hide_front() -> None:
    """In the front, once: nobody of the same uid reads its memory or /proc/<pid>/environ, where the credentials stand."""
    _prctl(_PR_SET_DUMPABLE, 0)


def start_children_neutrally() -> None:
    """In the front, before multiprocessing starts anything: forkserver and resource tracker get no credentials to inherit.

    multiprocessing offers no way to say which environment they start in, and starts them again by itself, from any thread, when they
    were killed. Emptying `os.environ` around a start of ours would miss those, and other threads (boto3 reads it) would see it empty.
    So the one function that executes them is replaced; `test_workers` looks into /proc whether it still is that function.
    """
    util.spawnv_passfds = _spawn_neutrally


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
