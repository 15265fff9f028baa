"""The use case, with a real cache and real claims; the workers are an in-process implementation that writes what it was asked."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from renderer.box import Box
from renderer.cache import Cache
from renderer.catalog import Catalog, Entry
from renderer.catalog.memory import MemoryCatalog
from renderer.deletions import Deletions
from renderer.describing import Describing
from renderer.errors import BrokenOriginal, Busy, Gone, NotAllowed, NotFound, Refused, RendererError, RenderKilled, StoreGarbled
from renderer.formats import JPEG
from renderer.limits import Limits
from renderer.messages import Show
from renderer.ops import Fit
from renderer.originals import Home, Originals
from renderer.picture.jobs import Described, Header, Job, Made
from renderer.quarantine import Quarantine
from renderer.recipe import INFO, Beside, Output, Recipe, Untouched
from renderer.rendition import NAMINGS, Alias, Namespace, Rendition
from renderer.service import Bounds, Service
from renderer.signing import sign
from renderer.stores import Facts
from renderer.stores.memory import MemoryStore
from tests.waiting import wait_until

SPACE = Namespace("huimages", NAMINGS["sha1"])
REF = SPACE.ref("FKXGYNOJJ7H3IFO35FPUBC445EPOQRXN01")  # of b"hello world"
OTHER = SPACE.ref("VGMT4NSHA2AWVOR6EVYXQUGCNSONBWE501")  # of b"abc"
CONTENTS = {REF: b"hello world", OTHER: b"abc"}


class InlineWorkers:
    """Writes each recipe's spelling to its target; `before` is called first and may wait or raise."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.before: Callable[[Path, Sequence[Job]], None] = lambda original, jobs: None
        self.outcome: RendererError | None = None

    def render(self, original: Path, jobs: Sequence[Job]) -> list[Made | RendererError]:
        self.calls.append([job.recipe.spell() for job in jobs])
        self.before(original, jobs)
        if self.outcome:
            return [self.outcome for _ in jobs]
        for job in jobs:
            job.target.write_text(job.recipe.spell())
        return [Made("jpg", 1, {"decode": 1.0}) for _ in jobs]

    def header(self, original: Path) -> Header:
        self.calls.append(["header"])
        self.before(original, [])
        return Header(JPEG, 48, 64, 1, False)

    def describe(self, original: Path, idle_within: float | None = None) -> Described:
        self.calls.append(["describe"])
        self.before(original, [])
        return Described(Header(JPEG, 48, 64, 1, False), "shadow")


class CountingStore(MemoryStore):
    """Counts fetches; `gate` may hold one up."""

    gets = 0
    gate: Callable[[str], None] = staticmethod(lambda key: None)

    def get(self, key: str, target: Path, max_bytes: int) -> Facts | None:
        self.gets += 1
        self.gate(key)
        return super().get(key, target, max_bytes)


class House:
    """A service with everything around it."""

    def __init__(
        self, tmp_path: Path, keys: Sequence[bytes] = (), limits: Limits = Limits(), bounds: Bounds = Bounds(8, 4, 5),
        catalog: Catalog | None = None,
    ) -> None:  # fmt: skip
        self.store, self.workers = CountingStore(name="far"), InlineWorkers()
        for ref, content in CONTENTS.items():
            path = tmp_path / ref.name
            path.write_bytes(content)
            self.store.put(ref.name, path, Facts(len(content), 1_000_000_000))
        self.cache = Cache(tmp_path / "cache", "1")
        self.cache.prepare()
        self.originals = Originals({"huimages": Home(SPACE, self.store)}, tmp_path / "copies", limits, Deletions(tmp_path / "deletions"))
        self.quarantine = Quarantine(tmp_path / "quarantine", {})
        describing = Describing(catalog, self.workers)  # type: ignore[arg-type]
        self.service = Service(self.cache, self.originals, describing, self.workers, self.quarantine, limits, keys, bounds)  # type: ignore[arg-type]


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def show(side: int = 150, ref=REF, signature: str = "") -> Show:
    rendition = Rendition(ref, Recipe.of([Fit(Box(side, side))], Output(JPEG, 75)))
    alias = Alias(f"~{side}x{side}", "jpeg")
    return Show(rendition, str(alias), alias, signature)


