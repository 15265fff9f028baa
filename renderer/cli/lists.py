"""What commands have in common that work through a list by a crew: where its lines come from, how they are counted, how it is done."""

from __future__ import annotations

import argparse
import os
import re
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import BinaryIO

from renderer.cli.importing import MOST_JOBS
from renderer.cli.progress import Progress
from renderer.config import Config
from renderer.crew import PATIENCE
from renderer.errors import BadRequest

STDIN = "-"
USUAL_NICE = 10  # half-way to the lowest: a visitor's miss, at 0, gets nine tenths of a processor that both want
END_SECONDS = 2.0  # for what is still learnt about originals when all is made
ABORT_SECONDS = 0.5


def configure_how(parser: argparse.ArgumentParser, dry_run: str = "") -> None:
    """How the work is done; `dry_run`: what --dry-run does, '' = there is none."""
    add = parser.add_argument_group("how").add_argument
    if dry_run:
        add("--dry-run", action="store_true", help=dry_run)
    add("--jobs", type=_number(1, MOST_JOBS), default=0, metavar="N", help="so many originals at once (default: two for a render process)")
    add("--nice", type=_number(0, 19), default=USUAL_NICE, metavar="N", help="how far to give way to others (default: %(default)s)")
    add("--patience", type=_number(1, 86_400), default=PATIENCE, metavar="S", help="how long to wait for what is down (%(default)g)")
    add("--quiet", "-q", action="store_true", help="no line per picture and no progress, only failures and the summary")


def jobs_of(wanted: int, config: Config) -> int:
    """Two for each render process: while it renders for the one, the other fetches. More than the queues take would only come back."""
    render, serve = config.render, config.serve
    return max(1, min(wanted or 2 * render.count(), MOST_JOBS, render.count() + render.queue, serve.waiting * 2 // 3))


def opened(name: str, what: str) -> BinaryIO:
    """Nobody closes it: a thread may be waiting for a line of it, and who closes it would wait for that thread. BadRequest."""
    if name == STDIN and (sys.stdin is None or sys.stdin.isatty()):
        raise BadRequest(f"expected a pipe or a file on standard input, got {'a terminal' if sys.stdin else 'none'}")
    try:
        # Not sys.stdin: Python aborts when it ends while a thread still waits for a line of that.
        return open(0, "rb", closefd=False) if name == STDIN else open(name, "rb")
    except OSError as error:
        raise BadRequest(f"expected a file for {what}, got {name}: {error.strerror}") from error


def lines(files: Iterable[BinaryIO]) -> Iterator[str]:
    """All lines, with their ends; bytes that are no UTF-8 as surrogates."""
    for file in files:
        for line in file:
            yield line.decode("utf-8", "surrogateescape")


def count(given: int, files: Sequence[BinaryIO], times: int = 1) -> int | None:
    """For the bar: about how many there will be, `given` ones besides; None where to count them would be to read them away."""
    if not all(stat.S_ISREG(os.fstat(file.fileno()).st_mode) for file in files):
        return None
    for file in files:
        began = file.tell()
        given += sum(1 for line in file if line.strip())
        file.seek(began)
    return given * times


def print_line(line: str, progress: Progress) -> None:
    """`line`, with tabs, to standard output; above the bar where both are on the same terminal."""
    if sys.stdout.isatty() and sys.stderr.isatty():
        progress.say(line.replace("\t", "  "))
    else:
        print(line.encode(sys.stdout.encoding, "backslashreplace").decode(sys.stdout.encoding), flush=True)


def _number(least: int, most: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,6}", text) or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"expected a number from {least} to {most}, got {text!r}")
        return int(text)

    return number
