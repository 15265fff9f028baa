"""What a cache holds, what of it is used, what another size would do: against a count by hand, and against an exact simulation."""

from __future__ import annotations

import base64
import hashlib
import os
import random
import time
import tracemalloc
from collections import Counter, OrderedDict
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from renderer import memo
from renderer.pruning.census import Census, Counting
from renderer.pruning.counting import AGES, Heaviest
from renderer.pruning.distances import Curve, Stack, hash_of
from renderer.pruning.evicted import Evicted, key_of
from renderer.pruning.log_lines import Logged
from renderer.pruning.sampling import Ordered
from renderer.pruning.statistics import FACTORS, FromLog, Reading, Regret
from renderer.rendition import NAMINGS, Namespace, Ref
from tests.pruning.logs import TIME, line

SPACES = {name: Namespace(name, NAMINGS[kind]) for name, kind in (("huimages", "sha1"), ("scenes", "path"))}
BLOCK, DAY, OWN = 4096, 86_400, 1_300_000_000

# counters


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 100))), st.integers(1, 12))
def test_what_holds_most_bytes_is_known_however_many_names_there_are(added: list[tuple[int, int]], room: int) -> None:
    heaviest, exact = Heaviest(room), Counter[str]()
    for number, size in added:
        heaviest.add(str(number), size, 0)
        exact[str(number)] += size
    found = {heavy.name: heavy for heavy in heaviest}
    assert len(found) <= room
    assert all(heavy.bytes <= exact[name] <= heavy.bytes + heavy.missing for name, heavy in found.items())
    assert {name for name, size in exact.items() if size * room > exact.total()} <= set(found)
    if len(exact) <= room:
        assert heaviest.is_exact
        assert {name: heavy.bytes for name, heavy in found.items()} == exact


def test_an_attackers_many_recipes_cost_no_memory_and_hide_no_large_one() -> None:
    heaviest = Heaviest(100)
    for number in range(50_000):
        heaviest.add(f"fit-{number}x_q76.jpg", BLOCK, 0)
        if number % 10 == 0:
            heaviest.add("fit-300x_q75.jpg", 10 * BLOCK, 5.0)
    found = list(heaviest)
    assert len(found) == 100
    assert (found[0].name, found[0].files, found[0].missing) == ("fit-300x_q75.jpg", 5000, 0)


# the tree