def test_a_miss_becomes_a_file_and_an_alias_and_is_made_once(house: House) -> None:
    produced = house.service.produce(show())
    assert produced.path.read_text() == "fit-150x150_q75"
    assert produced.path.with_name("~150x150.jpeg").samefile(produced.path)
    assert {"fetch", "decode", "publish", "wait"} <= set(produced.milliseconds)
    again = house.service.produce(show())
    assert again.path == produced.path
    assert not again.milliseconds
    assert len(house.workers.calls) == 1


def test_a_file_made_under_another_name_only_gets_the_alias(house: House) -> None:
    path = house.service.produce(show()).path
    path.with_name("~150x150.jpeg").unlink()
    house.service.produce(show())
    assert path.with_name("~150x150.jpeg").exists()
    assert len(house.workers.calls) == 1


@pytest.mark.feature(54)
def test_many_misses_of_one_url_are_one_fetch_and_one_render(house: House) -> None:
    started, go = threading.Barrier(4), threading.Event()
    house.store.gate = lambda key: go.wait(5) and None  # type: ignore[method-assign]

    def ask() -> Path:
        started.wait(5)
        return house.service.produce(show()).path

    with ThreadPoolExecutor(4) as clients:
        asked = [clients.submit(ask) for _ in range(4)]
        wait_until(lambda: house.service.load()["waiting"] == 4, what="four waiters")
        go.set()
        assert len({each.result(5) for each in asked}) == 1
    assert (house.store.gets, len(house.workers.calls)) == (1, 1)


def test_many_sizes_of_one_cold_original_are_one_fetch(house: House) -> None:
    go = threading.Event()
    house.store.gate = lambda key: go.wait(5) and None  # type: ignore[method-assign]
    with ThreadPoolExecutor(4) as clients:
        asked = [clients.submit(house.service.produce, show(side)) for side in (1, 2, 3, 4)]
        wait_until(lambda: house.service.load()["waiting"] == 4, what="four waiters")
        go.set()
        assert len({each.result(5).path for each in asked}) == 4
    assert house.store.gets == 1
    assert len(house.workers.calls) == 1


def test_a_hanging_original_holds_up_nobody_else_and_its_crowd_is_sent_away(house: House) -> None:
    go = threading.Event()
    house.store.gate = lambda key: go.wait(5) and None if key == REF.name else None  # type: ignore[method-assign]
    with ThreadPoolExecutor(4) as clients:
        hanging = [clients.submit(house.service.produce, show(side)) for side in (1, 2, 3, 4)]
        wait_until(lambda: house.service.load()["waiting"] == 4, what="four waiters")
        with pytest.raises(Busy):
            house.service.produce(show(5))
        assert house.service.produce(show(ref=OTHER)).path.exists()
        go.set()
        assert all(each.result(5).path.exists() for each in hanging)


def test_a_wait_that_runs_out_is_busy_and_the_rendition_is_made_all_the_same(tmp_path: Path) -> None:
    house, go = House(tmp_path, bounds=Bounds(8, 4, 0.05)), threading.Event()
    house.store.gate = lambda key: go.wait(5) and None  # type: ignore[method-assign]
    with pytest.raises(Busy):
        house.service.produce(show())
    go.set()
    wait_until(lambda: house.cache.find(show().rendition), what="the rendition")


def test_a_missing_original_is_not_found_and_leaves_nothing(house: House) -> None:
    absent = SPACE.ref("A" * 32 + "01")
    with pytest.raises(NotFound):
        house.service.produce(show(ref=absent))
    assert not list(house.cache.files.rglob("*"))


def test_one_failing_render_fails_alone(house: House) -> None:
    house.workers.outcome = Refused("too wide")
    with pytest.raises(Refused):
        house.service.produce(show())
    house.workers.outcome = None
    assert house.service.produce(show()).path.exists()


def test_a_broken_original_is_quarantined_and_not_read_again(house: House) -> None:
    house.workers.outcome = BrokenOriginal("a truncated file")
    for _ in range(3):
        with pytest.raises(BrokenOriginal):
            house.service.produce(show())
    assert len(house.workers.calls) == 1
    assert [record.reason for record in house.quarantine] == ["a truncated file"]


