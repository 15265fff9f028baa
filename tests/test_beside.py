"""Files beside an original: stored, shown, replaced, never rendered; and what is known of the original, from its header alone."""

from __future__ import annotations

import dataclasses
import io
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from renderer.beside import info_of
from renderer.errors import (
    BadRequest,
    BrokenOriginal,
    Busy,
    Gone,
    NoSpace,
    NotFound,
    RendererError,
    StoreSlow,
    StoreUnavailable,
    TooManyBytes,
)
from renderer.rendition import NAMINGS, Alias, Namespace
from renderer.stores import Facts
from tests.machines import (
    BORN,
    GENERATION,
    LIMITS,
    PICTURE,
    PLACE,
    REF,
    SPACE,
    CountingWorkers,
    Machine,
    RecordedMemory,
    own,
    picture,
    put,
    show,
    show_file,
    show_info,
    workers,
)
from tests.waiting import wait_until

__all__ = ["own", "workers"]  # fixtures


@pytest.fixture
def machine(tmp_path: Path, workers: CountingWorkers, own: RecordedMemory) -> Machine:
    """The renditions are kept where the originals are."""
    workers.rendered.clear()
    return Machine(tmp_path / "one", workers, own, own)


def keep(machine: Machine, name: str, content: bytes) -> None:
    machine.besides.store(REF, name, io.BytesIO(content))


def shown(machine: Machine, name: str) -> bytes:
    return machine.service.produce(show_file(name)).path.read_bytes()


@pytest.mark.feature(127)
@pytest.mark.parametrize(
    ("content", "extension", "mime"),
    [
        pytest.param("Käse\n".encode(), "txt", "text/plain", id="text"),
        pytest.param(b"<script>alert(1)</script>", "txt", "text/plain", id="a page is text"),
        pytest.param(picture((10, 10)), "jpg", "image/jpeg", id="a picture"),
        pytest.param(b"x", "txt", "text/plain", id="one byte"),
    ],
)
def test_a_file_is_stored_and_shown_with_the_type_of_its_bytes(
    machine: Machine, own: RecordedMemory, content: bytes, extension: str, mime: str
) -> None:
    keep(machine, "notes.html", content)
    facts = own.facts(f"{PLACE}/notes.html")
    assert facts is not None
    assert (facts.content_type, facts.length, facts.made_by) == (mime, len(content), "")
    own.calls.clear()
    path = machine.service.produce(show_file("notes.html", Alias("~f~notes"))).path
    assert path.read_bytes() == content
    assert path.name == f"+notes.html.{extension}"
    assert path.with_name(f"~f~notes.{extension}").samefile(path)
    assert path.stat().st_mtime_ns // 10**9 == facts.time
    assert own.calls == [("get", "notes.html")]
    assert (machine.workers.rendered, machine.temporaries()) == ([], [])


@pytest.mark.feature(127)
@pytest.mark.parametrize("name", ["original", "info.json"])
def test_G_B6_what_was_given_to_us_cannot_be_overwritten(machine: Machine, own: RecordedMemory, name: str) -> None:
    with pytest.raises(BadRequest):
        keep(machine, name, b"other bytes")
    assert own.calls == []


@pytest.mark.feature(129)
def test_G_B5_what_nobody_stored_is_not_found_never_rendered_and_asked_for_once(machine: Machine, own: RecordedMemory) -> None:
    for _ in range(3):
        with pytest.raises(NotFound, match=r"p/[0-9a-f]{32}/random\.jpg"):
            machine.service.produce(show_file("random.jpg"))
    assert (own.calls, machine.workers.rendered, machine.temporaries()) == ([("get", "random.jpg")], [], [])


def test_an_empty_file_that_another_program_stored_is_none(machine: Machine, own: RecordedMemory, tmp_path: Path) -> None:
    put(own, tmp_path, "empty.txt", b"")
    with pytest.raises(NotFound):
        shown(machine, "empty.txt")
    assert machine.temporaries() == []


