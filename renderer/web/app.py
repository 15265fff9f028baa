"""environ to Reply: the WSGI application. Plain WSGI, so that any server can run it; flup does (`serve.py`).

Three hosts share one socket; nginx says which was asked in ONMISS_HOST, a FastCGI parameter that no client can set.
"""

from __future__ import annotations

import io
import logging
import os
import re
import time
import urllib.parse
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import Any, BinaryIO

from werkzeug.exceptions import HTTPException
from werkzeug.wsgi import FileWrapper

from renderer import dialects
from renderer.cache import Cache
from renderer.errors import Busy, MethodNotAllowed, NotFound, NotUnderstood, Refused, RendererError
from renderer.messages import Reply, Request, Show, Terms, plain
from renderer.metrics import STAGES
from renderer.recipe import Beside
from renderer.service import Produced, Service
from renderer.web import failures
from renderer.web.counting import count_miss, counted

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]

log = logging.getLogger(__name__)
misses = logging.getLogger("renderer.misses")

BLOCK_BYTES = 64 * 1024
NOSNIFF = ("X-Content-Type-Options", "nosniff")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Front:
    """Sends a request to the host that it was meant for, and sees to it that nothing but a Reply ever leaves."""

    def __init__(self, hosts: Mapping[str, Application]) -> None:
        self._hosts = hosts

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        name = environ.get("ONMISS_HOST", "images")
        host = self._hosts.get(name)
        if name == "service":
            start_response = counted(name, start_response)
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
        show: Show | None = None
        spent: Mapping[str, float] = {}
        try:
            if request.method not in ("GET", "HEAD"):
                raise MethodNotAllowed(request.method, ("GET", "HEAD"))
            intent = dialects.read(request, self._terms)
            if isinstance(intent, Show):
                show = intent
                show, produced = self._produced(request, show)
                reply, spent = self._accelerated(show, produced.path), produced.milliseconds
            else:
                reply = intent
        except RendererError as error:
            reply = failures.reply_to(error, dialects.answer_to(request))
            if reply.status >= 500:
                log.warning("%s: %s", request.asked, error)
        except Exception:  # a bug, which Front reports
            note_miss(request, show, Reply(500), spent, time.monotonic() - began)
            raise
        note_miss(request, show, reply, spent, time.monotonic() - began)
        if show.varies if show else dialects.varies(request, self._terms):
            reply = replace(reply, headers=(*reply.headers, ("Vary", "Accept")))
        return send(reply, start_response)

    def _produced(self, request: Request, show: Show) -> tuple[Show, Produced]:
        """What is shown; the JPEG, where a limit refuses what is accepted instead of one."""
        try:
            return show, self._service.produce(show)
        except Refused:
            jpeg = dialects.instead(show, request, self._terms)
            if jpeg is None:
                raise
            return jpeg, self._service.produce(jpeg)

    def _accelerated(self, show: Show, path: Path) -> Reply:
        """nginx sends the file, with its own Range, HEAD, ETag and 304: no Content-Type and no Cache-Control of ours."""
        relative = self._cache.accel_path(path)
        way = "/_beside/" if isinstance(show.rendition.recipe, Beside) else "/_done/"
        accel = way + urllib.parse.quote(str(relative).encode("utf-8"))
        try:
            length = path.stat().st_size
        except FileNotFoundError as error:
            raise Busy("it was purged at this moment") from error
        return Reply(200, (("X-Onmiss", "miss"),), accel=accel, accel_bytes=length)


def read_request(environ: Environ) -> Request:
    """WSGI hands bytes over as latin-1; a title that is no UTF-8 is decoration and must not fail."""
    path = environ.get("PATH_INFO", "").encode("latin-1").decode("utf-8", "surrogateescape")
    asked = environ.get("REQUEST_URI", "").partition("?")[0] or urllib.parse.quote(environ.get("PATH_INFO", "").encode("latin-1"))
    accepts = environ.get("ONMISS_ACCEPT", "").removeprefix(".")  # nginx's word: no header of a client becomes a parameter of this name
    return Request(environ.get("REQUEST_METHOD", "GET"), path, environ.get("QUERY_STRING", ""), asked, accepts)


def send(reply: Reply, start_response: StartResponse) -> Iterable[bytes]:
    """Content-Length always (an exception after the first chunk would look like a complete 200 to nginx), nosniff always.

    In blocks: flup copies what is left of a text for each of its records, which for 20 MB in one piece takes minutes.
    """
    headers = [(name, _CONTROL.sub("", value)) for name, value in (*reply.headers, NOSNIFF)]
    if reply.accel:
        headers.append(("X-Accel-Redirect", reply.accel))
    body: BinaryIO = _opened(reply.file) if reply.file else io.BytesIO(reply.body)
    headers.append(("Content-Length", str(body.seek(0, os.SEEK_END))))
    body.seek(0)
    start_response(f"{reply.status} {HTTPStatus(reply.status).phrase}", headers)
    return FileWrapper(body, BLOCK_BYTES)


def _opened(file: Path) -> BinaryIO:
    try:
        return file.open("rb")
    except FileNotFoundError as error:  # it went since it was looked up
        raise NotFound(file.name) from error


def note_miss(request: Request, show: Show | None, reply: Reply, spent: Mapping[str, float], seconds: float) -> None:
    """One line a miss: method, URL, status, bytes, milliseconds in all and by stage. It is counted too."""
    count_miss(request, show, reply, spent, seconds)
    fields = {"method": request.method, "url": request.asked, "status": reply.status, "bytes": reply.length, "ms": round(seconds * 1000, 1)}
    fields |= {name: round(spent[name], 1) for name in STAGES if name in spent}
    misses.info("%s", " ".join(f"{name}={value}" for name, value in fields.items()), extra={"fields": fields})