class Caching:
    """A cache's directory, filled as a test says."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("files/1-pillow", "tmp", "trash"):
            (root / name).mkdir(parents=True)

    def plant(
        self, ref: Ref, name: str, blocks: int = 1, aliases: Iterable[str] = (), used_days: float = 0, uses: int | None = 0,
        generation: str = "1-pillow", is_visited: bool = False,
    ) -> Path:  # fmt: skip
        path = self.root / "files" / generation / ref.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * (blocks * BLOCK - 5))
        for alias in aliases:
            os.link(path, path.with_name(alias))
        kept = 0 if uses is None else memo.spell(memo.Memo(50, uses), path.stat().st_size)
        used = time.time() + 60 if is_visited else time.time() - used_days * DAY - 1
        os.utime(path, ns=(int(used * 1e9), OWN * 10**9 + kept))
        return path

    def count(self, only: str = "", top: int = 20, unused_days: float = 30) -> Census:
        return Counting(self.root, "1-pillow", SPACES, only, top, unused_days).count()


def image(number: int = 0) -> Ref:
    return SPACES["huimages"].ref(base64.b32encode(hashlib.sha1(b"%d" % number).digest()).decode() + "01")


def scene(name: str) -> Ref:
    return SPACES["scenes"].ref(name)


@pytest.fixture
def caching(tmp_path: Path) -> Caching:
    return Caching(tmp_path / "cache")


def test_files_and_bytes_are_told_by_namespace_recipe_and_format(caching: Caching) -> None:
    caching.plant(image(1), "fit-300x_q75.jpg", 3, ["~300x.jpeg", "~big.jpeg", "fit-300x.jpg"])
    caching.plant(image(2), "fit-300x_q75.jpg", 2)
    caching.plant(image(2), "original-scrubbed.png", 9, is_visited=True)
    caching.plant(scene("hall/lamp.jpg"), "fit-10x_q80.webp", 1, ["~x.webp"])
    found = caching.count()
    assert (found.all.files, found.all.bytes, found.all.aliases, found.all.visited) == (4, 15 * BLOCK, 4, 1)
    assert {name: (tally.files, tally.bytes, tally.aliases) for name, tally in found.namespaces.items()} == {
        "huimages": (3, 14 * BLOCK, 3), "scenes": (1, BLOCK, 1)
    }  # fmt: skip
    assert {name: (tally.files, tally.bytes) for name, tally in found.formats.items()} == {
        "jpg": (2, 5 * BLOCK), "png": (1, 9 * BLOCK), "webp": (1, BLOCK)
    }  # fmt: skip
    assert [(heavy.name, heavy.files, heavy.bytes, heavy.missing) for heavy in found.recipes] == [
        ("original-scrubbed.png", 1, 9 * BLOCK, 0), ("fit-300x_q75.jpg", 2, 5 * BLOCK, 0), ("fit-10x_q80.webp", 1, BLOCK, 0)
    ]  # fmt: skip
    assert (found.other_recipes.files, found.foreign) == (0, 0)


def test_one_namespace_alone_can_be_looked_at(caching: Caching) -> None:
    caching.plant(image(1), "fit-300x_q75.jpg", 3)
    caching.plant(scene("hall/lamp.jpg"), "fit-10x_q80.webp", 1)
    found = caching.count(only="scenes")
    assert (found.all.files, list(found.namespaces), [heavy.name for heavy in found.recipes]) == (1, ["scenes"], ["fit-10x_q80.webp"])


def test_beyond_the_first_recipes_the_rest_is_told_together(caching: Caching) -> None:
    for number in range(1, 8):
        caching.plant(image(1), f"fit-{number}x_q75.jpg", number)
    found = caching.count(top=2)
    assert [heavy.name for heavy in found.recipes] == ["fit-7x_q75.jpg", "fit-6x_q75.jpg"]
    assert (found.other_recipes.files, found.other_recipes.bytes) == (5, 15 * BLOCK)


def test_uses_ages_and_recipes_that_nobody_uses_are_told(caching: Caching) -> None:
    caching.plant(image(1), "fit-1x_q75.jpg", used_days=0, uses=3)
    caching.plant(image(2), "fit-1x_q75.jpg", used_days=100, uses=0)
    caching.plant(image(3), "fit-2x_q75.jpg", 2, used_days=40, uses=1)
    caching.plant(image(4), "fit-2x_q75.jpg", 2, used_days=31, uses=1)
    caching.plant(image(5), "fit-3x_q75.jpg", used_days=29, uses=None)
    found = caching.count()
    assert (found.uses, found.without_memo) == ([1, 2, 0, 1], 1)
    by_age = {name: tally.files for (name, _), tally in zip(AGES, found.ages, strict=True) if tally.files}
    assert by_age == {"an hour": 1, "30 days": 1, "90 days": 2, "a year": 1}
    assert [(heavy.name, heavy.files, heavy.bytes) for heavy in found.unused] == [("fit-2x_q75.jpg", 2, 4 * BLOCK)]
    assert [heavy.name for heavy in caching.count(unused_days=20).unused] == ["fit-2x_q75.jpg", "fit-3x_q75.jpg"]


def test_a_memo_of_another_length_is_none(caching: Caching) -> None:
    path = caching.plant(image(1), "fit-1x_q75.jpg", uses=2)
    times = path.stat()
    path.write_bytes(b"short")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert (caching.count().uses, caching.count().without_memo) == ([0, 0, 0, 0], 1)


def test_old_generations_leftovers_and_what_is_not_ours_are_told_apart(caching: Caching) -> None:
    caching.plant(image(1), "fit-1x_q75.jpg")
    caching.plant(image(1), "fit-1x_q75.jpg", 5, ["~1x.jpeg"], generation="0-vips")
    (caching.root / "tmp/1.1-x").write_bytes(b"x" * 5000)
    (caching.root / "trash/1.1-y").mkdir()
    (caching.root / "trash/1.1-y/a.jpg").write_bytes(b"x")
    (caching.root / "files/README").write_text("what is this?")
    (caching.root / "files/1-pillow/foreign").mkdir()
    readme = caching.root / "files/1-pillow" / image(1).directory / "Thumbs.db"
    readme.write_text("what is this?")
    found = caching.count()
    assert (found.all.files, {name: (tally.files, tally.bytes, tally.aliases) for name, tally in found.old.items()}) == (
        1, {"0-vips": (1, 5 * BLOCK, 1)}
    )  # fmt: skip
    assert (found.namespaces["huimages"].files, len(found.recipes)) == (1, 1)
    assert [(tally.files, tally.bytes) for tally in (found.tmp, found.trash)] == [(1, 2 * BLOCK), (1, BLOCK)]
    assert (found.foreign, len(found.foreign_examples)) == (3, 3)


def test_an_empty_cache_and_none_at_all_can_be_counted(caching: Caching) -> None:
    assert caching.count() == Census()
    assert Counting(caching.root / "none", "1-pillow", SPACES).count() == Census()


def test_counting_is_no_use(caching: Caching) -> None:
    paths = [caching.plant(image(1), "fit-1x_q75.jpg", 2), caching.plant(scene("a.jpg"), "fit-1x_q75.jpg", 2, ["~1.jpeg", "fit-1x.jpg"])]
    before = [path.stat() for path in paths]
    caching.count()
    assert [path.stat() for path in paths] == before


def test_memory_does_not_grow_with_the_cache(caching: Caching) -> None:
    peaks, planted = [], 0
    for originals in (150, 1500):
        for number in range(planted, originals):
            caching.plant(image(number), "fit-1x_q75.jpg")
        planted = originals
        tracemalloc.start()
        assert caching.count().all.files == originals
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 200_000


# distances


@given(st.lists(st.integers(0, 12), max_size=120), st.integers(1, 1000))
def test_a_distance_is_the_bytes_of_what_was_used_since(used: list[int], size: int) -> None:
    stack, order = Stack(16), list[int]()
    for file in used:
        own = size * (file + 1)
        expected = None
        if file in order:
            expected = sum(size * (each + 1) for each in order[order.index(file) + 1 :])
            order.remove(file)
        assert stack.use(file, own) == expected
        order.append(file)
    assert len(stack) == len(order)


def test_a_stack_is_compacted_as_often_as_it_fills() -> None:
    stack = Stack(16)
    for number in range(10_000):
        distance = stack.use(number % 16, 10)
        assert distance == (None if number < 16 else 150)


def test_the_sample_never_holds_more_files_than_it_may() -> None:
    curve = Curve([10**9], 500)
    for number in range(20_000):
        key = hash_of(str(number // 3))
        if curve.is_sampled(key):
            curve.use(key, number, BLOCK, is_hit=False)
        assert curve.followed <= 500
    assert 0.01 < curve.share < 0.04


Trace = list[tuple[int, int]]  # files and their sizes


def trace(seed: int, files: int, requests: int, power: float) -> Trace:
    """Popularity after Zipf, sizes of all kinds."""
    chance = random.Random(seed)
    sizes = [BLOCK * int(min(200, chance.lognormvariate(2, 1)) + 1) for _ in range(files)]
    weights = [1 / (number + 1) ** power for number in range(files)]
    return [(file, sizes[file]) for file in chance.choices(range(files), weights, k=requests)]


def simulated(requests: Trace, room: int) -> list[bool]:
    """What an LRU cache of `room` bytes does with each request: whether it was a hit."""
    held, used, hits = OrderedDict[int, int](), 0, []
    for file, size in requests:
        hits.append(file in held)
        if file in held:
            held.move_to_end(file)
            continue
        held[file], used = size, used + size
        while used > room:
            used -= held.popitem(last=False)[1]
    return hits


def reading(directory: Path, size: int, most_files: int = 16_384, only: str = "") -> Reading:
    return Reading(directory / "files", size, Evicted(directory / "evicted"), only, most_files)


def name_of(directory: Path, file: int, seed: int = 0) -> str:
    """Three renditions an original."""
    return f"{directory}/files/1-pillow/huimages/A/B/{seed}-{file // 3}/fit-{file % 3}x_q75.jpg"


def read(directory: Path, requests: Trace, room: int, most_files: int, seed: int) -> FromLog:
    """The statistics of a log that a cache of `room` bytes would have written."""
    with (directory / "access.log").open("wb") as log:
        for number, ((file, size), is_hit) in enumerate(zip(requests, simulated(requests, room), strict=True)):
            log.write(line(name_of(directory, file, seed), uri=str(file), time=TIME + number / 100, length=size - 7, is_miss=not is_hit))
    found = reading(directory, room, most_files).read(directory / "access.log")
    assert found is not None
    return found


@pytest.mark.parametrize("power", [0.7, 1.0])
def test_the_whole_log_predicts_exactly_what_lru_would_have_done(tmp_path: Path, power: float) -> None:
    requests = trace(1, 2000, 15_000, power)
    room = sum(dict(requests).values()) // 5
    found = read(tmp_path, requests, room, 16_384, 0)
    expected = [sum(simulated(requests, int(room * factor))) / len(requests) for factor in FACTORS]
    assert [each.ratio for each in found.predicted] == pytest.approx(expected, abs=1e-9)
    assert [each.error for each in found.predicted] == [0] * len(FACTORS)
    assert found.ratio.by_requests == pytest.approx(expected[2])
    assert found.first_hits == 0


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("power", [0.6, 0.9])
def test_a_sample_predicts_what_lru_would_have_done_within_the_error_that_it_states(tmp_path: Path, seed: int, power: float) -> None:
    requests = trace(seed, 12_000, 40_000, power)
    room = sum(dict(requests).values()) // 5
    found = read(tmp_path, requests, room, 2500, seed)
    assert 0.1 < found.sampled < 0.5
    for factor, each in zip(FACTORS, found.predicted, strict=True):
        exact = sum(simulated(requests, int(room * factor))) / len(requests)
        assert abs(each.ratio - exact) <= each.error, factor
        assert 0 < each.error < 0.08


# the log


def logged(directory: Path, *lines: bytes, only: str = "", size: int = 10**6) -> FromLog:
    (directory / "access.log").write_bytes(b"".join(lines))
    found = reading(directory, size, only=only).read(directory / "access.log")
    assert found is not None
    return found


def test_the_hit_ratio_is_told_by_requests_and_bytes(tmp_path: Path) -> None:
    name = name_of(tmp_path, 1)
    found = logged(
        tmp_path, line(name, length=100, is_miss=True), line(name, length=300), line(name, length=0, method="HEAD"),
        line(name, length=0, status=304), line("/elsewhere/a.jpg"), line(name, status=404), line(name, method="POST"), b"junk\n",
    )  # fmt: skip
    ratio = found.ratio
    assert (ratio.requests, ratio.hits, ratio.bytes, ratio.hit_bytes) == (4, 3, 400, 300)
    assert (ratio.by_requests, ratio.by_bytes) == (0.75, 0.75)
    assert (found.lines, found.passed_over, found.begins, found.ends) == (8, 1, TIME, TIME)


def test_the_hit_ratio_of_one_namespace_is_its_own(tmp_path: Path) -> None:
    names = [f"{tmp_path}/files/1-pillow/{space}/fit-1x_q75.jpg" for space in ("huimages/A/B/C", "scenes/huimages/~")]
    lines = [line(names[0], is_miss=True), line(names[1], is_miss=True), line(names[1])]
    assert logged(tmp_path, *lines, only="huimages").ratio.requests == 1
    assert logged(tmp_path, *lines, only="scenes").ratio.hits == 1
    assert logged(tmp_path, *lines, only="scenes").regret is None


def test_no_log_of_ours_is_none(tmp_path: Path) -> None:
    assert reading(tmp_path, 1).read(tmp_path / "access.log") is None
    (tmp_path / "access.log").write_bytes(b"junk\n" * 5)
    assert reading(tmp_path, 1).read(tmp_path / "access.log") is None


def ratio_of(found: FromLog) -> float:
    """At the present size, which everything fits into."""
    return found.predicted[2].ratio


def test_a_rendition_and_its_alias_are_one_file(tmp_path: Path) -> None:
    path = Path(name_of(tmp_path, 1))
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x")
    alias = path.with_name("~300x.jpeg")
    os.link(path, alias)
    found = logged(tmp_path, line(path, is_miss=True), line(alias, uri="/1"), line(alias, uri="/2"), line(path, uri="/3"))
    assert (ratio_of(found), found.first_hits) == (0.75, 0)


def test_of_what_is_gone_the_url_of_the_miss_tells_the_alias(tmp_path: Path) -> None:
    name, alias = name_of(tmp_path, 1), name_of(tmp_path, 1).replace("fit-1x_q75.jpg", "~1x.jpeg")
    found = logged(tmp_path, line(name, uri="/1x/A", is_miss=True), line(alias, uri="/1x/A"), line(alias, uri="/1x/A/title"))
    assert (ratio_of(found), found.first_hits) == (pytest.approx(2 / 3), 0)


def test_hits_on_what_was_made_before_the_log_begins_stay_hits_and_are_told(tmp_path: Path) -> None:
    names = [name_of(tmp_path, number) for number in range(4)]
    found = logged(tmp_path, *(line(name, time=TIME + number) for number, name in enumerate(names)), line(names[0], time=TIME + 9))
    assert (ratio_of(found), found.first_hits) == (1, 0.8)


def test_a_line_that_is_written_late_comes_in_its_place(tmp_path: Path) -> None:
    name = name_of(tmp_path, 1)
    late = [line(name, time=TIME + 0.5), line(name, time=TIME + 0.9), line(name, time=TIME, is_miss=True)]
    assert logged(tmp_path, *late).first_hits == 0
    same = [line(name, time=TIME), line(name, time=TIME, is_miss=True)]
    assert logged(tmp_path, *same).first_hits == 0


def test_no_more_lines_are_held_than_needed() -> None:
    ordered, given = Ordered(), 0
    for number in range(30_000):
        logged = Logged(TIME + number % 7 / 100, 200, "GET", b"/", 1, "/a", False)
        given += len(list(ordered.add(number, logged)))
    assert given == 10_000
    assert given + len(list(ordered.rest())) == 30_000


def test_what_was_rendered_again_within_an_hour_is_regretted_once(tmp_path: Path) -> None:
    now = int(time.time())
    names = [name_of(tmp_path, number) for number in range(4)]
    with Evicted(tmp_path / "evicted").opened() as evicted:
        for name, ago in zip(names, (6000, 6000, 6000, 9000), strict=True):
            evicted.note(name.removeprefix(f"{tmp_path}/files/"), now - ago)
    found = logged(
        tmp_path, line(names[2], time=now - 8000, is_miss=True), line(names[0], time=now - 3000, is_miss=True),
        line(names[0], time=now - 2900, is_miss=True), line(names[1], time=now - 1000, is_miss=True), line(names[2], time=now - 3000),
    )  # fmt: skip
    assert found.regret == Regret(evicted=3, regretted=1)


# the ring of those evicted


def test_those_evicted_are_remembered_for_a_time(tmp_path: Path) -> None:
    evicted = Evicted(tmp_path / "prune/evicted")
    assert evicted.within(1e9) == {}
    with evicted.opened():
        evicted.note("1-pillow/a.jpg", 1000)
        evicted.note("1-pillow/b.jpg", 2000)
        evicted.note("1-pillow/a.jpg", 3000)
        assert evicted.within(1e9, now=3000) == {}
    assert evicted.within(1500, now=3000) == {key_of("1-pillow/b.jpg"): [2000], key_of("1-pillow/a.jpg"): [3000]}
    assert Evicted(tmp_path / "prune/evicted").within(2000, now=3000)[key_of("1-pillow/a.jpg")] == [1000, 3000]


def test_the_ring_stays_small_and_keeps_the_newest(tmp_path: Path) -> None:
    for first in range(0, 5000, 500):
        with Evicted(tmp_path / "evicted", records=1200).opened() as evicted:
            for number in range(first, first + 500):
                evicted.note(str(number), number + 1)
    found = Evicted(tmp_path / "evicted", records=1200).within(1e9, now=5000)
    assert sorted(at for times in found.values() for at in times) == list(range(3801, 5001))
    assert (tmp_path / "evicted").stat().st_size == 16 + 1200 * 12


def test_more_at_once_than_the_ring_holds_are_kept_as_far_as_it_goes(tmp_path: Path) -> None:
    with Evicted(tmp_path / "evicted", records=100).opened() as evicted:
        for number in range(1000):
            evicted.note(str(number), number + 1)
    assert len(Evicted(tmp_path / "evicted", records=100).within(1e9, now=1000)) == 100


@pytest.mark.parametrize("torn", [0, 3, 10, 16, 17, 27, 28, 29])
def test_a_torn_record_is_no_record(tmp_path: Path, torn: int) -> None:
    with Evicted(tmp_path / "evicted").opened() as evicted:
        evicted.note("a", 1000)
        evicted.note("b", 1000)
    os.truncate(tmp_path / "evicted", torn)
    assert len(evicted.within(1e9, now=1000)) == (torn >= 28)
    with evicted.opened():
        evicted.note("c", 1000)
    assert key_of("c") in evicted.within(1e9, now=1000)


def test_a_file_of_somebody_else_is_begun_anew(tmp_path: Path) -> None:
    path, evicted = tmp_path / "evicted", Evicted(tmp_path / "evicted")
    with evicted.opened():
        evicted.note("a", 1000)
        evicted.note("b", 1000)
    path.write_bytes(b"whatever" + path.read_bytes()[8:])
    assert evicted.within(1e12) == {}
    with evicted.opened():
        evicted.note("c", 1000)
    assert evicted.within(1e9, now=1000) == {key_of("c"): [1000]}


def test_a_time_in_the_future_is_none(tmp_path: Path) -> None:
    with Evicted(tmp_path / "evicted").opened() as evicted:
        evicted.note("a", 5000)
    assert evicted.within(1e9, now=1000) == {}


def test_a_full_disk_hinders_no_eviction() -> None:
    with Evicted(Path("/dev/full")).opened() as evicted:
        evicted.note("a", 1000)
    assert evicted.within(1e9, now=1000) == {}
