"""Deleting and purging over HTTP: who may, what is answered, and that nothing is looked at before the token is."""

from __future__ import annotations

import hmac
import io
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from renderer.cache import Cache
from renderer.catalog import Entry
from renderer.catalog.memory import MemoryCatalog
from renderer.deletions import Deletions
from renderer.errors import StoreRefused, StoreSlow
from renderer.limits import Limits
from renderer.originals import Home, Originals
from renderer.quarantine import Quarantine
from renderer.removal import Receipt, Removal
from renderer.rendition import NAMINGS, Namespace, Ref
from renderer.stores import Facts
from renderer.stores.memory import MemoryStore
from renderer.web import removing
from renderer.web.removing import MOST_BODY_BYTES, MOST_NAMES, Removing
from renderer.web.seats import Seats
from renderer.web.tokens import MADE, Tokens

HASHED, PATHS = Namespace("huimages", NAMINGS["sha1"]), Namespace("scenes", NAMINGS["path"])
REF = HASHED.ref("FKXGYNOJJ7H3IFO35FPUBC445EPOQRXN01")
LAMP = PATHS.ref("hall/Käse & 100% lamp?.jpg")
NOBODY = "A" * 32 + "01"
FIRST, SECOND = b"the first of two tokens", "zwei: schlüssel".encode()
BEARER = "Bearer the first of two tokens"


class Unreadable(io.BytesIO):
    """A body that nobody may read."""

    def read(self, *_: Any) -> bytes:
        raise AssertionError("the body was read")


class Asked:
    """The answer to one request."""

    def __init__(self, application: Any, environ: dict[str, Any]) -> None:
        self.body = b"".join(application(environ, self._start))

    def _start(self, status: str, headers: list[tuple[str, str]]) -> None:
        self.status, self.headers = int(status[:3]), dict(headers)

    @property
    def json(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self.body)
        return content


class House:
    """Originals in memory, a real cache, and the application in front of one that answers `behind`."""

    def __init__(self, root: Path, tokens: tuple[bytes, ...] = (FIRST, SECOND), own: Mapping[str, Sequence[bytes]] | None = None) -> None:
        self.root, self.store, self.catalog = root, MemoryStore(name="far"), MemoryCatalog("catalog")
        self.cache = Cache(root / "cache", "1")
        self.cache.prepare()
        homes = {space.name: Home(space, self.store, f"{space.name}/") for space in (HASHED, PATHS)}
        self.originals = Originals(homes, root / "copies", Limits(), Deletions(root / "deletions"))
        self.removal = Removal(self.originals, self.catalog, self.cache, Quarantine(root / "quarantine", {}))
        self.application = Removing(self.removal, {"huimages": HASHED, "scenes": PATHS}, Tokens(tokens, own or {}), Seats(2), self._behind)

    @staticmethod
    def _behind(environ: Mapping[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [b"behind"]

    def put(self, ref: Ref, renditions: int = 2) -> Ref:
        path = self.root / "incoming"
        path.write_bytes(b"original")
        self.originals.put(ref, path, Facts(8, 1))
        self.catalog.change(ref, lambda _: Entry(titles=("lamp",)))
        directory = self.cache.files / ref.directory
        directory.mkdir(parents=True, exist_ok=True)
        for number in range(renditions):
            (directory / f"fit-{number + 1}x_q75.jpg").write_bytes(b"picture")
        return ref

    def renditions(self) -> int:
        return sum(path.is_file() for path in self.cache.files.rglob("*"))

    def ask(self, method: str, path: str, body: bytes = b"", authorization: str = BEARER, **more: Any) -> Asked:
        """`path` as WSGI has it: decoded, bytes as latin-1."""
        environ = {
            "REQUEST_METHOD": method, "PATH_INFO": path, "QUERY_STRING": "", "REMOTE_ADDR": "192.0.2.7",
            "CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body),
        } | more  # fmt: skip
        if authorization:
            environ["HTTP_AUTHORIZATION"] = authorization
        return Asked(self.application, environ)

    def delete(self, ref: Ref, **more: Any) -> Asked:
        return self.ask("DELETE", f"/originals/{ref}".encode().decode("latin-1"), **more)

    def purge(self, wish: object, **more: Any) -> Asked:
        return self.ask("POST", "/purge", json.dumps(wish).encode(), **more)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


@pytest.mark.parametrize("ref", [REF, LAMP], ids=["hash-named", "path-named"])
def test_a_deletion_says_what_went_and_a_repeat_that_it_is_gone(house: House, ref: Ref) -> None:
    house.put(ref)
    done = house.delete(ref)
    assert (done.status, done.json) == (200, {"ref": str(ref), "files": 2, "bytes": 14, "original": True, "entry": True})
    assert (house.renditions(), house.originals.facts(ref), house.catalog.get(ref)) == (0, None, None)
    again = house.delete(ref)
    assert (again.status, again.json) == (410, {"error": f"the original {ref} was deleted"})


def test_what_never_was_is_404_and_leaves_nothing(house: House) -> None:
    answer = house.delete(HASHED.ref(NOBODY))
    assert (answer.status, answer.json) == (404, {"error": f"expected an original for huimages/{NOBODY}, found none"})
    assert house.delete(HASHED.ref(NOBODY)).status == 404
    assert list((house.root / "deletions").rglob("*")) == []


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/originals/nope/x", 404),
        ("/originals/", 404),
        ("/originals/huimages", 400),
        ("/originals/huimages/", 400),
        ("/originals/huimages/nope", 400),
        ("/originals/huimages/" + NOBODY + "\n", 400),
        ("/originals/scenes/../" + NOBODY, 400),
        ("/originals/scenes//a", 400),
        ("/originals/scenes/\xff", 400),
    ],
    ids=["namespace", "empty", "no-name", "empty-name", "bad-id", "newline", "dots", "slashes", "no-utf8"],
)
def test_a_name_that_cannot_be_is_refused(house: House, path: str, status: int) -> None:
    answer = house.ask("DELETE", path)
    assert (answer.status, list(answer.json)) == (status, ["error"])


