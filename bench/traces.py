"""Requests for renditions, as families of traces that are drawn anew and alike each time, or read from an access log of nginx.

Families, seeds and parameters were fixed before the policy was tuned by them; whoever changes one has to tune and report anew. Only
`Random.random` is used, whose numbers Python promises to keep.
"""

from __future__ import annotations

import math
import re
from array import array
from bisect import bisect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from random import Random

REQUESTS = 100_000
DAY = 86_400  # of about as many requests
WIDTHS = (160, 320, 640, 960, 1280, 1920)
# share of the renditions, bytes a pixel, milliseconds to encode a megapixel: of the usual order, not measured
FORMATS = {"jpeg": (0.5, 0.17, 40), "webp": (0.3, 0.12, 150), "avif": (0.2, 0.085, 600)}
REMOTE = 0.4  # of the originals have to be fetched
LEAST_BYTES, MOST_BYTES = 2_000, 500_000
LEAST_MS, MOST_MS = 20, 2_000
EQUAL_BYTES, EQUAL_MS = 32_768, 100


@dataclass(frozen=True)
class Trace:
    """`times`: seconds, rising; `asked`: one object a request; `sizes` in bytes and `costs` in milliseconds, by object."""

    name: str
    times: array[float] = field(default_factory=lambda: array("d"))
    asked: array[int] = field(default_factory=lambda: array("L"))
    sizes: array[int] = field(default_factory=lambda: array("L"))
    costs: array[int] = field(default_factory=lambda: array("L"))


class Drawing:
    """Random numbers of one family."""

    def __init__(self, seed: int) -> None:
        self.unit = Random(seed).random

    def below(self, count: int) -> int:
        return int(self.unit() * count)

    def log_normal(self, median: float, sigma: float) -> float:
        normal = math.sqrt(-2 * math.log(1 - self.unit())) * math.cos(2 * math.pi * self.unit())
        return median * math.exp(sigma * normal)

    def shuffled(self, count: int) -> list[int]:
        order = list(range(count))
        for index in range(count - 1, 0, -1):
            other = self.below(index + 1)
            order[index], order[other] = order[other], order[index]
        return order

    def zipf(self, count: int, power: float) -> Callable[[], int]:
        """Draws 0 to count - 1, the n-th with a chance of 1 / n^power."""
        sums = list(accumulate((rank + 1) ** -power for rank in range(count)))
        unit, total = self.unit, sums[-1]
        return lambda: bisect(sums, unit() * total)


class Site:
    """The renditions that there are: those of one picture are neighbours and share its size and its distance."""

    def __init__(self, drawing: Drawing) -> None:
        self._drawing = drawing
        self.sizes, self.costs = array("L"), array("L")

    def add(self, wishes: Sequence[tuple[int, str]]) -> int:
        """One picture in some widths and formats; returns the number of the first rendition."""
        drawing, first = self._drawing, len(self.sizes)
        megapixels = min(drawing.log_normal(8, 0.7), 60)
        fetching = drawing.log_normal(120, 0.8) if drawing.unit() < REMOTE else 0
        for width, name in wishes:
            _, density, encoding = FORMATS[name]
            pixels = width * width * 2 / 3
            size = drawing.log_normal(pixels * density, 0.45)
            cost = fetching + drawing.log_normal(15 + 8 * megapixels + encoding * pixels / 1e6, 0.3)
            self.sizes.append(int(min(max(size, LEAST_BYTES), MOST_BYTES)))
            self.costs.append(int(min(max(cost, LEAST_MS), MOST_MS)))
        return first

    def fill(self, pictures: int) -> int:
        """As many pictures, each in every width; returns how many renditions these are."""
        for _ in range(pictures):
            self.add([(width, self.format()) for width in WIDTHS])
        return pictures * len(WIDTHS)

    def wonder(self) -> int:
        """A new rendition that will be asked for once."""
        return self.add([(WIDTHS[self._drawing.below(len(WIDTHS))], self.format())])

    def format(self) -> str:
        drawn = self._drawing.unit()
        return "jpeg" if drawn < FORMATS["jpeg"][0] else "webp" if drawn < 1 - FORMATS["avif"][0] else "avif"


Asking = Callable[[Drawing, Site], Iterator[int]]


def _zipf(power: float, wonders: float) -> Asking:
    """Popularity is independent of picture, size and cost, and stays."""

    def ask(drawing: Drawing, site: Site) -> Iterator[int]:
        count = site.fill(3_500)
        order, draw = drawing.shuffled(count), drawing.zipf(count, power)
        while True:
            yield site.wonder() if drawing.unit() < wonders else order[draw()]

    return ask


