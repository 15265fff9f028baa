"""A pass keeps every bound, lets go of what is worth least, and touches nothing that is not ours to lose."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from renderer.errors import Conflict
from renderer.placing import own_name
from renderer.pruning.bounds import Bounds
from renderer.pruning.leftovers import TOMBSTONE_SECONDS
from renderer.stores import Facts
from tests.pruning.planted import BLOCK, IMAGES, OWN, SCENES, Planted, ref, refs


@pytest.fixture
def cache(tmp_path: Path) -> Planted:
    return Planted(tmp_path)


def test_nothing_goes_while_every_bound_is_kept(cache: Planted) -> None:
    paths = [cache.plant(ref(number)) for number in range(10)]
    summary = cache.prune(max_bytes=10 * BLOCK, max_inodes=1000)
    assert all(path.exists() for path in paths)
    assert (summary.scanned, summary.evicted, summary.unmet) == (10, {}, [])
    assert (summary.bytes_before, summary.bytes_after) == (10 * BLOCK, 10 * BLOCK)


@pytest.mark.feature(55)
def test_a_bound_that_is_passed_is_kept_with_room_to_spare(cache: Planted) -> None:
    for number in range(100):
        cache.plant(ref(number))
    summary = cache.prune(max_bytes=80 * BLOCK, low=0.9)
    assert summary.bytes_before == 100 * BLOCK
    assert summary.bytes_after == 72 * BLOCK
    assert len(cache.files()) == 72
    assert summary.evicted == {"max_bytes": 28}
    assert summary.unmet == []


def test_inodes_are_counted_with_their_directories(cache: Planted) -> None:
    for number in range(50):
        for width in (100, 200):
            cache.plant(ref(number), f"fit-{width}x{width}_q75.jpg", aliases=(f"~{width}x{width}.jpeg",))
    before = sum(1 for _ in cache.cache.files.rglob("*") if not _.name.startswith("~")) - 1  # but for the namespace's own
    assert cache.prune().inodes_before == before
    summary = cache.prune(max_inodes=120, low=0.9)
    after = sum(1 for path in cache.cache.files.rglob("*") if not path.name.startswith("~")) - 1
    assert summary.inodes_after == after <= 108
    assert summary.evicted.keys() == {"max_inodes"}


def test_free_space_is_made_as_asked(cache: Planted) -> None:
    for number in range(30):
        cache.plant(ref(number))
    free = shutil.disk_usage(cache.cache.root).free
    summary = cache.prune(min_free=free + 10**12)
    assert cache.files() == set()
    assert summary.evicted == {"min_free": 30}
    assert len(summary.unmet) == 1
    assert summary.unmet[0].startswith("expected min_free")


def test_a_namespace_keeps_its_own_quota(cache: Planted) -> None:
    for number in range(20):
        cache.plant(ref(number))
        cache.plant(SCENES.ref(f"wall/{number}.jpg"))
    summary = cache.prune(quotas={"scenes": 10 * BLOCK}, low=0.9)
    assert summary.by_namespace == {"huimages": 20 * BLOCK, "scenes": 9 * BLOCK}
    assert summary.evicted == {"quota": 11}
    assert not (cache.cache.files / "scenes/wall/none").exists()


# who goes


def test_what_was_used_stays_and_one_hit_wonders_go_first(cache: Planted) -> None:
    used = [cache.plant(ref(number), uses=2, is_seen=True) for number in range(20)]
    wonders = [cache.plant(ref(number), is_seen=True) for number in range(100, 120)]
    cache.prune(max_bytes=24 * BLOCK, low=0.99)
    assert all(path.exists() for path in used)
    assert sum(path.exists() for path in wonders) == 3


def test_of_what_is_used_alike_the_cheap_and_large_goes_first(cache: Planted) -> None:
    dear = [cache.plant(ref(number), cost=900, uses=1, is_seen=True) for number in range(20)]
    cheap = [cache.plant(ref(number), cost=9, uses=1, is_seen=True) for number in range(100, 120)]
    large = [cache.plant(ref(number), cost=900, uses=1, is_seen=True, blocks=40) for number in range(200, 205)]
    cache.prune(max_bytes=25 * BLOCK, low=0.9)
    assert all(path.exists() for path in dear)
    assert sum(path.exists() for path in cheap) < 5
    assert not any(path.exists() for path in large)


def test_a_file_that_is_read_once_is_still_a_one_hit_wonder_two_sweeps_later(cache: Planted) -> None:
    """The delivery that ends a miss may set the bit, or not; the first sight of a file only clears it."""
    first, *others = refs(40)
    path = cache.plant(first, cost=1000)
    cache.read(path)
    assert cache.state(path) == (0, False, True)
    for _ in range(2):
        for each in others:
            cache.plant(each, is_seen=True, cost=1, age=10_000)
        assert cache.prune(max_bytes=20 * BLOCK).evicted
        assert cache.state(path) == (0, True, False)
        (cache.cache.root / "prune/state").unlink()  # so that the hand begins with it again


def test_uses_are_counted_from_sweep_to_sweep(cache: Planted) -> None:
    first, *others = refs(40)
    path = cache.plant(first, is_seen=True, cost=100_000)
    states = []
    for is_read in (True, True, False, True, True, False):
        for each in others:
            cache.plant(each, is_seen=True, cost=1, age=100_000)
        if is_read:
            cache.read(path)
        cache.clock += 100
        assert cache.prune(max_bytes=20 * BLOCK, min_age=0).evicted
        (cache.cache.root / "prune/state").unlink()  # so that the hand begins with it again
        states.append(cache.state(path)[0])
    assert states == [1, 2, 2, 3, 3, 3]


def test_of_what_was_used_alike_the_longest_idle_goes_first(cache: Planted) -> None:
    idle = [cache.plant(ref(number), uses=2, is_seen=True, age=50_000) for number in range(20)]
    busy = [cache.plant(ref(number), uses=2, is_seen=True, age=500) for number in range(100, 120)]
    cache.prune(max_bytes=25 * BLOCK)
    assert all(path.exists() for path in busy)
    assert sum(path.exists() for path in idle) < 5


@pytest.mark.feature(55)
def test_by_age_the_oldest_go_first_whatever_their_use(cache: Planted, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the time of publication, which a test cannot set back: so the clock of the pruner is."""
    old = [cache.plant(ref(number), uses=3, is_seen=True, cost=1000) for number in range(10)]
    wait = time.monotonic() + 1.1
    while time.monotonic() < wait:
        os.sched_yield()
    young = [cache.plant(ref(number), cost=1) for number in range(100, 110)]
    cache.clock = 60.5
    summary = cache.prune(max_bytes=12 * BLOCK, low=0.99, policy="age", min_age=0)
    assert summary.policy == "age"
    assert sum(path.exists() for path in old) <= 2
    assert all(path.exists() for path in young)


