"""How many misses a second, of photographs at the sizes that pages use; against bare processes that do nothing but render the same."""

from __future__ import annotations

import multiprocessing
import random
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

from bench.pictures import Photos
from bench.report import Table, quartiles
from bench.site import Client, Site
from renderer.errors import RendererError
from renderer.picture.engine import Engine
from renderer.picture.jobs import Job, Made
from renderer.picture.render import render_all
from renderer.rendition import Ref

SIDES = (160, 320, 640, 1280)
AT_ONCE = (2, 8)
PASSES = 6  # over all renditions, for each; alternating

_clients = threading.local()


def measure(directory: Path, found: Photos) -> tuple[str, Table]:
    site = Site(directory / "throughput")
    refs = [site.put(content) for content in found.contents]
    paths = [f"/{side}x{side}/{ref.name}.jpeg" for side in SIDES for ref in refs]
    random.Random(4).shuffle(paths)
    processes = site.config.render.count()
    bare, served = _passes(site, refs, paths, processes)
    rows = [[f"{number} at once", *_figures(rates, bare)] for number, rates in served.items()]
    rows.append([f"{processes} bare processes", *_figures(bare, bare)])
    what = (
        f"The same originals, each fitted into {', '.join(map(str, SIDES))}: {len(paths)} misses a pass, in one shuffled order; {PASSES} "
        f"passes each, alternating; {processes} render processes. The peer renders the same files from the same list in bare processes, "
        "without nginx, service, time limit or publishing."
    )
    return what, Table(("", "misses/s: median", "quartiles", "÷ bare, median"), rows)


def _figures(rates: Sequence[float], bare: Sequence[float]) -> tuple[str, str, str]:
    lower, middle, upper = quartiles(rates)
    ratio = quartiles([own / peer for own, peer in zip(rates, bare, strict=True)])[1]
    return f"{middle:.1f}", f"{lower:.1f} – {upper:.1f}", f"{ratio:.2f}"


def _passes(site: Site, refs: Sequence[Ref], paths: Sequence[str], processes: int) -> tuple[list[float], dict[int, list[float]]]:
    """Renditions a second of the bare processes, and of the service by how many ask at once. The first pass of each warms up."""
    bare: list[float] = []
    served: dict[int, list[float]] = {number: [] for number in AT_ONCE}
    with site.running(), ProcessPoolExecutor(processes, multiprocessing.get_context("forkserver")) as pool:
        for _ in range(PASSES + 1):
            for number, rates in served.items():
                rates.append(_served(site, paths, number))
                for ref in refs:
                    site.wiring.cache.forget(ref)
            bare.append(_bare(site, paths, pool))
    return bare[1:], {number: rates[1:] for number, rates in served.items()}


def _served(site: Site, paths: Sequence[str], number: int) -> float:
    """`number` clients, each with a connection of its own, ask for the next path as soon as they have the last."""
    with ThreadPoolExecutor(number, initializer=connect, initargs=(site.port,)) as threads:
        began = time.perf_counter()
        for _ in threads.map(ask, paths):
            pass
        return len(paths) / (time.perf_counter() - began)


def connect(port: int) -> None:
    """What each thread begins with: a connection of its own."""
    _clients.own = Client(port)


def ask(path: str) -> None:
    _clients.own.miss(path)


def _bare(site: Site, paths: Sequence[str], pool: ProcessPoolExecutor) -> float:
    jobs, engine = list(_jobs(site, paths)), site.config.engine()
    began = time.perf_counter()
    for outcome in pool.map(_render, *zip(*jobs, strict=True), [engine] * len(jobs)):
        if not isinstance(outcome, Made):
            raise outcome
    rate = len(paths) / (time.perf_counter() - began)
    for _, job in jobs:
        job.target.unlink()
    return rate


def _jobs(site: Site, paths: Sequence[str]) -> Iterator[tuple[Path, Job]]:
    for path in paths:
        rendition = site.show(path).rendition
        with site.wiring.originals.local(rendition.ref) as original:  # a file store's originals stay where they are
            yield original.path, Job(rendition.recipe, site.wiring.cache.temporary())


def _render(original: Path, job: Job, engine: Engine) -> Made | RendererError:
    """In a bare process."""
    return render_all(original, [job], engine)[0]
