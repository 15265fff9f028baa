"""The pruner's sweep: renditions a second and memory by their number, and what a sweep without a pause costs those who are served.

A cache of small files is planted as publishing leaves it, each rendition with an alias. A sweep is `onmiss prune` as cron calls it, niced,
with nothing to evict. Hits are asked for by wrk in turns, with sweep after sweep beside them and without.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bench import machine
from bench.report import Section, Table, at_least, at_most
from bench.site import OWN_TIME, Site
from renderer import memo

SIZES = (100_000, 1_000_000)
EACH = 10  # renditions of an original
LEAST_RATE, MOST_MEGABYTES, LEAST_HITS = 100_000, 60, 0.95
HITS, HIT_BYTES = 2000, 20_000
ROUNDS, SECONDS, CONNECTIONS = 10, 4, 32
LUA, ENDLESS = Path(__file__).with_name("walk_latency.lua"), Path(__file__).with_name("sweep_on.py")


@dataclass(frozen=True)
class Swept:
    """`rate`: renditions a second; `megabytes`: the most that was resident."""

    rate: float
    cpu_rate: float
    megabytes: float


def measure(directory: Path) -> Section:
    rows, turns = [], {}
    for count in SIZES:
        site = Site(directory / f"{count}", {"nginx": {"worker_processes": 1}, "cache": {"min_free": "off", "min_free_inodes": "off"}})
        print(f"sweeping: planting {count} renditions", flush=True)
        _plant(site, count)
        sweeps = [_sweep(site) for _ in range(3)][1:]  # the first one warms up
        rate, megabytes = max(each.rate for each in sweeps), max(each.megabytes for each in sweeps)
        cpu = max(each.cpu_rate for each in sweeps)
        rows.append([
            f"{count:,}", f"**{rate:,.0f}**", *(at_least(rate, LEAST_RATE) if count == max(SIZES) else ("", "")), f"{cpu:,.0f}",
            f"{megabytes:.1f}",
            *at_most(megabytes, MOST_MEGABYTES, "MB"),
        ])  # fmt: skip
        if count == max(SIZES):
            turns = _hits(site)
        shutil.rmtree(site.root)
    ratio = statistics.median(swept / alone for swept, alone in zip(turns["swept"], turns["alone"], strict=True))
    return Section((
        f"{EACH} renditions for each original, each with an alias; the better of two sweeps after one that warms up. RSS: the most of the "
        "whole process.",
        Table(("renditions", "a second", "bound", "", "a CPU second", "RSS, MB", "bound", ""), rows),
        f"Hits of {HITS} files of {HIT_BYTES // 1000} kB amid {max(SIZES):,} renditions, one nginx worker, `wrk -t1 -c{CONNECTIONS}`, "
        f"while sweep follows sweep at nice 19 and without; {ROUNDS} turns of {SECONDS} s each, alternating; medians.",
        Table(("", "requests/s", "99th percentile, ms", "ratio", "bound", ""), [
            ["alone", f"{statistics.median(turns['alone']):,.0f}", f"{statistics.median(turns['alone p99']):.2f}", "", "", ""],
            ["beside a sweep", f"{statistics.median(turns['swept']):,.0f}", f"{statistics.median(turns['swept p99']):.2f}",
             f"**{ratio:.3f}**", *at_least(ratio, LEAST_HITS)],
        ]),
    ))  # fmt: skip


def _plant(site: Site, count: int) -> None:
    files, before = site.wiring.cache.files / "huimages", int((time.time() - 5000) * 1e9)
    for number in range(count // EACH):
        name = base64.b32encode(hashlib.sha1(b"%d" % number, usedforsecurity=False).digest()).decode() + "01"
        folder = f"{files}/{name[:2]}/{name[2]}/{name}"
        os.makedirs(folder)
        for step in range(1, EACH + 1):
            path = f"{folder}/fit-{50 * step}x{50 * step}_q75.jpg"
            with open(path, "wb", buffering=0) as file:
                file.write(b"\xff\xd8" * 50)
            kept = memo.spell(memo.Memo(20 + number % 200), 100)
            os.utime(path, ns=(before, OWN_TIME * 1_000_000_000 + kept))
            os.link(path, f"{folder}/~{50 * step}x{50 * step}.jpeg")


def _command(site: Site) -> list[str]:
    options = ["--config", str(site.root / "onmiss.yaml"), "--root", str(site.root)]
    return [sys.executable, "-m", "renderer", "prune", "--json", "--quiet", *options]


def _sweep(site: Site) -> Swept:
    said_in, most = site.root / "summary", 0.0
    before = machine.children_cpu_seconds()
    with said_in.open("wb") as said:
        process = subprocess.Popen(_command(site), stdout=said, env=_environ())
    while process.poll() is None:
        with suppress(OSError, ValueError):  # it has just ended
            most = max(most, machine.megabytes(process.pid, "VmHWM"))
        time.sleep(0.05)
    if process.returncode:
        raise RuntimeError(f"expected a sweep, got exit code {process.returncode}")
    summary = json.loads(said_in.read_text(encoding="utf-8"))
    spent = machine.children_cpu_seconds() - before
    return Swept(summary["scanned"] / summary["seconds"], summary["scanned"] / spent, most)


def _environ() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}


def _hits(site: Site) -> dict[str, list[float]]:
    """Requests a second and 99th percentiles, in turns."""
    paths = site.root / "paths"
    paths.write_text("".join(f"{path}\n" for path in _published(site)), encoding="utf-8")
    turns: dict[str, list[float]] = {"alone": [], "alone p99": [], "swept": [], "swept p99": []}
    with site.served():
        _turn(site, paths)
        for number in range(ROUNDS):
            for name in ("swept", "alone") if number % 2 else ("alone", "swept"):
                with _sweeping(site) if name == "swept" else _nothing():
                    rate, p99 = _turn(site, paths)
                turns[name].append(rate)
                turns[f"{name} p99"].append(p99)
    return turns


def _published(site: Site) -> Iterator[str]:
    chance, space = random.Random(3), site.terms.namespaces["huimages"]
    for number in range(HITS):
        ref = space.ref(space.naming.name_of(chance.randbytes(20)))
        titled = f"/300x200!/{ref.name}/some-title-{number:03}.jpeg"
        show, made = site.show(titled), site.wiring.cache.temporary()
        made.write_bytes(chance.randbytes(HIT_BYTES))
        path = site.wiring.cache.publish(show.rendition, made, "jpg", OWN_TIME, site.wiring.cache.mark(ref), 30)
        if show.alias:
            site.wiring.cache.link(show.rendition.ref, path, show.alias)
        yield titled


@contextmanager
def _sweeping(site: Site) -> Iterator[None]:
    """Sweep after sweep, without a pause, in a session of its own, as cron, systemd and `onmiss up` start it."""
    command = [sys.executable, str(ENDLESS), str(site.root / "onmiss.yaml"), str(site.root)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=_environ(), start_new_session=True)
    try:
        if process.stdout is None or process.stdout.readline() != b"sweeping\n":
            raise RuntimeError("expected a sweep to begin")
        yield
    finally:
        process.kill()
        process.communicate()


@contextmanager
def _nothing() -> Iterator[None]:
    yield


def _turn(site: Site, paths: Path) -> tuple[float, float]:
    wrk = machine.find("wrk") or "wrk"
    command = [wrk, "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "-s", str(LUA), f"http://127.0.0.1:{site.port}", "--", str(paths)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    count, microseconds, failed, p99 = map(float, result.stdout.rpartition("figures ")[2].split())
    if failed:
        raise RuntimeError(f"expected pictures only, got {failed} errors of {count}: {result.stdout}")
    return count / microseconds * 1e6, p99 / 1000
