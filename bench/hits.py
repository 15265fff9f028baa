"""Hits: how many titled huImages URLs nginx answers in a second, against the same files by a plain `root` location.

The peer is a server block in the same configuration: same settings, headers and access log, and the same inodes under other names, so
what differs is the lookup alone. The renderer is not even started.
"""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench import machine
from bench.report import Section, Table, at_least, quartiles
from bench.site import OWN_TIME, Client, Site
from renderer.web.nginx_hits import IMMUTABLE
from tests.running import free_port

FILES = 2000
FILE_BYTES = 20_000
ROUNDS = 18  # of each lookup, alternating
SECONDS = 2  # of each turn
CONNECTIONS = 32
PLAIN, TITLED, NATIVE = "plain", "huImages", "native"
# settings of nginx beside the defaults, how that is written, and the least ratio that will do
SETTINGS: tuple[tuple[dict[str, str], str, float], ...] = (({}, "on, as shipped", 0.90), ({"open_file_cache": "off"}, "off", 0.80))

PEER = """
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        server_name _;
        access_log "{logs}/plain.log" onmiss buffer=32k flush=1s;
        root "{root}";
        location /plain/ {{
            add_header Cache-Control "{caching}";
            add_header X-Content-Type-Options nosniff;
            add_header Access-Control-Allow-Origin *;
            add_header Timing-Allow-Origin *;
            add_header Cross-Origin-Resource-Policy cross-origin;
        }}
    }}
"""


@dataclass(frozen=True)
class Way:
    """One way of asking for the files: a port and, for wrk, a file of paths."""

    port: int
    paths: Path

    def first(self) -> str:
        return self.paths.open(encoding="utf-8").readline().rstrip()


@dataclass(frozen=True)
class Turn:
    """`rate`: requests a second; `cost`: processor time of nginx for one, in microseconds; `nginx`, `wrk`: how many cores each had."""

    rate: float
    cost: float
    nginx: float
    wrk: float


def measure(directory: Path) -> Section:
    ratios: list[list[str]] = []
    costs: list[list[str]] = []
    for number, (setting, cache, bound) in enumerate(SETTINGS):
        site = Site(directory / f"{number}", {"nginx": {"worker_processes": 1, **setting}})
        with _ways(site) as (ways, worker):
            turns = _alternate(ways, worker)
        ratios += [_ratio(cache, name, turns, bound if name == TITLED else None) for name in (TITLED, NATIVE)]
        costs += [_cost(cache, name, turns) for name in turns]
    return Section((
        f"{FILES} files of {FILE_BYTES // 1000} kB, one nginx worker, access log on, `wrk -t1 -c{CONNECTIONS}`, keep-alive; {ROUNDS} turns "
        f"of {SECONDS} s each, alternating; the ratio is that of two turns of one round.",
        Table(("lookup", "open_file_cache", "requests/s ÷ plain `root`: median", "quartiles", "bound", ""), ratios),
        "For information, medians. Where nginx had less than a core, wrk or a neighbour on the machine was the brake, and the ratio of its "
        "processor time says what a worker at its limit would show.",
        Table(("lookup", "open_file_cache", "requests/s", "nginx CPU a request, µs", "plain ÷ it", "nginx: cores", "wrk: cores"), costs),
    ))  # fmt: skip


@contextmanager
def _ways(site: Site) -> Iterator[tuple[dict[str, Way], int]]:
    """A running nginx that serves the files in every way; its worker's process number."""
    lists = _fill(site)
    port = free_port()
    peer = PEER.format(port=port, logs=site.config.nginx.logs, root=site.root, caching=IMMUTABLE)
    with site.served(peer) as nginx:
        ways = {name: Way(port if name == PLAIN else site.port, _written(site, name, paths)) for name, paths in lists.items()}
        _check_equal(ways)
        yield ways, machine.children(nginx.pid)[0]


