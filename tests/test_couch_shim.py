"""The proxy that gives pouchdb-server CouchDB's manners: each of them once, and each fault, as clients meet them."""

from __future__ import annotations

import base64
import http.client
import json
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from couchdb import client

from renderer.couch import Couch
from renderer.errors import Gone, StoreGarbled, StoreRefused, StoreSlow, StoreUnavailable
from renderer.stores.couchdb import CouchSource
from tests.couch import couch_server
from tests.couch_shim import CouchShim, couch_shim
from tests.faults import Fault, always, asks, drop, first, garble, hang, status, truncate
from tests.waiting import wait_until

__all__ = ["couch_server"]

PICTURE = b"\xff\xd8\xff" + bytes(range(97)) * 10
LENGTH = len(PICTURE)
HUGE_BYTES = 20_000_000


@pytest.fixture
def shim(couch_server: str) -> Iterator[CouchShim]:
    before = set(threading.enumerate())
    with couch_shim(couch_server) as shim:
        yield shim
    assert set(threading.enumerate()) <= before


@pytest.fixture
def title(couch_server: str) -> str:
    """A database with one picture, put there behind the shim's back."""
    title = f"shim-{uuid.uuid4().hex}"
    _put(client.Server(couch_server).create(title), "doc", PICTURE)
    return title


def _put(database: client.Database, key: str, content: bytes = b"") -> None:
    database[key] = {"kind": "picture"}
    if content:
        database.put_attachment(database[key], content, "a b/ü.jpg", "image/jpeg")


def _database(shim: CouchShim, title: str) -> client.Database:
    return client.Server(shim.url_with_password)[title]


def _behind(shim: CouchShim, title: str) -> client.Database:
    return client.Server(shim.upstream_url)[title]


def _login(shim: CouchShim) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{shim.user}:{shim.password}".encode()).decode()}