@pytest.mark.feature(56)
def test_what_is_older_than_its_greatest_age_goes_and_empty_directories_with_it(cache: Planted) -> None:
    path, scene = cache.plant(ref(1), uses=3, is_seen=True), cache.plant(SCENES.ref("a/b/c.jpg"))
    cache.clock = 3601
    assert cache.prune(max_age=7200).evicted == {}
    assert cache.prune(max_ages={"scenes": 3600}).evicted == {"max_age": 1}
    assert path.exists()
    assert not (cache.cache.files / "scenes/a").exists()
    assert cache.prune(max_age=3600).evicted == {"max_age": 1}
    assert [path for path in cache.cache.files.rglob("*") if path.parent != cache.cache.files] == []
    assert cache.cache.files.is_dir()
    assert not scene.exists()


def test_all_names_of_a_file_go_together(cache: Planted) -> None:
    path = cache.plant(ref(1), aliases=("~100x100.jpeg", "~100x100!.jpeg"), blocks=10)
    stays = cache.plant(ref(1), "fit-200x200_q75.jpg", cost=100_000, uses=3, is_seen=True, aliases=("~200x200.jpeg",))
    cache.prune(max_bytes=2 * BLOCK, low=0.99)
    assert sorted(found.name for found in path.parent.iterdir()) == ["fit-200x200_q75.jpg", "~200x200.jpeg"]
    assert stays.exists()


