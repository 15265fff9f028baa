"""What was measured, as Markdown: tables in which a bound stands beside its figure, and a file with a section for each part."""

from __future__ import annotations

import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

HEAD = """# Results

Written by `make bench`; [README.md](README.md) says what is measured, and against which peer. Ratios and differences are what counts:
absolute figures belong to one machine on one day.
"""


@dataclass(frozen=True)
class Table:
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    def spell(self) -> str:
        lines = [self.columns, ["---"] * len(self.columns), *self.rows]
        return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


@dataclass(frozen=True)
class Section:
    """What one part found: sentences and tables, in the order of reading."""

    blocks: Sequence[str | Table] = field(default_factory=tuple)

    def spell(self) -> str:
        return "\n\n".join(block.spell() if isinstance(block, Table) else block for block in self.blocks)


class Results:
    """The file of results; the sections of parts that are not measured stay as they are."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def keep(self, name: str, began: str, section: Section) -> str:
        """Write the section; returns its text. `began`: date and machine."""
        text = f"## {name}\n\n{began}\n\n{section.spell()}\n"
        found = self._sections() | {name: text}
        self._path.write_text("\n".join([HEAD, *(found[key] for key in sorted(found))]), encoding="utf-8")
        return text

    def _sections(self) -> dict[str, str]:
        if not self._path.exists():
            return {}
        _, *parts = re.split(r"^(?=## )", self._path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        return {part.splitlines()[0].removeprefix("## "): part.rstrip() + "\n" for part in parts}


def at_least(figure: float, bound: float) -> tuple[str, str]:
    """The bound as it is written, and whether the figure keeps it."""
    return f"≥ {bound:.2f}", "met" if figure >= bound else "**not met**"


def at_most(figure: float, bound: float, unit: str) -> tuple[str, str]:
    return f"≤ {bound:g} {unit}", "met" if figure <= bound else "**not met**"


def quartiles(figures: Sequence[float]) -> tuple[float, float, float]:
    """The lower one, the median, the upper one."""
    lower, middle, upper = statistics.quantiles(figures, n=4, method="inclusive")
    return lower, middle, upper


def percentile(figures: Sequence[float], percent: int) -> float:
    return statistics.quantiles(figures, n=100, method="inclusive")[percent - 1]
