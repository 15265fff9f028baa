"""What holds credentials is closed to others of its uid: nobody reads its memory or /proc/<pid>/environ.

Run as a program it hides first and is another module then: `python -m renderer.hiding MODULE ARGUMENT…`. A process that executes a program
can be read again until that says so itself, so each says it before it imports anything that takes time. Imports nothing of ours.
"""

from __future__ import annotations

import ctypes
import os
import runpy
import sys

_PR_SET_DUMPABLE = 4  # linux/prctl.h


def hide_front() -> None:
    """In a front of ours, as early as can be: nobody of the same uid reads its memory or its environment, where the credentials stand.

    Not in an application that uses the client library. The whole process would lose its core dumps, debuggers and profilers, and without
    root even its own files in /proc: that is not a library's to take. Its render process opens only what the application itself was given,
    and mostly no more of that than a header.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_DUMPABLE, ctypes.c_ulong(0), 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl(PR_SET_DUMPABLE): {os.strerror(number)}")


if __name__ == "__main__":
    hide_front()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
