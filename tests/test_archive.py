"""Renditions in a remote store: recalled instead of rendered, kept once, dropped with what they were made of; and never in the way."""

from __future__ import annotations

import dataclasses
import io
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from renderer.errors import BrokenOriginal, Busy, Gone, NoSpace, StoreUnavailable
from renderer.formats import AVIF, JPEG, WEBP
from renderer.rendition import NAMINGS, Namespace
from renderer.rests import Patience
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
    Recorded,
    RecordedMemory,
    RecordedS3,
    own,
    picture,
    put,
    show,
    show_file,
    workers,
)
from tests.waiting import wait_until

__all__ = ["own", "workers"]  # fixtures

DOWN = StoreUnavailable("far", "it is down")


def refuse(call: str, file: str) -> None:
    raise DOWN


@pytest.fixture
def far() -> RecordedMemory:
    return RecordedMemory("far")


@pytest.fixture
def machine(tmp_path: Path, workers: CountingWorkers, own: RecordedMemory, far: RecordedMemory) -> Machine:
    workers.rendered.clear()
    return Machine(tmp_path / "one", workers, own, far)


def other(machine: Machine, **changes: object) -> Machine:
    """Another machine with the same stores."""
    return dataclasses.replace(machine, directory=machine.directory.with_name("other"), relieved=[], **changes)  # type: ignore[arg-type]


def kept(store: Recorded, *files: str) -> None:
    wait_until(lambda: set(files) <= store.files(), what=f"{files} in the store")


@pytest.fixture(params=["memory", "rclone"])
def shared(request: pytest.FixtureRequest) -> Recorded:
    """A store of renditions, in memory and for real; listings have two keys a page."""
    if request.param == "memory":
        return RecordedMemory("far")
    settings = request.getfixturevalue("rclone_server").settings(prefix=f"far-{uuid.uuid4().hex}", page_keys=2)
    return RecordedS3("far", **settings)


# --- keeping and recalling --------------------------------------------------------------------------------------------------------------


@pytest.mark.feature(125, 110)
def test_what_one_machine_made_another_recalls_without_the_original(
    machine: Machine, own: RecordedMemory, shared: Recorded, tmp_path: Path
) -> None:
    first, second = other(machine, far=shared), dataclasses.replace(machine, far=shared)
    made = first.service.produce(show(20))
    kept(shared, "w20.jpg")
    facts = shared.get(f"{PLACE}/w20.jpg", tmp_path / "kept", 100_000)
    assert (tmp_path / "kept").read_bytes() == made.path.read_bytes()
    assert facts is not None
    assert (facts.time, facts.content_type, facts.made_by) == (BORN, "image/jpeg", GENERATION)
    own.calls.clear()
    shared.calls.clear()
    machine.workers.rendered.clear()
    recalled = second.service.produce(show(20))
    assert recalled.path.read_bytes() == made.path.read_bytes()
    assert recalled.path.stat().st_mtime_ns // 10**9 == BORN
    assert recalled.path.with_name("~w20.jpg").samefile(recalled.path)
    assert "fetch" in recalled.milliseconds
    assert second.archive.drain(10)
    assert (own.calls, shared.calls, machine.workers.rendered) == ([], [("get", "w20.jpg")], [])
    assert second.temporaries() == []


def test_a_namespace_without_such_a_store_has_none(machine: Machine) -> None:
    alone = other(machine, far=None)
    assert alone.service.produce(show()).path.exists()
    path = alone.service.produce(show()).path
    alone.archive.keep(REF, "w20.jpg", path)
    assert alone.archive.has(REF, ["w20.jpg"]) == set()
    alone.removal.purge(REF)
    assert not path.exists()


def test_of_many_that_are_wanted_the_rest_is_made_of_one_fetch(machine: Machine, own: RecordedMemory, far: RecordedMemory) -> None:
    other(machine).service.produce(show(20))
    kept(far, "w20.jpg")
    machine.workers.rendered.clear()
    own.calls.clear()
    produced = machine.service.produce_all([show(20), show(30), show(40), show(20, "again.jpg")])
    assert len({each.path for each in produced}) == 3  # type: ignore[union-attr]
    assert machine.workers.rendered == ["fit-30x_q75", "fit-40x_q75"]
    assert own.count("get", "original") == 1