def test_an_alias_that_lost_its_rendition_is_found_and_goes_too(cache: Planted) -> None:
    path = cache.plant(ref(1), aliases=("~100x100.jpeg",))
    path.unlink()
    summary = cache.prune(max_bytes=1, low=0.5)
    assert summary.scanned == 1
    assert cache.files() == set()


# what never goes


def test_what_is_young_stays_though_a_bound_is_passed(cache: Planted) -> None:
    young = [cache.plant(ref(number), age=20) for number in range(10)]
    old = [cache.plant(ref(number), age=200) for number in range(100, 110)]
    summary = cache.prune(max_bytes=BLOCK, min_age=60.0)
    assert all(path.exists() for path in young)
    assert not any(path.exists() for path in old)
    assert summary.unmet == [f"expected max_bytes {BLOCK}, got {10 * BLOCK}"]


def test_what_is_read_all_the_time_goes_too_where_nothing_else_is_left(cache: Planted) -> None:
    """Of what was published long enough ago; a test cannot set that back, so the clock of the pruner is set forth."""
    paths = [cache.plant(ref(number), uses=3, is_seen=True) for number in range(10)]
    cache.clock = 100
    for path in paths:
        status = path.stat()
        os.utime(path, ns=(int((time.time() + 100) * 1e9), status.st_mtime_ns))  # read at this moment, by that clock
    summary = cache.prune(max_bytes=4 * BLOCK, low=0.99)
    assert summary.unmet == []
    assert len(cache.files()) == 3


def test_an_original_that_somebody_is_at_work_on_is_left_alone(cache: Planted) -> None:
    claimed, free = cache.plant(ref(1)), cache.plant(ref(2))
    with cache.cache.claim(ref(1), 0):
        summary = cache.prune(max_bytes=1)
    assert claimed.exists()
    assert not free.exists()
    assert summary.spared
    cache.prune(max_bytes=1)
    assert not claimed.exists()


def test_nothing_goes_that_no_grammar_of_ours_spells(cache: Planted) -> None:
    ours = cache.plant(ref(1))
    strange = [
        ours.with_name("notes.txt"), ours.with_name("fit-100x100_q75.jpg.bak"), ours.with_name("fit-0100x100_q75.jpg"),
        ours.parent.with_name("not-an-id") / "fit-100x100_q75.jpg", cache.cache.files / "huimages/README",
        cache.cache.files / "elsewhere/EQ/5/x/fit-100x100_q75.jpg", cache.cache.served / "keep/me.jpg",
    ]  # fmt: skip
    for path in strange:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * 10_000)
        os.utime(path, (OWN, OWN))
    outside = cache.cache.root.parent / "outside.jpg"
    outside.write_bytes(b"x" * 10_000)
    ours.with_name("fit-1x1_q75.jpg").symlink_to(outside)
    cache.clock = 10**6
    summary = cache.prune(max_bytes=1, max_age=1)
    assert not ours.exists()
    assert all(path.exists() for path in (*strange, outside))
    assert summary.foreign >= 2


def test_a_dry_run_changes_nothing(cache: Planted) -> None:
    for number in range(20):
        cache.plant(ref(number), aliases=("~100x100.jpeg",))
    (cache.cache.root / "tmp" / "?-1-1").write_bytes(b"left")

    def everything() -> dict[str, tuple[int, int]]:
        found = (path for path in cache.cache.root.rglob("*") if "prune" not in path.parts)
        return {str(path): (path.lstat().st_mtime_ns, path.lstat().st_ctime_ns) for path in found if path.is_file()}

    before = everything()
    summary = cache.prune(is_dry=True, max_bytes=10 * BLOCK, low=0.99)
    assert summary.evicted == {"max_bytes": 11}
    assert (summary.bytes_after, summary.unmet) == (9 * BLOCK, [])
    assert everything() == before


# what is wrong


