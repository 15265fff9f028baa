"""What an import says: a line a picture, failures, progress, a summary.

On a terminal a bar stands below the lines; its total is counted by a second look at the sources, while the first pictures are already on
their way. Elsewhere a line every PLAIN_SECONDS says how far it is.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from types import TracebackType
from typing import TYPE_CHECKING

from renderer.cli.sources import Sources
from renderer.fields import in_line
from renderer.importing import FAILED, SKIPPED, TAKEN, THERE, Outcome, Tally
from renderer.rendition import Ref

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

PLAIN_SECONDS = 10.0
BAR_SECONDS = 0.1  # between two updates of the bar: what an eye can follow


class Report:
    """While the block runs there is a bar, where there can be one. `url`: the URL of an original."""

    def __init__(self, arguments: argparse.Namespace, sources: Sources, url: Callable[[Ref], str]) -> None:
        self._quiet, self._is_dry, self._resume, self._url = arguments.quiet, arguments.dry_run, arguments.resume, url
        self._bar = None if arguments.quiet else _bar(sources)
        self._seen, self._bytes, self._shown_at, self._began = 0, 0, time.monotonic(), time.monotonic()

    def __enter__(self) -> Report:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bar:
            self._bar.end(self._seen, self._bytes)

    def show(self, outcome: Outcome) -> None:
        self._seen, self._bytes = self._seen + 1, self._bytes + outcome.length
        if outcome.what == FAILED:
            self._say(f"{in_line(outcome.shown)}: {in_line(outcome.reason)}")
        elif outcome.what == SKIPPED:
            if not (outcome.is_wanted or self._quiet):
                self._say(f"{in_line(outcome.shown)}: skipped, {outcome.reason}")
        elif not self._quiet:
            self._print(f"{in_line(outcome.ref.name)}\t{self._url(outcome.ref)}" if outcome.ref else in_line(outcome.shown))
        self._show_progress()

    def conclude(self, tally: Tally, seconds: float) -> None:
        if tally.halted:
            print(f"onmiss import: {in_line(tally.halted)}", file=sys.stderr)
            print(f"onmiss import: {self._cure()}", file=sys.stderr)
        print(_summary(tally, seconds, self._is_dry), file=sys.stderr, flush=True)

    def _cure(self) -> str:
        if self._resume:
            return f"the same command again goes on; what is done stands in {in_line(str(self._resume))} and is skipped"
        return "the same command again goes on; what is there already is not stored twice (with --resume STATE it would not be read again)"

    def _show_progress(self) -> None:
        now = time.monotonic()
        if self._bar:
            self._bar.show(self._seen, self._bytes)
        elif not self._quiet and now - self._shown_at >= PLAIN_SECONDS:
            self._shown_at = now
            self._say(f"{self._seen} files, {self._bytes / 1e6:.1f} MB, {self._seen / (now - self._began):.1f} files/s so far")

    def say_at_once(self, line: str) -> None:
        """From a signal handler, where neither `print` nor a lock is safe."""
        if self._bar:  # which would be drawn over what somebody else writes
            self._bar.print(line)
        else:
            with suppress(OSError):
                os.write(2, f"\n{line}\n".encode())

    def _print(self, line: str) -> None:
        if self._bar and sys.stdout.isatty():
            self._bar.print(line)
        else:
            encoding = sys.stdout.encoding if sys.stdout else "ascii"
            print(line.encode(encoding, "backslashreplace").decode(encoding), flush=True)

    def _say(self, line: str) -> None:
        if self._bar:
            self._bar.print(line)
        else:
            print(line, file=sys.stderr, flush=True)


class _Bar:
    """rich's, on standard error. It leaves sys.stdout alone: the lines there may go into a pipe.

    A thread of its own draws it, with the lines that have come since: to draw costs milliseconds, as much as to take in a picture, and a
    line must not wait until the next picture is done.
    """

    def __init__(self, sources: Sources, console: Console) -> None:
        self._sources = sources
        self._progress, self._task = _progress(console)
        self._ended = threading.Event()
        self._drawing = threading.Thread(target=self._draw_on, name="bar", daemon=True)
        self._lines: SimpleQueue[str] = SimpleQueue()  # a signal handler may put something in at any moment
        self._shown = (0, 0)

    def start(self) -> None:
        self._progress.start()
        self._drawing.start()
        if self._sources.is_repeatable:
            threading.Thread(target=self._count, name="count", daemon=True).start()

    def _count(self) -> None:
        total = 0
        for _ in self._sources.find():
            total += 1
            if self._ended.is_set():
                return
        self._progress.update(self._task, total=total)

    def show(self, seen: int, length: int) -> None:
        self._shown = (seen, length)

    def print(self, line: str) -> None:
        """Above the bar, when that is drawn again."""
        self._lines.put(line)

    def end(self, seen: int, length: int) -> None:
        self._shown = (seen, length)
        self._ended.set()
        try:
            self._drawing.join()
            self._draw()
        finally:
            self._progress.stop()

    def _draw_on(self) -> None:
        while not self._ended.wait(BAR_SECONDS):
            self._draw()

    def _draw(self) -> None:
        (seen, length), seconds = self._shown, self._progress.tasks[0].elapsed or 1
        rate = f"{seen / seconds:.0f} files/s, {length / 1e6 / seconds:.1f} MB/s"
        self._progress.update(self._task, completed=seen, size=f"{length / 1e6:.1f} MB", rate=rate)
        lines = [self._lines.get() for _ in range(self._lines.qsize())]
        if lines:
            self._progress.console.print("\n".join(lines), markup=False, highlight=False, emoji=False, soft_wrap=True)
        self._progress.refresh()


def _bar(sources: Sources) -> _Bar | None:
    """Where there can be one: not where the cursor cannot be moved."""
    if not (sys.stderr and sys.stderr.isatty()):
        return None
    from rich.console import Console  # slow to import, and only needed on a terminal

    console = Console(stderr=True)
    return None if console.is_dumb_terminal else _Bar(sources, console)


def _progress(console: Console) -> tuple[Progress, TaskID]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        BarColumn(bar_width=None), MofNCompleteColumn(), TextColumn("files,"), TextColumn("{task.fields[size]},"),
        TextColumn("{task.fields[rate]}"), TimeRemainingColumn(),
    )  # fmt: skip
    progress = Progress(*columns, console=console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)
    return progress, progress.add_task("", total=None, size="0 MB", rate="")


def _summary(tally: Tally, seconds: float, is_dry: bool) -> str:
    counts = tally.counts
    reasons = ", ".join(f"{count} {reason}" for reason, count in tally.skipped.most_common())
    parts = [f"{counts[TAKEN]} {'would be ' * is_dry}taken in"]
    if not is_dry:
        parts.append(f"{counts[THERE]} already there")
    parts.append(f"{counts[SKIPPED]} skipped{f' ({reasons})' * bool(reasons)}")
    rate = (counts[TAKEN] + counts[THERE]) / max(seconds, 1e-9)
    return f"{', '.join(parts)}, {counts[FAILED]} failed; {tally.bytes / 1e6:.1f} MB in {seconds:.1f} s, {rate:.1f} files/s"
