"""Pictures spoiled by chance: bytes changed, cut off, and put together from two. A case is known by its number: the same again any time."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from renderer.box import Box
from renderer.errors import RendererError, RenderKilled
from renderer.formats import BY_EXTENSION, PNG
from renderer.ops import Fit
from renderer.picture.jobs import Job, Made
from renderer.workers import Workers
from tests.picture.minicorpus import generated, rows_of
from tests.picture.pictures import recipe

FILES = 50
MOST_BYTES = 200_000  # of a file to spoil: what matters is near the start, and large files only take longer
_HEADER = 600  # where most changes are made
_WISHES = (recipe(Fit(Box(64, 64))), recipe(form=PNG))


@dataclass
class Report:
    """`killed`: case to what it died of; times in milliseconds."""

    outcomes: Counter[str] = field(default_factory=Counter)
    killed: dict[str, str] = field(default_factory=dict)
    slowest: tuple[float, str] = (0, "")
    slowest_refusal: tuple[float, str] = (0, "")

    def __str__(self) -> str:
        counted = ", ".join(f"{count} {name}" for name, count in self.outcomes.most_common())
        lines = [counted, f"slowest {self.slowest[0]:.0f} ms: {self.slowest[1]}"]
        lines.append(f"slowest refusal by the header {self.slowest_refusal[0]:.1f} ms: {self.slowest_refusal[1]}")
        return "\n".join(lines + [f"killed: {case}: {reason}" for case, reason in self.killed.items()])


def seeds(corpus: Path | None, folder: Path) -> list[Path]:
    """FILES pictures to spoil, of as many kinds as there are."""
    if corpus is None:
        files = [row.path for row in generated(folder) if row.expected == "ok"]
    else:
        rows = [row for row in rows_of(corpus) if row.name.startswith(("formats/", "exif/")) and row.expected == "ok"]
        files = [row.path for row in rows if row.path.suffix[1:] in BY_EXTENSION and row.path.stat().st_size < MOST_BYTES]
    by_kind: dict[str, list[Path]] = {}
    for file in files:
        by_kind.setdefault(file.suffix, []).append(file)
    turns = max(map(len, by_kind.values()))
    return [kind[turn] for turn in range(turns) for kind in by_kind.values() if turn < len(kind)][:FILES]


def cases(files: list[Path], count: int) -> Iterator[tuple[str, bytes]]:
    contents = [file.read_bytes() for file in files]
    for number in range(count):
        at = number % len(files)
        chance = random.Random(f"{files[at].name} {number}")
        spoil = (_changed, _cut, _spliced)[chance.choices((0, 1, 2), (6, 2, 2))[0]]
        yield f"{files[at].name} {number}", spoil(contents[at], chance, chance.choice(contents))


def _changed(content: bytes, chance: random.Random, _: bytes) -> bytes:
    changed = bytearray(content)
    for _count in range(chance.randint(1, 16)):
        end = min(_HEADER, len(changed)) if chance.random() < 0.7 else len(changed)
        at = chance.randrange(12, end) if end > 12 else 0
        changed[at] = chance.choice((0, 0x7F, 0x80, 0xFF, chance.randrange(256), changed[at] ^ 1 << chance.randrange(8)))
    return bytes(changed)


def _cut(content: bytes, chance: random.Random, _: bytes) -> bytes:
    return content[: chance.randrange(len(content))]


def _spliced(content: bytes, chance: random.Random, other: bytes) -> bytes:
    """A piece of another file in place of a piece, or squeezed in."""
    at, start = chance.randrange(min(len(content), 4000)), chance.randrange(len(other))
    piece = other[start : start + chance.randint(1, 2000)]
    return content[:at] + piece + content[at + chance.choice((0, len(piece))) :]


def run(workers: Workers, spoiled: Iterator[tuple[str, bytes]], folder: Path) -> Report:
    """Every case through render processes: its header, and two renditions."""
    report = Report()
    for case, content in spoiled:
        original = folder / "spoiled"
        original.write_bytes(content)
        _look(workers, original, case, report)
        for outcome in _render(workers, original, folder, case, report):
            report.outcomes[type(outcome).__name__] += 1
            if not isinstance(outcome, Made | RendererError):
                raise AssertionError(f"{case}: {outcome!r}")
    return report


def _look(workers: Workers, original: Path, case: str, report: Report) -> None:
    began = time.monotonic()
    try:
        workers.header(original)
    except RenderKilled as error:
        report.killed[f"header of {case}"] = str(error)
    except RendererError:
        report.slowest_refusal = max(report.slowest_refusal, ((time.monotonic() - began) * 1000, case))


def _render(workers: Workers, original: Path, folder: Path, case: str, report: Report) -> list[Made | RendererError]:
    jobs = [Job(wish, folder / f"made-{number}") for number, wish in enumerate(_WISHES)]
    began = time.monotonic()
    try:
        return workers.render(original, jobs)
    except RenderKilled as error:
        report.killed[case] = str(error)
        return [error]
    finally:
        report.slowest = max(report.slowest, ((time.monotonic() - began) * 1000, case))
        for job in jobs:
            job.target.unlink(missing_ok=True)
