"""Every metric that we offer: name, kind, labels and what it says. docs/operations/README.md says what to do about each.

Labels are bounded: never a path or the name of an original. Namespaces are those of the configuration; those that were made on first use
are `other`, and what is none is `none`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

# seconds: from a find of the file to the longest wait of a request; most misses take 20 to 200 ms
MISS_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
PART_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)  # of a stage, or of a call of a store


@dataclass(frozen=True)
class Family:
    """One metric. `buckets`: the upper bounds of a histogram's, in its unit."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


def _counter(name: str, text: str, *labels: str) -> Family:
    return Family(name, "counter", text, labels)


def _gauge(name: str, text: str, *labels: str) -> Family:
    return Family(name, "gauge", text, labels)


VERSION_LABELS = ("namespace", "format", "quality")

# Counted where it happens, added up over all processes, those that have ended among them.
COUNTED = (
    _counter("onmiss_requests_total", "Requests that reached the renderer.", "host", "dialect", "namespace", "status"),
    Family("onmiss_miss_seconds", "histogram", "How long misses took, waits included.", ("dialect",), MISS_BUCKETS),
    Family("onmiss_stage_seconds", "histogram", "How long the stages of misses took.", ("stage",), PART_BUCKETS),
    _counter("onmiss_coalesced_total", "Misses that were served by somebody else's render."),
    _counter("onmiss_render_deaths_total", "Render processes that ended before their render.", "cause"),
    _counter("onmiss_store_calls_total", "Calls of stores and legacy sources.", "store", "call", "outcome"),
    Family("onmiss_store_call_seconds", "histogram", "How long calls of stores and legacy sources took.", ("store", "call"), PART_BUCKETS),
    _counter("image_server_new_image_request_total", "Originals that were handed in and taken."),
    _counter("image_server_new_image_request_failed_total", "Originals that were handed in and not taken."),
    _counter("image_server_processing_version_ok_total", "Renditions made.", *VERSION_LABELS),
    _counter("image_server_processing_version_noop_total", "Renditions asked for that were there, or in the making.", *VERSION_LABELS),
    _counter("image_server_processing_version_failed_total", "Renditions asked for that could not be made.", *VERSION_LABELS),
    _counter("image_server_processing_versions_noop_total", "Wishes for renditions of which none had to be made.", "namespace"),
    _counter("image_server_fetch_source_downloaded_total", "Originals fetched from a URL."),
    _counter("image_server_fetch_original_downloaded_total", "Originals read from a store."),
    _counter("image_server_fetch_original_unavailable_total", "Originals that could not be read from a store, or fetched from a URL."),
    _counter("image_server_fetch_original_download_skipped_total", "Originals that were at hand already."),
    Family(
        "image_server_request_latency_seconds", "histogram", "How long requests of image-server's kinds took.", ("handler",), MISS_BUCKETS
    ),
)  # fmt: skip

# Read when somebody asks, from what the front, the pruner and nginx know.
READ = (
    _gauge("onmiss_build_info", "Always 1; the version is its label.", "version", "python"),
    _gauge("image_server_build_info", "Always 1; the version is its label.", "go_version", "version", "git_hash", "build_timestamp"),
    _gauge("onmiss_waiting_requests", "Misses that wait for their picture."),
    _gauge("onmiss_waiting_requests_limit", "Most misses that may wait; beyond it the answer is 503."),
    _gauge("onmiss_render_queue_length", "Renders that wait for a process."),
    _gauge("onmiss_render_queue_limit", "Most renders that may wait for a process; beyond it the answer is 503."),
    _gauge("onmiss_render_processes", "Render processes that are there."),
    _gauge("onmiss_store_up", "1 when the store answered the last time it was looked at.", "store"),
    _gauge("onmiss_quarantined", "Records of originals that failed."),
    _gauge("onmiss_owed_originals", "Originals served from legacy sources that are not in their store yet."),
    _gauge("onmiss_cache_bytes", "Bytes of renditions on disk, by the pruner's last pass.", "namespace"),
    _gauge("onmiss_cache_files", "Renditions on disk, by the pruner's last pass."),
    _gauge("onmiss_cache_limit_bytes", "Most bytes of renditions; absent when there is no bound."),
    _gauge("onmiss_cache_unmet_bounds", "Bounds that the pruner's last pass could not meet."),
    _gauge("onmiss_disk_size_bytes", "Size of the file system under the cache."),
    _gauge("onmiss_disk_free_bytes", "Free bytes of the file system under the cache."),
    _gauge("onmiss_disk_files_free", "Free inodes of the file system under the cache; absent where it has no fixed number."),
    _counter("onmiss_pruner_passes_total", "Passes of the pruner."),
    _counter("onmiss_pruner_evicted_total", "Renditions evicted.", "reason"),
    _counter("onmiss_pruner_evicted_bytes_total", "Bytes of renditions evicted."),
    _counter("onmiss_pruner_seconds_total", "Time spent in passes of the pruner."),
    _gauge("onmiss_pruner_last_pass_timestamp_seconds", "When the pruner's last pass ended, since 1970."),
    _counter("onmiss_nginx_requests_total", "Requests of pictures by nginx's access log.", "answer", "namespace", "status"),
    _gauge("onmiss_nginx_connections", "Connections of nginx.", "state"),
    _counter("onmiss_nginx_connections_accepted_total", "Connections that nginx accepted."),
    _counter("onmiss_nginx_connections_handled_total", "Connections that nginx handled; fewer than accepted when it ran out of them."),
    _counter("onmiss_nginx_http_requests_total", "Requests that nginx was asked, of all hosts."),
)  # fmt: skip

FAMILIES = {family.name: family for family in (*COUNTED, *READ)}