def _scan(drawing: Drawing, site: Site) -> Iterator[int]:
    """Eight times, a client asks for every size of an eighth of the pictures, one after the other."""
    pictures, bursts, between = 3_500, 8, 10_000
    count = site.fill(pictures)
    order, draw = drawing.shuffled(count), drawing.zipf(count, 0.9)
    for burst in range(bursts):
        for _ in range(between):
            yield site.wonder() if drawing.unit() < 0.1 else order[draw()]
        yield from range(count * burst // bursts, count * (burst + 1) // bursts)
    while True:
        yield order[draw()]


def _drift(drawing: Drawing, site: Site) -> Iterator[int]:
    """Every twenty requests a popular rendition and any other change places."""
    count = site.fill(3_500)
    order, draw = drawing.shuffled(count), drawing.zipf(count, 0.9)
    while True:
        for _ in range(20):
            yield site.wonder() if drawing.unit() < 0.1 else order[draw()]
        one, other = draw(), drawing.below(count)
        order[one], order[other] = order[other], order[one]


def _news(drawing: Drawing, site: Site) -> Iterator[int]:
    """A new picture every forty requests; the newest are asked for most, in a few sizes."""
    old = 1_000
    site.fill(old)
    draw, newest = drawing.zipf(old, 1.1), old - 1
    while True:
        for _ in range(40):
            width = min(drawing.below(len(WIDTHS)), drawing.below(len(WIDTHS)))
            yield (newest - draw()) * len(WIDTHS) + width
        newest += 1
        site.fill(1)


def _pages(drawing: Drawing, site: Site) -> Iterator[int]:
    """Pictures are popular, in all their renditions; who saw a small one may look at larger ones, in the format of the browser."""
    pictures = 2_000
    for _ in range(pictures):
        site.add([(width, name) for name in FORMATS for width in WIDTHS])
    order, draw = drawing.shuffled(pictures), drawing.zipf(pictures, 0.9)
    browsers = list(accumulate((0.2, 0.45, 0.35)))
    while True:
        browser, screen = bisect(browsers, drawing.unit() * browsers[-1]), drawing.below(2)
        for _ in range(1 + drawing.below(6)):
            first = (order[draw()] * len(FORMATS) + browser) * len(WIDTHS)
            yield first + screen
            if drawing.unit() < 0.4:
                yield first + screen + 2
                if drawing.unit() < 0.3:
                    yield first + screen + 4


def _equal(drawing: Drawing, site: Site) -> Iterator[int]:
    """As drift with a fifth of one-hit wonders, but all renditions are alike: Belady's policy is the optimum."""
    for thing in _drift(drawing, site):
        wonder = drawing.unit() < 0.1
        chosen = site.wonder() if wonder else thing
        for kind, same in ((site.sizes, EQUAL_BYTES), (site.costs, EQUAL_MS)):
            kind[chosen] = same
        yield chosen


# name: seed, who asks
FAMILIES: dict[str, tuple[int, Asking]] = {
    "zipf 0.8": (8, _zipf(0.8, 0.3)),
    "zipf 0.9": (9, _zipf(0.9, 0.3)),
    "zipf 1.0": (10, _zipf(1.0, 0.3)),
    "zipf 1.1": (11, _zipf(1.1, 0.3)),
    "scan": (12, _scan),
    "drift": (13, _drift),
    "news": (14, _news),
    "pages": (15, _pages),
    "equal": (16, _equal),
}


def draw(name: str, requests: int = REQUESTS) -> Trace:
    """A family's trace, the same each time."""
    seed, asking = FAMILIES[name]
    drawing = Drawing(seed)
    site = Site(drawing)
    wishes, clock = asking(drawing, site), Drawing(-seed)
    trace, now = Trace(name, sizes=site.sizes, costs=site.costs), 0.0
    for _ in range(requests):
        # by night a quarter of the requests of the day
        now -= math.log(1 - clock.unit()) / (1 + 0.6 * math.sin(2 * math.pi * now / DAY))
        trace.times.append(round(now, 3))
        trace.asked.append(next(wishes))
    return trace


def read_log(path: Path) -> Trace:
    """The access log that docs/nginx.md describes: what was read of files, that is GET with 200 or 206.

    A hit names the file as its URL spells it, a miss as the renderer calls it: what a URL led to at a miss is what it leads to. What a
    file costs is the mean of its misses, and the median of all that missed where it never did.
    """
    lines = [line for line in map(_fields, path.read_text(encoding="ascii", errors="replace").splitlines()) if line]
    lines.sort(key=lambda line: float(line[0]))
    missed = {line[3]: line[5] for line in lines if line[8] == "miss"}
    spent: dict[str, list[float]] = {}
    lengths: dict[str, int] = {}
    for _, _, _, uri, length, file, _, waited, mark, _ in lines:
        name = missed.get(uri, file)
        lengths[name] = max(lengths.get(name, 1), int(length))
        if mark == "miss":
            spent.setdefault(name, []).append(_milliseconds(waited))
    means = {name: max(round(sum(times) / len(times)), 1) for name, times in spent.items()}
    usual = sorted(means.values())[len(means) // 2] if means else EQUAL_MS
    numbers = {name: number for number, name in enumerate(lengths)}
    return Trace(
        path.name,
        array("d", (float(line[0]) for line in lines)),
        array("L", (numbers[missed.get(line[3], line[5])] for line in lines)),
        array("L", lengths.values()),
        array("L", (means.get(name, usual) for name in numbers)),
    )


def _fields(line: str) -> list[str] | None:
    fields = line.split("\t")
    return fields if len(fields) == 10 and fields[1] in ("200", "206") and fields[2] == "GET" and fields[4].isdigit() else None


def _milliseconds(waited: str) -> float:
    """Seconds, several where several upstreams were asked: `0.004, 0.120`, `0.004 : 0.120`."""
    return 1000 * sum(map(float, re.findall(r"[0-9.]+", waited)))