@pytest.mark.parametrize(
    ("asked", "query"),
    [
        ("/originals/scenes/x/../hall/lamp.jpg", ""),
        ("/originals/scenes/hall/lamp.jpg", "v=2"),
        ("/originals/scenes/hall/lamp.jpg?", ""),
        ("/originals/scenes/hall%252Flamp.jpg", ""),
    ],
    ids=["put-in-order", "cut-off-at-a-question-mark", "cut-off-at-the-end", "decoded-twice"],
)
def test_a_path_that_did_not_come_as_it_was_sent_deletes_nothing(house: House, asked: str, query: str) -> None:
    ref = house.put(PATHS.ref("hall/lamp.jpg"))
    answer = house.delete(ref, REQUEST_URI=f"{asked}?{query}" if query else asked, QUERY_STRING=query)
    assert (answer.status, house.renditions()) == (400, 2)
    assert house.delete(ref, REQUEST_URI="/originals/scenes/hall%2Flamp.jpg").status == 200


def test_a_name_may_be_sent_as_it_is_or_percent_encoded(house: House) -> None:
    for asked in ("/originals/scenes/K\u00e4se.jpg".encode().decode("latin-1"), "/originals/scenes/K%C3%A4se.jpg"):
        assert house.delete(house.put(PATHS.ref("K\u00e4se.jpg")), REQUEST_URI=asked).status == 200


def test_a_purge_takes_ids_and_names_and_keeps_originals(house: House) -> None:
    house.put(REF)
    house.put(LAMP, 3)
    receipts = [
        {"ref": str(REF), "files": 2, "bytes": 14, "original": False, "entry": False},
        {"ref": str(LAMP), "files": 3, "bytes": 21, "original": False, "entry": False},
        {"ref": f"huimages/{NOBODY}", "files": 0, "bytes": 0, "original": False, "entry": False},
    ]
    done = house.purge({"id": [REF.name, str(LAMP), NOBODY]})
    assert (done.status, done.json) == (200, {"receipts": receipts})
    assert (house.renditions(), bool(house.originals.facts(REF)), bool(house.catalog.get(LAMP))) == (0, True, True)
    house.put(LAMP, 3)
    assert house.purge({"namespace": "scenes", "name": [LAMP.name]}).json == {"receipts": [receipts[1]]}


def test_a_whole_namespace_is_purged_only_when_that_is_said(house: House) -> None:
    for number in range(3):
        house.put(PATHS.ref(f"{number}.jpg"))
    house.put(REF)
    assert house.purge({"namespace": "scenes"}).status == 400
    done = house.purge({"namespace": "scenes", "all": True})
    assert (done.status, done.json) == (200, {"namespace": "scenes", "originals": 3, "files": 6, "bytes": 42, "complete": True})
    assert house.renditions() == 2


