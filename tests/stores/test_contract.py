"""What every store promises: the same cases for a directory, memory, and two S3 servers."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from renderer.errors import BadRequest, TooManyBytes
from renderer.stores import Facts, OnDisk, Store
from tests.stores.conftest import Putter

PLENTY = 1_000_000
KEYS = [
    pytest.param("EQ5307B2ZJXRQVJB6ZQZBYRQFXHQ4LYS01", id="hash"),
    pytest.param("wallpaper/big/lion.png", id="path"),
    pytest.param("a b/c  d.jpg", id="spaces"),
    pytest.param("straße/Łódź/日本語🦁.jpg", id="unicode"),
    pytest.param("e\u0301/\u00e9.jpg", id="composed-and-decomposed"),
    pytest.param("100%/a%2Fb+c&d=e?f#g;h.jpg", id="what-urls-escape"),
    pytest.param("it's \"<so>\" 'quoted'.jpg", id="what-xml-escapes"),
    pytest.param("~tilde/a~.jpg", id="tilde"),
    pytest.param("x" * 255 + "/y", id="a-part-of-255-bytes"),
]
NO_KEYS = [
    pytest.param("", id="empty"),
    pytest.param("/a", id="absolute"),
    pytest.param("a/", id="directory"),
    pytest.param("a//b", id="empty-part"),
    pytest.param("../a", id="upwards"),
    pytest.param("a/../../b", id="upwards-inside"),
    pytest.param("a/./b", id="dot"),
    pytest.param(".tmp/a", id="hidden"),
    pytest.param("a/.b", id="hidden-file"),
    pytest.param("a\0b", id="nul"),
    pytest.param("a\nb", id="newline"),
    pytest.param("a\udcff", id="no-utf-8"),
    pytest.param("x" * 256, id="part-too-long"),
    pytest.param("/".join(["x" * 100] * 11), id="too-long"),
]


@pytest.mark.parametrize("key", KEYS)
def test_what_was_put_is_got_again(store: Store, put: Putter, tmp_path: Path, key: str) -> None:
    put(key, b"\xff\xd8 a picture")
    target = tmp_path / "target"
    facts = store.get(key, target, PLENTY)
    assert target.read_bytes() == b"\xff\xd8 a picture"
    assert facts is not None
    assert facts.length == 12
    assert list(store.names()) == [key]


@pytest.mark.parametrize(
    "content", [pytest.param(b"", id="empty"), pytest.param(bytes(range(256)) * 4096 + b"odd", id="more-than-a-megabyte")]
)
def test_any_length_of_bytes_comes_back(store: Store, put: Putter, tmp_path: Path, content: bytes) -> None:
    put("key", content)
    facts = store.get("key", tmp_path / "target", 2 * PLENTY)
    assert (tmp_path / "target").read_bytes() == content
    assert facts == store.facts("key")


def test_a_missing_key_is_none_everywhere(store: Store, put: Putter, tmp_path: Path) -> None:
    put("wallpaper/lion.png")
    for key in ("absent", "wallpaper", "wallpaper/lion", "wallpaper/lion.png/more"):
        assert store.get(key, tmp_path / "target", PLENTY) is None
        assert store.facts(key) is None
        assert not store.delete(key)
    assert not (tmp_path / "target").exists()


def test_an_empty_store_has_no_names(store: Store) -> None:
    assert list(store.names()) == []


@pytest.mark.parametrize("key", NO_KEYS)
def test_what_cannot_be_a_key_is_refused(store: Store, put: Putter, tmp_path: Path, key: str) -> None:
    for attempt in (
        lambda: store.get(key, tmp_path / "target", PLENTY),
        lambda: store.facts(key),
        lambda: store.delete(key),
        lambda: put(key),
    ):
        with pytest.raises(BadRequest, match="expected visible parts"):
            attempt()
    assert not (tmp_path / "target").exists()


def test_the_own_time_survives(store: Store, put: Putter, tmp_path: Path) -> None:
    put("key", time=987_654_321)
    facts = store.get("key", tmp_path / "target", PLENTY)
    assert facts is not None
    assert facts.time == 987_654_321
    assert (tmp_path / "target").stat().st_mtime == 987_654_321


def test_a_time_before_1970_survives(store: Store, put: Putter) -> None:
    put("key", time=-86_400)
    facts = store.facts("key")
    assert facts is not None
    assert facts.time == -86_400


@pytest.mark.feature(44)
def test_facts_survive_where_the_store_can_keep_them(store: Store, put: Putter) -> None:
    wanted = put("key", content_type="image/png", width=4000, height=3000)
    kept = store.facts("key")
    if isinstance(store, OnDisk):  # a file has a length and a time
        wanted = Facts(wanted.length, wanted.time)
    assert kept == wanted


@pytest.mark.feature(125)
def test_what_made_a_rendition_is_kept_where_the_store_says_so(store: Store, put: Putter, tmp_path: Path) -> None:
    put("made", made_by="3-vips", content_type="image/webp")
    put("given")
    for told in (store.facts("made"), store.get("made", tmp_path / "target", PLENTY)):
        assert told is not None
        assert told.made_by == ("3-vips" if store.keeps_maker else "")
    given = store.facts("given")
    assert given is not None
    assert given.made_by == ""


def test_the_length_is_that_of_the_bytes_whatever_was_said(store: Store, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"1234")
    store.put("key", source, Facts(length=99, time=0))
    facts = store.facts("key")
    assert facts is not None
    assert facts.length == 4


def test_put_replaces(store: Store, put: Putter, tmp_path: Path) -> None:
    put("key", b"long and old", time=1_000_000_000, width=10, height=10)
    put("key", b"new", time=1_100_000_000)
    facts = store.get("key", tmp_path / "target", PLENTY)
    assert (tmp_path / "target").read_bytes() == b"new"
    assert facts is not None
    assert (facts.length, facts.time, facts.width) == (3, 1_100_000_000, 0)


def test_get_overwrites_the_target(store: Store, put: Putter, tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"something longer than the original")
    put("key", b"short")
    store.get("key", tmp_path / "target", PLENTY)
    assert (tmp_path / "target").read_bytes() == b"short"


def test_R12_too_many_bytes_leave_no_target(store: Store, put: Putter, tmp_path: Path) -> None:
    put("key", b"12345")
    with pytest.raises(TooManyBytes, match="at most 4 bytes for an original, got 5"):
        store.get("key", tmp_path / "target", 4)
    assert not (tmp_path / "target").exists()
    assert store.get("key", tmp_path / "target", 5) is not None


def test_delete_says_whether_there_was_something(store: Store, put: Putter, tmp_path: Path) -> None:
    put("a/b/c")
    put("a/d")
    assert store.delete("a/b/c")
    assert not store.delete("a/b/c")
    assert store.facts("a/b/c") is None
    assert list(store.names()) == ["a/d"]


def test_a_deleted_key_can_be_put_again(store: Store, put: Putter, tmp_path: Path) -> None:
    put("a/b", b"old")
    store.delete("a/b")
    put("a/b", b"new")
    store.get("a/b", tmp_path / "target", PLENTY)
    assert (tmp_path / "target").read_bytes() == b"new"


def test_names_come_in_byte_order_over_several_pages(store: Store, put: Putter) -> None:
    # "-" and "." come before "/", and upper before lower case; U+FF5E before U+1F981 in UTF-8, but not in UTF-16
    keys = ["a", "a-b/x", "a.jpg", "a/b", "ab", "B", "b/c/d", "b/c-d", "b/ce", "é", "～", "🦁", "a0"]
    if isinstance(store, OnDisk) or store.name == "rclone":  # a file cannot be a directory too
        keys.remove("a")
    for key in keys:
        put(key)
    assert list(store.names()) == sorted(keys, key=str.encode)


@pytest.mark.parametrize(
    ("prefix", "found"),
    [
        pytest.param("p/", ["p/a", "p/b/c", "p/b/d"], id="directory"),
        pytest.param("p/b", ["p/b/c", "p/b/d"], id="without-slash"),
        pytest.param("p/b/c", ["p/b/c"], id="whole-key"),
        pytest.param("p", ["p/a", "p/b/c", "p/b/d", "pq"], id="text-not-directory"),
        pytest.param("p/a/", [], id="a-file-is-no-directory"),
        pytest.param("none", [], id="nothing"),
        pytest.param("../", [], id="upwards"),
        pytest.param("/", [], id="absolute"),
    ],
)
def test_names_below_a_prefix(store: Store, put: Putter, prefix: str, found: list[str]) -> None:
    for key in ("o/a", "p/a", "p/b/c", "p/b/d", "pq", "q"):
        put(key)
    assert list(store.names(prefix)) == found


def test_concurrent_puts_of_one_key_leave_one_of_them_whole(store: Store, put: Putter, tmp_path: Path) -> None:
    contents = [bytes([letter]) * 100_000 for letter in b"abcdefgh"]
    start = threading.Barrier(len(contents))

    def race(content: bytes) -> None:
        start.wait()
        put("deep/er/key", content)

    with ThreadPoolExecutor(len(contents)) as pool:
        list(pool.map(race, contents))
    store.get("deep/er/key", tmp_path / "target", PLENTY)
    assert (tmp_path / "target").read_bytes() in contents
    assert set(store.names()) == {"deep/er/key"}  # rclone may list it twice after such a race


def test_concurrent_puts_and_deletes_in_one_directory_fail_neither(store: Store, put: Putter) -> None:
    """An emptied directory is removed under the feet of who is about to put a file there.

    rclone removes it too and does not get over that itself: 15 of 840 puts were answered with 500, and a retry seldom leaves an object that
    it does not find again. With one object that stays, and so the directory, 0 of 780; so that is all we ask of it.
    """
    staying = ["shard/leaf/staying"] if store.name == "rclone" else []
    for key in staying:
        put(key)

    def work(number: int) -> None:
        for _ in range(5):
            put(f"shard/leaf/{number}", time=number)
            assert store.delete(f"shard/leaf/{number}")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert list(store.names()) == staying


def test_put_of_what_is_new_leaves_alone_what_is_there(store: Store, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_bytes(b"first")
    second.write_bytes(b"second")
    early, late = Facts(5, 1_200_000_000, "image/png", 4, 3), Facts(6, 1_300_000_000, "image/gif", 8, 6)
    assert store.put("deep/key", first, early, only_new=True)
    kept = store.facts("deep/key")
    for _ in range(2):  # a store may learn from the first
        assert not store.put("deep/key", second, late, only_new=True)
    assert store.facts("deep/key") == kept
    store.get("deep/key", tmp_path / "target", PLENTY)
    assert (tmp_path / "target").read_bytes() == b"first"
    assert store.put("deep/key", second, late)
    store.get("deep/key", tmp_path / "target", PLENTY)
    assert (tmp_path / "target").read_bytes() == b"second"
    assert store.delete("deep/key")
    assert store.put("deep/key", first, early, only_new=True)


def test_of_several_who_put_what_is_new_one_does(store: Store, tmp_path: Path) -> None:
    """rclone passes over `If-None-Match`, so it can be no more than a look and a put there, and moto itself looks first and puts then:
    whoever came first may be replaced.
    """
    contents = [bytes([letter]) * 10_000 for letter in b"abcdefgh"]
    start = threading.Barrier(len(contents))

    def race(content: bytes) -> bool:
        source = tmp_path / f"source-{content[0]}"
        source.write_bytes(content)
        start.wait()
        return store.put("deep/er/key", source, Facts(len(content), 0), only_new=True)

    with ThreadPoolExecutor(len(contents)) as pool:
        stored = [content for content, new in zip(contents, pool.map(race, contents), strict=True) if new]
    store.get("deep/er/key", tmp_path / "target", PLENTY)
    assert (tmp_path / "target").read_bytes() in stored
    assert len(stored) == 1 or store.name in ("rclone", "moto")


def test_many_readers_share_a_store(store: Store, put: Putter, tmp_path: Path) -> None:
    put("key", b"x" * 200_000)

    def read(number: int) -> int:
        facts = store.get("key", tmp_path / f"target-{number}", PLENTY)
        return facts.length if facts else 0

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(read, range(16))) == {200_000}


def test_a_healthy_store_checks_well(store: Store) -> None:
    findings = store.check()
    assert findings
    assert all(well for _, well in findings)
    assert all(store.name in sentence for sentence, _ in findings)
