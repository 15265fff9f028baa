"""What happens is counted here, for Prometheus and statsd: plain functions that do nothing until `start`, and cost microseconds then.

Only who serves starts it. Commands, applications and tests call the same code and count nothing; render processes never come here.
"""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Literal, TypeVar

from renderer.errors import NotFound
from renderer.metrics import prometheus
from renderer.metrics.families import COUNTED, FAMILIES
from renderer.metrics.prometheus import Reading, Recorder
from renderer.metrics.room import OTHER
from renderer.metrics.statsd import Address, Statsd
from renderer.recipe import Recipe
from renderer.rendition import Rendition

log = logging.getLogger(__name__)

STAGES = ("wait", "fetch", "decode", "operations", "encode", "publish")  # of a miss, in this order
HANDLERS = ("new_image", "new_file", "resize_image", "resize_many", "create_batch", "batch")  # image-server's
DEATHS = ("limit", "crash", "pool")  # of render processes
FETCHES = ("source_downloaded", "original_downloaded", "original_unavailable", "original_download_skipped")
FAILED = "image_server_processing_version_failed_total"
CALLS = ("get", "facts", "put", "delete", "take")  # of stores; `locate` is one look at this disk

Outcome = Literal["ok", "noop", "failed"]
Watched = TypeVar("Watched")


class _Counting:
    """What was started in this process."""

    directory: Path | None = None
    recorder: Recorder | None = None
    statsd: Statsd | None = None
    namespaces: frozenset[str] = frozenset()


def start(directory: Path, namespaces: Iterable[str] = (), is_anew: bool = True, statsd: Address | None = None) -> None:
    """Count from now on, into files below `directory`; whatever is the matter with these is no reason not to serve.

    `namespaces`: those that are labels of their own, and all others are `other`; for each, what may be counted one day is shown as 0 now.
    `is_anew`: what others that ended have counted is forgotten.
    """
    _Counting.namespaces, _Counting.directory = frozenset((*namespaces, "none")), directory
    try:
        recorder = Recorder(directory, is_anew)
        _show_zeros(recorder, sorted(_Counting.namespaces - {"none"}))
    except OSError as error:
        log.error("nothing is counted: %s", error)
    except Exception:
        log.exception("nothing is counted")
    else:
        _Counting.recorder = recorder
    if statsd:
        _Counting.statsd = Statsd(statsd)


def _show_zeros(recorder: Recorder, namespaces: Iterable[str]) -> None:
    """So that the first event is an increase, and a dashboard finds its names."""
    known = {"stage": STAGES, "handler": HANDLERS, "cause": DEATHS, "namespace": tuple(namespaces), "format": ("jpg",), "quality": ("75",)}
    for family in COUNTED:
        combinations: list[tuple[str, ...]] = [()]
        words = known | {"quality": (OTHER,)} if family.name == FAILED else known
        for label in family.labels:
            combinations = [(*before, value) for before in combinations for value in words.get(label, ())]
        for labels in combinations:
            recorder.show(family.name, labels)


def wait_statsd(seconds: float) -> bool:
    """Whether the address of statsd is known, by then at the latest; what is counted before that does not get there."""
    return _Counting.statsd is not None and _Counting.statsd.wait_open(seconds)


def page(readings: Iterable[Reading]) -> tuple[str, bytes] | None:
    """Content type and text for Prometheus; None when nothing was started. Where nothing can be counted, there are `readings` still."""
    return prometheus.page(_Counting.directory, readings) if _Counting.directory else None


def request(host: str, dialect: str, namespace: str, status: int) -> None:
    """A request was answered. `dialect` and `namespace`: 'none' for what is none of ours."""
    if _Counting.recorder:
        _Counting.recorder.count("onmiss_requests_total", (host, dialect, _label(namespace), str(status)))


def missed(dialect: str, seconds: float, milliseconds: Mapping[str, float]) -> None:
    """A miss got its picture. `milliseconds`: by stage; without a fetch it was in the making, or just made, for somebody else."""
    recorder = _Counting.recorder
    if recorder is None:
        return
    recorder.observe("onmiss_miss_seconds", seconds, (dialect,))
    for stage, spent in milliseconds.items():
        recorder.observe("onmiss_stage_seconds", spent / 1000, (stage,))
    if milliseconds and "fetch" not in milliseconds:
        recorder.count("onmiss_coalesced_total")