def test_a_file_that_was_looked_for_in_vain_is_there_as_soon_as_it_is_stored(machine: Machine) -> None:
    with pytest.raises(NotFound):
        shown(machine, "notes.txt")
    keep(machine, "notes.txt", b"notes")
    assert shown(machine, "notes.txt") == b"notes"


def test_what_replaces_a_file_is_shown_at_once_and_has_another_time(machine: Machine, own: RecordedMemory) -> None:
    """Not under the old alias nor with the old ETag; and what else was made of the original stays."""
    keep(machine, "notes.txt", b"old")
    alias = Alias("~f~notes")
    old = machine.service.produce(show_file("notes.txt", alias)).path
    (elsewhere := machine.cache.served / "0" / REF.directory).mkdir(parents=True)
    (elsewhere / old.name).write_bytes(b"of an older generation")
    times, stays = [old.stat().st_mtime_ns // 10**9], machine.service.produce(show(20)).path
    for content in (b"new", b"very new", picture((10, 10))):
        keep(machine, "notes.txt", content)
        assert not [path for path in old.parent.iterdir() if path.name.startswith(("+", "~f"))]
        assert not list(elsewhere.iterdir())
        path = machine.service.produce(show_file("notes.txt", alias)).path
        assert path.with_name(f"~f~notes{path.suffix}").read_bytes() == content
        times.append(path.stat().st_mtime_ns // 10**9)
    assert times == sorted(set(times))
    assert stays.exists()


@pytest.mark.parametrize(
    ("content", "error"), [(b"", BadRequest), (bytes(LIMITS.max_original_bytes + 1), TooManyBytes)], ids=["nothing", "too much"]
)
def test_what_cannot_be_stored_leaves_what_was_there(machine: Machine, content: bytes, error: type[RendererError]) -> None:
    keep(machine, "notes.txt", b"notes")
    shown(machine, "notes.txt")
    with pytest.raises(error):
        keep(machine, "notes.txt", content)
    assert shown(machine, "notes.txt") == b"notes"
    assert machine.temporaries() == []


def test_a_file_stands_only_beside_an_original(machine: Machine, own: RecordedMemory, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        machine.besides.store(SPACE.ref("0" * 32), "notes.txt", io.BytesIO(b"notes"))
    paths = Namespace("wall", NAMINGS["path"])
    with pytest.raises(BadRequest):
        machine.besides.store(paths.ref("lion.jpg"), "notes.txt", io.BytesIO(b"notes"))
    machine.originals.begin_deletion(REF)
    for attempt in (lambda: keep(machine, "notes.txt", b"notes"), lambda: shown(machine, "notes.txt")):
        with pytest.raises(Gone):
            attempt()
    assert own.count("put") == 0


def test_while_a_file_is_fetched_it_is_not_replaced_and_the_maker_of_renditions_keeps_nobody_waiting(
    machine: Machine, own: RecordedMemory
) -> None:
    keep(machine, "notes.txt", b"old")
    reached, go, get = threading.Event(), threading.Event(), own.get
    hasty = dataclasses.replace(machine, wait_seconds=0.05)

    def hold_the_answer(key: str, target: Path, max_bytes: int) -> Facts | None:
        facts = get(key, target, max_bytes)
        reached.set()
        go.wait(10)
        return facts

    own.get = hold_the_answer  # type: ignore[method-assign]
    with ThreadPoolExecutor(1) as client:
        fetching = client.submit(shown, machine, "notes.txt")
        assert reached.wait(10)
        try:
            with pytest.raises(Busy):
                keep(hasty, "notes.txt", b"new")
        finally:
            go.set()
        assert fetching.result() == b"old"
    with machine.cache.claim(REF, 0):
        keep(hasty, "notes.txt", b"new")
    assert shown(machine, "notes.txt") == b"new"


def test_names_that_somebody_invents_hold_up_nothing_that_is_made_of_the_original(machine: Machine, own: RecordedMemory) -> None:
    go = threading.Event()
    own.before = lambda call, file: file.startswith("junk") and go.wait(10)
    with ThreadPoolExecutor(2) as clients:
        junk = clients.submit(shown, machine, "junk1.txt")
        again = clients.submit(shown, machine, "junk1.txt")
        try:
            wait_until(lambda: own.count("get", "junk1.txt"), what="a question that hangs")
            wait_until(lambda: junk.done() or again.done(), what="the one who found no seat")
            assert machine.service.produce(show(20)).path.exists()
            assert not (junk.done() and again.done())
        finally:
            go.set()
        outcomes = {type(each.exception()) for each in (junk, again)}
    assert outcomes == {Busy, NotFound}
    assert own.count("get", "junk1.txt") == 1
    wait_until(lambda: machine.service.load() == {"waiting": 0, "originals": 0}, what="the makers to leave")


def test_a_store_that_hangs_is_left_alone(machine: Machine, own: RecordedMemory) -> None:
    def hang(call: str, file: str) -> None:
        raise StoreSlow("own", "nothing for 10 s")

    own.before = hang
    for name in ("one.txt", "two.txt"):
        with pytest.raises(StoreUnavailable):
            shown(machine, name)
    assert own.calls == [("get", "one.txt")]


def test_what_was_put_is_shown_though_nobody_heard_of_it(machine: Machine, own: RecordedMemory) -> None:
    keep(machine, "notes.txt", b"old")
    assert shown(machine, "notes.txt") == b"old"
    with pytest.raises(NotFound):
        shown(machine, "more.txt")
    put_whole = own.put

    def lose_the_answer(*arguments: object) -> bool:
        put_whole(*arguments)  # type: ignore[arg-type]
        raise StoreUnavailable("own", "it hung up")

    own.put = lose_the_answer  # type: ignore[method-assign]
    for name in ("notes.txt", "more.txt"):
        with pytest.raises(StoreUnavailable):
            keep(machine, name, b"new")
        assert shown(machine, name) == b"new"


def test_a_full_disk_is_asked_for_room_and_the_file_fetched_again(machine: Machine, own: RecordedMemory) -> None:
    keep(machine, "notes.txt", b"notes")

    def fill_up_once(call: str, file: str) -> None:
        if not machine.relieved:
            raise NoSpace("full")

    own.before = fill_up_once
    assert shown(machine, "notes.txt") == b"notes"
    assert len(machine.relieved) == 1


@pytest.mark.parametrize("name", ["notes.txt", "random.txt"])
def test_what_stood_beside_a_deleted_original_is_gone_whatever_is_put_there_later(
    machine: Machine, own: RecordedMemory, tmp_path: Path, name: str
) -> None:
    with pytest.raises(NotFound) as never:
        shown(machine, "random.txt")
    assert never.type is NotFound
    machine.removal.delete(REF)
    put(own, tmp_path, "notes.txt", b"of another machine")
    own.calls.clear()
    for _ in range(2):
        with pytest.raises(Gone):
            shown(machine, name)
    assert own.count("get", name) == 0
    put(own, tmp_path, "original", PICTURE)  # by that machine too: this one is told by nobody
    later = dataclasses.replace(machine)
    if name == "notes.txt":
        assert shown(later, name) == b"of another machine"
    else:
        with pytest.raises(NotFound) as absent:
            shown(later, name)
        assert absent.type is NotFound


def test_a_store_that_is_down_is_no_absence(machine: Machine, own: RecordedMemory) -> None:
    def refuse(call: str, file: str) -> None:
        raise StoreUnavailable("own", "it is down")

    own.before = refuse
    with pytest.raises(StoreUnavailable):
        shown(machine, "notes.txt")
    own.before = lambda call, file: None
    keep(machine, "notes.txt", b"notes")
    assert shown(machine, "notes.txt") == b"notes"


# --- info.json --------------------------------------------------------------------------------------------------------------------------


@pytest.mark.feature(116)
def test_info_is_four_fields_from_the_header_and_kept_like_a_rendition(machine: Machine, own: RecordedMemory) -> None:
    path = machine.service.produce(show_info()).path
    wanted = f'{{"hash":"{REF.name}","height":60,"width":80,"content_type":"image/jpeg"}}'
    assert path.read_text() == wanted
    assert path.name == "+info.json.json"
    assert path.stat().st_mtime_ns // 10**9 == BORN
    assert json.loads(wanted) == info_of(REF, machine.workers.header(machine.originals._copy(REF)))
    wait_until(lambda: machine.archive.has(REF, ["info.json"]), what="info.json in the store")
    facts = own.facts(f"{PLACE}/info.json")
    assert facts is not None
    assert (facts.content_type, facts.made_by, facts.time) == ("application/json", GENERATION, BORN)
    own.calls.clear()
    other = dataclasses.replace(machine, directory=machine.directory.with_name("other"))
    assert other.service.produce(show_info()).path.read_text() == wanted
    assert own.calls == [("get", "info.json")]
    assert (machine.workers.rendered, machine.temporaries(), other.temporaries()) == ([], [], [])


def test_info_of_another_program_is_not_believed(machine: Machine, own: RecordedMemory, tmp_path: Path) -> None:
    put(own, tmp_path, "info.json", b'{"hash":"wrong"}')
    assert json.loads(machine.service.produce(show_info()).path.read_bytes())["width"] == 80


@pytest.mark.parametrize(
    "content",
    [
        pytest.param('{"a":1}<script>', id="no JSON"),
        pytest.param("[" * 900, id="deep"),
        pytest.param("[]", id="a list"),
        pytest.param('{"hash":"0","height":60,"width":80,"content_type":"image/jpeg"}', id="of another original"),
        pytest.param('{"hash":"%s","height":60,"width":"80","content_type":"image/jpeg"}', id="a width in words"),
        pytest.param('{"hash":"%s","height":true,"width":80,"content_type":"image/jpeg"}', id="a true height"),
        pytest.param('{"hash":"%s","height":60,"width":0,"content_type":"image/jpeg"}', id="no width"),
        pytest.param('{"hash":"%s","height":60,"width":80,"content_type":"text/html"}', id="no type of ours"),
        pytest.param('{"hash":"%s","height":60,"width":80}', id="no type"),
        pytest.param('{"hash":"%s","height":60,"width":80,"content_type":"image/jpeg"}' + " " * 2000, id="too long"),
    ],
)
def test_info_that_only_calls_itself_ours_is_made_anew_and_replaced(
    machine: Machine, own: RecordedMemory, tmp_path: Path, content: str
) -> None:
    put(own, tmp_path, "info.json", content.replace("%s", REF.name).encode(), made_by=GENERATION)
    wanted = machine.service.produce(show_info()).path.read_bytes()
    assert wanted.decode() == f'{{"hash":"{REF.name}","height":60,"width":80,"content_type":"image/jpeg"}}'
    assert machine.archive.drain(10)
    own.get(f"{PLACE}/info.json", tmp_path / "kept", 100_000)
    assert (tmp_path / "kept").read_bytes() == wanted


def test_info_and_renditions_of_one_original_are_one_fetch(machine: Machine, own: RecordedMemory) -> None:
    produced = machine.service.produce_all([show_info(), show(20), show_file("none.txt")])
    assert [type(each).__name__ for each in produced] == ["Produced", "Produced", "NotFound"]
    assert own.count("get", "original") == 1


def test_what_is_no_picture_has_no_info_and_is_remembered(machine: Machine, own: RecordedMemory, tmp_path: Path) -> None:
    content = b"no picture"
    ref = SPACE.ref("a0dd1e1bd1a0d6a2e0b2a5b0b1a3b0d9")
    own.put(f"p/{ref.name[:3]}/{ref.name[3:6]}/{ref.name[6:9]}/{ref.name[9:]}/original", _file(tmp_path, content), Facts(10, BORN))
    machine.originals.homes = {"p": dataclasses.replace(machine.originals.homes["p"], accepts_mismatch=True)}
    for _ in range(2):
        with pytest.raises(BrokenOriginal):
            machine.service.produce(show_info(ref))
    assert [(record.name, record.recipe) for record in machine.quarantine] == [(ref.name, "")]
    assert own.count("get", "original") == 1
    assert machine.temporaries() == []


def _file(directory: Path, content: bytes) -> Path:
    path = directory / "given"
    path.write_bytes(content)
    return path
