"""The admin host, loopback only: is it well, what is it doing, and what does that cost.

    /                                            what it is doing just now, as JSON
    /metrics                                     for Prometheus
    /status_check, /probe/ready, /probe/live     for who sends us requests
    /debug/…                                     with --profile only
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from renderer import metrics
from renderer.errors import BadRequest, Busy, MethodNotAllowed, NotUnderstood
from renderer.messages import Reply, Request
from renderer.metrics import Reading
from renderer.web import failures
from renderer.web.app import Environ, StartResponse, read_request, send
from renderer.web.health import Health
from renderer.web.life import HEALTH
from renderer.web.profiling import Profiling

METHODS = ("GET", "HEAD")
_NO_STORE = ("Cache-Control", "no-store")


class Admin:
    """`load`: what it is doing; `readings`: the numbers that nobody counts as they happen; `profiling`: None without --profile."""

    def __init__(
        self, load: Callable[[], Mapping[str, Any]], readings: Callable[[], Iterable[Reading]], health: Health,
        profiling: Profiling | None = None,
    ) -> None:  # fmt: skip
        self._load, self._readings, self._health, self._profiling = load, readings, health, profiling

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        try:
            reply = self._reply(read_request(environ))
        except (BadRequest, Busy) as error:
            reply = failures.reply_to(error)
        return send(reply, start_response)

    def _reply(self, request: Request) -> Reply:
        if request.method not in METHODS:
            raise MethodNotAllowed(request.method, METHODS)
        if request.path in HEALTH:
            return self._health.reply(request.path)
        if request.path == "/":
            body = json.dumps(dict(self._load()), indent=2).encode() + b"\n"
            return Reply(200, (("Content-Type", "application/json"), _NO_STORE), body)
        if request.path == "/metrics" and (page := metrics.page(self._readings())):
            return Reply(200, (("Content-Type", page[0]), _NO_STORE), page[1])
        if self._profiling and request.path.startswith("/debug/"):
            return self._profiling.reply(request.path, request.query)
        raise NotUnderstood("File not found")
