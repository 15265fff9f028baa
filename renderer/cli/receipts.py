"""What commands that remove say: a receipt a line, progress on a terminal, a summary, the exit code."""

from __future__ import annotations

import argparse
import io
import sys
import time
from collections.abc import Callable, Iterable

from renderer.cli import FAILED
from renderer.errors import RendererError
from renderer.removal import Receipt
from renderer.rendition import Ref

_PROGRESS_SECONDS = 0.1  # between two lines of progress: what an eye can follow
_CLEAR = "\r\033[K"  # to the beginning of the line, and erase it


def configure_receipts(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="only say what would go")
    parser.add_argument("--quiet", "-q", action="store_true", help="no receipts, only failures and the summary")


class Receipts:
    """Counts what was removed; one failure does not stop the rest."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")  # a name that the terminal cannot show is no reason to stop half-way
        self._quiet, self._verb = arguments.quiet, "would be removed" if arguments.dry_run else "removed"
        self._shows_progress = sys.stderr.isatty() and (self._quiet or not sys.stdout.isatty())
        self._shown_at = 0.0
        self._refs = self._originals = self._files = self._bytes = self._failed = 0

    def collect(self, wanted: Iterable[Ref | RendererError], take: Callable[[Ref], Receipt]) -> int:
        """`take` each of `wanted`, print its receipt, and the summary at the end, come what may; returns the exit code."""
        try:
            for ref in wanted:
                try:
                    if isinstance(ref, RendererError):
                        raise ref
                    self._note(take(ref))
                except (RendererError, OSError) as error:
                    if isinstance(error, BrokenPipeError):  # the reader of our receipts went away
                        raise
                    self._failed += 1
                    self._say(f"{error}" if isinstance(ref, RendererError) else f"{ref}: {error}")
        finally:
            self._say(self._summary())
        return FAILED if self._failed else 0

    def _note(self, receipt: Receipt) -> None:
        self._refs, self._originals = self._refs + 1, self._originals + receipt.original
        self._files, self._bytes = self._files + receipt.files, self._bytes + receipt.bytes
        if not self._quiet:
            print(receipt.ref, receipt.files, receipt.bytes, _what(receipt), sep="\t", flush=True)
        if self._shows_progress and time.monotonic() - self._shown_at > _PROGRESS_SECONDS:
            self._shown_at = time.monotonic()
            print(_CLEAR + self._summary(), end="", file=sys.stderr, flush=True)

    def _say(self, line: str) -> None:
        print(_CLEAR * self._shows_progress + line, file=sys.stderr, flush=True)

    def _summary(self) -> str:
        removed = f"{self._originals} originals and {self._files} renditions of {self._bytes / 1e6:.1f} MB {self._verb}"
        return f"{self._refs} names: {removed}, {self._failed} failed"


def _what(receipt: Receipt) -> str:
    *parts, last = ["original"] * receipt.original + ["entry"] * receipt.entry + ["renditions"] * bool(receipt.files) or ["nothing"]
    return ", ".join(parts) + " and " * bool(parts) + last
