"""A source in CouchDB: originals as huImages kept them on a real server, and servers that are not well."""

from __future__ import annotations

import base64
import hashlib
import json
import tracemalloc
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from couchdb import client

from renderer.errors import BadRequest, Gone, StoreGarbled, StoreRefused, StoreSlow, StoreUnavailable, TooManyBytes
from renderer.rendition import NAMINGS
from renderer.stores import Facts
from renderer.stores.couchdb import CouchSource
from tests.couch import couch_server
from tests.couch_shim import couch_shim
from tests.stores.faulty import Answer, Exchange, serving
from tests.stores.test_contract import NO_KEYS

__all__ = ["couch_server"]

PLENTY = 1_000_000
JPEG, PNG = b"\xff\xd8\xff the picture", b"\x89PNG\r\n\x1a\n another picture"
TIMES = {"ctime": "20080102T030405.000006", "mtime": "20090102T030405.000006"}
CTIME, MTIME = 1_199_243_045, 1_230_865_445  # the same, by `date -u`


def key_of(content: bytes) -> str:
    return NAMINGS["sha1"].name_of(hashlib.sha1(content).digest())


KEY = key_of(JPEG)


class House:
    """A source, and the client's own view of its database."""

    def __init__(self, url: str) -> None:
        self.title = f"legacy-{uuid.uuid4().hex}"
        self.database = client.Server(url).create(self.title)
        self.source = CouchSource("old", url, self.title, page_documents=3)

    def save(self, key: str, *attachments: tuple[str, bytes, str], **fields: Any) -> None:
        """As huImages did: the document, then its attachments one by one."""
        self.database[key] = {"width": 640, "height": 480, **TIMES, **fields}
        for name, content, content_type in attachments:
            self.database.put_attachment(self.database[key], content, name, content_type)


@pytest.fixture
def house(couch_server: str) -> House:
    return House(couch_server)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "target"


def test_the_only_attachment_is_the_original(house: House, target: Path) -> None:
    house.save(KEY, ("test.jpeg", JPEG, "image/jpeg"))
    facts = house.source.get(KEY, target, PLENTY)
    assert facts == Facts(len(JPEG), CTIME, "image/jpeg")
    assert facts == house.source.facts(KEY)
    assert target.read_bytes() == JPEG
    assert target.stat().st_mtime == CTIME


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("a b  c.jpg", id="spaces"),
        pytest.param("Ä/straße/日本語🦁.jpg", id="umlauts-and-slashes"),
        pytest.param("100%/a%2Fb+c&d=e?f#g;h.jpg", id="what-urls-escape"),
        pytest.param("rev", id="like-an-option"),
    ],
)
def test_an_attachment_may_have_any_name(house: House, target: Path, name: str) -> None:
    stub = {"content_type": "image/jpeg", "data": base64.b64encode(JPEG).decode()}
    house.database[KEY] = {"_attachments": {name: stub}}
    assert house.source.get(KEY, target, PLENTY) == Facts(len(JPEG), 0, "image/jpeg")
    assert target.read_bytes() == JPEG


@pytest.mark.parametrize(
    ("key", "content", "content_type"),
    [
        pytest.param(KEY, b"", "image/jpeg", id="no-bytes"),
        pytest.param(KEY, b"%PDF-1.4", "application/pdf", id="no-image"),
        pytest.param(KEY, b'{"a": 1}', "application/json", id="what-the-client-might-read-itself"),
        pytest.param("any name/of a document.jpg", JPEG * 20_000, "image/jpeg", id="many-blocks"),
    ],
)
def test_the_only_attachment_comes_whatever_it_is(house: House, target: Path, key: str, content: bytes, content_type: str) -> None:
    house.save(key, ("a", content, content_type))
    assert house.source.get(key, target, PLENTY) == Facts(len(content), CTIME, content_type)
    assert target.read_bytes() == content


@pytest.mark.parametrize(
    ("contents", "key", "chosen"),
    [
        pytest.param([PNG, JPEG, b"text"], KEY, JPEG, id="by-hash"),
        pytest.param([PNG, b"text"], key_of(b"text"), b"text", id="by-hash-though-no-picture"),
        pytest.param([b"text", PNG, JPEG], key_of(b"else"), PNG, id="first-picture"),
        pytest.param([b"", b"text"], key_of(b"else"), b"", id="first-of-all"),
        pytest.param([PNG, JPEG], KEY[:32] + "02", JPEG, id="on-another-cluster"),
    ],
)
def test_of_several_attachments_the_right_one_is_chosen(house: House, target: Path, contents: list[bytes], key: str, chosen: bytes) -> None:
    house.save(key, *((f"{number}.jpeg", content, f"image/x-{number}") for number, content in enumerate(contents)))
    facts = house.source.get(key, target, PLENTY)
    assert target.read_bytes() == chosen
    assert facts == house.source.facts(key) == Facts(len(chosen), CTIME, f"image/x-{contents.index(chosen)}")


