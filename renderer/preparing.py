"""Make renditions of an original before anybody asks for them, and keep them where the namespace wants them kept, before it is answered.

All of one original are ordered at once: one fetch and few decodes serve them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from renderer import metrics
from renderer.archive import Archive
from renderer.errors import Busy, RendererError
from renderer.limits import Limits
from renderer.messages import Show, Wish
from renderer.recipe import INFO, Recipe
from renderer.rendition import Namespace, Ref, Rendition
from renderer.service import Produced, Service
from renderer.signing import sign

KNOWN = Wish(INFO, INFO.name, archived=INFO.name)


@dataclass(frozen=True)
class Prepared:
    """What became of one wish: `outcome` is the file, None for one that need not be made, or what went wrong."""

    wish: Wish
    outcome: Produced | Exception | None


@dataclass(frozen=True)
class Completed:
    """`known`: what info.json tells of the original; how many renditions were made now, of how many `bytes`."""

    ref: Ref
    known: Mapping[str, Any]
    made: int
    bytes: int

    def line(self, url: str) -> str:
        """As batches and commands tell it: hash, URL, and the original's width and height in pixels, upright."""
        return "\t".join((self.ref.name, url, str(self.known["width"]), str(self.known["height"])))


class Preparing:
    """`keys`: signing keys; who may write needs no signature."""

    def __init__(self, service: Service, archive: Archive | None, limits: Limits, keys: Sequence[bytes] = ()) -> None:
        self._service, self._archive, self._limits, self._keys = service, archive, limits, tuple(keys)

    def judge(self, namespace: Namespace, wishes: Sequence[Wish]) -> None:
        """As Limits.judge, before there is an original."""
        for wish in wishes:
            self._limits.judge(Rendition(Ref(namespace, ""), wish.recipe))

    def prepare(self, ref: Ref, wishes: Sequence[Wish], only_missing: bool = False) -> list[Prepared]:
        """Every wish's outcome, in their order. `only_missing`: what the store of renditions has need not be here too."""
        there = self._kept(ref, wishes) if only_missing else set()
        wanted = {wish: self._signed(wish.of(ref)) for wish in wishes if wish.archived not in there}
        made = dict(zip(wanted, self._service.produce_all(list(wanted.values())), strict=True))
        prepared = [Prepared(wish, self._keep(ref, wish, made[wish]) if wish in made else None) for wish in wishes]
        _count(ref, prepared)
        return prepared

    def complete(self, ref: Ref, wishes: Sequence[Wish]) -> Completed:
        """Have those of `wishes` made that nobody has made, and what is known of the original; raises the first thing that went wrong."""
        *prepared, known = self.prepare(ref, (*wishes, KNOWN), only_missing=True)
        if known.outcome is None:  # it is kept afar
            (known,) = self.prepare(ref, (KNOWN,))
        failure = first_failure((*prepared, known))
        if failure:
            raise failure
        (info,) = _produced([known])
        try:
            lengths = [produced.path.stat().st_size for produced in _produced(prepared) if "publish" in produced.milliseconds]
            return Completed(ref, json.loads(info.path.read_bytes()), len(lengths), sum(lengths))
        except FileNotFoundError as error:
            raise Busy(f"what was made of {ref} went away meanwhile") from error

    def _signed(self, show: Show) -> Show:
        return replace(show, signature=sign(self._keys[0], show.rendition.ref, show.wish)) if self._keys else show

    def _kept(self, ref: Ref, wishes: Sequence[Wish]) -> set[str]:
        return self._archive.has(ref, [wish.archived for wish in wishes if wish.archived]) if self._archive else set()

    def _keep(self, ref: Ref, wish: Wish, outcome: Produced | Exception) -> Produced | Exception:
        if self._archive is None or isinstance(outcome, Exception) or not wish.archived:
            return outcome
        try:
            self._archive.keep(ref, wish.archived, outcome.path)
        except RendererError as error:
            return error
        return outcome


def _count(ref: Ref, prepared: Sequence[Prepared]) -> None:
    """What is known of the original is no rendition."""
    outcomes: list[metrics.Outcome] = []
    for each in prepared:
        if isinstance(each.wish.recipe, Recipe):
            spent = each.outcome.milliseconds if isinstance(each.outcome, Produced) else {}
            outcomes.append("failed" if isinstance(each.outcome, Exception) else "ok" if "fetch" in spent else "noop")
            metrics.wished(Rendition(ref, each.wish.recipe), outcomes[-1])
    if outcomes and set(outcomes) == {"noop"}:
        metrics.versions_noop(ref.namespace.name)


def _produced(prepared: Sequence[Prepared]) -> list[Produced]:
    return [each.outcome for each in prepared if isinstance(each.outcome, Produced)]


def first_failure(prepared: Sequence[Prepared]) -> Exception | None:
    """The first thing that went wrong; None when nothing did."""
    return next((each.outcome for each in prepared if isinstance(each.outcome, Exception)), None)
