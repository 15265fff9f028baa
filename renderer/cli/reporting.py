"""What an import says: a line a picture, failures, progress, a summary.

On a terminal a bar stands below the lines; its total is counted by a second look at the sources, while the first pictures are already on
their way. Elsewhere a line every PLAIN_SECONDS says how far it is.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING

from renderer.cli.sources import Sources
from renderer.importing import FAILED, SKIPPED, TAKEN, THERE, Outcome, Tally
from renderer.rendition import Ref

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

PLAIN_SECONDS = 10.0
BAR_SECONDS = 0.1  # between two updates of the bar: what an eye can follow


class Report:
    """While the block runs there is a bar, where there can be one. `url`: the URL of an original."""

    def __init__(self, arguments: argparse.Namespace, sources: Sources, url: Callable[[Ref], str]) -> None:
        self._quiet, self._is_dry, self._resume, self._url = arguments.quiet, arguments.dry_run, arguments.resume, url
        self._bar = _Bar(sources) if sys.stderr.isatty() and not arguments.quiet else None
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
            self._say(f"{_line(outcome.shown)}: {_line(outcome.reason)}")
        elif outcome.what == SKIPPED:
            if not (outcome.is_wanted or self._quiet):
                self._say(f"{_line(outcome.shown)}: skipped, {outcome.reason}")
        elif not self._quiet:
            self._print(f"{outcome.ref.name}\t{self._url(outcome.ref)}" if outcome.ref else _line(outcome.shown))
        self._show_progress()

    def conclude(self, tally: Tally, seconds: float) -> None:
        if tally.halted:
            print(f"onmiss import: {tally.halted}", file=sys.stderr)
            print(f"onmiss import: {self._cure()}", file=sys.stderr)
        print(_summary(tally, seconds, self._is_dry), file=sys.stderr, flush=True)

    def _cure(self) -> str:
        if self._resume:
            return f"the same command again goes on; what is done stands in {self._resume} and is skipped"
        return "the same command again goes on; what is there already is not stored twice (with --resume STATE it would not be read again)"

    def _show_progress(self) -> None:
        now = time.monotonic()
        if now - self._shown_at < (BAR_SECONDS if self._bar else PLAIN_SECONDS):
            return
        self._shown_at = now
        if self._bar:
            self._bar.show(self._seen, self._bytes)
        elif not self._quiet:
            self._say(f"{self._seen} files, {self._bytes / 1e6:.1f} MB, {self._seen / (now - self._began):.1f} files/s so far")

    def _print(self, line: str) -> None:
        if self._bar and sys.stdout.isatty():
            self._bar.print(line)
        else:
            print(line, flush=True)

    def _say(self, line: str) -> None:
        if self._bar:
            self._bar.print(line)
        else:
            print(line, file=sys.stderr, flush=True)


class _Bar:
    """rich's, on standard error. It leaves sys.stdout alone: the lines there may go into a pipe."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._progress, self._task = _progress()
        self._ended = threading.Event()
        self._lines: list[str] = []

    def start(self) -> None:
        self._progress.start()
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
        seconds = self._progress.tasks[0].elapsed or 1
        rate = f"{seen / seconds:.0f} files/s, {length / 1e6 / seconds:.1f} MB/s"
        self._progress.update(self._task, completed=seen, size=f"{length / 1e6:.1f} MB", rate=rate)
        lines, self._lines = self._lines, []
        if lines:
            self._progress.console.print("\n".join(lines), markup=False, highlight=False, emoji=False, soft_wrap=True)

    def print(self, line: str) -> None:
        """Above the bar, when that is drawn again: to draw it costs milliseconds, as much as to take in a picture."""
        self._lines.append(line)

    def end(self, seen: int, length: int) -> None:
        self._ended.set()
        self.show(seen, length)
        self._progress.stop()


def _progress() -> tuple[Progress, TaskID]:
    from rich.console import Console  # slow to import, and only needed on a terminal
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        BarColumn(bar_width=None), MofNCompleteColumn(), TextColumn("files,"), TextColumn("{task.fields[size]},"),
        TextColumn("{task.fields[rate]}"), TimeRemainingColumn(),
    )  # fmt: skip
    console = Console(stderr=True)
    progress = Progress(*columns, console=console, refresh_per_second=4, redirect_stdout=False, redirect_stderr=False)
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


def _line(text: str) -> str:
    """A path in one line, whatever is in it: nobody's file name shall move the cursor of a terminal."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)
