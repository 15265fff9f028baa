"""A cache with files planted in it, as publishing would, whose times and readings a test decides."""

from __future__ import annotations

import base64
import hashlib
import os
import time
from pathlib import Path
from typing import Any

from renderer import memo
from renderer.cache import Cache
from renderer.homes import Home
from renderer.pruning.bounds import Bounds
from renderer.pruning.pruner import Pruner, Summary, Wishes
from renderer.rendition import NAMINGS, Namespace, Ref
from renderer.stores.memory import MemoryStore
from tests.waiting import wait_until

OWN = 1_300_000_000  # the originals' own time
BLOCK = 4096
IMAGES, SCENES = Namespace("huimages", NAMINGS["sha1"]), Namespace("scenes", NAMINGS["path"])
SPACES = {space.name: space for space in (IMAGES, SCENES)}


def ref(number: int) -> Ref:
    return IMAGES.ref(base64.b32encode(hashlib.sha1(b"%d" % number).digest()).decode() + "01")


def refs(count: int, first: int = 0) -> list[Ref]:
    """In the order in which the hand comes by."""
    return sorted(map(ref, range(first, first + count)), key=lambda each: each.name)


class Planted:
    """`clock`: seconds that the pruner believes to have passed since now."""

    def __init__(self, root: Path, generation: str = "1-pillow") -> None:
        self.cache = Cache(root / "cache", generation)
        self.cache.prepare()
        self.store, self.clock = MemoryStore("far"), 0.0
        self.homes = {space.name: Home(space, self.store, f"{space.name}/") for space in SPACES.values()}

    def plant(
        self, of: Ref, name: str = "fit-100x100_q75.jpg", blocks: int = 1, cost: float = 50, age: float = 1000, uses: int = 0,
        is_seen: bool = False, aliases: tuple[str, ...] = (), generation: str = "",
    ) -> Path:  # fmt: skip
        """A file that was published `age` seconds ago and never read since; its state as a sweep would have left it."""
        files = self.cache.served / generation if generation else self.cache.files
        path = files / of.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * (blocks * BLOCK - 7))
        for alias in aliases:
            os.link(path, path.with_name(alias))
        kept = memo.spell(memo.Memo(cost, uses, is_seen), path.stat().st_size)
        os.utime(path, ns=(int((time.time() - age - 1) * 1e9), OWN * 10**9 + kept))
        return path

    def read(self, path: Path) -> None:
        """As nginx does, once the kernel's coarse clock has gone on since its times were written."""

        def is_read() -> bool:
            path.read_bytes()
            return path.stat().st_atime_ns > path.stat().st_ctime_ns

        wait_until(is_read, 5, "a reading that shows")

    def state(self, path: Path) -> tuple[int, bool, bool]:
        """Uses; whether a sweep has come by; whether it was read since."""
        status = path.stat()
        found = memo.parse(status.st_mtime_ns % 10**9, status.st_size)
        assert found is not None
        return found.uses, found.is_seen, status.st_atime_ns > status.st_ctime_ns

    def pruner(self, bounds: Bounds, **wishes: Any) -> Pruner:
        budgets = wishes.pop("budgets", {})
        wanted = Wishes(bounds, wishes.pop("policy", "value"), wishes.pop("recency", "visited"), budgets=budgets, **wishes)
        copies = self.cache.root / "originals"
        return Pruner(self.cache, SPACES, self.homes, copies, wanted, lambda: time.time() + self.clock)

    def prune(self, is_dry: bool = False, policy: str = "value", recency: str = "visited", **bounds: Any) -> Summary:
        wanted = Bounds(**{"min_free": None, "min_free_inodes": None, "min_age": 60.0} | bounds)
        return self.pruner(wanted, policy=policy, recency=recency).run(is_dry)

    def files(self) -> set[Path]:
        """All below files/."""
        return {path for path in self.cache.served.rglob("*") if path.is_file()}
