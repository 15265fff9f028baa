"""Memory: whether the front grows with the misses it has answered, and what a large original costs a render process."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from bench import machine, throughput
from bench.pictures import Photos, large, small
from bench.report import Section, Table, at_most
from bench.site import Site

MISSES = 5000
STEP = 500  # misses between two looks; the first look is what the others are compared to
ORIGINALS = 50
AT_ONCE = 4
FLAT = 0.10
WISHES = (("fitted into 1280x1280", "/1280x1280/{name}.jpeg"), ("full size", "/i/huimages/{name}/whole_q75.jpg"))


@dataclass(frozen=True)
class Look:
    """Resident megabytes of the front after so many misses."""

    misses: int
    front: float


def measure(directory: Path) -> Section:
    idle, looks = _soak(Site(directory / "soak"))
    picture = large()
    peaks = [_peak(directory / f"large-{number}", picture, *wish) for number, wish in enumerate(WISHES)]
    return Section((
        f"{MISSES} misses of {ORIGINALS} small originals, {AT_ONCE} at once: resident memory (RSS) of the front process.",
        _flatness(looks),
        "Before anything was asked; PSS divides what several processes share among them:",
        Table(("process", "RSS, MB", "PSS, MB"), idle),
        f"Peak of a render process (VmHWM) that renders {picture.what}, and nothing before:",
        Table(("rendition", "before, MB", "peak, MB", "more, MB"), peaks),
    ))  # fmt: skip


def _soak(site: Site) -> tuple[list[list[str]], list[Look]]:
    paths, looks = _paths(site), []
    with site.rendered() as pid, site.served() as nginx:
        idle = _idle(pid, nginx.pid, *site.pids())
        with ThreadPoolExecutor(AT_ONCE, initializer=throughput.connect, initargs=(site.port,)) as threads:
            for count in range(STEP, MISSES + 1, STEP):
                for _ in threads.map(throughput.ask, itertools.islice(paths, STEP)):
                    pass
                looks.append(Look(count, machine.megabytes(pid, "VmRSS")))
    return idle, looks


def _paths(site: Site) -> Iterator[str]:
    """Every one another rendition, neighbours of different originals."""
    refs = [site.put(small(seed)) for seed in range(ORIGINALS)]
    return (f"/{side}x{side}!/{ref.name}.jpeg" for side in itertools.count(16) for ref in refs)


def _idle(front: int, nginx: int, forkserver: int, render: Sequence[int]) -> list[list[str]]:
    named = {"front": front, "forkserver": forkserver, f"render process, one of {len(render)}": render[0]}
    workers = machine.children(nginx)
    named |= {"nginx, master": nginx, f"nginx, one of {len(workers)} workers": workers[0]}
    rows = []
    for name, pid in named.items():
        shared = machine.proportional_megabytes(pid)
        rows.append([name, f"{machine.megabytes(pid, 'VmRSS'):.1f}", "only root may know" if shared is None else f"{shared:.1f}"])
    return rows


def _flatness(looks: Sequence[Look]) -> Table:
    first, *later = looks
    rows = [[f"{first.misses}", f"{first.front:.1f}", "", "", ""]]
    for look in later:
        change = look.front / first.front - 1
        bound, met = at_most(round(abs(change) * 100, 1), FLAT * 100, "%")
        rows.append([f"{look.misses}", f"{look.front:.1f}", f"{change:+.1%}", bound, met])
    return Table(("misses", "front, MB", "since the first", "bound", ""), rows)


def _peak(root: Path, picture: Photos, name: str, path: str) -> list[str]:
    site = Site(root, {"render": {"processes": 1}})
    ref = site.put(picture.contents[0])
    with site.running():
        _, (process,) = site.pids()
        before = machine.megabytes(process, "VmHWM")
        site.client().miss(path.format(name=ref.name))
        if site.pids()[1] != (process,):
            raise RuntimeError(f"expected render process {process} to live, got {site.pids()[1]}")
        peak = machine.megabytes(process, "VmHWM")
    return [name, f"{before:.1f}", f"{peak:.1f}", f"{peak - before:.1f}"]
