"""Kills at random moments under load: nothing short is ever served or left, and the service recovers every time.

Shortened in `make test`; `make soak` runs hundreds of rounds and prints what it saw.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from pathlib import Path

from tests.e2e.site import Site, jpeg
from tests.waiting import wait_until

SOAK = bool(os.environ.get("ONMISS_SOAK"))
ROUNDS = 200 if SOAK else 9
CLIENTS = 3
SIDES = range(40, 400, 7)
VICTIMS = ("render", "forkserver", "renderer", "nginx")


def test_random_kills_under_load_never_leave_or_serve_anything_short(site: Site) -> None:
    chance = random.Random(ROUNDS)
    names = [site.put(jpeg(900, 600, seed=seed)).name for seed in range(3)]
    truth = Truth(site, names)
    for number in range(ROUNDS):
        victim = VICTIMS[number % len(VICTIMS)]
        with truth.load(chance.randrange(2**32)):
            before = truth.answers.total()
            wait_until(lambda b=before: truth.answers.total() > b + CLIENTS, 30, "answers before the kill")
            kill(site, victim, chance)
            before = truth.pictures
            wait_until(lambda b=before: truth.pictures > b, 30, f"a picture after the death of {victim}")
        assert not truth.wrong, (victim, truth.wrong[:3])
        truth.check_disk()
        for name in names:
            site.wiring.cache.forget(site.config.namespaces_built()["huimages"].ref(name))
    if SOAK:
        print(f"\n{ROUNDS} kills: {dict(sorted(truth.answers.items()))} answers, {len(truth.bodies)} distinct renditions, none short")


def kill(site: Site, victim: str, chance: random.Random) -> None:
    if victim == "nginx":
        site.kill_nginx()
        site.start_nginx()
    elif victim == "renderer":
        site.stop_renderer(signal.SIGKILL)
        site.start_renderer()
    else:
        pids = site.load()["render_processes"]
        found = [pids["forkserver"]] if victim == "forkserver" else list(pids["render"])
        for pid in chance.sample(found, min(len(found), chance.choice((1, 2)))):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


class Truth:
    """What each URL's picture is: the first whole answer, that all later ones and all files must equal."""

    def __init__(self, site: Site, names: list[str]) -> None:
        self.site, self.names = site, names
        self.bodies: dict[tuple[str, int], bytes] = {}
        self.answers: Counter[int] = Counter()
        self.wrong: list[str] = []
        self.pictures = 0
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def load(self, seed: int) -> Iterator[None]:
        """Clients that ask until the block ends."""
        stop = threading.Event()
        with ThreadPoolExecutor(CLIENTS) as clients:
            asking = [clients.submit(self._ask, stop, seed + number) for number in range(CLIENTS)]
            try:
                yield
            finally:
                stop.set()
            for each in asking:
                each.result()

    def _ask(self, stop: threading.Event, seed: int) -> None:
        chance = random.Random(seed)
        while not stop.is_set():
            name, side = chance.choice(self.names), chance.choice(SIDES)
            try:
                answer = self.site.get(f"/{side}x{side}/{name}.jpeg")
            except (OSError, HTTPException):  # nginx itself was killed: the client sees it, as it must
                self.answers[0] += 1
                continue
            with self._lock:
                self.answers[answer.status] += 1
                self._judge((name, side), answer.status, answer.body)

    def _judge(self, wish: tuple[str, int], status: int, body: bytes) -> None:
        if status == 200:
            self.pictures += 1
            if body != self.bodies.setdefault(wish, body) or not body.endswith(b"\xff\xd9"):
                self.wrong.append(f"{wish}: {len(body)} bytes")
        elif status not in (415, 503):  # 415: an original whose process was killed twice is left alone for a while
            self.wrong.append(f"{wish}: status {status}")

    def check_disk(self) -> None:
        """Every file that nginx could serve is whole."""
        for path in self.site.wiring.cache.files.rglob("*.jp*g"):
            content = Path(path).read_bytes()
            assert content.startswith(b"\xff\xd8"), path
            assert content.endswith(b"\xff\xd9"), path
        for record in self.site.wiring.quarantine:  # kills of ours, not faults of theirs
            self.site.wiring.quarantine.clear(self.site.config.namespaces_built()["huimages"].ref(record.name))
