"""Prometheus: what this process counts, and the page that shows what all have counted.

The only importer of prometheus_client, which asks once, at its import, whether several processes count: so it is imported when that is
said, and by nobody who renders.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from renderer.metrics import files, room
from renderer.metrics.families import COUNTED, FAMILIES, Family
from renderer.metrics.room import Labels, Room

log = logging.getLogger(__name__)

_ENTRY_BYTES = 28  # of a value, its times and its padding, beside its key

_unreadable: set[Path] = set()  # of which that is said already


@dataclass(frozen=True)
class Reading:
    """A value of one of the families that are read when somebody asks; `labels` in the family's order."""

    name: str
    value: float
    labels: Labels = ()


class Recorder:
    """Counts into files below `directory`. OSError when they cannot be made.

    `is_anew`: what was counted by processes that are no more is forgotten, and else put together.
    """

    def __init__(self, directory: Path, is_anew: bool) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(directory)
        import prometheus_client

        values: Any = prometheus_client.values  # without types
        values.ValueClass = values.MultiProcessValue(files.ours)
        with files.alone(directory) as is_alone:
            files.sweep(directory)
            if is_anew:
                files.forget(directory)
            elif is_alone:  # or it is left to the next
                _put_together(directory)
            files.make(directory, {kind: room.needed(kind) for kind in files.KINDS})
        registry = prometheus_client.CollectorRegistry()
        kinds: dict[str, Any] = {"counter": prometheus_client.Counter, "histogram": prometheus_client.Histogram}
        self._metrics = {
            family.name: kinds[family.kind](family.name, family.help, family.labels, registry=registry, **_more(family))
            for family in COUNTED
        }
        self._series: dict[tuple[str, Labels], Any] = {}
        self._room = Room()

    def count(self, name: str, labels: Labels = (), amount: float = 1) -> None:
        self._of(name, labels).inc(amount)

    def observe(self, name: str, value: float, labels: Labels = ()) -> None:
        self._of(name, labels).observe(value)

    def show(self, name: str, labels: Labels = ()) -> None:
        """As 0, where nothing was counted yet."""
        self._of(name, labels)

    def _of(self, name: str, labels: Labels) -> Any:
        """The one series. Two threads that make one at once make the same."""
        found = self._series.get((name, labels))
        if found is None:
            labels = self._room.labels(FAMILIES[name], labels)
            found = self._series[name, labels] = self._metrics[name].labels(*labels) if labels else self._metrics[name]
        return found


def _more(family: Family) -> dict[str, Any]:
    return {"buckets": family.buckets} if family.buckets else {}


def page(directory: Path, readings: Iterable[Reading]) -> tuple[str, bytes]:
    """Content type and text of what all processes have counted below `directory`, as far as that can be read, and of `readings`."""
    from prometheus_client import CollectorRegistry, exposition

    taken = list(readings)  # takes its time: nobody waits for the lock meanwhile
    with files.alone(directory):
        counted = _counted(directory)
    registry = CollectorRegistry()
    registry.register(cast(Any, _Shown(counted, taken)))
    return exposition.CONTENT_TYPE_LATEST, exposition.generate_latest(registry)


class _Shown:
    """What was counted, and readings, as prometheus_client wants them."""

    def __init__(self, counted: Sequence[Any], readings: Sequence[Reading]) -> None:
        self._counted, self._readings = counted, readings

    def collect(self) -> Iterator[Any]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        yield from self._counted
        for name in dict.fromkeys(reading.name for reading in self._readings):
            family = FAMILIES[name]
            made: Any = (CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily)(name, family.help, labels=family.labels)
            for reading in self._readings:
                if reading.name == name:
                    made.add_metric(reading.labels, reading.value)
            yield made


def _counted(directory: Path) -> list[Any]:
    from prometheus_client import multiprocess

    collector: Any = multiprocess.MultiProcessCollector  # without types
    try:
        return list(collector.merge([str(path) for path in files.all_of(directory) if _values(path) is not None]))
    except Exception:  # what is read shows more than no page
        log.exception("what was counted cannot be added up")
        return []


def _values(path: Path) -> dict[str, float] | None:
    """By key; None for a file that is not whole, or cannot be read, which is said once."""
    from prometheus_client import mmap_dict

    found, before, counts = {}, 0, cast(Any, mmap_dict.MmapedDict)  # without types
    try:
        for key, value, _, position in counts.read_all_values_from_file(str(path)):
            _, _, labels, _ = json.loads(key)
            if position <= before or not isinstance(labels, dict):  # nonsense may lead back to where it began
                raise ValueError(f"expected values one after the other, got {position}")
            found[key], before = value, position
    except Exception as error:  # the library checks little: what comes of other bytes is anything
        if path not in _unreadable:
            _unreadable.add(path)
            log.warning("%s is left out of what was counted: %s: %s", path, type(error).__name__, error)
        return None
    return found


def _put_together(directory: Path) -> None:
    """One pair of files for all processes that ended, however often there was a reload; where the disk has no room, another time."""
    for kind in files.KINDS:
        try:
            _put_together_all(directory, kind)
        except OSError as error:
            log.warning("what was counted before is not put together: %s", error)


def _put_together_all(directory: Path, kind: str) -> None:
    from prometheus_client import mmap_dict

    paths, total = files.ended(directory, kind), files.path_of(directory, kind, files.GONE)
    if not paths or paths == [total]:
        return
    sums: dict[str, float] = {}
    for path in paths:
        for key, value in (_values(path) or {}).items():
            sums[key] = sums.get(key, 0.0) + value
    with files.made(total, sum(len(key.encode()) + _ENTRY_BYTES for key in sums) + 8) as fresh:
        written = cast(Any, mmap_dict.MmapedDict)(str(fresh))
        try:
            for key, value in sums.items():
                written.write_value(key, value, 0.0)
        finally:
            written.close()
    for path in paths:
        if path != total:
            path.unlink(missing_ok=True)
