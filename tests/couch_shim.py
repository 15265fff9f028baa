"""A proxy that gives pouchdb-server the manners of CouchDB 3: a password, opaque sequences, ranges, `deleted`, feeds that end.

    with couch_shim(couch_server) as shim:                  # user="admin", password=… with everything that a URL must escape
        CouchSource("old", shim.url_with_password, title)
        shim.seen                                           # [("GET", "/db/_changes?since=…"), …], those that were refused, too
        shim.counted("GET", "/_changes")
        shim.fault = sometimes(0.1, 42, truncate(1000), only=asks("GET", ".jpg"))     # tests/faults.py has them all
        shim.before = lambda asked: …                       # in the thread of the request, right before it is forwarded
        shim.stop(); shim.start()                           # the same port, and sequences of before are still good

A hook that changes documents does it at `shim.upstream_url` (pouchdb-server itself: no password), or it would meet itself here.
`since`, feeds and a missing attachment are as in CouchDB's sources (fabric_view_changes, couch_changes, chttpd_db); nothing was compared
with a running CouchDB. Not imitated: the feeds `continuous` and `eventsource` (400), `Content-MD5`, several ranges in one request (all of
it is sent), compression of attachments that are text, 409 where a document is deleted in a revision that it never had (404).
"""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from tests.couch_sequences import Sequences
from tests.faults import Answer, Asked, answer_of
from tests.proxy import Proxy

PASSWORD = "p@ss:w/o%r d?#&+"
_FEED_SECONDS = 60.0  # CouchDB's longest wait, and its longest pause between heartbeats (changes_timeout)
_NAP_SECONDS = 0.02
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_WELCOME = {"couchdb": "Welcome", "version": "3.3.3", "vendor": {"name": "The Apache Software Foundation"}}
_OWN_HEADERS = {"authorization", "accept-encoding", "content-length", "transfer-encoding"}
_MALFORMED = "Malformed sequence supplied in 'since' parameter."