def test_bytes_that_are_not_the_originals_are_not_held_against_it(house: House) -> None:
    house.service.produce(show(1))  # now there is a local copy

    def rot(original: Path, jobs: Sequence[Job]) -> None:
        original.write_bytes(b"rotten")

    house.workers.before, house.workers.outcome = rot, BrokenOriginal("no picture")
    with pytest.raises(StoreGarbled):
        house.service.produce(show(2))
    assert not list(house.quarantine)
    house.workers.before, house.workers.outcome = (lambda original, jobs: None), None
    assert house.service.produce(show(2)).path.exists()  # fetched anew


@pytest.mark.feature(27)
def test_R23_an_original_that_kills_its_render_process_does_so_once_per_backoff(house: House) -> None:
    def crash(original: Path, jobs: Sequence[Job]) -> None:
        raise RenderKilled("signal SIGSEGV", 11)

    house.workers.before = crash
    with pytest.raises(RenderKilled):
        house.service.produce(show(1))
    for side in (1, 2, 3):
        with pytest.raises(BrokenOriginal):
            house.service.produce(show(side))
    assert len(house.workers.calls) == 1


def test_a_wish_that_was_too_much_is_held_back_and_the_others_are_not(house: House) -> None:
    def hang_while_encoding(original: Path, jobs: Sequence[Job]) -> None:
        begin(jobs[0])
        raise RenderKilled("time limit", 0)

    house.workers.before = hang_while_encoding
    with pytest.raises(RenderKilled):
        house.service.produce(show(1))
    house.workers.before = lambda original, jobs: None
    with pytest.raises(BrokenOriginal):
        house.service.produce(show(1))
    assert house.service.produce(show(2)).path.exists()
    assert not list((house.cache.root / "tmp").iterdir())


def begin(job: Job, whole: bool = False) -> None:
    """As a render process does it: readable for others when it is whole."""
    job.target.write_bytes(b"half")
    job.target.chmod(0o644 if whole else 0o600)


def test_of_several_wishes_the_one_that_was_too_much_is_blamed_and_the_others_are_made(house: House) -> None:
    go = threading.Event()
    house.store.gate = lambda key: go.wait(5) and None  # type: ignore[method-assign]
    guilty = show(2).rendition.recipe

    def hang_in_the_second(original: Path, jobs: Sequence[Job]) -> None:
        if guilty in [job.recipe for job in jobs]:
            for job in jobs[: [job.recipe for job in jobs].index(guilty)]:
                begin(job, whole=True)
            raise RenderKilled("time limit", 0)

    house.workers.before = hang_in_the_second
    with ThreadPoolExecutor(3) as clients:
        asked = []
        for side in (1, 2, 3):
            asked.append(clients.submit(house.service.produce, show(side)))
            wait_until(lambda n=side: house.service.load()["waiting"] == n, what="a waiter")
        go.set()
        assert asked[0].result(5).path.exists()
        assert asked[2].result(5).path.exists()
        with pytest.raises(RenderKilled):
            asked[1].result(5)
    assert [record.recipe for record in house.quarantine] == [guilty.spell()]


def test_what_one_call_had_no_time_for_the_next_one_makes(house: House) -> None:
    go, real = threading.Event(), house.workers.render
    house.store.gate = lambda key: go.wait(5) and None  # type: ignore[method-assign]
    house.workers.render = lambda original, jobs: real(original, jobs[:1])  # type: ignore[method-assign]
    with ThreadPoolExecutor(3) as clients:
        asked = [clients.submit(house.service.produce, show(side)) for side in (1, 2, 3)]
        wait_until(lambda: house.service.load()["waiting"] == 3, what="three waiters")
        go.set()
        assert len({each.result(5).path for each in asked}) == 3
    assert [len(call) for call in house.workers.calls] == [1, 1, 1]


def test_an_order_is_never_lost_though_the_disk_takes_no_record(house: House, tmp_path: Path) -> None:
    (tmp_path / "quarantine").write_text("a file where a directory should be")
    house.workers.outcome = BrokenOriginal("a truncated file")
    for _ in range(2):
        with pytest.raises(BrokenOriginal):
            house.service.produce(show())
    house.workers.outcome = None
    (tmp_path / "quarantine").unlink()
    assert house.service.produce(show()).path.exists()


