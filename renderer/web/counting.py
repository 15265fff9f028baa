"""What of a request is counted. A few microseconds each; labels are those of this installation, never the client's words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from renderer import dialects, metrics
from renderer.messages import Reply, Request, Show


def count_miss(request: Request, show: Show | None, reply: Reply, spent: Mapping[str, float], seconds: float) -> None:
    """A request of the images host. `show`: what it asked for, if that was a picture; `spent`: milliseconds by stage."""
    found = dialects.dialect_of(request)
    dialect = found.NAME if found else "none"
    namespace = show.rendition.ref.namespace.name if show else "none"
    metrics.request("images", dialect, namespace, reply.status)
    if show is None:
        return
    is_shown = reply.status == 200
    if is_shown:
        metrics.missed(dialect, seconds, spent)
    metrics.wished(show.rendition, "failed" if not is_shown else "ok" if "fetch" in spent else "noop")
    if reply.status in (404, 410):  # a store that does not answer counts itself
        metrics.fetched("original_unavailable")
    metrics.latency("resize_image", seconds)


def counted(host: str, start_response: Callable[..., Any]) -> Callable[..., Any]:
    """`start_response` of a host whose requests are counted as they are answered."""

    def start(status: str, *rest: Any) -> Any:
        metrics.request(host, "none", "none", int(status[:3]))
        return start_response(status, *rest)

    return start