def render_died(cause: str) -> None:
    """A render process is gone: by a `limit`, by a `crash`, or with its whole `pool`."""
    if _Counting.recorder:
        _Counting.recorder.count("onmiss_render_deaths_total", (cause,))


def new_image(namespace: str, ok: bool) -> None:
    """An original was handed in. image-server's names have no namespace: it is for those who call."""
    _count("new_image_request" if ok else "new_image_request_failed", "new_image.request" if ok else "new_image.request_failed")


def version(namespace: str, form: str, quality: int, outcome: Outcome) -> None:
    """A rendition was asked for. `form`: its extension, as image-server says (jpg); `quality`: 0 for a format that has none.

    Of what was not made any quality may have been asked for, and all of them are one.
    """
    labels = _label(namespace), form or "none", OTHER if outcome == "failed" else str(quality)
    _count(f"processing_version_{outcome}", f"processing.version.{outcome}", labels, form)


def wished(rendition: Rendition, outcome: Outcome) -> None:
    """The same of a rendition that somebody asked for."""
    recipe = rendition.recipe
    form, quality = (recipe.output.format.extension, recipe.output.quality) if isinstance(recipe, Recipe) else ("", 0)
    version(rendition.ref.namespace.name, form, quality, outcome)


def versions_noop(namespace: str) -> None:
    """Renditions were asked for at once, and not one had to be made."""
    _count("processing_versions_noop", "processing.versions.noop", (_label(namespace),))


def fetched(what: str) -> None:
    """`source_downloaded`, `original_downloaded`, `original_unavailable` or `original_download_skipped`."""
    _count(f"fetch_{what}", f"fetch.{what}")


def latency(handler: str, seconds: float) -> None:
    """How long one of `HANDLERS` took."""
    if _Counting.recorder:
        _Counting.recorder.observe("image_server_request_latency_seconds", seconds, (handler,))
    if _Counting.statsd:
        _Counting.statsd.timing(f"{handler}.request_latency", seconds)


def _count(name: str, statsd_name: str, labels: tuple[str, ...] = (), form: str = "") -> None:
    if _Counting.recorder:
        _Counting.recorder.count(f"image_server_{name}_total", labels)
    if _Counting.statsd:
        _Counting.statsd.count(statsd_name, form)


def _label(namespace: str) -> str:
    """Anybody's upload may make a namespace; none of these makes a label."""
    return namespace if namespace in _Counting.namespaces else "other"


def watched(store: Watched, name: str) -> Watched:
    """`store`, with its calls counted and timed if anything is counted here; its listings are not, which last as long as who reads them."""
    if _Counting.recorder:
        for call in CALLS:
            if hasattr(store, call):
                setattr(store, call, _timed(_Counting.recorder, getattr(store, call), (name, call)))
    return store


def _timed(recorder: Recorder, call: Callable[..., object], labels: tuple[str, str]) -> Callable[..., object]:
    @functools.wraps(call)
    def timed(*arguments: object, **named: object) -> object:
        began, outcome = time.perf_counter(), "failed"
        try:
            answer = call(*arguments, **named)
            outcome = "absent" if answer is None or answer is False else "ok"
            return answer
        except NotFound:  # Gone is an answer
            outcome = "absent"
            raise
        finally:
            recorder.observe("onmiss_store_call_seconds", time.perf_counter() - began, labels)
            recorder.count("onmiss_store_calls_total", (*labels, outcome))
            if labels[1] == "get" and outcome != "absent":
                fetched("original_downloaded" if outcome == "ok" else "original_unavailable")

    return timed


__all__ = [
    "CALLS", "DEATHS", "FAMILIES", "FETCHES", "HANDLERS", "STAGES", "Address", "Reading", "fetched", "latency", "missed", "new_image",
    "page", "render_died", "request", "start", "version", "versions_noop", "wait_statsd", "watched",
]  # fmt: skip