def test_R24_files_of_no_bytes_and_files_that_were_cut_short_are_gone_after_a_pass(cache: Planted) -> None:
    good, empty, short, older = (cache.plant(ref(number)) for number in range(4))
    times = short.stat()
    empty.write_bytes(b"")
    os.utime(empty, (OWN, OWN))  # without a memo that could tell
    os.truncate(short, 1000)
    os.utime(short, ns=(times.st_atime_ns, times.st_mtime_ns))
    os.utime(older, (OWN, OWN))  # of a version that remembered nothing, or from a backup
    summary = cache.prune()
    assert (good.exists(), empty.exists(), short.exists(), older.exists()) == (True, False, False, True)
    assert summary.evicted == {"damaged": 2}


def test_a_file_that_lost_its_memo_gets_one_and_is_as_good_as_new(cache: Planted) -> None:
    first, *others = refs(40)
    path = cache.plant(first, uses=3, is_seen=True, cost=1000)
    os.utime(path, (time.time() - 500, OWN))
    for each in others:
        cache.plant(each, cost=1, age=100_000)
    cache.read(path)
    cache.prune(max_bytes=20 * BLOCK)
    assert cache.state(path) == (0, True, False)


def test_old_generations_go_when_nobody_reads_them_any_more(cache: Planted) -> None:
    """nginx may not have been reloaded yet, so what it still serves stays for a round."""
    dead, alive = cache.plant(ref(1), generation="0-pillow"), cache.plant(ref(2), generation="0-pillow")
    cache.read(alive)
    assert cache.prune().evicted == {"old generation": 1}
    assert (dead.exists(), alive.exists()) == (False, True)
    cache.clock = 200
    assert cache.prune().evicted == {}
    assert cache.prune().evicted == {"old generation": 1}
    assert not (cache.cache.served / "0-pillow").exists()


@pytest.mark.parametrize("generation", ["1-vips", "2-pillow"], ids=["another resampler", "a newer one"])
def test_a_generation_that_somebody_else_may_serve_is_left_alone(cache: Planted, generation: str) -> None:
    """`onmiss prune` from a shell that lacks the service's environment must not empty the cache that is served."""
    path = cache.plant(ref(1), generation=generation, age=10**6)
    summary = cache.prune(max_bytes=1)
    assert path.exists()
    assert summary.foreign_examples == [generation]


def test_R24_leftovers_of_dead_processes_and_expired_tombstones_go(cache: Planted) -> None:
    root = cache.cache.root
    mine = root / "tmp" / own_name()
    mine.write_bytes(b"in work")
    for folder in ("tmp", "trash"):
        (root / folder / "4194303.1-2-3").write_bytes(b"left")
    cache.cache.forget(ref(1))
    old = next(path for path in (root / "tombstones").rglob("*") if path.is_file())
    os.utime(old, (OWN, time.time() - TOMBSTONE_SECONDS - 1))
    cache.cache.forget(ref(2))
    assert cache.prune().leftovers == 3
    assert mine.exists()
    assert not old.exists()
    assert len([path for path in (root / "tombstones").rglob("*") if path.is_file()]) == 1


@pytest.mark.parametrize("jump", [86_400.0, -86_400.0], ids=["a day ahead", "a day back"])
def test_a_clock_that_jumps_loses_nothing_but_order(cache: Planted, jump: float) -> None:
    for number in range(40):
        cache.read(cache.plant(ref(number))) if number % 2 else cache.plant(ref(number))
    cache.clock = jump
    assert cache.prune().evicted == {}
    summary = cache.prune(max_bytes=30 * BLOCK, low=0.99)
    assert summary.unmet == []
    assert 25 * BLOCK < summary.bytes_after <= 30 * BLOCK
    cache.clock = 0
    assert cache.prune(max_bytes=20 * BLOCK, low=0.99).unmet == []
    assert len(cache.files()) in range(15, 21)


def test_two_pruners_do_not_meet(cache: Planted) -> None:
    with cache.pruner(Bounds())._alone(), pytest.raises(Conflict, match="another pruner is at work"):
        cache.prune()


