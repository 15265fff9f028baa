"""A store in this process's memory: for tests, and to try things out; forgotten at exit."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from renderer.stores import Facts
from renderer.stores.keys import checked
from renderer.stores.landing import landing


class MemoryStore:
    """Safe to use from several threads."""

    spread = False
    keeps_maker = True

    def __init__(self, name: str) -> None:
        self.name = name
        self._held: dict[str, tuple[bytes, Facts]] = {}
        self._lock = threading.Lock()

    def get(self, key: str, target: Path, max_bytes: int) -> Facts | None:
        held = self._look(key)
        with landing(target, max_bytes) as ground:
            if held is None:
                return None
            content, facts = held
            ground.write(content)
            ground.settle(facts.time)
            return facts

    def facts(self, key: str) -> Facts | None:
        held = self._look(key)
        return held[1] if held else None

    def names(self, prefix: str = "") -> Iterator[str]:
        with self._lock:
            names = sorted((key for key in self._held if key.startswith(prefix)), key=str.encode)
        yield from names

    def put(self, key: str, source: Path, facts: Facts, only_new: bool = False) -> bool:
        content = source.read_bytes()
        with self._lock:
            if only_new and checked(key) in self._held:
                return False
            self._held[checked(key)] = (content, replace(facts, length=len(content)))
        return True

    def delete(self, key: str) -> bool:
        with self._lock:
            return self._held.pop(checked(key), None) is not None

    def check(self, known_key: str = "") -> list[tuple[str, bool]]:
        return [(f"store {self.name}: in memory, forgotten at exit", True)]

    def _look(self, key: str) -> tuple[bytes, Facts] | None:
        with self._lock:
            return self._held.get(checked(key))