def test_a_purge_of_a_namespace_takes_seconds_and_a_repeat_goes_on(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        house.put(PATHS.ref(f"{number}.jpg"))
    ticks = iter(range(100))
    monkeypatch.setattr(removing, "PURGE_SECONDS", 2.5)
    monkeypatch.setattr(removing.time, "monotonic", lambda: float(next(ticks)))
    first = house.purge({"namespace": "scenes", "all": True}).json
    assert (first["originals"], first["complete"]) == (2, False)
    second, third = (house.purge({"namespace": "scenes", "all": True}).json for _ in range(2))
    assert (second["originals"], third["originals"], third["complete"]) == (2, 1, True)
    assert house.renditions() == 0


def test_a_purge_of_a_namespace_comes_further_however_long_the_way_is(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        house.put(PATHS.ref(f"{number}.jpg"))
    monkeypatch.setattr(removing, "PURGE_SECONDS", -1.0)
    done = [house.purge({"namespace": "scenes", "all": True}).json for _ in range(3)]
    assert [(each["originals"], each["complete"]) for each in done] == [(1, False), (1, False), (1, True)]


@pytest.mark.parametrize(
    "wish",
    [
        {}, [], None, 7, "id", {"id": REF.name}, {"id": []}, {"id": [7]}, {"id": [""]}, {"id": ["nope"]}, {"id": [f"nope/{NOBODY}"]},
        {"id": [REF.name, "nope"]}, {"id": [REF.name] * (MOST_NAMES + 1)}, {"id": [REF.name], "dry": True},
        {"id": [REF.name], "namespace": "huimages"}, {"name": [REF.name]}, {"namespace": "", "name": [REF.name]},
        {"namespace": "nope", "name": [REF.name]}, {"namespace": "nope", "all": True}, {"namespace": "", "all": True}, {"all": True},
        {"namespace": "huimages", "all": False}, {"namespace": "huimages", "all": "true"}, {"namespace": "huimages", "all": 1},
        {"namespace": ["huimages"], "all": True}, {"id": ["\ud800"]},
    ],
    ids=lambda wish: json.dumps(wish)[:60],
)  # fmt: skip
def test_a_wish_that_is_not_understood_purges_nothing(house: House, wish: object) -> None:
    house.put(REF)
    answer = house.purge(wish)
    assert (answer.status, list(answer.json), house.renditions()) == (400, ["error"], 2)
    assert "expected" in answer.json["error"]


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff", b"[" * 100_000, b"id=" + REF.name.encode(), b"NaN"],
    ids=["empty", "half", "no-utf8", "deep", "form", "nan"],
)  # fmt: skip
def test_a_body_that_is_no_json_is_refused(house: House, body: bytes) -> None:
    answer = house.ask("POST", "/purge", body)
    assert (answer.status, list(answer.json)) == (400, ["error"])


@pytest.mark.parametrize(
    ("length", "status"), [(str(MOST_BODY_BYTES + 1), 413), ("9" * 100, 413), ("", 400), ("-1", 400), ("²", 400)],
    ids=["large", "vast", "none", "negative", "superscript"],
)  # fmt: skip
def test_a_body_is_read_only_when_its_length_is_one_that_we_take(house: House, length: str, status: int) -> None:
    kept: dict[str, Any] = {"wsgi.input": Unreadable()} if status == 413 else {}
    assert house.ask("POST", "/purge", CONTENT_LENGTH=length, **kept).status == status


WRITES = [("DELETE", f"/originals/{REF}"), ("DELETE", "/originals/nope/%"), ("POST", "/purge")]


@pytest.mark.feature(170)
@pytest.mark.parametrize(("method", "path"), WRITES, ids=["delete", "delete-nonsense", "purge"])
@pytest.mark.parametrize(
    "authorization",
    [
        "", "Bearer", "Bearer ", "Bearer wrong", BEARER + "x", BEARER[:-1], "Basic the first of two tokens", "the first of two tokens",
        "Bearer " + "x" * 10_000, "Bearer \xff", "Bearer \u20ac", BEARER + "\x00",
    ],
    ids=["none", "bare", "empty", "wrong", "longer", "shorter", "basic", "no-scheme", "huge", "latin-1", "no-latin-1", "nul"],
)  # fmt: skip
def test_without_a_token_of_ours_nothing_is_looked_at(house: House, method: str, path: str, authorization: str) -> None:
    house.put(REF)
    answer = house.ask(method, path, authorization=authorization, **{"wsgi.input": Unreadable()})
    assert (answer.status, answer.headers["WWW-Authenticate"], list(answer.json)) == (401, "Bearer", ["error"])
    assert (house.renditions(), FIRST in answer.body) == (2, False)


@pytest.mark.parametrize(
    "authorization", [BEARER, "bearer  the first of two tokens ", "Bearer " + SECOND.decode("latin-1")], ids=["first", "spaced", "second"]
)
def test_every_token_of_ours_will_do(house: House, authorization: str) -> None:
    house.put(REF)
    assert house.purge({"id": [REF.name]}, authorization=authorization).status == 200


def test_every_token_is_compared_whether_or_not_one_fits(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    compared, real = [], hmac.compare_digest

    def note(one: bytes, other: bytes) -> bool:
        compared.append((len(one), len(other)))
        return real(one, other)

    monkeypatch.setattr(hmac, "compare_digest", note)
    for authorization in (BEARER, "Bearer x", ""):
        compared.clear()
        house.purge({"id": [REF.name]}, authorization=authorization)
        assert compared == [(32, 32), (32, 32)]


@pytest.mark.feature(170)
def test_the_token_of_a_namespace_is_good_for_that_one_only(tmp_path: Path) -> None:
    house = House(tmp_path, own={"scenes": [b"only for scenes"]})
    mine = {"authorization": "Bearer only for scenes"}
    house.put(REF)
    house.put(LAMP)
    refused = [
        house.delete(REF, **mine),
        house.purge({"id": [REF.name]}, **mine),
        house.purge({"id": [str(LAMP), REF.name]}, **mine),
        house.purge({"namespace": "huimages", "all": True}, **mine),
    ]
    assert [answer.status for answer in refused] == [403] * 4
    assert house.renditions() == 4
    assert house.purge({"namespace": "scenes", "all": True}, **mine).status == 200
    assert house.delete(LAMP, **mine).status == 200
    assert house.renditions() == 2


@pytest.mark.feature(170)
@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer "], ids=["none", "bare", "empty"])
def test_without_tokens_in_the_configuration_nobody_may(tmp_path: Path, authorization: str) -> None:
    house = House(tmp_path, tokens=())
    house.put(REF)
    for answer in (house.delete(REF, authorization=authorization), house.purge({"id": [REF.name]}, authorization=authorization)):
        assert (answer.status, "hosts.service.tokens" in answer.json["error"]) == (403, True)
    assert house.renditions() == 2


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "PATCH", "POST", "DELETE", "BREW"])
@pytest.mark.parametrize(("path", "allowed"), [(f"/originals/{REF}", "DELETE"), ("/purge", "POST")], ids=["originals", "purge"])
def test_other_methods_are_told_which_one_it_is(house: House, method: str, path: str, allowed: str) -> None:
    answer = house.ask(method, path, authorization="")
    assert (answer.status, answer.headers.get("Allow")) == ((401, None) if method == allowed else (405, allowed))


@pytest.mark.parametrize("path", ["/", "/originals", "/purge/", "/purged", "/o/originals/x"])
def test_everything_else_is_answered_behind(house: House, path: str) -> None:
    assert house.ask("DELETE", path, authorization="").body == b"behind"


def test_every_answer_is_json_that_nobody_keeps(house: House) -> None:
    house.put(REF)
    answers = [house.purge({}), house.purge({"id": [REF.name]}), house.delete(REF), house.delete(REF), house.delete(REF, authorization="")]
    answers.append(house.ask("GET", "/purge"))
    assert [answer.status for answer in answers] == [400, 200, 200, 410, 401, 405]
    for answer in answers:
        kept = {name: answer.headers[name] for name in ("Content-Type", "Cache-Control", "X-Content-Type-Options")}
        assert kept == {"Content-Type": "application/json", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
        assert answer.body.endswith(b"}\n")
        assert not [name for name in answer.headers if name.startswith("Access-Control")]


def test_a_store_that_refuses_is_a_fault_behind_us_and_tells_nothing(house: House) -> None:
    house.put(REF)

    def refuse(key: str) -> bool:
        raise StoreRefused("far", "403 for AKIA")

    house.store.delete = refuse  # type: ignore[method-assign]
    answer = house.delete(REF)
    assert (answer.status, b"AKIA" in answer.body, "Retry-After" in answer.headers) == (502, False, True)
    assert house.renditions() == 0


def test_a_purge_that_fails_for_one_says_so_and_goes_on(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.put(REF)
    house.put(LAMP)
    real = house.removal.purge

    def fail(ref: Ref) -> Receipt:
        if ref == LAMP:
            raise PermissionError(1, "not permitted", "/secret/path")
        return real(ref)

    monkeypatch.setattr(house.removal, "purge", fail)
    answer = house.purge({"id": [str(LAMP), REF.name]})
    assert (answer.status, answer.json["failed"]) == (500, [{"ref": str(LAMP), "error": "internal error"}])
    assert [receipt["files"] for receipt in answer.json["receipts"]] == [2]


def test_a_purge_by_names_stops_at_a_store_that_hangs_and_when_its_time_is_over(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Ref] = []
    real, refs = house.removal.purge, [house.put(PATHS.ref(f"hall/{number}.jpg")) for number in range(4)]

    def hang(ref: Ref) -> Receipt:
        asked.append(ref)
        if ref == refs[1]:
            raise StoreSlow("far", "no answer within 10 s")
        return real(ref)

    monkeypatch.setattr(house.removal, "purge", hang)
    wish = {"namespace": "scenes", "name": [ref.name for ref in refs]}
    answer = house.purge(wish)
    assert (answer.status, [failed["ref"] for failed in answer.json["failed"]]) == (503, list(map(str, refs[1:])))
    assert {failed["error"] for failed in answer.json["failed"]} == {"busy, try again"}
    assert asked == refs[:2]
    monkeypatch.setattr(house.removal, "purge", real)
    monkeypatch.setattr(removing, "PURGE_SECONDS", -1.0)
    answer = house.purge(wish)
    assert (answer.status, [receipt["ref"] for receipt in answer.json["receipts"]], len(answer.json["failed"])) == (503, [str(refs[0])], 3)


@pytest.mark.feature(170)
def test_nobody_learns_of_namespaces_that_are_not_his(tmp_path: Path) -> None:
    house = House(tmp_path, own={"scenes": [b"only for scenes"], MADE: [b"for what was made"]})
    for authorization in ("Bearer only for scenes", "Bearer for what was made"):
        mine = {"authorization": authorization}
        answers = [
            house.ask("DELETE", "/originals/nowhere/x", **mine),
            house.purge({"namespace": "nowhere", "name": ["x"]}, **mine),
            house.purge({"namespace": "nowhere", "all": True}, **mine),
        ]
        assert [(answer.status, b"huimages" in answer.body) for answer in answers] == [(403, False)] * 3
    assert b"huimages, scenes" in house.ask("DELETE", "/originals/nowhere/x").body


def test_a_bug_is_a_500_in_json_and_its_traceback_ours(house: House, monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    def fail(ref: Ref) -> Receipt:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(house.removal, "delete", fail)
    with caplog.at_level(logging.ERROR):
        answer = house.delete(REF)
    assert (answer.status, answer.json) == (500, {"error": "internal error"})
    assert "ZeroDivisionError" in caplog.text


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with caplog.at_level(logging.INFO):
        yield caplog


def test_who_removed_what_is_logged_and_never_the_token(house: House, logged: pytest.LogCaptureFixture) -> None:
    house.put(REF)
    house.purge({"id": [REF.name]})
    house.delete(REF, authorization="Bearer " + SECOND.decode("latin-1"))
    house.delete(LAMP, authorization="Bearer wrong")
    house.delete(LAMP)
    assert [record.getMessage() for record in logged.records] == [
        f"purged by token 1 at 192.0.2.7: 1 originals, 2 files, the first of {REF}",
        f"deleted by token 2 at 192.0.2.7: ref={REF} files=0 bytes=0 original=True entry=True",
    ]


def test_no_name_tells_the_log_of_other_deletions(house: House, caplog: pytest.LogCaptureFixture) -> None:
    ref = house.put(PATHS.ref("a.jpg files=9\x85\u2028deleted by token 2: ref=b \x9b2J.jpg"))
    with caplog.at_level(logging.INFO, "renderer.web.removing"):
        assert (house.purge({"id": [str(ref)]}).status, house.delete(ref).status) == (200, 200)
    for line in caplog.messages:
        assert line.isascii()
        assert line.isprintable()
        assert (line.count("files=9"), line.count("ref=b")) == (0, 0)
    assert "ref=scenes/a.jpg%20files%3D9%C2%85%E2%80%A8deleted" in caplog.messages[1]
