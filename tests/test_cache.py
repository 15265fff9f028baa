"""The cache on a real file system: what is published is whole, found, named twice, and gone when it is forgotten."""

from __future__ import annotations

import contextlib
import errno
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from renderer.box import Box
from renderer.cache import Cache
from renderer.errors import Busy, NoSpace
from renderer.formats import JPEG
from renderer.ops import Fit
from renderer.recipe import Output, Recipe, Untouched
from renderer.rendition import NAMINGS, Alias, Namespace, Rendition

SPACE = Namespace("huimages", NAMINGS["sha1"])
REF = SPACE.ref("VGMT4NSHA2AWVOR6EVYXQUGCNSONBWE501")
THUMB = Rendition(REF, Recipe.of([Fit(Box(150, 150))], Output(JPEG, 75)))
OWN_TIME = 1_300_000_000


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    cache = Cache(tmp_path / "cache", "1")
    cache.prepare()
    return cache


def made(cache: Cache, content: bytes = b"picture") -> Path:
    path = cache.temporary()
    path.write_bytes(content)
    return path


def publish(cache: Cache, content: bytes = b"picture") -> Path:
    return cache.publish(THUMB, made(cache, content), "jpg", OWN_TIME, cache.mark(REF))


def test_a_published_rendition_is_found_where_nginx_looks(cache: Cache) -> None:
    assert cache.find(THUMB) is None
    path = publish(cache)
    assert path == cache.root / "files/1/huimages/VG/M/VGMT4NSHA2AWVOR6EVYXQUGCNSONBWE501/fit-150x150_q75.jpg"
    assert cache.find(THUMB) == path
    assert path.read_bytes() == b"picture"


def test_publishing_sets_the_originals_time_and_leaves_the_visited_bit_clear(cache: Cache) -> None:
    stat = publish(cache).stat()
    assert int(stat.st_mtime) == OWN_TIME
    assert stat.st_atime_ns < stat.st_ctime_ns
    assert stat.st_mode & 0o777 == 0o644


@pytest.mark.feature(53)
def test_publishing_leaves_nothing_in_tmp(cache: Cache) -> None:
    publish(cache)
    assert not list((cache.root / "tmp").iterdir())


def test_R24_a_file_of_no_bytes_is_never_published_nor_found(cache: Cache) -> None:
    empty = made(cache, b"")
    with pytest.raises(Busy):
        cache.publish(THUMB, empty, "jpg", OWN_TIME, None)
    assert not empty.exists()
    path = publish(cache)
    path.write_bytes(b"")
    assert cache.find(THUMB) is None


def test_an_alias_is_a_hard_link_beside_its_rendition(cache: Cache) -> None:
    path = publish(cache)
    cache.link(REF, path, Alias("~150x150", "jpeg"))
    alias = path.with_name("~150x150.jpeg")
    assert alias.samefile(path)
    cache.link(REF, path, Alias("~150x150", "jpeg"))
    assert path.stat().st_nlink == 2


def test_an_alias_follows_a_rendition_that_was_made_again(cache: Cache) -> None:
    cache.link(REF, publish(cache, b"old"), Alias("~150x150", "jpeg"))
    path = publish(cache, b"new")
    cache.link(REF, path, Alias("~150x150", "jpeg"))
    assert path.with_name("~150x150.jpeg").read_bytes() == b"new"
    assert not list((cache.root / "tmp").iterdir())


def test_replacing_an_alias_that_somebody_else_just_replaced_leaves_nothing(cache: Cache) -> None:
    path = publish(cache)
    cache.link(REF, path, Alias("~150x150", "jpeg"))
    cache._replace_link(REF, path, path.with_name("~150x150.jpeg"))  # rename of one name of a file onto another does nothing at all
    assert not list((cache.root / "tmp").iterdir())


