"""Deleting and purging over HTTP, for who has a bearer token:

    DELETE /originals/<namespace>/<name>
    POST /purge   {"id": ["EQ53…01", "scenes/hall/lamp.jpg"]}
                  {"namespace": "scenes", "name": ["hall/lamp.jpg"]}
                  {"namespace": "scenes", "all": true}

It stands in front of the other pages of the service host. The token is judged before the body is looked at.
"""

from __future__ import annotations

import json
import logging
import time
import urllib.parse
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from renderer.errors import (
    BadRequest,
    Busy,
    MethodNotAllowed,
    NotAllowed,
    NotFound,
    NotUnderstood,
    RendererError,
    StoreSlow,
    TooManyBytes,
)  # fmt: skip
from renderer.fields import shown
from renderer.messages import Reply
from renderer.removal import Receipt, Removal, ref_of, some_of, space_of
from renderer.rendition import Namespace, Ref
from renderer.web import failures
from renderer.web.app import Application, Environ, StartResponse, send
from renderer.web.seats import Seats
from renderer.web.tokens import EVERYWHERE, Holder, Tokens

log = logging.getLogger(__name__)

MOST_BODY_BYTES = 1_000_000
MOST_NAMES = 1000  # a purge: a second or two
PURGE_SECONDS = 5.0  # of one request, one original at least: well below what nginx waits for an answer

Answer = tuple[int, dict[str, Any]]


class Removing:
    """`behind`: what answers all other URLs of the host."""

    def __init__(self, removal: Removal, namespaces: Mapping[str, Namespace], tokens: Tokens, seats: Seats, behind: Application) -> None:
        self._removal, self._namespaces, self._tokens, self._seats, self._behind = removal, namespaces, tokens, seats, behind

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path == "/purge":
            answer, method = self._purge, "POST"
        elif path.startswith("/originals/"):
            answer, method = self._delete, "DELETE"
        else:
            return self._behind(environ, start_response)
        return send(self._reply(environ, method, answer), start_response)

    def _reply(self, environ: Environ, method: str, answer: Callable[[Environ, Holder], Answer]) -> Reply:
        """Whatever happens is said in JSON."""
        try:
            if environ["REQUEST_METHOD"] != method:
                raise MethodNotAllowed(environ["REQUEST_METHOD"], (method,))
            holder = self._tokens.holder(environ.get("HTTP_AUTHORIZATION", ""))
            status, content = answer(environ, replace(holder, name=f"{holder.name} at {environ.get('REMOTE_ADDR', '?')}"))
            return _json(status, content)
        except RendererError as error:
            if failures.status_of(error) >= 500:
                log.warning("%s %s: %s", method, shown(environ["PATH_INFO"]), error)
            return _failed(error)
        except Exception:  # a bug, or a disk: the traceback is the operator's, never the client's
            log.exception("%s %s", method, shown(environ["PATH_INFO"]))
            return _json(500, {"error": "internal error"})

    def _delete(self, environ: Environ, who: Holder) -> Answer:
        """What was there is gone when this answers 200; a repeat finds it Gone, and what never was is NotFound."""
        namespace, _, name = _path(environ).removeprefix("/originals/").partition("/")
        self._judge(namespace, who)
        if namespace not in self._namespaces:
            raise NotUnderstood(f"expected one of {some_of(self._namespaces)} for a namespace, got {shown(namespace)}")
        ref = self._namespaces[namespace].ref(name)
        with self._seats.seat(namespace):
            receipt = self._removal.delete(ref)
        if not (receipt.files or receipt.original or receipt.entry):
            self._removal.check_deleted(receipt.ref)
            raise NotFound(receipt.ref)
        answer = _spelled(receipt)
        told = answer | {"ref": _told(receipt.ref)}
        log.info("deleted by %s: %s", who.name, " ".join(f"{name}={value}" for name, value in told.items()))
        return 200, answer

    def _judge(self, namespace: str, who: Holder) -> None:
        """NotAllowed. Who may not write everywhere does not learn which others there are."""
        who.expect(namespace)
        if who.scope != EVERYWHERE and namespace not in self._namespaces:
            raise NotAllowed("expected a token for this namespace")

    def _purge(self, environ: Environ, who: Holder) -> Answer:
        match _body(environ):
            case {"id": list(names), **rest} if not rest:
                refs = self._refs(names, "")
            case {"namespace": str(namespace), "name": list(names), **rest} if namespace and not rest:
                self._judge(namespace, who)
                refs = self._refs(names, namespace)
            case {"namespace": str(namespace), "all": True, **rest} if namespace and not rest:
                self._judge(namespace, who)
                space = space_of(self._namespaces, namespace)
                with self._seats.seat(namespace):
                    return self._purge_all(space, who)
            case _:
                raise BadRequest('expected {"id": […]}, {"namespace": …, "name": […]} or {"namespace": …, "all": true} for a purge')
        spaces = {ref.namespace.name for ref in refs}
        for name in spaces:
            who.expect(name)
        with self._seats.seat(spaces.pop() if len(spaces) == 1 else ""):
            return self._purge_each(refs, who)

    def _refs(self, names: Sequence[object], namespace: str) -> list[Ref]:
        """All names are read before anything is dropped."""
        if not 0 < len(names) <= MOST_NAMES:
            raise BadRequest(f"expected 1 to {MOST_NAMES} names in a purge, got {len(names)}")
        return [self._ref(name, namespace) for name in names]

    def _purge_each(self, refs: Sequence[Ref], who: Holder) -> Answer:
        """One that fails does not stop the rest, but for a store that is slow, or all of it: then what is left has failed too."""
        receipts, failed, status = [], [], 200
        deadline, halted = time.monotonic() + PURGE_SECONDS, False
        for position, ref in enumerate(refs):
            try:
                if halted or (position and time.monotonic() > deadline):
                    raise Busy("this purge took long enough")
                receipts.append(self._removal.purge(ref))
            except (RendererError, OSError) as error:
                if not isinstance(error, Busy):
                    log.warning("purge of %s: %s", _told(ref), error)
                halted = halted or isinstance(error, StoreSlow)
                known = error if isinstance(error, RendererError) else RendererError()
                status = failures.status_of(known)
                failed.append({"ref": str(ref), "error": failures.sentence_of(known)})
        _note_purge(who, receipts)
        return status, {"receipts": [_spelled(receipt) for receipt in receipts]} | ({"failed": failed} if failed else {})

    def _ref(self, name: object, namespace: str) -> Ref:
        if not isinstance(name, str):
            raise BadRequest(f"expected texts for names, got {shown(str(name))}")
        return ref_of(self._namespaces, name, namespace)

    def _purge_all(self, space: Namespace, who: Holder) -> Answer:
        """For a few seconds only. A repeat begins anew and soon is where this one ended, for what was dropped is no longer found."""
        who.expect(space.name)
        receipts: list[Receipt] = []
        deadline, complete = time.monotonic() + PURGE_SECONDS, True
        for ref in self._removal.cached(space):
            if time.monotonic() > deadline and receipts:  # one at least, or a repeat might never come further
                complete = False
                break
            receipts.append(self._removal.purge(ref))
        _note_purge(who, receipts)
        sums = {"files": sum(receipt.files for receipt in receipts), "bytes": sum(receipt.bytes for receipt in receipts)}
        return 200, {"namespace": space.name, "originals": len(receipts), **sums, "complete": complete}