def test_each_url_of_a_rendition_has_its_own_name_there(machine: Machine, far: RecordedMemory) -> None:
    machine.service.produce_all([show(20), show(20, "w20-q75.jpg"), show(20, "w20-q0.jpg")])
    kept(far, "w20.jpg", "w20-q75.jpg", "w20-q0.jpg")
    assert machine.workers.rendered == ["fit-20x_q75"]


@pytest.mark.parametrize(
    ("content", "made_by"),
    [
        pytest.param(PICTURE, "", id="of another program"),
        pytest.param(PICTURE, "0-vips", id="of another generation"),
        pytest.param(b"no picture", GENERATION, id="no picture"),
        pytest.param(b"", GENERATION, id="empty"),
        pytest.param(bytes(200_000), GENERATION, id="too large"),
    ],
)
def test_what_is_not_of_this_generation_is_made_anew_and_replaced(
    machine: Machine, far: RecordedMemory, tmp_path: Path, content: bytes, made_by: str
) -> None:
    put(far, tmp_path, "w20.jpg", content, made_by=made_by)
    path = machine.service.produce(show(20)).path
    assert machine.workers.rendered == ["fit-20x_q75"]
    assert machine.archive.drain(10)
    if len(content) <= LIMITS.max_original_bytes:  # what was not even fetched, and calls itself ours, is not replaced
        far.get(f"{PLACE}/w20.jpg", tmp_path / "kept", 100_000)
        assert (tmp_path / "kept").read_bytes() == path.read_bytes()
    assert machine.temporaries() == []


def test_a_recalled_rendition_needs_no_good_original_and_another_is_not_even_tried(
    machine: Machine, own: RecordedMemory, far: RecordedMemory
) -> None:
    other(machine).service.produce(show(20))
    kept(far, "w20.jpg")
    machine.quarantine.strike(REF, "a truncated file")
    own.calls.clear()
    assert machine.service.produce(show(20)).path.exists()
    with pytest.raises(BrokenOriginal):
        machine.service.produce(show(30))
    assert own.calls == []


def test_what_hangs_while_it_is_recalled_is_rendered_meanwhile(machine: Machine, far: RecordedMemory, tmp_path: Path) -> None:
    for name in ("w20.jpg", "w21.jpg"):
        put(far, tmp_path, name, PICTURE, made_by=GENERATION)
    machine.archive._patience = Patience(rest_seconds=10, slow_seconds=0.05)
    go, left = threading.Event(), threading.Event()
    get = far.get

    def hang(key: str, target: Path, max_bytes: int) -> Facts | None:
        try:
            go.wait(10)
            return get(key, target, max_bytes)
        finally:
            left.set()

    far.get = hang  # type: ignore[method-assign]
    try:
        assert machine.service.produce(show(20)).path.exists()
        assert not left.is_set()
    finally:
        go.set()
    assert machine.workers.rendered == ["fit-20x_q75"]
    wait_until(lambda: left.is_set() and not machine.temporaries(), what="what came too late, taken away")
    far.get = get  # type: ignore[method-assign]
    wait_until(lambda: machine.service.produce(show(21)).path.read_bytes() == PICTURE, what="what is recalled again")


def test_a_full_disk_is_asked_for_room_and_the_rendition_recalled_again(machine: Machine, far: RecordedMemory) -> None:
    other(machine).service.produce(show(20))
    kept(far, "w20.jpg")
    machine.workers.rendered.clear()

    def fill_up_once(call: str, file: str) -> None:
        if call == "get" and not machine.relieved:
            raise NoSpace("full")

    far.before = fill_up_once
    assert machine.service.produce(show(20)).path.exists()
    assert (len(machine.relieved), machine.workers.rendered) == (1, [])


def test_when_no_room_can_be_made_those_who_wait_are_told(machine: Machine, far: RecordedMemory) -> None:
    class Unable(list[float]):
        def append(self, seconds: float) -> None:
            raise OSError("the disk of the pruner is full as well")

    def fill_up(call: str, file: str) -> None:
        raise NoSpace("full")

    far.before = fill_up
    with pytest.raises(NoSpace):
        dataclasses.replace(machine, relieved=Unable()).service.produce(show(20))
    assert machine.workers.rendered == []