def test_the_hand_goes_on_where_it_stopped(cache: Planted) -> None:
    """What it has passed has had its chance: of alike files the others go next."""
    for number in range(200):
        cache.plant(ref(number))
    cache.prune(max_bytes=190 * BLOCK, low=0.99)
    first = cache.pruner(Bounds())._state()["hands"][""]
    cache.prune(max_bytes=180 * BLOCK, low=0.99)
    second = cache.pruner(Bounds())._state()["hands"][""]
    assert first < second


@pytest.mark.parametrize("content", ["", "{", "[]", '{"hands": {"": "1-pillow/huimages/ZZ/Z"}}', '{"hands": {"": "nowhere"}}'])
def test_a_state_that_is_lost_or_strange_costs_nothing(cache: Planted, content: str) -> None:
    for number in range(50):
        cache.plant(ref(number))
    (cache.cache.root / "prune/state").write_text(content)
    assert cache.prune(max_bytes=30 * BLOCK).unmet == []
    assert len(cache.files()) == 28


def test_a_file_system_that_cannot_be_written_is_said_and_nothing_is_lost(cache: Planted) -> None:
    if os.geteuid() or subprocess.run(["unshare", "-m", "true"], check=False, capture_output=True).returncode:
        pytest.skip("expected to be allowed to mount")
    for number in range(5):
        cache.plant(ref(number))
    root = cache.cache.root
    mount = f"mount --bind {root} {root} && mount -o remount,ro,bind {root}"
    script = f"{mount} && exec $PYTHON -m renderer prune --root {root.parent} --max-bytes 1"
    environ = {**os.environ, "PYTHON": sys.executable, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    done = subprocess.run(["unshare", "-m", "sh", "-c", script], check=False, capture_output=True, text=True, env=environ)
    assert done.returncode == 1, done.stderr
    assert "Read-only file system" in done.stderr
    assert len(cache.files()) == 5


# an emergency


def test_relief_frees_something_at_once_and_spares_what_is_read(cache: Planted) -> None:
    read = [cache.plant(ref(number), uses=1, is_seen=True) for number in range(10)]
    idle = [cache.plant(ref(number), is_seen=True) for number in range(100, 110)]
    for path in read:
        cache.read(path)
    assert cache.pruner(Bounds()).relieve(30)
    assert not any(path.exists() for path in idle)


def test_relief_that_finds_nothing_says_so(cache: Planted) -> None:
    cache.plant(ref(1), age=1)
    assert not cache.pruner(Bounds()).relieve(30)


# local copies


def test_local_copies_keep_their_budget_and_go_only_when_the_store_has_them(cache: Planted, tmp_path: Path) -> None:
    copies = cache.cache.root / "originals"
    source = tmp_path / "source"
    for number in range(10):
        content = b"%d" % number * BLOCK
        path = copies / "huimages" / ref(number).sharded
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (OWN, OWN))
        source.write_bytes(content[:-1] if number == 3 else content)
        if number != 5:
            cache.store.put(f"huimages/{ref(number).name}", source, Facts(source.stat().st_size, OWN))
    held = sum(path.stat().st_blocks * 512 for path in copies.rglob("*") if path.is_file())
    cache.clock = 1000
    pruner = cache.pruner(Bounds(min_free=None, min_free_inodes=None), budgets={"huimages": held // 2})
    summary = pruner.run()
    left = {path.name for path in copies.rglob("*") if path.is_file()}
    assert {ref(3).name, ref(5).name} <= left
    assert summary.copies["kept_for_store"] >= 1
    assert sum(path.stat().st_blocks * 512 for path in copies.rglob("*") if path.is_file()) <= held // 2
    assert summary.unmet == []
    assert IMAGES.name in {path.name for path in copies.iterdir()}


def test_copies_that_the_store_does_not_have_are_kept_beyond_the_budget(cache: Planted) -> None:
    path = cache.cache.root / "originals/huimages" / ref(1).sharded
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x" * BLOCK)
    cache.clock = 1000
    summary = cache.pruner(Bounds(min_free=None, min_free_inodes=None), budgets={"huimages": 1}).run()
    assert path.exists()
    assert summary.unmet == ["expected the local copies of huimages within their budget, got more"]