def test_an_alias_without_a_suffix_gets_the_true_extension(cache: Cache) -> None:
    rendition = Rendition(REF, Untouched(scrubbed=True))
    path = cache.publish(rendition, made(cache), "png", OWN_TIME, None)
    assert cache.find(rendition) == path
    cache.link(REF, path, Alias("~o"))
    assert path.with_name("~o.png").exists()


def test_linking_a_rendition_that_was_purged_meanwhile_is_harmless(cache: Cache) -> None:
    path = publish(cache)
    cache.forget(REF)
    cache.link(REF, path, Alias("~150x150", "jpeg"))
    assert not path.parent.exists()


def test_forgetting_drops_every_rendition_and_alias(cache: Cache) -> None:
    path = publish(cache)
    cache.link(REF, path, Alias("~150x150", "jpeg"))
    assert cache.forget(REF) == (1, len(b"picture"))
    assert not path.parent.exists()
    assert not list((cache.root / "trash").iterdir())
    assert cache.forget(REF) == (0, 0)


def test_a_render_in_flight_cannot_resurrect_what_was_forgotten(cache: Cache) -> None:
    with cache.claim(REF, 1) as mark:
        cache.forget(REF)
        with pytest.raises(Busy, match="purged"):
            cache.publish(THUMB, made(cache), "jpg", OWN_TIME, mark)
    assert cache.find(THUMB) is None
    with cache.claim(REF, 1) as mark:  # a render that begins afterwards may
        cache.publish(THUMB, made(cache), "jpg", OWN_TIME, mark)
    assert cache.find(THUMB)


def test_one_maker_at_a_time_has_an_original(cache: Cache) -> None:
    with cache.claim(REF, 1), pytest.raises(Busy), cache.claim(REF, 0.01):
        pass
    with cache.claim(REF, 0.01):
        pass


def test_strangers_do_not_meet(cache: Cache) -> None:
    other = SPACE.ref("FKXGYNOJJ7H3IFO35FPUBC445EPOQRXN01")
    with cache.claim(REF, 1) as mark, cache.claim(other, 0.01) as other_mark:
        assert mark is other_mark is None


def test_a_claim_of_another_process_is_respected_and_freed_by_its_death(cache: Cache) -> None:
    ready, go = os.pipe(), os.pipe()
    pid = os.fork()
    if not pid:
        with cache.claim(REF, 1):
            os.write(ready[1], b"x")
            os.read(go[0], 1)
        os._exit(0)
    os.read(ready[0], 1)
    with pytest.raises(Busy), cache.claim(REF, 0.01):
        pass
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    with cache.claim(REF, 5):
        pass


def test_publishing_survives_a_pruner_that_removes_empty_directories(cache: Cache) -> None:
    stop = threading.Event()

    def remove_directories() -> None:
        while not stop.is_set():
            for path in sorted((cache.files / "huimages").rglob("*"), reverse=True):
                with contextlib.suppress(OSError):  # not empty, or gone already
                    path.rmdir()

    with ThreadPoolExecutor(1) as pool:
        pruner = pool.submit(remove_directories)
        try:
            for _ in range(200):
                path = publish(cache)
                assert path.exists()
                path.unlink()
        finally:
            stop.set()
        pruner.result()


def test_a_full_disk_is_no_space_and_leaves_no_partial_file(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    path = made(cache)
    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(NoSpace):
        cache.publish(THUMB, path, "jpg", OWN_TIME, None)
    assert not path.exists()
    assert cache.find(THUMB) is None


def test_the_start_sweeps_what_dead_processes_left(cache: Cache) -> None:
    own = made(cache)
    pid, _, rest = own.name.partition(".")
    dead = [cache.root / "tmp" / name for name in ("999999999.1-1-0", f"{pid}.1-1-0", f"?.{rest}", "strange")]
    for left in dead:  # the second had our number before us, as in a container
        left.write_bytes(b"half")
    grave = cache.root / "trash/999999999.1-1-0"
    grave.mkdir()
    (grave / "forgotten.jpg").write_bytes(b"x")
    cache.prepare()
    assert [path for path in (*dead, grave) if path.exists()] == []
    assert own.exists()