class CouchShim(Proxy):
    def __init__(self, upstream_url: str, user: str, password: str) -> None:
        super().__init__(upstream_url)
        self.user, self.password, self.sequences = user, password, Sequences()

    @property
    def seen(self) -> list[tuple[str, str]]:
        return self.arrived

    @property
    def url_with_password(self) -> str:
        return f"http://{quote(self.user, safe='')}:{quote(self.password, safe='')}@127.0.0.1:{self.port}"

    def refused(self, asked: Asked) -> Answer | None:
        given, wanted = asked.headers.get("Authorization"), base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        if given != f"Basic {wanted}":
            reason = "Name or password is incorrect." if given else "You are not authorized to access this db."
            return answer_of(401, {"error": "unauthorized", "reason": reason}, WWW_Authenticate='Basic realm="server"')
        if asked.parts[1:] == ["_changes"] and self._since(asked) is None:
            return answer_of(400, {"error": "bad_request", "reason": _MALFORMED})
        if asked.query.get("feed", "normal") not in ("normal", "longpoll"):
            return answer_of(400, {"error": "bad_request", "reason": "expected a feed that this server has: normal, longpoll"})
        return None

    def forwarded(self, asked: Asked, blocks: Iterable[bytes]) -> Answer:
        if asked.parts[1:] == ["_changes"]:
            return _Changes(self, asked, b"".join(blocks)).answer()
        answer = self.ask(asked.method, asked.path, _kept(asked), blocks)
        if answer.status == 404 and asked.method != "HEAD":
            return self._not_found(asked, answer)
        if answer.status == 200 and asked.method == "GET":
            return self._found(asked, answer)
        return answer

    def _found(self, asked: Asked, answer: Answer) -> Answer:
        if not asked.parts:
            return _rewritten(answer, json.loads(answer.read()) | _WELCOME)
        if len(asked.parts) == 1 or "update_seq" in asked.query:
            value = json.loads(answer.read())
            return _rewritten(answer, self.spelled(value, "update_seq"))
        return _ranged(asked, answer) if _is_attachment(asked.parts) else answer

    def _not_found(self, asked: Asked, answer: Answer) -> Answer:
        """Of the server's reasons one says nothing: `missing`."""
        value = json.loads(answer.read())
        if value.get("reason") == "no_db_file":
            value["reason"] = "Database does not exist."
        elif value.get("reason") == "missing" and _is_document(asked.parts) and not {"rev", "open_revs"} & set(asked.query):
            value["reason"] = self._reason(asked)
        return _rewritten(answer, value)

    def _reason(self, asked: Asked) -> str:
        database, *parts = asked.parts
        key = "/".join(parts[: 2 if parts[0].startswith("_") else 1])
        body = json.dumps({"keys": [key]}).encode()
        headers = [("Host", "localhost"), ("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        rows = json.loads(self.ask("POST", f"/{quote(database, safe='')}/_all_docs", headers, [body]).read()).get("rows")
        if rows and rows[0].get("value", {}).get("deleted"):
            return "deleted"
        return "Document is missing attachment" if rows and "value" in rows[0] and _is_attachment(asked.parts) else "missing"

    def spelled(self, value: dict[str, Any], *names: str) -> dict[str, Any]:
        """With sequence strings for sequence numbers."""
        return value | {name: self.sequences.spell(value[name]) for name in names if isinstance(value.get(name), int)}

    def _since(self, asked: Asked) -> str | None:
        """As pouchdb-server understands it."""
        since = asked.query.get("since", "0").strip('"')
        number = self.sequences.parse(since)
        return since if since in ("0", "now") else None if number is None else str(number)

    def page(self, asked: Asked, body: bytes, **changes: str) -> tuple[Answer, dict[str, Any]]:
        """One answer of pouchdb-server's changes at once; its sequences are numbers."""
        own = {"since": self._since(asked) or "0", "feed": "normal"} | changes
        query = [(name, value) for name, value in parse_qsl(asked.path.partition("?")[2], keep_blank_values=True) if name not in own]
        headers = [*_kept(asked), ("Content-Length", str(len(body)))]
        answer = self.ask(asked.method, f"{asked.place}?{urlencode([*query, *own.items()])}", headers, [body])
        content = answer.read()
        is_json = answer.status == 200 and asked.method != "HEAD"
        return replace(answer, blocks=[content], length=len(content)), json.loads(content) if is_json else {}


class _Changes:
    """One request for changes. `pending` is what CouchDB says in addition: how many come after these."""

    def __init__(self, shim: CouchShim, asked: Asked, body: bytes) -> None:
        self._shim, self._asked, self._body = shim, asked, body

    def answer(self) -> Answer:
        answer, value = self._shim.page(self._asked, self._body)
        if not value:
            return answer
        if value["results"] or self._asked.query.get("feed") != "longpoll":
            return _rewritten(answer, self._finished(value), is_chunked=True)
        return replace(_rewritten(answer, {}, is_chunked=True), blocks=self._awaited(value))

    def _awaited(self, value: dict[str, Any]) -> Iterator[bytes]:
        """pouchdb-server knows no timeout and sends heartbeats unasked. In CouchDB who asks for heartbeats waits without end."""
        beat, most = (self._asked.query.get(name, "") for name in ("heartbeat", "timeout"))
        beats = beat not in ("", "false")
        wanted = beat if beats else most
        pause = min(int(wanted) / 1000, _FEED_SECONDS) if wanted.isdigit() else _FEED_SECONDS
        due = time.monotonic() + pause
        while not value["results"] and (beats or time.monotonic() < due) and not self._asked.is_over(_NAP_SECONDS):
            if beats and time.monotonic() >= due:
                yield b"\n"
                due += pause
            _, value = self._shim.page(self._asked, self._body, since=str(value["last_seq"]))
        yield _json(self._finished(value))

    def _finished(self, value: dict[str, Any]) -> dict[str, Any]:
        limit = self._asked.query.get("limit", "")
        pending = self._pending(value["last_seq"]) if limit.isdigit() and len(value["results"]) >= int(limit) else 0
        rows = [self._shim.spelled(row, "seq") for row in value["results"]]
        return self._shim.spelled(value, "last_seq") | {"results": rows, "pending": pending}

    def _pending(self, last: int) -> int:
        """Not for changes in descending order."""
        _, rest = self._shim.page(self._asked, self._body, since=str(last), limit=str(2**31), include_docs="false")
        return len(rest["results"])


def couch_shim(upstream_url: str, user: str = "admin", password: str = PASSWORD) -> CouchShim:
    """To be entered; `upstream_url`: of a running pouchdb-server."""
    return CouchShim(upstream_url, user, password)


def _kept(asked: Asked) -> list[tuple[str, str]]:
    """Without the password, which pouchdb-server would look for among users of its own, and without leave to compress."""
    is_body = asked.parts[1:] != ["_changes"]
    left = _OWN_HEADERS - ({"content-length", "transfer-encoding"} if is_body else set())
    return [(name, value) for name, value in asked.headers.items() if name.lower() not in left]


def _is_document(parts: list[str]) -> bool:
    """Or something in a document."""
    return len(parts) > 1 and (not parts[1].startswith("_") or (parts[1] in ("_design", "_local") and len(parts) > 2))


def _is_attachment(parts: list[str]) -> bool:
    rest = parts[3:] if parts[1:2] == ["_design"] else parts[2:]
    return _is_document(parts) and parts[1] != "_local" and bool(rest) and not rest[0].startswith("_")


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode() + b"\n"


def _rewritten(answer: Answer, value: dict[str, Any], is_chunked: bool = False) -> Answer:
    """CouchDB's changes come in chunks, other answers that are rewritten here have a length."""
    content = _json(value)
    headers = [(name, text) for name, text in answer.headers if name.lower() not in ("etag", "content-length")]
    return Answer(answer.status, headers, None if is_chunked else len(content), [content])


def _ranged(asked: Asked, answer: Answer) -> Answer:
    answer = replace(answer, headers=[*answer.headers, ("Accept-Ranges", "bytes")])
    match = _RANGE.fullmatch(asked.headers.get("Range", ""))
    if answer.length is None or match is None or match[0] == "bytes=-":
        return answer
    start, stop = int(match[1] or max(0, answer.length - int(match[2]))), int(match[2] or answer.length) + 1 if match[1] else answer.length
    stop = min(stop, answer.length)
    if start >= stop:
        answer.close()
        value = {"error": "requested_range_not_satisfiable", "reason": "Requested range not satisfiable"}
        return answer_of(416, value, Content_Range=f"bytes */{answer.length}")
    headers = [*answer.headers, ("Content-Range", f"bytes {start}-{stop - 1}/{answer.length}")]
    return replace(answer, status=206, headers=headers, length=stop - start, blocks=_part(answer.blocks, start, stop))


def _part(blocks: Iterable[bytes], start: int, stop: int) -> Iterator[bytes]:
    at = 0
    for block in blocks:
        part = block[max(0, start - at) : max(0, stop - at)]
        at += len(block)
        if part:
            yield part
        if at >= stop:
            return
