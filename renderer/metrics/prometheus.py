"""Prometheus: what this process counts, and the page that shows what all have counted.

The only importer of prometheus_client, which asks once, at its import, whether several processes count: so it is imported when that is
said, and by nobody who renders.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from renderer.metrics import files
from renderer.metrics.families import COUNTED, FAMILIES, Family

Labels = tuple[str, ...]


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
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(directory)
        from prometheus_client import CollectorRegistry, Counter, Histogram

        with files.alone(directory):
            if is_anew:
                files.sweep(directory)
            else:
                _put_together(directory)
            files.make(directory, os.getpid())
        registry = CollectorRegistry()
        kinds: dict[str, Any] = {"counter": Counter, "histogram": Histogram}
        self._metrics = {
            family.name: kinds[family.kind](family.name, family.help, family.labels, registry=registry, **_more(family))
            for family in COUNTED
        }
        self._series: dict[tuple[str, Labels], Any] = {}
        self._left = dict.fromkeys(files.KINDS, files.MOST_SERIES)

    def count(self, name: str, labels: Labels = (), amount: float = 1) -> None:
        self._of(name, labels).inc(amount)

    def observe(self, name: str, value: float, labels: Labels = ()) -> None:
        self._of(name, labels).observe(value)

    def show(self, name: str, labels: Labels = ()) -> None:
        """As 0, where nothing was counted yet."""
        self._of(name, labels)

    def _of(self, name: str, labels: Labels) -> Any:
        """The one series; labels that are too many share the last one. Two threads that make one at once make the same."""
        found = self._series.get((name, labels))
        if found is None:
            family = FAMILIES[name]
            self._left[family.kind] -= len(family.buckets) + 2 if family.buckets else 1
            if self._left[family.kind] < 0:
                labels = ("other",) * len(labels)
            found = self._series[name, labels] = self._metrics[name].labels(*labels) if labels else self._metrics[name]
        return found

    def page(self, readings: Iterable[Reading]) -> tuple[str, bytes]:
        """Content type and text of what all processes have counted, and of `readings`."""
        from prometheus_client import CollectorRegistry, exposition, multiprocess

        registry, collector = CollectorRegistry(), cast(Any, multiprocess.MultiProcessCollector)  # without types
        with files.alone(self._directory):
            collector(registry, str(self._directory))
            registry.register(_Read(list(readings)))
            return exposition.CONTENT_TYPE_LATEST, exposition.generate_latest(registry)


def _more(family: Family) -> dict[str, Any]:
    return {"buckets": family.buckets} if family.buckets else {}


class _Read:
    """Readings as prometheus_client wants them."""

    def __init__(self, readings: Sequence[Reading]) -> None:
        self._readings = readings

    def collect(self) -> Iterator[Any]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        for name in dict.fromkeys(reading.name for reading in self._readings):
            family = FAMILIES[name]
            made: Any = (CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily)(name, family.help, labels=family.labels)
            for reading in self._readings:
                if reading.name == name:
                    made.add_metric(reading.labels, reading.value)
            yield made


def _put_together(directory: Path) -> None:
    """One pair of files for all processes that ended, however often there was a reload."""
    from prometheus_client import mmap_dict

    counts: Any = mmap_dict.MmapedDict  # without types
    for kind in files.KINDS:
        paths = [path for path in files.ended(directory) if path.name.startswith(kind)]
        total = files.path_of(directory, kind, files.GONE)
        if not paths or paths == [total]:
            continue
        sums: dict[str, float] = {}
        for path in paths:
            for key, value, *_ in counts.read_all_values_from_file(str(path)):
                sums[key] = sums.get(key, 0.0) + value
        fresh = directory / f".{kind}-{os.getpid()}"
        written = counts(str(fresh))
        try:
            for key, value in sums.items():
                written.write_value(key, value, 0.0)
        finally:
            written.close()
        fresh.replace(total)
        for path in paths:
            if path != total:
                path.unlink(missing_ok=True)