def test_one_url_that_answers_with_several_formats_has_as_many_times(machine: Machine, far: RecordedMemory) -> None:
    """nginx's ETag knows the second and the length, and two formats may be as long. Recalled, they are the same."""
    space = dataclasses.replace(SPACE, negotiates=("avif", "webp"))
    shows = [show(20, form=form, ref=space.ref(REF.name)) for form in (JPEG, WEBP, AVIF)]
    for where in (other(machine, space=space), dataclasses.replace(machine, space=space)):
        produced = where.service.produce_all(shows)
        assert [each.path.stat().st_mtime_ns // 10**9 - BORN for each in produced] == [0, 1, 2]  # type: ignore[union-attr]
        kept(far, "w20.jpg", "w20.webp", "w20.avif")
    assert len(machine.workers.rendered) == 3
    plain = other(machine, far=None, generation="2")
    assert plain.service.produce(show(20, form=AVIF)).path.stat().st_mtime_ns // 10**9 == BORN


# --- a store in trouble -----------------------------------------------------------------------------------------------------------------


def test_a_store_that_is_down_is_asked_once_and_everything_rendered(machine: Machine, far: RecordedMemory) -> None:
    far.before = refuse
    for width in (20, 30, 40):
        assert machine.service.produce(show(width)).path.exists()
    assert far.count("get") == 1
    with pytest.raises(StoreUnavailable):
        machine.archive.has(REF, ["w20.jpg"])


def test_what_could_not_be_kept_is_tried_again(machine: Machine, far: RecordedMemory) -> None:
    failures = iter([DOWN, DOWN])

    def fail_twice(call: str, file: str) -> None:
        if call == "put" and (failure := next(failures, None)):
            raise failure

    far.before = fail_twice
    machine.service.produce(show(20))
    kept(far, "w20.jpg")
    assert far.count("put") == 3


def test_after_the_last_try_it_is_given_up_with_a_warning_and_others_are_kept(
    machine: Machine, far: RecordedMemory, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(call: str, file: str) -> None:
        if (call, file) == ("put", "w20.jpg"):
            raise DOWN

    far.before = fail
    machine.service.produce(show(20))
    wait_until(lambda: "w20.jpg of p/" in caplog.text, what="a warning")
    assert far.count("put", "w20.jpg") == len(machine.pauses) + 1
    machine.service.produce(show(30))
    kept(far, "w30.jpg")


def test_no_more_wait_than_there_is_room_for(machine: Machine, far: RecordedMemory, caplog: pytest.LogCaptureFixture) -> None:
    """And nobody who waits for a picture waits for a store that hangs."""
    narrow, go = other(machine, most_queued=1), threading.Event()
    far.before = lambda call, file: go.wait(10) if call == "put" else None
    narrow.service.produce(show(20))
    wait_until(lambda: far.count("put") == 1, what="the first at work")
    for width in (30, 40):
        narrow.service.produce(show(width))
    wait_until(lambda: "w40.jpg of p/" in caplog.text, what="a warning")
    go.set()
    assert narrow.archive.drain(10)
    assert far.files() == {"w20.jpg", "w30.jpg"}


def test_what_was_evicted_before_its_turn_is_no_error(machine: Machine, far: RecordedMemory, caplog: pytest.LogCaptureFixture) -> None:
    machine.archive.keep_later(REF, "w20.jpg", machine.cache.files / REF.directory / "fit-20x_q75.jpg")
    assert machine.archive.drain(10)
    assert (far.files(), caplog.records) == (set(), [])


def test_draining_waits_so_long_and_no_longer_and_without_pauses(machine: Machine, far: RecordedMemory) -> None:
    patient, go = other(machine, pauses=(600.0,)), threading.Event()
    failures = iter([DOWN])

    def fail_once_then_hang(call: str, file: str) -> None:
        if call == "put":
            if failure := next(failures, None):
                raise failure
            go.wait(10)

    far.before = fail_once_then_hang
    patient.service.produce(show(20))
    wait_until(lambda: far.count("put") == 1, what="a first try")
    assert not patient.archive.drain(0.1)
    go.set()
    assert patient.archive.drain(10)
    assert far.files() == {"w20.jpg"}


# --- before the answer ------------------------------------------------------------------------------------------------------------------


def test_G_B12_what_is_kept_before_an_answer_is_put_once(machine: Machine, far: RecordedMemory) -> None:
    for width in (20, 30, 40):
        path = machine.service.produce(show(width)).path  # kept some time too, before or after
        machine.archive.keep(REF, f"w{width}.jpg", path)
        assert machine.archive.has(REF, {f"w{width}.jpg", "w99.jpg"}) == {f"w{width}.jpg"}
        wait_until(lambda w=width: far.count("facts", f"w{w}.jpg") >= 3, what="the look of who keeps it later")
    assert machine.archive.drain(10)
    assert [far.count("put", f"w{width}.jpg") for width in (20, 30, 40)] == [1, 1, 1]


def test_what_cannot_be_kept_before_an_answer_is_an_error(machine: Machine, far: RecordedMemory) -> None:
    path = machine.service.produce(show(20)).path
    kept(far, "w20.jpg")

    far.before = refuse
    with pytest.raises(StoreUnavailable):
        machine.archive.keep(REF, "again.jpg", path)
    far.before = lambda call, file: None
    path.unlink()
    with pytest.raises(Busy, match="went away"):
        machine.archive.keep(REF, "again.jpg", path)


# --- purging and deleting ---------------------------------------------------------------------------------------------------------------


def fill(store: Recorded, directory: Path, count: int) -> set[str]:
    names = {f"w{number}.jpg" for number in range(count)}
    for name in names:
        put(store, directory, name, PICTURE, made_by=GENERATION)
    return names


def test_G_B21_a_purge_drops_all_renditions_and_nothing_else(machine: Machine, shared: Recorded, tmp_path: Path) -> None:
    """In the store where the originals are as well, with more than one page of names."""
    both = other(machine, far=shared)
    fill(shared, tmp_path, 1100 if isinstance(shared, RecordedMemory) else 7)
    put(shared, tmp_path, "old.jpg", PICTURE, made_by="0-vips")
    for stranger in ("original", "notes.txt", "w9999.jpg"):
        put(shared, tmp_path, stranger, PICTURE)
    path = both.service.produce(show(5000, "w5000.jpg")).path
    kept(shared, "w5000.jpg")
    assert both.removal.purge(REF).files == 1
    assert (path.exists(), shared.files()) == (False, {"original", "notes.txt", "w9999.jpg"})


def test_a_purge_does_not_touch_the_next_original(machine: Machine, far: RecordedMemory, tmp_path: Path) -> None:
    source, neighbour = tmp_path / "source", f"{PLACE}0/w20.jpg"
    put(far, tmp_path, "w20.jpg", PICTURE, made_by=GENERATION)
    far.put(neighbour, source, Facts(1, BORN, made_by=GENERATION))
    machine.removal.purge(REF)
    assert list(far.names()) == [neighbour]


def test_what_is_being_kept_while_it_is_purged_goes_too(machine: Machine, far: RecordedMemory) -> None:
    listed = threading.Event()

    def put_after_a_purge_has_looked(call: str, file: str) -> None:
        if call == "names":
            listed.set()
        elif call == "put":
            listed.wait(0.5)  # in vain: it waits for us

    far.before = put_after_a_purge_has_looked
    machine.service.produce(show(20))
    wait_until(lambda: far.count("put") == 1, what="a put under way")
    assert machine.removal.purge(REF).files == 1
    assert machine.archive.drain(10)
    assert far.files() == set()


def test_what_is_being_recalled_while_it_is_purged_is_not_shown(machine: Machine, far: RecordedMemory) -> None:
    other(machine).service.produce(show(20))
    kept(far, "w20.jpg")
    came, go, get = threading.Event(), threading.Event(), far.get

    def hold_the_answer(key: str, target: Path, max_bytes: int) -> Facts | None:
        facts = get(key, target, max_bytes)
        came.set()
        go.wait(10)
        return facts

    far.get = hold_the_answer  # type: ignore[method-assign]
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(machine.service.produce, show(20))
        assert came.wait(10)
        machine.removal.purge(REF)
        go.set()
        assert isinstance(asked.exception(10), Busy)
    assert (machine.cache.find(show(20).rendition), far.files(), machine.temporaries()) == (None, set(), [])


def test_what_is_recalled_between_the_two_halves_of_a_purge_goes_too(machine: Machine, far: RecordedMemory) -> None:
    other(machine).service.produce(show(20))
    kept(far, "w20.jpg")
    recalled = []

    def recall_first(call: str, file: str) -> None:
        if call == "delete" and not recalled:
            recalled.append(machine.service.produce(show(20)).path)

    far.before = recall_first
    machine.removal.purge(REF)
    assert [path.exists() for path in recalled] == [False]


def test_a_purge_of_a_store_that_is_down_says_so_when_this_disk_is_clean(machine: Machine, far: RecordedMemory) -> None:
    path = machine.service.produce(show(20)).path
    kept(far, "w20.jpg")

    far.before = refuse
    with pytest.raises(StoreUnavailable):
        machine.removal.purge(REF)
    assert not path.exists()
    far.before = lambda call, file: None
    machine.removal.purge(REF)
    assert far.files() == set()


@pytest.mark.parametrize("is_one", [True, False], ids=["one store", "two stores"])
def test_a_deletion_leaves_nothing_beside_the_original(
    machine: Machine, own: RecordedMemory, far: RecordedMemory, tmp_path: Path, is_one: bool
) -> None:
    both = other(machine, far=own) if is_one else machine
    both.service.produce(show(20))
    wait_until(lambda: both.archive.has(REF, ["w20.jpg"]), what="a rendition that is kept")
    both.besides.store(REF, "notes.txt", io.BytesIO(b"notes"))
    put(own if is_one else far, tmp_path, "w9999.jpg", PICTURE)  # of another program: a trace of the picture all the same
    failures = iter([DOWN])

    def fail_once(call: str, file: str) -> None:
        if (call, file) == ("delete", "w20.jpg") and (failure := next(failures, None)):
            raise failure

    own.before = far.before = fail_once
    with pytest.raises(StoreUnavailable):
        both.removal.delete(REF)
    with pytest.raises(Gone):
        both.service.produce(show(20))  # though it is still kept
    both.removal.delete(REF)
    assert (own.files(), far.files()) == (set(), set())
    with pytest.raises(Gone):
        both.service.produce(show(20))


def test_an_original_that_is_put_again_while_it_is_deleted_stays(machine: Machine, own: RecordedMemory) -> None:
    both = other(machine, far=own)
    both.besides.store(REF, "notes.txt", io.BytesIO(b"notes"))

    def put_again(call: str, file: str) -> None:
        if call == "names":  # before what is beside it is looked for
            own.before = lambda call, file: None
            both.ingest.take(SPACE, io.BytesIO(PICTURE), BORN)

    own.before = put_again
    both.removal.delete(REF)
    assert own.files() == {"original"}
    assert both.service.produce(show(20)).path.exists()


def test_what_another_machine_keeps_of_a_deleted_original_is_not_recalled(machine: Machine, far: RecordedMemory, tmp_path: Path) -> None:
    machine.removal.delete(REF)
    put(far, tmp_path, "w20.jpg", PICTURE, made_by=GENERATION)
    with pytest.raises(Gone):
        machine.service.produce(show(20))
    put(machine.own, tmp_path, "original", PICTURE)  # by that machine too: this one is told by nobody
    assert dataclasses.replace(machine).service.produce(show(20)).path.exists()
    assert machine.workers.rendered == ["fit-20x_q75"]


@pytest.mark.parametrize("is_one", [True, False], ids=["one store", "two stores"])
def test_what_is_stored_beside_an_original_that_was_put_again_stays_though_a_deletion_still_runs(
    machine: Machine, own: RecordedMemory, is_one: bool
) -> None:
    both = other(machine, far=own) if is_one else machine
    both.besides.store(REF, "notes.txt", io.BytesIO(b"one"))

    def put_again() -> None:
        both.ingest.take(SPACE, io.BytesIO(PICTURE), BORN)
        both.besides.store(REF, "notes.txt", io.BytesIO(b"two"))

    again = threading.Thread(target=put_again)

    def meanwhile(call: str, file: str) -> None:
        if call == "names":  # what is beside it is looked for
            own.before = lambda call, file: None
            again.start()
            again.join(0.2)  # it waits, or else is taken for the old

    own.before = meanwhile
    both.removal.delete(REF)
    again.join()
    assert own.files() == {"original", "notes.txt"}
    assert both.service.produce(show_file("notes.txt")).path.read_bytes() == b"two"


@pytest.mark.parametrize("kind", ["path", "sha1"])
def test_other_namings_keep_renditions_below_the_original(machine: Machine, far: RecordedMemory, kind: str) -> None:
    """And what replaces a path-named original is not shown the renditions of the old one (decision 21)."""
    space = Namespace("wall", NAMINGS[kind])
    walls = other(machine, space=space)
    ref = walls.ingest.take(space, io.BytesIO(PICTURE), BORN, "north/lion.jpg").ref
    old = walls.service.produce(show(20, ref=ref)).path.read_bytes()
    wait_until(lambda: list(far.names()) == [f"{ref.name}/~/w20.jpg"], what="a rendition that is kept")
    if kind == "path":
        walls.ingest.take(space, io.BytesIO(picture((60, 80))), BORN, "north/lion.jpg")
        assert list(far.names()) == []
        assert walls.service.produce(show(20, ref=ref)).path.read_bytes() != old
