"""The statistics of a cache as people read them, and as programs do."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from renderer.pruning.census import Census, Tally
from renderer.pruning.counting import AGES, Heavy
from renderer.pruning.statistics import FACTORS, FromLog

_WIDTH = 44  # of what a row is about


@dataclass(frozen=True)
class Disk:
    """The file system below the cache, for an ordinary user. No inodes: they are not counted there."""

    bytes: int
    free_bytes: int
    inodes: int
    free_inodes: int

    @classmethod
    def below(cls, path: Path) -> Disk:
        status = os.statvfs(path)
        return cls(status.f_blocks * status.f_frsize, status.f_bavail * status.f_frsize, status.f_files, status.f_favail)


@dataclass(frozen=True)
class Report:
    """`log`: None where there is none; `log_path`: where it was looked for."""

    generation: str
    census: Census
    disk: Disk
    log: FromLog | None
    log_path: Path
    unused_days: float


def as_json(report: Report) -> dict[str, Any]:
    """Bytes are those on disk, times seconds since 1970, shares and ratios from 0 to 1."""
    content = asdict(report) | {"log_path": str(report.log_path)}
    content["census"]["ages"] = [
        {"within": name, "files": tally.files, "bytes": tally.bytes} for (name, _), tally in zip(AGES, report.census.ages, strict=True)
    ]
    if report.log:
        ratio = report.log.ratio
        content["log"]["ratio"] |= {"by_requests": ratio.by_requests, "by_bytes": ratio.by_bytes}
        for factor, predicted in zip(FACTORS, content["log"]["predicted"], strict=False):
            predicted["factor"] = factor
    return content


def as_lines(report: Report) -> Iterator[str]:
    yield from _tree(report)
    yield from _use(report)
    yield from _rest(report)
    yield from _log(report)


def _tree(report: Report) -> Iterator[str]:
    census = report.census
    yield f"{'generation ' + report.generation:{_WIDTH}} {'files':>11} {'MB on disk':>12} {'aliases':>11} {'visited':>8}"
    yield _row("all", census.all)
    for title, tallies in (("namespace", census.namespaces), ("format", census.formats)):
        for name, tally in sorted(tallies.items(), key=lambda pair: -pair[1].bytes):
            yield _row(f"  {title} {name}", tally)
    for heavy in census.recipes:
        yield _heavy(heavy)
    if census.other_recipes.files:
        yield _counted("  all other recipes", census.other_recipes.files, census.other_recipes.bytes)
    if not census.are_recipes_exact:
        yield "  there are so many recipes that of these each may hold more"


def _row(title: str, tally: Tally) -> str:
    return f"{_counted(title, tally.files, tally.bytes)} {tally.aliases:11,} {_percent(tally.visited, tally.files):>8}"


def _counted(title: str, files: int, size: int) -> str:
    return f"{title[:_WIDTH]:{_WIDTH}} {files:11,} {size / 1e6:12,.1f}"


def _heavy(heavy: Heavy) -> str:
    return _counted(f"  recipe {heavy.name}", heavy.files, heavy.bytes)


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "-"


def _use(report: Report) -> Iterator[str]:
    census = report.census
    yield "last used within"
    for (name, _), tally in zip(AGES, census.ages, strict=True):
        yield f"{_counted('  ' + name, tally.files, tally.bytes)} {'':11} {_percent(tally.bytes, census.all.bytes):>8}"
    uses = ", ".join(f"{count:,} files {number}{'+' * (number == len(census.uses) - 1)}" for number, count in enumerate(census.uses))
    yield f"uses that sweeps have noted: {uses}; none noted: {census.without_memo:,}"
    yield f"recipes not used for {report.unused_days:g} days{'' if census.unused else ': none'}"
    yield from map(_heavy, census.unused)


def _rest(report: Report) -> Iterator[str]:
    census, disk = report.census, report.disk
    for name, tally in census.old.items():
        yield _row(f"old generation {name}", tally)
    for name, tally in (("being made (tmp)", census.tmp), ("being removed (trash)", census.trash)):
        yield _counted(name, tally.files, tally.bytes)
    examples = f": {', '.join(census.foreign_examples)}" if census.foreign else ""
    yield f"not ours: {census.foreign:,}{examples}"
    files = census.all.files + sum(tally.files for tally in census.old.values())
    inodes = f"{disk.free_inodes:,} of {disk.inodes:,} inodes free" if disk.inodes else "inodes are not counted"
    yield f"inodes: {files:,} files and {census.directories:,} directories"
    yield f"file system: {disk.free_bytes / 1e9:,.1f} of {disk.bytes / 1e9:,.1f} GB free, {inodes}"


def _log(report: Report) -> Iterator[str]:
    log = report.log
    if log is None:
        yield f"no access log of ours at {report.log_path}: no hit ratio, no prediction, no regret"
        return
    ratio = log.ratio
    yield (
        f"access log from {_moment(log.begins)} to {_moment(log.ends)}, {log.lines:,} lines"
        + (f", {log.passed_over:,} of them none of ours" if log.passed_over else "")
        + (f"; {log.lost_files} files of it are damaged" if log.lost_files else "")
    )
    yield (
        f"hits: {_percent(ratio.hits, ratio.requests)} of {ratio.requests:,} requests, "
        f"{_percent(ratio.hit_bytes, ratio.bytes)} of {ratio.bytes / 1e6:,.1f} MB"
    )
    if log.predicted:
        yield f"hits of a cache of another size, least recently used first out ({_percent(log.sampled, 1)} of the originals followed)"
    for factor, each in zip(FACTORS, log.predicted, strict=False):
        yield f"  {factor:4g} times the present size, {each.bytes / 1e6:12,.1f} MB: {100 * each.ratio:5.1f} % ± {100 * each.error:.1f}"
    if log.first_hits:
        yield f"  of these {_percent(log.first_hits, 1)} were hits on what was made before the log begins; a smaller cache may have lost it"
    if log.regret:
        share = _percent(log.regret.regretted, log.regret.evicted)
        yield f"evicted meanwhile: {log.regret.evicted:,}; rendered again within an hour: {log.regret.regretted:,} ({share})"


def _moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))