def test_only_who_had_it_made_reports_what_the_stages_took(house: House) -> None:
    go = threading.Event()
    house.store.gate = lambda key: go.wait(5) and None  # type: ignore[method-assign]
    with ThreadPoolExecutor(3) as clients:
        asked = [clients.submit(house.service.produce, show()) for _ in range(3)]
        wait_until(lambda: house.service.load()["waiting"] == 3, what="three waiters")
        go.set()
        spent = [each.result(5).milliseconds for each in asked]
    assert sorted("decode" in each for each in spent) == [False, False, True]
    assert all("wait" in each for each in spent)


def test_the_bytes_as_they_are_can_be_had_of_an_original_that_no_codec_reads(house: House) -> None:
    house.quarantine.strike(REF, "a truncated file")
    as_is = Show(Rendition(REF, Untouched(scrubbed=False)), "o")
    assert house.service.produce(as_is).path.exists()
    with pytest.raises(BrokenOriginal):
        house.service.produce(show())


def test_a_bug_in_a_render_is_no_error_of_ours_and_leaves_nothing(house: House) -> None:
    def bug(original: Path, jobs: Sequence[Job]) -> None:
        raise ZeroDivisionError

    house.workers.before = bug
    with pytest.raises(ZeroDivisionError):
        house.service.produce(show())
    wait_until(lambda: house.service.load() == {"waiting": 0, "originals": 0}, what="the maker's end")
    house.workers.before = lambda original, jobs: None
    assert house.service.produce(show()).path.exists()


@pytest.mark.feature(24)
def test_a_size_above_the_limit_is_refused_before_a_byte_is_fetched(tmp_path: Path) -> None:
    house = House(tmp_path, limits=Limits(max_side_out=1000))
    with pytest.raises(Refused):
        house.service.produce(show(1001))
    assert house.store.gets == 0


@pytest.mark.feature(26)
def test_only_a_miss_needs_a_signature_and_it_is_checked_before_a_fetch(tmp_path: Path) -> None:
    house = House(tmp_path, keys=[b"new key", b"old key"])
    with pytest.raises(NotAllowed):
        house.service.produce(show())
    assert house.store.gets == 0
    wish = show().wish
    assert house.service.produce(show(signature=sign(b"old key", REF, wish))).path.exists()
    assert house.service.produce(show(signature=sign(b"new key", REF, wish))).path.exists()


def test_a_header_that_kills_its_reader_takes_no_rendition_away(house: House) -> None:
    def crash(original: Path, jobs: Sequence[Job]) -> None:
        if not jobs:
            raise RenderKilled("signal SIGSEGV", 11)

    house.workers.before = crash
    with pytest.raises(RenderKilled):
        house.service.produce(Show(Rendition(REF, INFO), INFO.name))
    with pytest.raises(BrokenOriginal):
        house.service.produce(Show(Rendition(REF, INFO), INFO.name))
    assert house.service.produce(show()).path.exists()
    assert house.workers.calls == [["header"], ["fit-150x150_q75"]]
    assert not list((house.cache.root / "tmp").iterdir())


def test_without_stores_of_files_there_are_none(house: House) -> None:
    with pytest.raises(NotFound):
        house.service.produce(Show(Rendition(REF, Beside("notes.txt")), "notes.txt"))
    assert (house.store.gets, house.workers.calls) == (0, [])


def test_an_original_that_vanishes_before_it_is_read_is_busy_not_a_bug(house: House) -> None:
    def vanish(original: Path, jobs: Sequence[Job]) -> None:
        raise FileNotFoundError(original)

    house.workers.before = vanish
    with pytest.raises(Busy):
        house.service.produce(show())
    assert not list(house.quarantine)


def test_a_purge_during_a_render_wins(house: House) -> None:
    house.workers.before = lambda original, jobs: house.cache.forget(REF) and None
    with pytest.raises(Busy, match="purged"):
        house.service.produce(show())
    assert house.cache.find(show().rendition) is None


# --- the catalog ------------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def catalog() -> MemoryCatalog:
    return MemoryCatalog("catalog")


@pytest.fixture
def described(tmp_path: Path, catalog: MemoryCatalog) -> House:
    """A house with a catalog that knows one original and nothing about it."""
    catalog.change(REF, lambda _: Entry(width=64, height=48))
    return House(tmp_path, catalog=catalog)