def test_HB10_what_is_not_there_is_none(house: House, target: Path) -> None:
    house.save(KEY, filename="new.jpeg", length=10, content_type="image/jpeg")  # decision 25
    house.save("_design/all", ("a.jpeg", JPEG, "image/jpeg"), views={})
    for key in (KEY, key_of(PNG), "_design/all", "_all_docs", "_changes"):
        assert house.source.get(key, target, PLENTY) is None
        assert house.source.facts(key) is None
    assert not target.exists()


def test_what_is_marked_deleted_is_gone(house: House, target: Path) -> None:
    house.save(KEY, ("a.jpeg", JPEG, "image/jpeg"), deleted=True)
    with pytest.raises(Gone, match=KEY):
        house.source.get(KEY, target, PLENTY)
    with pytest.raises(Gone, match=KEY):
        house.source.facts(KEY)
    assert not target.exists()


def test_of_conflicting_revisions_the_winner_is_read_whole(house: House, target: Path) -> None:
    stubs = [{"content_type": "image/x", "data": base64.b64encode(content).decode()} for content in (PNG, JPEG)]
    documents = [{"_id": KEY, "_rev": f"1-{letter * 32}", "_attachments": {"a": stub}} for letter, stub in zip("ab", stubs, strict=True)]
    house.database.resource.post_json("_bulk_docs", body={"docs": documents, "new_edits": False})
    assert house.source.get(KEY, target, PLENTY) is not None
    assert target.read_bytes() == JPEG


@pytest.mark.parametrize(
    ("fields", "time"),
    [
        pytest.param({}, CTIME, id="ctime"),
        pytest.param({"ctime": "yesterday"}, MTIME, id="no-time"),
        pytest.param({"ctime": None}, MTIME, id="nothing"),
        pytest.param({"ctime": 5, "mtime": ""}, 0, id="neither"),
        pytest.param({"ctime": "19500101T000000.000000"}, -631_152_000, id="before-1970"),
    ],
)
def test_the_time_is_that_of_the_first_save(house: House, fields: dict[str, Any], time: int) -> None:
    house.save(KEY, ("a.jpeg", JPEG, "image/jpeg"), **fields)
    facts = house.source.facts(KEY)
    assert facts is not None
    assert facts.time == time


def test_R12_too_many_bytes_leave_no_target(house: House, target: Path) -> None:
    house.save(KEY, ("a.jpeg", JPEG, "image/jpeg"))
    with pytest.raises(TooManyBytes, match="at most 4 bytes for an original, got 15"):
        house.source.get(KEY, target, 4)
    assert not target.exists()
    assert house.source.get(KEY, target, len(JPEG)) is not None


def test_R12_what_is_announced_as_too_much_is_not_asked_for(target: Path) -> None:
    with serving(couch({"a.jpeg": (stub(JPEG), says(JPEG))})) as server:
        with pytest.raises(TooManyBytes):
            CouchSource("old", server.url).get(KEY, target, 4)
        assert not any("a.jpeg" in seen.path for seen in server.seen)


@pytest.mark.parametrize("key", NO_KEYS)
def test_what_cannot_be_a_key_is_refused(target: Path, free_port: int, key: str) -> None:
    source = CouchSource("old", f"http://127.0.0.1:{free_port}")
    with pytest.raises(BadRequest, match="expected visible parts"):
        source.get(key, target, PLENTY)
    with pytest.raises(BadRequest, match="expected visible parts"):
        source.facts(key)
    assert not target.exists()


def test_names_come_page_after_page_without_what_cannot_be_got(house: House) -> None:
    keys = sorted(key_of(bytes([number])) for number in range(10))
    for key in keys:
        house.save(key, ("a.jpeg", JPEG, "image/jpeg"))
    house.save("0-without")
    house.save("0-marked", ("a.jpeg", JPEG, "image/jpeg"), deleted=True)
    house.save(".hidden", ("a.jpeg", JPEG, "image/jpeg"))  # what no store may hold
    house.save("_design/all", ("a.jpeg", JPEG, "image/jpeg"), views={})
    assert list(house.source.names()) == keys
    assert list(house.source.names(keys[4][:5])) == [keys[4]]
    assert list(house.source.names(keys[4])) == [keys[4]]
    assert list(house.source.names("../")) == list(house.source.names("_design")) == []


