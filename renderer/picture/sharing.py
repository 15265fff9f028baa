"""Decodes of one original that several recipes share: each is made when the first wants it, and dropped when no later one does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from renderer.errors import BrokenOriginal, RendererError
from renderer.picture.decode import Decoded, Facts, Source, decode, facts_of, source
from renderer.picture.engine import Engine
from renderer.picture.opening import opened
from renderer.recipe import Recipe


class Shared:
    """`recipes`: all that will be wanted of `original`, each once."""

    def __init__(self, original: Path, engine: Engine, recipes: Sequence[Recipe]) -> None:
        self.original, self.engine, self._recipes = original, engine, recipes
        self._decoded: dict[Source, Decoded] = {}
        self._broken: BrokenOriginal | None = None

    @cached_property
    def facts(self) -> Facts:
        with opened(self.original, self.engine) as (form, image):
            return facts_of(form, image, self._recipes, self.engine)

    @contextmanager
    def decoded(self, recipe: Recipe) -> Iterator[Decoded]:
        """The raster that `recipe` is made from; after the block it is wanted by one recipe less."""
        wanted = source(self.facts, recipe, self.engine)
        try:
            yield self._made(wanted)
        finally:
            self._wanted[wanted] -= 1
            if not self._wanted[wanted]:
                self._decoded.pop(wanted, None)

    def _made(self, wanted: Source) -> Decoded:
        """What is broken at one scale is at all: a second try would only cost the same again."""
        if self._broken:
            raise self._broken
        if wanted not in self._decoded:
            try:
                self._decoded[wanted] = decode(self.original, wanted, self.engine)
            except BrokenOriginal as error:
                self._broken = error
                raise
        return self._decoded[wanted]

    @cached_property
    def _wanted(self) -> Counter[Source]:
        """How many recipes are still to be made from each raster."""
        found: Counter[Source] = Counter()
        for recipe in self._recipes:
            try:
                if not self.facts.moves(recipe, self.engine):
                    found[source(self.facts, recipe, self.engine)] += 1
            except RendererError:  # it will say so itself when its turn comes
                continue
        return found