def _fill(site: Site) -> dict[str, list[str]]:
    """Publish the files, as the renderer would; the paths that name each, in one order."""
    chance = random.Random(2)
    lists: dict[str, list[str]] = {PLAIN: [], TITLED: [], NATIVE: []}
    (site.root / "plain").mkdir()
    for number in range(FILES):
        space = site.terms.namespaces["huimages"]
        ref = space.ref(space.naming.name_of(chance.randbytes(20)))
        titled = f"/300x200!/{ref.name}/some-title-{number:03}.jpeg"
        show, made = site.show(titled), site.wiring.cache.temporary()
        made.write_bytes(chance.randbytes(FILE_BYTES))
        path = site.wiring.cache.publish(show.rendition, made, "jpg", OWN_TIME, site.wiring.cache.mark(ref))
        if show.alias:
            site.wiring.cache.link(show.rendition.ref, path, show.alias)
        (site.root / "plain" / f"{ref.name}.jpeg").hardlink_to(path)
        for name, url in ((PLAIN, f"/plain/{ref.name}.jpeg"), (TITLED, titled), (NATIVE, f"/i/huimages/{ref.name}/{path.name}")):
            lists[name].append(url)
    return lists


def _written(site: Site, name: str, paths: Sequence[str]) -> Path:
    target = site.root / f"{name}.txt"
    target.write_text("".join(f"{path}\n" for path in paths), encoding="utf-8")
    return target


def _check_equal(ways: dict[str, Way]) -> None:
    """A ratio of different answers would say nothing."""
    answers = {name: Client(way.port).get(way.first()) for name, way in ways.items()}
    for answer in answers.values():
        answer.headers.pop("date", None)
    seen = {name: (answer.status, answer.headers, answer.body) for name, answer in answers.items()}
    if seen[PLAIN][0] != 200 or any(found != seen[PLAIN] for found in seen.values()):
        raise RuntimeError(f"expected the same answer in every way, got {[found[:2] for found in seen.values()]}")


def _alternate(ways: dict[str, Way], worker: int) -> dict[str, list[Turn]]:
    """Every way has a turn in each round, next to its peer's; every other round goes backwards."""
    turns: dict[str, list[Turn]] = {name: [] for name in ways}
    for way in ways.values():
        _turn(way, worker)  # warms up
    for number in range(ROUNDS):
        order = (TITLED, PLAIN, NATIVE) if number % 2 else (NATIVE, PLAIN, TITLED)
        for name in order:
            turns[name].append(_turn(ways[name], worker))
    return turns


def _turn(way: Way, worker: int) -> Turn:
    wrk, script = machine.find("wrk") or "wrk", Path(__file__).with_name("walk.lua")
    command = [wrk, "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "-s", str(script), f"http://127.0.0.1:{way.port}", "--", str(way.paths)]
    before, asked = machine.cpu_seconds(worker), machine.children_cpu_seconds()
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    spent, asking = machine.cpu_seconds(worker) - before, machine.children_cpu_seconds() - asked
    count, microseconds, failed = map(int, result.stdout.rpartition("figures ")[2].split())
    if failed:
        raise RuntimeError(f"expected pictures only, got {failed} errors of {count}: {result.stdout}")
    seconds = microseconds / 1e6
    return Turn(count / seconds, spent / count * 1e6, spent / seconds, asking / seconds)


def _ratio(cache: str, name: str, turns: dict[str, list[Turn]], bound: float | None) -> list[str]:
    ratios = [own.rate / plain.rate for own, plain in zip(turns[name], turns[PLAIN], strict=True)]
    lower, middle, upper = quartiles(ratios)
    verdict = ("for information", "") if bound is None else at_least(middle, bound)
    return [f"{name} URLs", cache, f"**{middle:.3f}**", f"{lower:.3f} – {upper:.3f}", *verdict]


def _cost(cache: str, name: str, turns: dict[str, list[Turn]]) -> list[str]:
    cost, plain = median(turn.cost for turn in turns[name]), median(turn.cost for turn in turns[PLAIN])
    rate, nginx, wrk = (median(getattr(turn, kind) for turn in turns[name]) for kind in ("rate", "nginx", "wrk"))
    return [name, cache, f"{rate:,.0f}", f"{cost:.1f}", "" if name == PLAIN else f"{plain / cost:.3f}", f"{nginx:.2f}", f"{wrk:.2f}"]
