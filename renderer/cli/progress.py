"""How far long work is: a bar on a terminal, a line now and then elsewhere, on standard error.

rich draws the bar in a thread of its own; lines that are said meanwhile stand above it.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Self

from renderer.fields import in_line

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

PLAIN_SECONDS = 10.0  # between two lines where there is no bar


class Progress:
    """`unit`: what is counted, a plural."""

    def __init__(self, unit: str, quiet: bool = False) -> None:
        self._unit, self._quiet = unit, quiet
        self._total: int | None = None
        self._rich = None if quiet else _rich(unit)
        self._task = self._rich.add_task("", total=None, size="0 MB", rate="", failures="") if self._rich else None
        self._began = self._shown_at = time.monotonic()

    def __enter__(self) -> Self:
        if self._rich:
            self._rich.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._rich:
            self._rich.stop()

    def expect(self, total: int | None) -> None:
        """How many there will be is known now."""
        self._total = total
        if self._rich and self._task is not None:
            self._rich.update(self._task, total=total)

    def end(self) -> None:
        """No more of it: what is said from now on stands below."""
        if self._rich:
            self._rich.stop()

    def show(self, done: int, size: int, failures: int = 0) -> None:
        """So many done, with so many bytes, of which some failed."""
        if self._rich and self._task is not None:
            seconds = max(time.monotonic() - self._began, 1e-3)
            self._rich.update(
                self._task, completed=done, size=f"{size / 1e6:.1f} MB", failures=f", {failures} failed" if failures else "",
                rate=f"{done / seconds:.0f} {self._unit}/s, {size / 1e6 / seconds:.1f} MB/s",
            )  # fmt: skip
        elif not self._quiet and time.monotonic() - self._shown_at >= PLAIN_SECONDS:
            self._shown_at = time.monotonic()
            self.say(self._line(done, size, failures))

    def say(self, line: str) -> None:
        """A line above the bar; one, whatever is in it."""
        if self._rich:
            self._rich.console.print(in_line(line), markup=False, highlight=False, emoji=False, soft_wrap=True)
        else:
            print(in_line(line), file=sys.stderr, flush=True)

    def say_at_once(self, line: str) -> None:
        """From a signal handler, where neither `print` nor a lock is safe."""
        with suppress(OSError):
            os.write(2, f"\n{line}\n".encode())

    def _line(self, done: int, size: int, failures: int) -> str:
        seconds = time.monotonic() - self._began
        of = f" of {self._total}" if self._total else ""
        rest = ""
        if self._total and done:
            rest = f", some {seconds / done * max(self._total - done, 0) / 60:.0f} min to go"
        return f"{done}{of} {self._unit}, {size / 1e6:.1f} MB, {done / seconds:.1f} {self._unit}/s, {failures} failed{rest}"


def _rich(unit: str) -> RichProgress | None:
    """Where there can be a bar: not where the cursor cannot be moved."""
    if not (sys.stderr and sys.stderr.isatty()):
        return None
    from rich.console import Console  # slow to import, and only needed on a terminal
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if console.is_dumb_terminal:
        return None
    columns = (
        BarColumn(bar_width=None), MofNCompleteColumn(), TextColumn(f"{unit}{{task.fields[failures]}},"),
        TextColumn("{task.fields[size]},"), TextColumn("{task.fields[rate]}"), TimeRemainingColumn(),
    )  # fmt: skip
    return Progress(*columns, console=console, redirect_stdout=False, redirect_stderr=False)