def test_a_large_original_is_never_whole_in_memory(house: House, target: Path) -> None:
    content = JPEG * 1_400_000  # 21 MB
    house.save(KEY, ("a.jpeg", content, "image/jpeg"))
    house.source.facts(KEY)
    tracemalloc.start()
    try:
        house.source.get(KEY, target, 2 * len(content))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert target.stat().st_size == len(content)
    assert peak < 2_000_000


def test_a_check_says_what_is_there(house: House, couch_server: str) -> None:
    house.save(KEY)
    assert house.source.check(KEY) == [(f"store old: 1 documents in {house.title} at {couch_server}", True)]


def test_a_database_that_is_not_there_is_no_absence_and_is_not_made(couch_server: str, target: Path) -> None:
    title = f"none-{uuid.uuid4().hex}"
    source = CouchSource("old", couch_server, title)
    sentence = f"expected a database {title} at {couch_server}, found none"
    with pytest.raises(StoreUnavailable, match=sentence):
        source.get(KEY, target, PLENTY)
    assert source.check() == [(f"store old: {sentence}", False)]
    assert title not in client.Server(couch_server)


def test_a_database_that_vanishes_is_no_absence(house: House, couch_server: str) -> None:
    house.save(KEY)
    assert house.source.facts(KEY) is None
    client.Server(couch_server).delete(house.title)
    with pytest.raises(StoreUnavailable, match="or its absence"):
        house.source.facts(KEY)


# What pouchdb-server does not do: a server with one document, `KEY`, whose attachments are answered as a test likes.


def says(content: bytes, status: int = 200, **headers: Any) -> Answer:
    def answer(exchange: Exchange) -> None:
        exchange.begin(status, **{"Content_Length": len(content), **headers})
        if exchange.command != "HEAD":
            exchange.wfile.write(content)

    return answer


def says_json(value: object, status: int = 200) -> Answer:
    return says(json.dumps(value).encode(), status, Content_Type="application/json")


UNAUTHORIZED = says_json({"error": "unauthorized", "reason": "You are not a server admin."}, 401)
LOST = says_json({"error": "not_found", "reason": "Document is missing attachment"}, 404)


def stub(content: bytes, **changes: Any) -> dict[str, Any]:
    digest = base64.b64encode(hashlib.md5(content).digest()).decode()
    return {"content_type": "image/jpeg", "length": len(content), "digest": f"md5-{digest}", "revpos": 2, "stub": True} | changes


def couch(attachments: dict[str, tuple[dict[str, Any], Answer]], password: str = "", why: str = "") -> Answer:
    """With `password`, nothing is said to whoever does not know it. `why`: why there is no such document."""
    document = says_json({"_id": KEY, "_rev": "2-a", **TIMES, "_attachments": {name: own for name, (own, _) in attachments.items()}})
    if why:
        document = says_json({"error": "not_found", "reason": why}, 404)
    wanted = base64.b64encode(f"joe:{password}".encode()).decode()

    def answer(exchange: Exchange) -> None:
        _, _, key, *rest = urlsplit(exchange.path).path.split("/", 3) + [""] * (exchange.path.count("/") < 2)
        if password and exchange.headers.get("Authorization") != f"Basic {wanted}":
            UNAUTHORIZED(exchange)
        elif not key:
            says_json({"db_name": "huimages", "doc_count": 1})(exchange)
        else:
            (attachments[unquote(rest[0])][1] if rest else document)(exchange)

    return answer


def torn(content: bytes, length: int) -> Answer:
    """A connection that ends early."""

    def answer(exchange: Exchange) -> None:
        exchange.begin(Content_Length=length)
        exchange.wfile.write(content)
        exchange.finish_early()

    return answer


def chunked(content: bytes, end: bytes = b"0\r\n\r\n") -> Answer:
    def answer(exchange: Exchange) -> None:
        exchange.begin(Transfer_Encoding="chunked")
        exchange.wfile.write(b"%x\r\n%s\r\n%s" % (len(content), content, end))

    return answer


def stops(content: bytes, length: int) -> Answer:
    def answer(exchange: Exchange) -> None:
        exchange.begin(Content_Length=length)
        exchange.wfile.write(content)
        exchange.hang()

    return answer


LONG = JPEG * 10_000


