"""One look at all that lies in a cache: how much of what, and what of it is used. Nothing is changed, no file is opened.

Memory does not grow with the cache: originals come one after the other, and of recipes only those are kept that hold most bytes.
"""

from __future__ import annotations

import functools
import os
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from renderer import memo
from renderer.pruning.counting import AGES, Heaviest, Heavy, age_of
from renderer.pruning.tree import ALIAS, File, Leaf, Tree, files, is_rendition, renditions
from renderer.rendition import Namespace

RECIPES = 1000  # that are told apart: some hundred bytes each; a site has dozens, an attacker as many as he likes

_is_rendition = functools.lru_cache(maxsize=8192)(is_rendition)


@dataclass
class Tally:
    """Bytes are those on disk. `visited`: files that were read since a sweep last came by."""

    files: int = 0
    bytes: int = 0
    aliases: int = 0
    visited: int = 0

    def add(self, size: int, aliases: int, is_visited: bool) -> None:
        self.files, self.bytes, self.aliases, self.visited = (
            self.files + 1, self.bytes + size, self.aliases + aliases, self.visited + is_visited,
        )  # fmt: skip


@dataclass
class Census:
    """What was found. `uses`: files with 0 to 3 of them, `without_memo`: those of which nobody noted any; `ages`: files and bytes by time
    since the last known use, see AGES; `unused`: recipes of which no file was used within the days that were asked for; `old`: other
    generations; `foreign`: what lies there and is not ours, with some examples. `tmp` and `trash` as they are just now.
    """

    all: Tally = field(default_factory=Tally)
    namespaces: dict[str, Tally] = field(default_factory=dict)
    formats: dict[str, Tally] = field(default_factory=dict)
    recipes: list[Heavy] = field(default_factory=list)
    other_recipes: Tally = field(default_factory=Tally)
    are_recipes_exact: bool = True
    unused: list[Heavy] = field(default_factory=list)
    uses: list[int] = field(default_factory=lambda: [0] * (memo.MOST_USES + 1))
    without_memo: int = 0
    ages: list[Tally] = field(default_factory=lambda: [Tally() for _ in AGES])
    old: dict[str, Tally] = field(default_factory=dict)
    foreign: int = 0
    foreign_examples: list[str] = field(default_factory=list)
    tmp: Tally = field(default_factory=Tally)
    trash: Tally = field(default_factory=Tally)
    directories: int = 0


class Counting:
    """`root`: the cache's; `only`: one namespace; `top`: how many recipes are named; `show`: is told of files and bytes so far."""

    def __init__(
        self, root: Path, generation: str, namespaces: Mapping[str, Namespace], only: str = "", top: int = 20, unused_days: float = 30,
        now: float | None = None, show: Callable[[int, int], object] = max,
    ) -> None:  # fmt: skip
        self._root, self._tree, self._only = root, Tree(root / "files", generation, namespaces), only
        self._top, self._unused_days, self._show = top, unused_days, show
        self._now = time.time() if now is None else now
        self._recipes = Heaviest(RECIPES)
        self._found = Census()

    def count(self) -> Census:
        found, tree = self._found, self._tree
        for generation in tree.generations():
            tally = found.all if generation == tree.generation else found.old.setdefault(generation, Tally())
            for leaf in tree.leaves(generation, only=self._only):
                for file, aliases in self._files(leaf):
                    self._add(leaf, file, aliases, tally)
        found.directories = tree.directories
        with suppress(FileNotFoundError):
            for name in sorted(set(os.listdir(tree.served)) - set(tree.generations())):
                tree.foreign.add(name)
        found.foreign += tree.foreign.count
        found.foreign_examples = [*found.foreign_examples, *tree.foreign.examples][:5]
        found.tmp, found.trash = _plain(self._root / "tmp"), _plain(self._root / "trash")
        self._name_recipes()
        return found

    def _files(self, leaf: Leaf) -> Iterator[tuple[File, int]]:
        """Each rendition, with how many aliases it has."""
        quick = renditions(leaf.path)
        each = files(leaf.path) if quick is None else [File((name,), status) for name, status in quick]
        for file in each:
            name = _own_name(file)
            if stat.S_ISREG(file.status.st_mode) and _is_rendition(name):
                yield File((name,), file.status), (file.status.st_nlink if quick is not None else len(file.names)) - 1
            else:
                self._found.foreign += 1
                if len(self._found.foreign_examples) < 5:
                    self._found.foreign_examples.append(f"{leaf.path}/{name}")

    def _add(self, leaf: Leaf, file: File, aliases: int, tally: Tally) -> None:
        status, found, name = file.status, self._found, file.names[0]
        size, is_visited = status.st_blocks * 512, status.st_atime_ns > status.st_ctime_ns
        tally.add(size, aliases, is_visited)
        if tally is not found.all:
            return
        tallies = (
            found.namespaces.setdefault(leaf.ref.namespace.name, Tally()),
            found.formats.setdefault(name.rpartition(".")[2], Tally()),
            found.ages[age_of(self._now - status.st_atime)],
        )
        for each in tallies:
            each.add(size, aliases, is_visited)
        self._recipes.add("only aliases" if name[0] == ALIAS else name, size, status.st_atime)
        kept = status.st_mtime_ns % 10**9
        if kept and not memo.is_damaged(kept, status.st_size):
            found.uses[memo.uses_of(kept)] += 1
        else:
            found.without_memo += 1
        if not tally.files % 256:
            self._show(tally.files, tally.bytes)

    def _name_recipes(self) -> None:
        found, heaviest = self._found, list(self._recipes)
        found.recipes, found.are_recipes_exact = heaviest[: self._top], self._recipes.is_exact
        found.other_recipes = Tally(
            found.all.files - sum(heavy.files for heavy in found.recipes), found.all.bytes - sum(heavy.bytes for heavy in found.recipes)
        )
        since = self._now - self._unused_days * 86_400
        # one that came into the count late may have been used before
        found.unused = [heavy for heavy in heaviest if heavy.used_at < since and not heavy.missing][: self._top]


def _own_name(file: File) -> str:
    """Of all names the rendition's own: no alias, and the one that leaves nothing to a default (`fit-100x_q75.jpg`, not `fit-100x.jpg`)."""
    return max(file.names, key=lambda name: (name[0] != ALIAS, len(name)))


def _plain(directory: Path) -> Tally:
    """Whatever lies below a directory."""
    found, left = Tally(), [str(directory)]
    while left:
        with suppress(FileNotFoundError, NotADirectoryError), os.scandir(left.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    left.append(entry.path)
                    continue
                with suppress(FileNotFoundError):
                    found.add(entry.stat(follow_symlinks=False).st_blocks * 512, 0, False)
    return found
