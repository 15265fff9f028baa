"""Where time and memory go, for the admin host of a renderer that was started with --profile; nothing of it is there otherwise.

    /debug/                      what there is, and how py-spy looks from outside
    /debug/heap                  tracemalloc: the lines that hold most memory now; also /debug/pprof/heap, image-server's name
    /debug/profile?seconds=N     all threads' stacks a hundred times a second, collapsed: `flamegraph.pl` and speedscope read that
"""

from __future__ import annotations

import os
import sys
import threading
import time
import tracemalloc
import urllib.parse
from collections import Counter
from types import FrameType

from renderer.errors import Busy, NotUnderstood
from renderer.fields import whole
from renderer.messages import Reply

MOST_SECONDS, USUAL_SECONDS = 60, 10
PAUSE_SECONDS = 0.01
HEAP_LINES = 50
DEPTH = 60  # frames of a stack, the innermost

_TEXT = ("Content-Type", "text/plain; charset=utf-8")
_INDEX = """Profiling of the renderer, process {pid}.

/debug/heap                 the {lines} lines that hold most memory (Python's own; pixels are in the render processes)
/debug/pprof/heap           the same
/debug/profile?seconds={usual}   where all threads are, for at most {most} seconds, as collapsed stacks: flamegraph.pl, speedscope

From outside, without slowing it down (pip install py-spy; as root):
py-spy record --pid {pid} --subprocesses --duration 30 --output onmiss.svg
py-spy dump --pid {pid}
"""


class Profiling:
    """From the beginning every allocation is traced: about twice the time of the front, and a third more memory."""

    def __init__(self) -> None:
        self._sampling = threading.Lock()
        if not tracemalloc.is_tracing():
            tracemalloc.start()

    def reply(self, path: str, query: str) -> Reply:
        """NotUnderstood for another path, BadRequest for other seconds, Busy while somebody else samples."""
        if path == "/debug/":
            return _text(_INDEX.format(pid=os.getpid(), lines=HEAP_LINES, usual=USUAL_SECONDS, most=MOST_SECONDS))
        if path in ("/debug/heap", "/debug/pprof/heap"):
            return _text(_heap())
        if path == "/debug/profile":
            return _text(self._profile(query))
        raise NotUnderstood("File not found")

    def _profile(self, query: str) -> str:
        text = urllib.parse.parse_qs(query).get("seconds", [str(USUAL_SECONDS)])[-1]
        seconds = whole(text, "seconds", 1, MOST_SECONDS)
        if not self._sampling.acquire(blocking=False):
            raise Busy("somebody else samples", retry_after=seconds)
        try:
            return _sampled(seconds)
        finally:
            self._sampling.release()


def _heap() -> str:
    snapshot = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(False, tracemalloc.__file__)])
    held, peak = tracemalloc.get_traced_memory()
    lines = [f"{statistic.size:>12,} bytes {statistic.count:>9,} blocks  {statistic.traceback}" for statistic in
             snapshot.statistics("lineno")[:HEAP_LINES]]  # fmt: skip
    return "\n".join((f"{held:,} bytes held, {peak:,} at the most", *lines)) + "\n"


def _sampled(seconds: int) -> str:
    """One line a stack, outermost frame first, and how often it was seen. Our own thread is left out."""
    stacks: Counter[str] = Counter()
    ours, deadline = threading.get_ident(), time.monotonic() + seconds
    while time.monotonic() < deadline:
        names = {thread.ident: thread.name for thread in threading.enumerate()}
        for ident, frame in sys._current_frames().items():
            if ident != ours:
                stacks[";".join((names.get(ident, "thread").replace(";", " "), *_frames(frame)))] += 1
        time.sleep(PAUSE_SECONDS)
    return "".join(f"{stack} {count}\n" for stack, count in stacks.most_common())


def _frames(frame: FrameType | None) -> list[str]:
    found: list[str] = []
    while frame is not None and len(found) < DEPTH:
        found.append(f"{frame.f_globals.get('__name__', '?')}.{frame.f_code.co_name}:{frame.f_lineno}")
        frame = frame.f_back
    return found[::-1]


def _text(text: str) -> Reply:
    return Reply(200, (_TEXT, ("Cache-Control", "no-store")), text.encode("utf-8", "replace"))
