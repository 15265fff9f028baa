"""Misses: what the service adds to a render, and how many misses it takes in a second.

The peer is the engine alone: `render_all` with the same original and recipe, in a process that is warm. Each miss and its engine call
follow each other at once, in either order, and it is their difference that counts.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import throughput
from bench.pictures import Photos, photos
from bench.report import Section, Table, at_most, percentile
from bench.site import Client, Site
from renderer.metrics import STAGES
from renderer.picture.jobs import Job, Made
from renderer.picture.render import render_all

SIDES = range(80, 1281, 60)  # of boxes to fit into; times a dozen originals
WARMING = 24  # pairs that are not counted
BOUND = 5.0  # milliseconds
RENDERING = ("decode", "operations", "encode")
_FIELD = re.compile(r"(\S+?)=(\S+)")


@dataclass(frozen=True)
class Pair:
    """Milliseconds of one miss over HTTP, of the same engine call, and of a hit afterwards; what the renderer's log says of the miss."""

    miss: float
    engine: float
    hit: float
    logged: dict[str, float]

    @property
    def added(self) -> float:
        return self.miss - self.engine


def measure(directory: Path) -> Section:
    found = photos()
    pairs = _pairs(Site(directory / "latency"), found)
    what = (
        f"{found.what}; original in a file store; one connection, nothing else asked meanwhile; {len(pairs)} renditions, each fitted into "
        f"another box of {SIDES[0]} to {SIDES[-1]} pixels, JPEG."
    )
    why = "Where the milliseconds go, by the renderer's log (medians, which need not add up):"
    return Section((what, _latency(pairs), why, _stages(pairs), *throughput.measure(directory, found)))


def _pairs(site: Site, found: Photos) -> list[Pair]:
    refs = [site.put(content) for content in found.contents]
    paths = [f"/{side}x{side}/{ref.name}/bench.jpeg" for side in SIDES for ref in refs]
    with site.running():
        client = site.client()
        timed = {path: _timed(site, client, path, number % 2 == 0) for number, path in enumerate(paths)}
        hits = {path: _hit(client, path) for path in paths}
    logged = _logged(site.log)
    return [Pair(*timed[path], hits[path], logged[path]) for path in paths[WARMING:]]


def _timed(site: Site, client: Client, path: str, miss_first: bool) -> tuple[float, float]:
    """Milliseconds of the miss and of the engine call."""
    rendition = site.show(path).rendition
    job = Job(rendition.recipe, site.wiring.cache.temporary())
    with site.wiring.originals.local(rendition.ref) as original:
        if miss_first:
            return _miss(client, path), _engine(original.path, job, site)
        engine = _engine(original.path, job, site)
        return _miss(client, path), engine


def _miss(client: Client, path: str) -> float:
    began = time.perf_counter()
    client.miss(path)
    return (time.perf_counter() - began) * 1000


def _hit(client: Client, path: str) -> float:
    began = time.perf_counter()
    client.get(path)
    return (time.perf_counter() - began) * 1000


def _engine(original: Path, job: Job, site: Site) -> float:
    engine = site.config.engine()
    began = time.perf_counter()
    outcome = render_all(original, [job], engine)[0]
    spent = (time.perf_counter() - began) * 1000
    job.target.unlink()
    if not isinstance(outcome, Made):
        raise outcome
    return spent


def _logged(log: Path) -> dict[str, dict[str, float]]:
    """The figures of each miss by its path."""
    lines = [line.partition(" renderer.misses: ")[2] for line in log.read_text(encoding="utf-8").splitlines()]
    found = [dict(_FIELD.findall(line)) for line in lines if line]
    return {fields["url"]: {name: float(fields[name]) for name in ("ms", *STAGES)} for fields in found}


def _latency(pairs: Sequence[Pair]) -> Table:
    added = [pair.added for pair in pairs]
    rows = [["**a miss − its engine call**", *_spread(added, bold=True), *at_most(percentile(added, 50), BOUND, "ms")]]
    for name, figures in (
        ("a miss over HTTP", [pair.miss for pair in pairs]),
        ("its engine call", [pair.engine for pair in pairs]),
        ("the same URL again: a hit", [pair.hit for pair in pairs]),
    ):
        rows.append([name, *_spread(figures), "", ""])
    return Table(("", "median, ms", "p90, ms", "bound on the median", ""), rows)


def _spread(figures: Sequence[float], bold: bool = False) -> tuple[str, str]:
    middle = f"{percentile(figures, 50):.2f}"
    return f"**{middle}**" if bold else middle, f"{percentile(figures, 90):.2f}"


def _stages(pairs: Sequence[Pair]) -> Table:
    stages = {
        "client, nginx, FastCGI, flup": [pair.miss - pair.logged["ms"] for pair in pairs],
        "wait: desk, threads, pipes to the render process": [pair.logged["wait"] for pair in pairs],
        "fetch: claim, the original's file": [pair.logged["fetch"] for pair in pairs],
        "decode": [pair.logged["decode"] for pair in pairs],
        "operations": [pair.logged["operations"] for pair in pairs],
        "encode": [pair.logged["encode"] for pair in pairs],
        "these three − the engine call": [sum(pair.logged[name] for name in RENDERING) - pair.engine for pair in pairs],
        "publish": [pair.logged["publish"] for pair in pairs],
        "the rest: reading the URL, the alias": [pair.logged["ms"] - sum(pair.logged[name] for name in STAGES) for pair in pairs],
    }
    return Table(("stage", "median, ms", "p90, ms"), [[name, *_spread(figures)] for name, figures in stages.items()])