@pytest.mark.parametrize(
    ("own", "answer", "error", "sentence"),
    [
        pytest.param(stub(LONG), torn(LONG[:100_000], len(LONG)), StoreGarbled, "", id="truncated"),
        pytest.param(stub(JPEG), torn(JPEG[:5], len(JPEG)), StoreGarbled, "", id="truncated-and-small"),
        pytest.param(stub(LONG), chunked(LONG[:100_000], b""), StoreGarbled, "", id="truncated-in-chunks"),
        pytest.param(stub(LONG), says(LONG[:-1]), StoreGarbled, "expected 150000 bytes .* got 149999", id="shorter"),
        pytest.param(stub(JPEG), says(JPEG + b"!"), StoreGarbled, "expected 15 bytes", id="longer"),
        pytest.param(stub(JPEG), says(JPEG[:-1] + b"!"), StoreGarbled, "expected MD5", id="other-bytes"),
        pytest.param(stub(JPEG, digest="md5-x"), says(JPEG), StoreGarbled, "length and digest", id="no-digest"),
        pytest.param(stub(JPEG, length=None), says(JPEG), StoreGarbled, "length and digest", id="no-length"),
        pytest.param(stub(JPEG), LOST, StoreGarbled, "one missing 3 times", id="lost"),
        pytest.param(stub(LONG), stops(LONG[:100_000], len(LONG)), StoreSlow, "", id="silence"),
        pytest.param(stub(JPEG), Exchange.hang, StoreSlow, "", id="silence-at-once"),
        pytest.param(stub(JPEG), says_json({"error": "x", "reason": "y"}, 500), StoreUnavailable, "", id="error"),
        pytest.param(stub(JPEG), UNAUTHORIZED, StoreRefused, "", id="refused"),
    ],
)
def test_bytes_that_are_not_what_was_promised_are_never_an_original(
    target: Path, own: dict[str, Any], answer: Answer, error: type[StoreUnavailable], sentence: str
) -> None:
    with serving(couch({"a b/ü.jpeg": (own, answer)})) as server:
        source = CouchSource("old", server.url, timeout_seconds=0.5)
        with pytest.raises(error, match=f"^store old: .*{sentence}") as raised:
            source.get(KEY, target, PLENTY)
        assert type(raised.value) is error
        assert not target.exists()


@pytest.mark.parametrize(
    ("own", "answer"),
    [
        pytest.param(stub(LONG), chunked(LONG), id="chunks"),
        pytest.param(stub(LONG, encoding="gzip", digest="md5-AAAAAAAAAAAAAAAAAAAAAA==", encoded_length=5), chunked(LONG), id="compressed"),
        pytest.param(stub(LONG, digest="sha1-AAAA"), says(LONG), id="another-digest"),
    ],
)
def test_what_real_servers_say_is_understood(target: Path, own: dict[str, Any], answer: Answer) -> None:
    with serving(couch({"a.jpeg": (own, answer)})) as server:
        assert CouchSource("old", server.url).get(KEY, target, PLENTY) == Facts(len(LONG), CTIME, "image/jpeg")
        assert target.read_bytes() == LONG
        asked = [seen.path for seen in server.seen]
    assert asked == ["/huimages", f"/huimages/{KEY}?att_encoding_info=true&conflicts=true", f"/huimages/{KEY}/a.jpeg?rev=2-a"]


def test_a_broken_attachment_matters_only_when_no_other_is_the_one(target: Path) -> None:
    broken = (stub(PNG), says(PNG[:-1] + b"!"))
    with serving(couch({"broken": broken, "good": (stub(JPEG), says(JPEG))})) as server:
        assert CouchSource("old", server.url).get(KEY, target, PLENTY) is not None
        assert target.read_bytes() == JPEG
    with serving(couch({"broken": broken, "other": (stub(LONG), says(LONG))})) as server, pytest.raises(StoreGarbled):
        CouchSource("old", server.url).get(KEY, target, PLENTY)


# what a migration asks


def test_pages_of_documents_go_on_where_the_last_ended(house: House) -> None:
    keys = [key_of(b"%d" % number) for number in range(5)]
    for key in keys:
        house.save(key, ("a.jpg", JPEG, "image/jpeg"))
    first = house.source.page()
    assert [key for key, _ in first] == sorted(keys)[:3]
    second = house.source.page(first[-1][0])
    assert [key for key, _ in second] == sorted(keys)[2:]
    assert all(document and document["_attachments"]["a.jpg"]["length"] == len(JPEG) for _, document in (*first, *second))


def test_changes_are_told_once_each_and_from_a_position_on(house: House) -> None:
    before = house.source.position()
    house.save(KEY, ("a.jpg", JPEG, "image/jpeg"))
    gone = key_of(b"gone")
    house.save(gone)
    house.database.delete(house.database[gone])
    changes = house.source.changes(before, 10)
    assert {change.key: change.document is None for change in changes.rows} == {KEY: False, gone: True}
    assert house.source.changes(changes.position, 10).rows == ()
    assert house.source.position() == changes.position


