"""environ to Reply: the WSGI application. Plain WSGI, so that any server can run it; flup does (`serve.py`).

Three hosts share one socket; nginx says which was asked in ONMISS_HOST, a FastCGI parameter that no client can set.
"""

from __future__ import annotations

import json
import logging
import re
import time
import urllib.parse
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

from werkzeug.exceptions import HTTPException

from renderer import dialects
from renderer.cache import Cache
from renderer.errors import Busy, MethodNotAllowed, NotUnderstood, RendererError
from renderer.messages import Reply, Request, Show, Terms, plain
from renderer.service import Service
from renderer.web import failures

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]

log = logging.getLogger(__name__)
misses = logging.getLogger("renderer.misses")

STAGES = ("wait", "fetch", "decode", "operations", "encode", "publish")  # of a miss, in this order
NOSNIFF = ("X-Content-Type-Options", "nosniff")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Front:
    """Sends a request to the host that it was meant for, and sees to it that nothing but a Reply ever leaves."""

    def __init__(self, hosts: Mapping[str, Application]) -> None:
        self._hosts = hosts

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        host = self._hosts.get(environ.get("ONMISS_HOST", "images"))
        try:
            if host is not None:
                return host(environ, start_response)
            reply = failures.reply_to(NotUnderstood("File not found"))
        except RendererError as error:
            reply = failures.reply_to(error)
        except HTTPException as error:  # Flask's: no such page, or not by this method
            kept = [(name, value) for name, value in error.get_headers() if name in ("Allow", "Location")]
            reply = plain(error.code or 500, error.name, (("Cache-Control", "no-store"), *kept))
        except Exception:  # a bug: the traceback is the operator's, never the client's
            log.exception("%s %s", environ.get("REQUEST_METHOD"), environ.get("REQUEST_URI"))
            reply = plain(500, "internal error", (("Cache-Control", "no-store"),))
        return send(reply, start_response)


class Images:
    """The public host: pictures, by GET and HEAD."""

    def __init__(self, service: Service, cache: Cache, terms: Terms) -> None:
        self._service, self._cache, self._terms = service, cache, terms

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        request, began = read_request(environ), time.monotonic()
        spent: Mapping[str, float] = {}
        try:
            if request.method not in ("GET", "HEAD"):
                raise MethodNotAllowed(request.method, ("GET", "HEAD"))
            intent = dialects.read(request, self._terms)
            if isinstance(intent, Show):
                produced = self._service.produce(intent)
                reply, spent = self._accelerated(produced.path), produced.milliseconds
            else:
                reply = intent
        except RendererError as error:
            reply = failures.reply_to(error)
            if reply.status >= 500:
                log.warning("%s: %s", request.asked, error)
        except Exception:  # a bug, which Front reports
            note_miss(request, Reply(500), spent, (time.monotonic() - began) * 1000)
            raise
        note_miss(request, reply, spent, (time.monotonic() - began) * 1000)
        return send(reply, start_response)

    def _accelerated(self, path: Path) -> Reply:
        """nginx sends the file, with its own Range, HEAD, ETag and 304: no Content-Type and no Cache-Control of ours."""
        relative = self._cache.accel_path(path)
        accel = "/_done/" + urllib.parse.quote(str(relative).encode("utf-8"))
        try:
            length = path.stat().st_size
        except FileNotFoundError as error:
            raise Busy("it was purged at this moment") from error
        return Reply(200, (("X-Onmiss", "miss"),), accel=accel, accel_bytes=length)


class Admin:
    """Loopback only: is it well, and what is it doing."""

    def __init__(self, load: Callable[[], Mapping[str, Any]]) -> None:
        self._load = load

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if read_request(environ).path != "/":
            return send(failures.reply_to(NotUnderstood("File not found")), start_response)
        body = json.dumps(dict(self._load()), indent=2).encode() + b"\n"
        return send(Reply(200, (("Content-Type", "application/json"), ("Cache-Control", "no-store")), body), start_response)


def read_request(environ: Environ) -> Request:
    """WSGI hands bytes over as latin-1; a title that is no UTF-8 is decoration and must not fail."""
    path = environ.get("PATH_INFO", "").encode("latin-1").decode("utf-8", "surrogateescape")
    asked = environ.get("REQUEST_URI", "").partition("?")[0] or urllib.parse.quote(environ.get("PATH_INFO", "").encode("latin-1"))
    return Request(environ.get("REQUEST_METHOD", "GET"), path, environ.get("QUERY_STRING", ""), asked)


def send(reply: Reply, start_response: StartResponse) -> Iterable[bytes]:
    """Content-Length always (an exception after the first chunk would look like a complete 200 to nginx), nosniff always."""
    headers = [(name, _CONTROL.sub("", value)) for name, value in (*reply.headers, NOSNIFF)]
    if reply.accel:
        headers.append(("X-Accel-Redirect", reply.accel))
    headers.append(("Content-Length", str(len(reply.body))))
    start_response(f"{reply.status} {HTTPStatus(reply.status).phrase}", headers)
    return [reply.body]


def note_miss(request: Request, reply: Reply, spent: Mapping[str, float], total: float) -> None:
    """One line a miss: method, URL, status, bytes, milliseconds in all and by stage."""
    fields = {"method": request.method, "url": request.asked, "status": reply.status, "bytes": reply.length, "ms": round(total, 1)}
    fields |= {name: round(spent[name], 1) for name in STAGES if name in spent}
    misses.info("%s", " ".join(f"{name}={value}" for name, value in fields.items()), extra={"fields": fields})
