"""The namespaces of this installation: those that are configured, and, where that is allowed, those that are made on first use.

A namespace that is made on first use is like a pattern that the configuration gives. Whoever reads one need not know whether it was made:
an original that nobody posted is not there. Who walks through all of them asks the record of those that were: an empty file each.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from renderer.errors import NotAllowed
from renderer.rendition import Namespace

NAME = r"[a-z0-9_-]{1,64}"
_NAME = re.compile(NAME)
MOST_MADE = 10_000  # who walks through all of them needs a tenth of a second


@dataclass(frozen=True)
class Pattern:
    """What namespaces made on first use are like; `refused`: names that mean something else; `record`: the directory of those made."""

    like: Namespace
    refused: Sequence[str]
    record: Path

    def allows(self, name: str) -> bool:
        return name not in self.refused and is_name(name)

    def made(self) -> list[str]:
        """Those that were made on this machine, in order."""
        with suppress(FileNotFoundError):
            return sorted(filter(self.allows, os.listdir(self.record)))
        return []


class Namespaces(Mapping[str, Namespace]):
    """By name, the configured ones first. `in` and `[]` know every name that may be used; a walk only those that were."""

    def __init__(self, configured: Mapping[str, Namespace], pattern: Pattern | None = None) -> None:
        self._configured, self._pattern = dict(configured), pattern

    def __getitem__(self, name: str) -> Namespace:
        found = self._configured.get(name)
        if found is not None:
            return found
        if self._pattern is None or not self._pattern.allows(name):
            raise KeyError(name)
        return replace(self._pattern.like, name=name)

    def __iter__(self) -> Iterator[str]:
        yield from self._configured
        if self._pattern is not None:
            yield from (name for name in self._pattern.made() if name not in self._configured)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def expect_room(self, name: str) -> None:
        """NotAllowed when `name` would be one too many to be made."""
        if self._pattern is None or name in self._configured or (self._pattern.record / name).exists():
            return
        if len(self._pattern.made()) >= MOST_MADE:
            raise NotAllowed(f"expected one of the {MOST_MADE} namespaces that were made on first use: there is no room for another")

    def note_use(self, name: str) -> None:
        """`name` was used: from now on a walk passes it. Nothing for one that is configured."""
        if self._pattern is not None and name not in self._configured:
            self._pattern.record.mkdir(parents=True, exist_ok=True)
            (self._pattern.record / name).touch()

    def configured(self) -> tuple[str, ...]:
        """The names of those that are."""
        return tuple(self._configured)

    def served(self) -> tuple[Namespace, ...]:
        """All of them for nginx: each that is configured, and one that stands for all others."""
        configured = tuple(self._configured.values())
        if self._pattern is None:
            return configured
        others = "|".join(map(re.escape, dict.fromkeys((*self._configured, *self._pattern.refused))))
        return (*configured, replace(self._pattern.like, name="*", element=rf"(?!(?:{others})/)(?P<space>{NAME})"))


def configured(namespaces: Mapping[str, Namespace]) -> tuple[str, ...]:
    """The names of those that are configured; of any other mapping all."""
    return namespaces.configured() if isinstance(namespaces, Namespaces) else tuple(namespaces)


def is_name(text: str) -> bool:
    """Whether a namespace that is made on first use, and so any, could be called so."""
    return _NAME.fullmatch(text) is not None


def served(namespaces: Mapping[str, Namespace]) -> tuple[Namespace, ...]:
    """As Namespaces.served; of any other mapping what it has."""
    return namespaces.served() if isinstance(namespaces, Namespaces) else tuple(namespaces.values())