def test_a_feed_that_waits_ends_without_changes_in_time(house: House, couch_server: str) -> None:
    with couch_shim(couch_server) as shim:  # pouchdb-server itself would wait for ever
        source = CouchSource("old", shim.url_with_password, house.title)
        position = source.position()
        assert source.changes(position, 10, wait_seconds=0.2).rows == ()
        house.save(KEY)
        assert [change.key for change in source.changes(position, 10, wait_seconds=5).rows] == [KEY]


def test_what_only_a_losing_revision_has_is_found(house: House, target: Path) -> None:
    house.save(KEY, ("a.jpg", JPEG, "image/jpeg"))
    winner = {"_id": KEY, "_rev": "9-ffffffffffffffffffffffffffffffff", "title": ["a conflict"], **TIMES}
    house.database.resource.post_json("_bulk_docs", body={"docs": [winner], "new_edits": False})
    assert house.source.get(KEY, target, PLENTY) == Facts(len(JPEG), CTIME, "image/jpeg")
    assert target.read_bytes() == JPEG


def test_a_document_that_was_looked_at_is_not_asked_for_again(target: Path) -> None:
    with serving(couch({"a.jpeg": (stub(JPEG), says(JPEG))})) as server:
        source = CouchSource("old", server.url)
        document = source.document(KEY)
        counted: list[int] = []
        got = source.fetch(KEY, target, PLENTY, document, counted.append)
        asked = [seen.path for seen in server.seen]
    assert got is not None
    assert (got.revision, got.attachment.name, got.facts.md5) == ("2-a", "a.jpeg", hashlib.md5(JPEG).hexdigest())
    assert sum(counted) == len(JPEG)
    assert len([path for path in asked if path.startswith(f"/huimages/{KEY}?")]) == 1


def test_what_was_deleted_altogether_is_gone(target: Path) -> None:
    """CouchDB remembers it, and says so; to pouchdb-server it is like any other that is not there."""
    with serving(couch({"a.jpeg": (stub(JPEG), says(JPEG))}, why="deleted")) as server:
        source = CouchSource("old", server.url)
        with pytest.raises(Gone, match=KEY):
            source.get(KEY, target, PLENTY)
        with pytest.raises(Gone, match=KEY):
            source.facts(KEY)
    assert not target.exists()


def test_a_document_that_changes_while_it_is_read_is_read_again(target: Path) -> None:
    lost = [True]

    def compacted(exchange: Exchange) -> None:
        (LOST if lost else says(JPEG))(exchange)
        lost.clear()

    with serving(couch({"a.jpeg": (stub(JPEG), compacted)})) as server:
        assert CouchSource("old", server.url).get(KEY, target, PLENTY) is not None
    assert target.read_bytes() == JPEG


def test_what_is_too_much_is_not_fetched_to_its_end(target: Path) -> None:
    """The client would read on when it is done with."""
    endless = (stub(JPEG), stops(LONG[:140_000], 10**12))
    with serving(couch({"a.jpeg": endless})) as server, pytest.raises(StoreGarbled, match="expected 15 bytes"):
        CouchSource("old", server.url, timeout_seconds=60).get(KEY, target, PLENTY)


Call = Callable[[CouchSource, Path], object]
CALLS: list[Call] = [
    lambda source, target: source.get(KEY, target, PLENTY),
    lambda source, _: source.facts(KEY),
    lambda source, _: list(source.names()),
]


def test_without_the_password_it_is_refused(target: Path) -> None:
    with serving(couch({"a.jpeg": (stub(JPEG), says(JPEG))}, password="s/c:t")) as server:
        stranger, friend = CouchSource("old", server.url), CouchSource("old", server.url.replace("//", "//joe:s%2Fc%3At@"))
        for call in CALLS:
            with pytest.raises(StoreRefused, match="store old: expected an answer about huimages"):
                call(stranger, target)
        assert [well for _, well in stranger.check()] == [False]
        assert friend.get(KEY, target, PLENTY) == Facts(len(JPEG), CTIME, "image/jpeg")
        assert friend.check() == [(f"store old: 1 documents in huimages at {server.url}", True)]


def test_HB11_nobody_there_is_unavailable(free_port: int, target: Path) -> None:
    source = CouchSource("old", f"http://joe:secret@127.0.0.1:{free_port}")
    for call in CALLS:
        with pytest.raises(StoreUnavailable, match="store old: expected an answer about huimages") as raised:
            call(source, target)
        assert "secret" not in str(raised.value)
    assert [well for _, well in source.check()] == [False]
    assert not target.exists()
