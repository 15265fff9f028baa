"""Metrics: what counting adds to a miss, beside the render that the miss is for.

The calls are those of a miss, in a process of its own (`python -m bench.metrics DIRECTORY`), because what is started there stays started.
"""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

from bench.pictures import TOP, photos
from bench.report import Section, Table, at_most
from renderer import metrics
from renderer.config import Config
from renderer.dialects import read
from renderer.messages import Reply, Request, Show
from renderer.picture.jobs import Job, Made
from renderer.picture.render import render_all
from renderer.web.counting import count_miss

BOUND = 0.01  # of a render
MISSES, ROUNDS = 2000, 5
PATH = "/640x640/EQ5AAAAAAAAAAAAAAAAAAAAAAAAAAAAA01/bench.jpeg"
SPENT = {"wait": 1.2, "fetch": 0.3, "decode": 9.1, "operations": 4.2, "encode": 3.3, "publish": 0.4}


def measure(directory: Path) -> Section:
    command = [sys.executable, "-m", "bench.metrics", str(directory)]
    done = subprocess.run(command, cwd=TOP, env={**os.environ, "PYTHONPATH": str(TOP)}, capture_output=True, text=True, check=True)
    counting: dict[str, float] = json.loads(done.stdout)
    found = photos()
    render = statistics.median(_render(content, directory / "original.jpg") for content in found.contents)
    rows = []
    for name, microseconds in counting.items():
        ratio = microseconds / 1000 / render
        rows.append([name, f"{microseconds:.1f}", f"{render:.1f}", f"**{ratio:.4f}**", *at_most(ratio, BOUND, "×")])
    return Section((
        f"All that is counted of one miss, best of {ROUNDS} rounds of {MISSES} misses, beside the median of fitting {found.what} into 640 "
        "pixels, by the engine alone:",
        Table(("", "counting, µs", "render, ms", "ratio", "bound", ""), rows),
    ))  # fmt: skip


def _render(content: bytes, original: Path) -> float:
    """Milliseconds, the better of two."""
    config = Config.of({}, original.parent)
    original.write_bytes(content)
    spent = []
    for _ in range(2):
        job = Job(_show(config).rendition.recipe, original.with_name("rendition"))
        began = time.perf_counter()
        outcome = render_all(original, [job], config.engine())[0]
        spent.append((time.perf_counter() - began) * 1000)
        job.target.unlink()
        if not isinstance(outcome, Made):
            raise outcome
    return min(spent)


def _show(config: Config) -> Show:
    intent = read(Request("GET", PATH, "", PATH), config.terms())
    if not isinstance(intent, Show):
        raise TypeError(f"expected a picture for {PATH}, got {intent}")
    return intent


def _counted(show: Show) -> float:
    """Microseconds of one miss."""
    request, reply, best = Request("GET", PATH, "", PATH), Reply(200), float("inf")
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for _ in range(MISSES):
            count_miss(request, show, reply, SPENT, 0.0185)
        best = min(best, (time.perf_counter() - began) / MISSES * 1e6)
    return best


def main(directory: Path) -> None:
    config = Config.of({}, directory)
    show, found = _show(config), {}
    found["off"] = _counted(show)
    metrics.start(directory / "metrics", config.namespaces)
    found["for Prometheus"] = _counted(show)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as statsd:
        statsd.bind(("127.0.0.1", 0))
        metrics.start(directory / "metrics", config.namespaces, False, metrics.Address("127.0.0.1", statsd.getsockname()[1], "bench"))
        metrics.wait_statsd(5)
        found["for Prometheus and statsd"] = _counted(show)
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
