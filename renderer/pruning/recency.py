"""Whether the file system under the cache tells what was read, found out by trying.

The rule is Linux' relatime: a read writes the access time when that is not later than the change of the inode. So `atime > ctime` means
that somebody has read the file since its times were last written. A mount with noatime never writes it, network file systems do it late.
"""

from __future__ import annotations

import ctypes
import os
import platform
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from renderer.placing import own_name
from renderer.stores.landing import NO_SPACE

VISITED, LOG, AGE = "visited", "log", "age"
_TICKS = 0.05  # seconds, several ticks of the kernel's coarse clock: within one, a read looks as old as the write before it
_ODD = 123_456_789  # nanoseconds that no clock rounds to


@dataclass(frozen=True)
class Manners:
    """What the file system does. `sees_visits`: a read sets the bit, and writing the times clears it; `keeps_nanoseconds`: of a mtime."""

    sees_visits: bool
    keeps_nanoseconds: bool


def manners(directory: Path, wait: Callable[[float], object] = time.sleep) -> Manners:
    """By a file of our own, which is gone afterwards; what cannot be tried (a full disk) is taken to be well. OSError for a directory that
    cannot be written.
    """
    path = directory / own_name()
    try:
        path.write_bytes(b"read me")
        own = int(time.time()) - 86_400
        os.utime(path, ns=((own + 1) * 10**9, own * 10**9 + _ODD))
        keeps = path.stat().st_mtime_ns % 10**9 == _ODD
        wait(_TICKS)
        before = _is_visited(path)
        path.read_bytes()
        after = _is_visited(path)
        status = path.stat()
        wait(_TICKS)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        return Manners(not before and after and not _is_visited(path), keeps)
    except OSError as error:
        if error.errno in NO_SPACE:
            return Manners(sees_visits=True, keeps_nanoseconds=True)
        raise
    finally:
        with suppress(OSError):
            path.unlink()


def chosen(wish: str, found: Manners, has_log: bool) -> str:
    """How uses are known: as is wished, or the first way that works here."""
    if wish != "auto":
        return wish
    return VISITED if found.sees_visits else LOG if has_log else AGE


def _is_visited(path: Path) -> bool:
    status = path.stat()
    return status.st_atime_ns > status.st_ctime_ns


def be_nice(level: int) -> None:
    """Leave processor and disk to whoever else wants them; where the system lets us. 19: only what nobody else wants."""
    with suppress(OSError):
        os.nice(max(0, level - os.getpriority(os.PRIO_PROCESS, 0)))
        if level == _NICEST:
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    # Linux weighs sessions against one another before it looks at niceness, so one of our own has to be nice as a whole
    if os.getsid(0) == os.getpid():
        with suppress(OSError):
            Path("/proc/self/autogroup").write_text(str(level), encoding="ascii")
    number = _IOPRIO_SET.get(platform.machine())
    if number:
        ctypes.CDLL(None).syscall(number, _IOPRIO_WHO_PROCESS, 0, _IOPRIO_IDLE)


_NICEST = 19


class Breath:
    """A pause of a thirtieth of a millisecond after every quarter of one of work; two of them while all processors are busy.

    Niceness decides who runs next, not how soon: a scheduler that weighs groups of processes lets a nice one finish its slice of some
    milliseconds, and those who serve wait for it. Who sleeps is out of the way at once.
    """

    def __init__(self) -> None:
        ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1)  # a sleep takes as long as it says, not 0.05 ms longer
        self._since = self._looked_at = time.monotonic()
        self._pause, self._ticks = _SHORTEST_PAUSE, _ticks()

    def __call__(self) -> None:
        now = time.monotonic()
        if now - self._since > _WORK_SECONDS:
            if now - self._looked_at > _LOOK_SECONDS:
                self._look(now)
            time.sleep(self._pause)
            self._since = time.monotonic()

    def _look(self, now: float) -> None:
        busy, total = _ticks()
        is_crowded = busy - self._ticks[0] > _CROWDED * (total - self._ticks[1])
        self._pause = _LONGEST_PAUSE if is_crowded else _SHORTEST_PAUSE
        self._looked_at, self._ticks = now, (busy, total)


def _ticks() -> tuple[int, int]:
    """Of all processors since the start: what they did for others than the nice, and all (proc(5), the first line of /proc/stat)."""
    with suppress(OSError, ValueError, IndexError):
        with open("/proc/stat", "rb") as file:
            user, nice, system, idle, waiting, *others = map(int, file.readline().split()[1:8])
        return user + system + sum(others), user + nice + system + idle + waiting + sum(others)
    return 0, 0


_WORK_SECONDS, _SHORTEST_PAUSE, _LONGEST_PAUSE = 0.00025, 0.00003, 0.002
_LOOK_SECONDS, _CROWDED = 0.1, 0.8  # a tick is 10 ms; what we do in the kernel ourselves counts as if it were others'
_PR_SET_TIMERSLACK = 29  # linux/prctl.h

# linux/ioprio.h, and the numbers of the system call that the C library has no function for
_IOPRIO_WHO_PROCESS, _IOPRIO_IDLE = 1, 3 << 13
_IOPRIO_SET = {"x86_64": 251, "aarch64": 30}

# linux/stat.h
_AT_FDCWD, _AT_SYMLINK_NOFOLLOW, _STATX_BTIME = -100, 0x100, 0x800
_STATX_BYTES, _BTIME_AT = 256, 80


def born(path: str, status: os.stat_result) -> float:
    """When a file was made, in seconds since 1970: for one that was published, when it was rendered. Where the file system does not tell,
    the change of its inode, which is later.
    """
    buffer = ctypes.create_string_buffer(_STATX_BYTES)
    if _statx is None or _statx(_AT_FDCWD, os.fsencode(path), _AT_SYMLINK_NOFOLLOW, _STATX_BTIME, buffer):
        return status.st_ctime
    if not int.from_bytes(buffer.raw[:4], "little") & _STATX_BTIME:
        return status.st_ctime
    seconds = int.from_bytes(buffer.raw[_BTIME_AT : _BTIME_AT + 8], "little", signed=True)
    return min(float(seconds), status.st_ctime)


_statx = getattr(ctypes.CDLL(None), "statx", None)  # glibc since 2.28