def _get(shim: CouchShim, path: str, method: str = "GET", seconds: float = 20, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Each on a connection of its own."""
    with closing(http.client.HTTPConnection("127.0.0.1", shim.port, timeout=seconds)) as connection:
        connection.request(method, path, headers=_login(shim) | headers)
        with closing(connection.getresponse()) as response:
            return response.status, dict(response.getheaders()), response.read()


def _changes(shim: CouchShim, title: str, query: str = "") -> dict[str, Any]:
    code, _, content = _get(shim, f"/{title}/_changes{query}")
    assert code == 200
    return json.loads(content)


def _source(shim: CouchShim, title: str, seconds: float = 10) -> CouchSource:
    return CouchSource("old", shim.url_with_password, title, timeout_seconds=seconds)


def _refusal(shim: CouchShim, path: str, method: str = "GET") -> tuple[int, str]:
    code, _, content = _get(shim, path, method)
    return code, json.loads(content)["reason"]


def test_nobody_comes_in_without_the_password(shim: CouchShim, title: str) -> None:
    code, headers, content = _get(shim, f"/{title}", Authorization="Basic d3Jvbmc6d3Jvbmc=")
    assert (code, json.loads(content)["error"]) == (401, "unauthorized")
    assert headers["WWW-Authenticate"].startswith("Basic ")
    with pytest.raises(StoreRefused):
        Couch("old", shim.url, title, 5).count()
    assert Couch("old", shim.url_with_password, title, 5).count() == 1


def test_it_says_that_it_is_couchdb(shim: CouchShim) -> None:
    assert client.Server(shim.url_with_password).version().startswith("3.")


def test_sequences_can_be_handed_back_and_not_be_read(shim: CouchShim, title: str) -> None:
    for number in range(12):
        _put(_database(shim, title), f"more-{number}")
    page = _changes(shim, title, "?limit=5")
    again = _changes(shim, title, "?limit=5")
    assert page["pending"] == 8
    assert all(isinstance(row["seq"], str) for row in page["results"])
    assert not {row["seq"] for row in page["results"]} & {row["seq"] for row in again["results"]}
    assert page["last_seq"] != again["last_seq"]
    rest = [_changes(shim, title, f"?since={mark}") for mark in (page["last_seq"], again["last_seq"], f'"{page["last_seq"]}"')]
    assert [[row["id"] for row in part["results"]] for part in rest] == [[f"more-{number}" for number in range(4, 12)]] * 3
    assert rest[0]["pending"] == 0


def test_order_cannot_be_told_from_sequences(shim: CouchShim, title: str) -> None:
    spelled = [shim.sequences.spell(number) for number in range(200)]
    assert sorted(spelled) != spelled
    numbers = [int(text.partition("-")[0]) for text in spelled]
    assert sorted(numbers) != numbers
    assert [shim.sequences.parse(text) for text in spelled] == list(range(200))


def test_the_state_of_a_database_is_a_sequence_too(shim: CouchShim, title: str) -> None:
    state = _database(shim, title).info()["update_seq"]
    assert _changes(shim, title, f"?since={state}")["results"] == []
    assert _changes(shim, title, "?since=now")["results"] == []
    assert len(_changes(shim, title, "?since=0")["results"]) == 1
    assert isinstance(json.loads(_get(shim, f"/{title}/_all_docs?update_seq=true")[2])["update_seq"], str)


@pytest.mark.parametrize("since", ["1", "foo", "12-g1AAAACbeJzLYWBg", "12-g1AAAA" + "A" * 86, ""])
def test_a_strange_sequence_is_refused(shim: CouchShim, title: str, since: str) -> None:
    assert _refusal(shim, f"/{title}/_changes?since={since}")[0] == 400


def test_a_feed_ends_at_its_timeout(shim: CouchShim, title: str) -> None:
    mark = _changes(shim, title)["last_seq"]
    content = _get(shim, f"/{title}/_changes?feed=longpoll&timeout=100&since={mark}")[2]
    assert content.startswith(b"{")
    found = json.loads(content)
    assert found["results"] == []
    assert _changes(shim, title, f"?since={found['last_seq']}")["results"] == []


def test_a_feed_beats_while_nothing_changes(shim: CouchShim, title: str) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", shim.port, timeout=20)) as connection:
        connection.request("GET", f"/{title}/_changes?feed=longpoll&since=now&heartbeat=20&timeout=1", headers=_login(shim))
        with closing(connection.getresponse()) as response:
            assert response.read(3) == b"\n\n\n"


@pytest.mark.parametrize("pace", ["heartbeat=50", "timeout=30000"])
def test_a_feed_waits_for_a_change(shim: CouchShim, title: str, pace: str) -> None:
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(_get, shim, f"/{title}/_changes?feed=longpoll&since=now&{pace}")
        wait_until(lambda: shim.counted("GET", "longpoll"))
        wait_until(lambda: not _put(_behind(shim, title), f"late-{uuid.uuid4().hex}") and waiting.done())
        value = json.loads(waiting.result()[2])
    assert value["results"][0]["id"].startswith("late-")
    assert isinstance(value["last_seq"], str)


@pytest.mark.parametrize(
    ("asked", "code", "said", "content"),
    [
        ("bytes=2-4", 206, f"bytes 2-4/{LENGTH}", PICTURE[2:5]),
        ("bytes=900-", 206, f"bytes 900-{LENGTH - 1}/{LENGTH}", PICTURE[900:]),
        ("bytes=-7", 206, f"bytes {LENGTH - 7}-{LENGTH - 1}/{LENGTH}", PICTURE[-7:]),
        ("bytes=5-99999", 206, f"bytes 5-{LENGTH - 1}/{LENGTH}", PICTURE[5:]),
        ("bytes=99999-", 416, f"bytes */{LENGTH}", None),
    ],
)
def test_a_range_of_an_attachment(shim: CouchShim, title: str, asked: str, code: int, said: str, content: bytes | None) -> None:
    found, headers, body = _get(shim, f"/{title}/doc/a%20b/%C3%BC.jpg", Range=asked)
    assert (found, headers["Content-Range"]) == (code, said)
    assert content in (None, body)


def test_the_whole_attachment_offers_ranges(shim: CouchShim, title: str) -> None:
    code, headers, body = _get(shim, f"/{title}/doc/a%20b/%C3%BC.jpg")
    assert (code, headers["Accept-Ranges"], body) == (200, "bytes", PICTURE)


@pytest.mark.parametrize("behind", [True, False], ids=["behind its back", "through it"])
def test_a_deleted_document_is_not_just_missing(shim: CouchShim, title: str, behind: bool) -> None:
    database = (_behind if behind else _database)(shim, title)
    database.delete(database["doc"])
    assert _refusal(shim, f"/{title}/doc") == (404, "deleted")
    assert _refusal(shim, f"/{title}/doc/picture.jpg") == (404, "deleted")
    assert _refusal(shim, f"/{title}/other") == (404, "missing")
    assert _refusal(shim, f"/{title}/doc?rev=9-0") == (404, "missing")
    assert _get(shim, f"/{title}/doc", "HEAD")[0] == 404
    with pytest.raises(Gone):
        _source(shim, title).facts("doc")


def test_other_absences_have_couchdbs_words(shim: CouchShim, title: str) -> None:
    assert _refusal(shim, "/no-such-database") == (404, "Database does not exist.")
    assert _refusal(shim, f"/{title}/doc/none.jpg") == (404, "Document is missing attachment")


def test_what_was_asked_is_seen(shim: CouchShim, title: str) -> None:
    _get(shim, f"/{title}/doc?att_encoding_info=true")
    assert shim.seen == [("GET", f"/{title}/doc?att_encoding_info=true")]


def test_a_hook_comes_between_the_question_and_its_answer(shim: CouchShim, title: str) -> None:
    behind = _behind(shim, title)
    shim.before = lambda asked: behind.delete(behind["doc"]) if asks("GET", "/doc")(asked) and "doc" in behind else None
    assert _refusal(shim, f"/{title}/doc") == (404, "deleted")


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        pytest.param(status(500, {"error": "unknown_error", "reason": "boom"}), StoreUnavailable, id="status"),
        pytest.param(truncate(100), StoreGarbled, id="truncate"),
        pytest.param(garble(), StoreGarbled, id="garble"),
        pytest.param(drop(), StoreUnavailable, id="drop"),
        pytest.param(hang(), StoreSlow, id="hang"),
    ],
)
def test_each_fault_is_felt_and_passes(shim: CouchShim, title: str, tmp_path: Path, fault: Fault, error: type[Exception]) -> None:
    """CouchDB's client tries six times when it is dropped."""
    shim.fault = first(6, fault, only=asks("GET", ".jpg"))
    with pytest.raises(error):
        _source(shim, title, 0.5).get("doc", tmp_path / "target", 10**6)
    shim.fault = None
    assert _source(shim, title).get("doc", tmp_path / "target", 10**6)
    assert (tmp_path / "target").read_bytes() == PICTURE


def test_a_changed_list_of_changes_is_cut_short_too(shim: CouchShim, title: str) -> None:
    shim.fault = always(truncate(50))
    with pytest.raises(http.client.IncompleteRead):
        _get(shim, f"/{title}/_changes")


def test_it_goes_away_and_comes_back(shim: CouchShim, title: str) -> None:
    mark, port = _changes(shim, title)["last_seq"], shim.port
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as kept:
        kept.request("GET", "/")
        kept.getresponse().read()
        shim.stop()
        with pytest.raises(http.client.RemoteDisconnected):
            kept.request("GET", "/") or kept.getresponse()
    with pytest.raises(ConnectionRefusedError):
        _get(shim, f"/{title}")
    shim.start()
    assert shim.port == port
    assert _changes(shim, title, f"?since={mark}")["results"] == []


def test_a_crowd_reads_at_the_same_time(shim: CouchShim, title: str) -> None:
    meeting = threading.Barrier(16, timeout=20)
    shim.before = lambda _: meeting.wait() and None
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda _: _get(shim, f"/{title}/doc/a%20b/%C3%BC.jpg")[2], range(32)))
    assert found == [PICTURE] * 32


def test_a_huge_attachment_passes_in_both_directions(shim: CouchShim, title: str) -> None:
    content = (bytes(range(251)) * (HUGE_BYTES // 251 + 1))[:HUGE_BYTES]
    _put(_database(shim, title), "huge", content)
    assert _get(shim, f"/{title}/huge/a%20b/%C3%BC.jpg")[2] == content
    assert _get(shim, f"/{title}/huge/a%20b/%C3%BC.jpg", Range="bytes=19999000-")[2] == content[19_999_000:]