def sides(catalog: Catalog, ref=REF) -> tuple[int, int, str] | None:
    entry = catalog.get(ref)
    return (entry.width, entry.height, entry.placeholder) if entry else None


def test_what_the_catalog_calls_deleted_is_gone_for_all_who_wait_and_not_fetched(described: House, catalog: MemoryCatalog) -> None:
    catalog.change(REF, lambda _: Entry(deleted=True))
    asked, go = threading.Barrier(3), threading.Event()
    real = catalog.get
    catalog.get = lambda ref: go.wait(5) and real(ref)  # type: ignore[method-assign,assign]

    def ask(side: int) -> Path:
        asked.wait(5)
        return described.service.produce(show(side)).path

    with ThreadPoolExecutor(3) as clients:
        waiting = [clients.submit(ask, side) for side in (1, 2, 2)]
        wait_until(lambda: described.service.load()["waiting"] == 3, what="three waiters")
        go.set()
        assert [type(each.exception(5)) for each in waiting] == [Gone] * 3
    assert described.store.gets == 0
    assert described.service.produce(show(ref=OTHER)).path.exists()


def test_an_original_is_described_once_after_its_first_rendition(described: House, catalog: MemoryCatalog) -> None:
    described.service.produce(show(1))
    wait_until(lambda: sides(catalog) == (48, 64, "shadow"), what="a description")
    described.service.produce(show(2))
    described.service.produce(show(ref=OTHER))
    wait_until(lambda: described.service.load() == {"waiting": 0, "originals": 0}, what="the makers' end")
    assert described.workers.calls == [["fit-1x1_q75"], ["describe"], ["fit-2x2_q75"], ["fit-150x150_q75"]]
    assert sides(catalog, OTHER) is None


def test_nobody_waits_for_a_description(described: House, catalog: MemoryCatalog) -> None:
    go = threading.Event()
    described.workers.before = lambda original, jobs: None if jobs else go.wait(10) and None
    assert described.service.produce(show(1)).path.exists()
    wait_until(lambda: ["describe"] in described.workers.calls, what="a description that takes long")
    assert described.service.produce(show(2)).path.exists()
    assert sides(catalog) == (64, 48, "")
    go.set()
    wait_until(lambda: sides(catalog) == (48, 64, "shadow"), what="a description")


def test_the_original_stays_while_it_is_described(tmp_path: Path, catalog: MemoryCatalog) -> None:
    """Also one that is fetched anew each time, as its bytes may change."""
    paths = Namespace("fitter", NAMINGS["path"])
    ref = paths.ref("hello")
    catalog.change(ref, lambda _: Entry())
    house, seen = House(tmp_path, catalog=catalog), []
    house.originals.homes = {"fitter": Home(paths, house.store, "f/")}
    house.store.put("f/hello", tmp_path / REF.name, Facts(11, 1))
    house.workers.before = lambda original, jobs: seen.append(original.read_bytes())
    house.service.produce(show(ref=ref))
    wait_until(lambda: sides(catalog, ref) == (48, 64, "shadow"), what="a description")
    assert seen == [b"hello world"] * 2
    wait_until(lambda: not list((tmp_path / "copies").rglob(".*")), what="the copy to go")


@pytest.mark.parametrize("outcome", [BrokenOriginal("no picture"), Refused("too large")], ids=["broken", "refused"])
def test_what_cannot_be_rendered_is_not_described(described: House, outcome: RendererError) -> None:
    described.workers.outcome = outcome
    with pytest.raises(type(outcome)):
        described.service.produce(show())
    wait_until(lambda: described.service.load()["originals"] == 0, what="the maker's end")
    assert ["describe"] not in described.workers.calls


def test_a_description_that_fails_fails_nobody(described: House) -> None:
    def crash(original: Path, jobs: Sequence[Job]) -> None:
        if not jobs:
            raise RenderKilled("signal SIGSEGV", 11)

    described.workers.before = crash
    assert described.service.produce(show(1)).path.exists()
    wait_until(lambda: ["describe"] in described.workers.calls, what="a try")
    assert described.service.produce(show(2)).path.exists()
    wait_until(lambda: described.service.load()["originals"] == 0, what="the makers' end")
    assert described.workers.calls.count(["describe"]) == 1
    assert not list(described.quarantine)
