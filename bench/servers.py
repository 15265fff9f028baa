"""How many misses a second whole servers make, of the same photographs at the same sizes: ours, thumbor and ipx, in turns in one run.

Ours writes what it made to its cache; the others keep nothing. All have the originals in local files, and one client asks them all.
"""

from __future__ import annotations

import io
import random
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from statistics import fmean, geometric_mean

from PIL import Image

from bench.pictures import photos
from bench.pixels import SIDES, WHOLE, likeness
from bench.rendering import QUALITY, Wish, onmiss
from bench.report import Section, Table, at_least, quartiles
from bench.rivals import PROCESSES, Rival, rivals

AT_ONCE = (2, 8)
PASSES = 5  # over all renditions, for each; alternating
BOUNDS = {"thumbor": 1.0, "ipx": 1.2}
OWN = "onmiss"

_clients = threading.local()

Rates = Mapping[tuple[str, int], Sequence[float]]  # by server and how many ask at once


def measure(directory: Path) -> Section:
    found = photos()
    with rivals(directory, found.contents) as running:
        rates = _rates(running, len(found.contents))
        seen = {name: _seen(directory, rival, len(found.contents)) for name, rival in running.items()}
    what = (
        f"{found.what}, each fitted into {', '.join(map(str, SIDES))}, JPEG of quality {QUALITY}: {len(found.contents) * len(SIDES)} "
        f"misses a pass, in one shuffled order; {PASSES} passes each, alternating. Ours is the whole service, nginx and the write to the "
        f"disk included, with {PROCESSES} render processes and vips; thumbor has {PROCESSES} processes, ipx one with threads for all cores."
    )
    mean = "Geometric mean of both, ours ÷ theirs:"
    return Section((what, _throughput(rates), mean, _verdicts(rates, running), "What came out:", _quality(seen)))


def _rates(running: Mapping[str, Rival], originals: int) -> Rates:
    """Renditions a second. The first pass of each warms up."""
    wishes = [(number, side) for number in range(originals) for side in SIDES]
    random.Random(4).shuffle(wishes)
    rates: dict[tuple[str, int], list[float]] = {(name, number): [] for name in running for number in AT_ONCE}
    for turn in range(PASSES + 1):
        for name in sorted(running, reverse=bool(turn % 2)):
            print(f"servers: pass {turn}, {name}", flush=True)
            for number in AT_ONCE:
                rates[name, number].append(_rate(running[name], wishes, number))
                running[name].forget()
    return {key: found[1:] for key, found in rates.items()}


def _rate(rival: Rival, wishes: Sequence[tuple[int, int]], at_once: int) -> float:
    """`at_once` clients, each with a connection of its own, ask for the next one as soon as they have the last."""
    paths = [rival.path(*wish) for wish in wishes]
    with ThreadPoolExecutor(at_once, initializer=_connect, initargs=(rival,)) as threads:
        began = time.perf_counter()
        for _ in threads.map(_ask, paths):
            pass
        return len(paths) / (time.perf_counter() - began)


def _connect(rival: Rival) -> None:
    _clients.own, _clients.mark = HTTPConnection("127.0.0.1", rival.port, timeout=60), rival.mark


def _ask(path: str) -> bytes:
    _clients.own.request("GET", path)
    response = _clients.own.getresponse()
    body: bytes = response.read()
    if response.status != 200 or not body.startswith(b"\xff\xd8"):
        raise RuntimeError(f"expected a JPEG at {path}, got {response.status}: {body[:200]!r}")
    if _clients.mark and _clients.mark not in response.headers:
        raise RuntimeError(f"expected {path} to be made, got one that was there")
    return body


def _seen(directory: Path, rival: Rival, originals: int) -> dict[int, tuple[float, float]]:
    """SSIM and bytes by size, means over the originals."""
    found: dict[int, tuple[float, float]] = {}
    _connect(rival)
    with onmiss() as way:
        whole = way.but(spare=WHOLE, resampler="pillow")
        for side in SIDES:
            figures = []
            for number in range(originals):
                body = _ask(rival.path(number, side))
                whole.render(Wish(directory / f"originals/{number}.jpg", [side], "png"), keep=directory / "whole.png")
                with Image.open(io.BytesIO(body)) as image, Image.open(directory / "whole.png") as best:
                    figures.append((likeness(image.convert("RGB"), best.convert("RGB")), float(len(body))))
            found[side] = fmean(one for one, _ in figures), fmean(length for _, length in figures)
    rival.forget()
    return found


def _throughput(rates: Rates) -> Table:
    rows = []
    for (name, number), found in rates.items():
        lower, middle, upper = quartiles(found)
        peers = (f"{_ratio(rates, OWN, peer, number):.2f}" if name == OWN else "" for peer in BOUNDS)
        rows.append([name, f"{number}", f"{middle:.1f}", f"{lower:.1f} – {upper:.1f}", *peers])
    return Table(("server", "at once", "misses/s: median", "quartiles", *(f"÷ {peer}" for peer in BOUNDS)), rows)


def _ratio(rates: Rates, own: str, peer: str, number: int) -> float:
    return quartiles([one / other for one, other in zip(rates[own, number], rates[peer, number], strict=True)])[1]


def _verdicts(rates: Rates, running: Mapping[str, Rival]) -> Table:
    rows = []
    for own in (name for name in running if name.startswith(OWN)):
        for peer, bound in BOUNDS.items():
            ratio = geometric_mean(_ratio(rates, own, peer, number) for number in AT_ONCE)
            verdict = at_least(ratio, bound) if own == OWN else ("for information", "")
            rows.append([f"{own} ÷ {peer}", f"**{ratio:.2f}**", *verdict])
    return Table(("", "misses/s", "bound", ""), rows)


def _quality(seen: Mapping[str, Mapping[int, tuple[float, float]]]) -> Table:
    rows = []
    for name, found in seen.items():
        rows.append([name, *(f"{alike:.4f}" for alike, _ in found.values()), f"{fmean(length for _, length in found.values()):,.0f}"])
    return Table(("SSIM, of the JPEG against a whole decode by Lanczos", *(f"{side}" for side in SIDES), "bytes, mean"), rows)