def _path(environ: Environ) -> str:
    """Decoded once, and as it was sent: what nginx put in order (`..`), or cut off at a `?`, may name another original than was meant.
    Nothing need follow that `?`.
    """
    path: bytes = environ["PATH_INFO"].encode("latin-1")
    asked: bytes = environ.get("REQUEST_URI", "").encode("latin-1")
    if environ.get("QUERY_STRING") or b"?" in asked or (asked and urllib.parse.unquote_to_bytes(asked) != path):
        raise BadRequest("expected a plain path without . and .. and with %3F for a question mark")
    return path.decode("utf-8", "surrogateescape")


def _body(environ: Environ) -> object:
    text = environ.get("CONTENT_LENGTH") or "0"
    length = int(text) if text.isascii() and text.isdigit() else 0
    if length > MOST_BODY_BYTES:
        raise TooManyBytes(f"expected at most {MOST_BODY_BYTES} bytes for a purge, got {length}")
    try:
        return json.loads(environ["wsgi.input"].read(length))
    except (ValueError, RecursionError) as error:
        raise BadRequest("expected JSON for a purge") from error


def _note_purge(who: Holder, receipts: Sequence[Receipt]) -> None:
    files = sum(receipt.files for receipt in receipts)
    first = _told(receipts[0].ref) if receipts else "none"
    log.info("purged by %s: %d originals, %d files, the first of %s", who.name, len(receipts), files, first)


def _told(ref: Ref) -> str:
    """As URLs spell it: a name may have blanks, and even what ends a line or moves a cursor, and must not tell of other deletions."""
    return urllib.parse.quote(str(ref))


def _spelled(receipt: Receipt) -> dict[str, Any]:
    return {
        "ref": str(receipt.ref), "files": receipt.files, "bytes": receipt.bytes, "original": receipt.original, "entry": receipt.entry
    }  # fmt: skip


def _failed(error: RendererError) -> Reply:
    """Absence is told by name: who asks knows it."""
    sentence = str(error) if isinstance(error, NotFound) else failures.sentence_of(error)
    kept = [header for header in failures.headers_of(error) if header[0] != "Cache-Control"]
    return _json(failures.status_of(error), {"error": sentence}, tuple(kept))


def _json(status: int, content: Mapping[str, Any], headers: tuple[tuple[str, str], ...] = ()) -> Reply:
    body = json.dumps(content, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
    return Reply(status, (("Content-Type", "application/json"), ("Cache-Control", "no-store"), *headers), body)
