"""Purging: what it takes to drop one original's renditions amid those of 100,000 others.

The peer renames the directory away and unlinks what is in it, and nothing else: no tombstone, no lock, no other generation, no receipt.
Both do so with directories of the same cache, alternating.
"""

from __future__ import annotations

import base64
import hashlib
import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bench.report import Section, Table, at_most, percentile
from renderer.config import Config
from renderer.rendition import Ref
from renderer.wiring import Wiring

OTHERS = 100_000
RENDITIONS = 100
ROUNDS = 300  # of each way, with aliases and without
WARMING = 10  # that are not counted
BOUND = 10.0  # milliseconds
MOST_LINKS = 20_000  # of one file: file systems allow 65,000 and less
PICTURE = b"\xff\xd8" + 5_000 * b"\0"


def measure(directory: Path) -> Section:
    wiring = Wiring(Config.of({"catalog": {"kind": "none"}}, directory / "site"))
    files = _files(directory)
    refs = _refs(wiring)
    for _ in range(OTHERS):
        _fill(wiring, next(refs), files, 1, aliases=False)
    rows = []
    for label, aliases in (("100 renditions", False), ("100 renditions, each with an alias", True)):
        ours, bare = _timed(wiring, refs, files, aliases)
        rows += _rows(label, ours, bare)
    what = (
        f"One original of {RENDITIONS} renditions at a time, amid {OTHERS:,} others with one each; {ROUNDS} purges, alternating with the "
        "peer, which renames the same directory of another original and unlinks what is in it."
    )
    return Section((what, Table(("", "median ms", "99th percentile ms", "bound", ""), rows)))


def _rows(label: str, ours: Sequence[float], bare: Sequence[float]) -> list[Sequence[str]]:
    bound = at_most(percentile(ours, 99), BOUND, "ms, both")
    ratio = statistics.median(own / peer for own, peer in zip(ours, bare, strict=True))
    return [
        (f"{label}: purge", *_figures(ours), *bound),
        (f"{label}: bare", *_figures(bare), "", ""),
        (f"{label}: purge ÷ bare", f"{ratio:.2f}", "", "", ""),
    ]


def _figures(milliseconds: Sequence[float]) -> tuple[str, str]:
    return f"{statistics.median(milliseconds):.2f}", f"{percentile(milliseconds, 99):.2f}"


def _timed(wiring: Wiring, refs: Iterator[Ref], files: Iterator[Path], aliases: bool) -> tuple[list[float], list[float]]:
    """Milliseconds of purges and of the peer."""
    ours: list[float] = []
    bare: list[float] = []
    removal, trash = wiring.removal, wiring.cache.root / "trash"
    for number in range(WARMING + ROUNDS):
        own, peer = next(refs), next(refs)
        for ref in (own, peer):
            _fill(wiring, ref, files, RENDITIONS, aliases)
        steps = [(ours, lambda ref=own: removal.purge(ref)), (bare, lambda ref=peer: _bare(wiring.cache.files / ref.directory, trash))]
        for figures, step in steps if number % 2 else reversed(steps):
            figures.append(_milliseconds(step))
    return ours[WARMING:], bare[WARMING:]


def _milliseconds(step: Callable[[], object]) -> float:
    began = time.perf_counter()
    step()
    return (time.perf_counter() - began) * 1000


def _bare(directory: Path, trash: Path) -> None:
    grave = trash / directory.name
    directory.rename(grave)
    with os.scandir(grave) as entries:
        for entry in entries:
            os.unlink(entry.path)
    grave.rmdir()


def _refs(wiring: Wiring) -> Iterator[Ref]:
    """As many originals as one wants, all over the shards."""
    space = wiring.config.namespaces_built()["huimages"]
    number = 0
    while True:
        number += 1
        yield space.ref(base64.b32encode(hashlib.sha1(str(number).encode()).digest()).decode() + "01")


def _files(directory: Path) -> Iterator[Path]:
    """Files to be linked: a link is made faster than a file, and costs the same to rename and unlink."""
    number = 0
    while True:
        path = directory / f"picture-{number}"
        path.write_bytes(PICTURE)
        number += 1
        for _ in range(MOST_LINKS):
            yield path


def _fill(wiring: Wiring, ref: Ref, files: Iterator[Path], renditions: int, aliases: bool) -> None:
    directory = wiring.cache.files / ref.directory
    directory.mkdir(parents=True)
    for number in range(renditions):
        side = 100 + number
        path = directory / f"fit-{side}x{side}_q75.jpg"
        os.link(next(files), path)
        if aliases:
            os.link(path, directory / f"~{side}x{side}.jpeg")
