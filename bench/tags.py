"""Tags: what a page pays for `scaled_tag` when the document is known, beside putting the same text together by hand."""

from __future__ import annotations

import html
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from bench.pictures import small
from bench.report import Section, Table, at_most
from renderer.client import Library
from renderer.config import Config

ROUNDS, CALLS = 30, 500
BOUND_MICROSECONDS = 100
TITLE = 'Käse & "Wurst", frisch vom Markt'
KINDS = ("150x150", "150x150!", "vga")


def measure(directory: Path) -> Section:
    library = Library(Config.of({}, directory))
    try:
        imageid = library.save_image(small(1), title=TITLE)
        rows = [_row(library, imageid, size) for size in KINDS]
    finally:
        library.close()
    return Section((
        f"`scaled_tag` with a warm document, {ROUNDS} rounds of {CALLS} calls, in turn with an f-string that escapes the same values; "
        "medians of the rounds, microseconds a call:",
        Table(("size", "scaled_tag", "slowest round", "by hand", "ratio", "bound", ""), rows),
    ))  # fmt: skip


def _row(library: Library, imageid: str, size: str) -> list[str]:
    url, (width, height) = library.scaled_imageurl(imageid, size), library.scaled_dimensions(imageid, size)

    def by_hand() -> str:
        return f'<img src="{html.escape(url)}" width="{width}" height="{height}" alt="{html.escape(TITLE)}" />'

    if library.scaled_tag(imageid, size) != by_hand():
        raise RuntimeError(f"expected {by_hand()}, got {library.scaled_tag(imageid, size)}")
    ours, theirs = [], []
    for _ in range(ROUNDS):
        ours.append(_microseconds(lambda: library.scaled_tag(imageid, size)))
        theirs.append(_microseconds(by_hand))
    tag, bare = statistics.median(ours), statistics.median(theirs)
    bound, met = at_most(tag, BOUND_MICROSECONDS, "µs")
    return [size, f"{tag:.1f}", f"{max(ours):.1f}", f"{bare:.1f}", f"{tag / bare:.0f}", bound, met]


def _microseconds(call: Callable[[], str]) -> float:
    began = time.perf_counter()
    for _ in range(CALLS):
        call()
    return (time.perf_counter() - began) / CALLS * 1e6
