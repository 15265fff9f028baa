"""Taking in many: what is found, in which order it comes back, what is remembered, what is tried again; in bounded memory."""

from __future__ import annotations

import errno
import gc
import io
import os
import threading
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from renderer.catalog.memory import MemoryCatalog
from renderer.errors import BadRequest, BrokenOriginal, Busy, Conflict, NoSpace, StoreRefused, StoreUnavailable
from renderer.formats import JPEG
from renderer.importing import MOST_IN_A_ROW, PAUSES, WINDOW, Importing, Outcome
from renderer.importing.candidates import UNNAMED, Candidate, FileOrigin, Found, Opened, Passed, Said, StreamOrigin
from renderer.importing.finding import Patterns, find, in_bucket, listed, plain_name, walk
from renderer.importing.manifest import Manifest
from renderer.importing.resume import HEADER, SYNC_LINES, State
from renderer.importing.wishes import Wishes
from renderer.ingest import About, Taken
from renderer.limits import Limits
from renderer.picture.jobs import Header
from renderer.rendition import NAMINGS, Namespace
from renderer.stores import Facts
from renderer.stores.memory import MemoryStore
from tests.waiting import wait_until

IMAGES, PATHS = Namespace("huimages", NAMINGS["sha1"]), Namespace("fitter", NAMINGS["path"])
HEAD = b"\xff\xd8\xff"  # what a JPEG begins with; the ingest of these tests looks no further
OWN_TIME = 1_300_000_000
HEADER_OF_ALL = Header(JPEG, 4, 3, 1, False)


class Keeping:
    """An ingest that keeps what it takes; `first` may raise or wait before anything else."""

    def __init__(self, first: Callable[[str], None] = lambda name: None, keeps: bool = True) -> None:
        self._first, self._keeps, self._lock = first, keeps, threading.Lock()
        self.taken: list[tuple[str, int, About]] = []
        self.contents: dict[str, bytes] = {}

    def take(
        self, namespace: Namespace, stream: BinaryIO, own_time: int, name: str = "", about: About = About(),
        placeholder: bool = False, only_new: bool = False,
    ) -> Taken:  # fmt: skip
        self._first(about.filename)
        content, hasher = stream.read(), namespace.naming.hasher() if namespace.naming.immutable else None
        if hasher:
            hasher.update(content)
        ref = namespace.ref(namespace.naming.name_of(hasher.digest()) if hasher else name)
        with self._lock:
            new = ref.name not in self.contents
            if only_new and not new and not hasher:
                raise Conflict(f"there is {ref} already")
            if self._keeps:
                self.contents[ref.name] = content
                self.taken.append((about.filename, own_time, about))
        return Taken(ref, HEADER_OF_ALL, new)

    def names(self) -> list[str]:
        return [filename for filename, _, _ in self.taken]


def photo(path: Path, content: bytes = b"", own_time: int = OWN_TIME) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(HEAD + (content or path.name.encode("utf-8", "surrogateescape")))
    os.utime(path, (own_time, own_time))
    return path


def found_below(folder: Path, count: int) -> list[Found]:
    return [Candidate(FileOrigin(str(path)), str(path), path.name) for path in (photo(folder / f"{n:03}.jpg") for n in range(count))]


def outcomes(ingest: Keeping, found: Iterable[Found], wishes: Wishes = Wishes(IMAGES), **more: Any) -> list[Outcome]:
    return list(Importing(ingest, wishes, **more).outcomes(found))


def told(results: Iterable[Outcome]) -> list[tuple[str, str, str]]:
    return [(Path(outcome.shown).name, outcome.what, outcome.reason) for outcome in results]


def shown(found: Iterable[Found], top: Path) -> list[str]:
    """Paths of candidates, and reasons of the others."""
    told = [(each.shown, f": {each.reason}" if isinstance(each, Passed) else "") for each in found]
    return [os.path.relpath(path, top) + reason for path, reason in told]


# in which order, and how many at once


@pytest.mark.parametrize("jobs", [1, 3], ids=["one-job", "three-jobs"])
def test_outcomes_come_in_the_order_of_what_was_found(tmp_path: Path, jobs: int) -> None:
    def first_is_last(name: str) -> None:
        if jobs > 1 and name == "000.jpg":
            wait_until(lambda: len(ingest.taken) == 9, 20, "the others to be taken")

    ingest = Keeping(first_is_last)
    results = outcomes(ingest, found_below(tmp_path, 10), jobs=jobs)
    assert [name for name, _, _ in told(results)] == [f"{n:03}.jpg" for n in range(10)]
    assert (ingest.names()[-1] == "000.jpg") == (jobs > 1)
    assert {own_time for _, own_time, _ in ingest.taken} == {OWN_TIME}


class Instant:
    """Bytes that are there already."""

    is_near = True

    def mark(self) -> bytes:
        return b""

    @contextmanager
    def opened(self) -> Iterator[Opened]:
        yield Opened(io.BytesIO(HEAD), len(HEAD), OWN_TIME)


def test_a_hundred_thousand_files_are_taken_in_bounded_memory() -> None:
    origin, count, on_their_way, most = Instant(), 100_000, 0, 0

    def many() -> Iterator[Found]:
        nonlocal on_their_way, most
        for number in range(count):
            on_their_way += 1
            most = max(most, on_their_way)
            yield Candidate(origin, f"a folder/of/photos/{number:06}.jpg", f"{number:06}.jpg")

    importing = Importing(Keeping(keeps=False), Wishes(IMAGES), jobs=2)
    try:
        for number, _ in enumerate(importing.outcomes(many()), 1):
            on_their_way -= 1
            if number == count * 4 // 5:
                tracemalloc.start()  # it takes twice the time, so not from the beginning
        gc.collect()
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert importing.tally.counts == {"taken in": count}
    assert most <= WINDOW + 2
    assert held < 100_000  # bytes, of 20,000 files: to keep something of each would be more


def test_one_that_takes_long_holds_up_no_more_than_a_window(tmp_path: Path) -> None:
    path, let_go, seen = str(photo(tmp_path / "a.jpg")), threading.Event(), []

    def many() -> Iterator[Found]:
        for number in range(3 * WINDOW):
            seen.append(number)
            yield Candidate(FileOrigin(path), "slow" if not number else "quick", "a.jpg")

    def slow(name: str) -> None:
        assert name == "quick" or let_go.wait(30)

    ingest = Keeping(slow)
    results: list[Outcome] = []
    reader = threading.Thread(target=lambda: results.extend(Importing(ingest, Wishes(IMAGES), jobs=2).outcomes(many())))
    reader.start()
    wait_until(lambda: len(ingest.taken) == WINDOW - 1, 30, "all of the window to be taken but one")
    assert (len(seen), results) == (WINDOW + 1, [])
    let_go.set()
    reader.join(60)
    assert len(results) == 3 * WINDOW


# what fails


@pytest.mark.parametrize(
    "trouble",
    [StoreUnavailable("disk", "away"), Busy("full"), NoSpace("full"), OSError(errno.ENOSPC, "No space left")],
    ids=["store", "busy", "no-space", "errno"],
)
def test_what_is_down_is_asked_again_with_growing_pauses(tmp_path: Path, trouble: Exception) -> None:
    asked: list[str] = []

    def up_at_last(name: str) -> None:
        asked.append(name)
        if len(asked) <= len(PAUSES):
            raise trouble

    pauses: list[float] = []
    ingest = Keeping(up_at_last)
    results = outcomes(ingest, found_below(tmp_path, 1), pause=lambda seconds: pauses.append(seconds) or True)
    assert (told(results), ingest.names()) == ([("000.jpg", "taken in", "")], ["000.jpg"])
    assert tuple(pauses) == PAUSES == tuple(sorted(PAUSES))


def test_when_everything_would_fail_it_stops_and_says_why() -> None:
    def down(name: str) -> None:
        if name >= "0005":
            raise StoreUnavailable("disk", "expected a directory, found none")

    pauses: list[float] = []
    importing = Importing(Keeping(down), Wishes(IMAGES), pause=lambda seconds: pauses.append(seconds) or True)
    results = list(importing.outcomes(Candidate(Instant(), f"{number:04}", "a.jpg") for number in range(5 * WINDOW)))
    tried = [outcome for outcome in results if outcome.is_down]
    assert MOST_IN_A_ROW <= len(tried) <= 2 * WINDOW  # the thread may be ahead of who counts
    assert len(pauses) == len(tried) * len(PAUSES)
    assert importing.tally.counts == {"taken in": 1, "already there": 4, "failed": len(tried)}
    assert "expected a directory" in importing.tally.halted
    assert f"{MOST_IN_A_ROW} files in a row" in importing.tally.halted


def test_what_is_down_now_and_then_stops_nothing(tmp_path: Path) -> None:
    def flaky(name: str) -> None:
        if not name.startswith("00"):
            raise StoreUnavailable("disk", "away")
        if name == "001.jpg":
            raise BrokenOriginal("nonsense")

    found = found_below(tmp_path, 40)
    mixed = [each for number in range(10, 40) for each in (found[number], found[number % 10])]
    importing = Importing(Keeping(flaky), Wishes(IMAGES), pause=lambda seconds: True)
    results = list(importing.outcomes(mixed))
    assert (len(results), importing.tally.halted) == (60, "")


@pytest.mark.parametrize(
    ("trouble", "times"),
    [
        (StoreRefused("disk", "no"), 1), (BrokenOriginal("nonsense"), 1), (BadRequest("no"), 1), (PermissionError(13, "denied"), 1),
        (ZeroDivisionError("a bug"), 1),
    ],
    ids=["refused", "broken", "bad-request", "unreadable", "bug"],
)  # fmt: skip
def test_what_another_try_cannot_help_is_tried_once_and_stops_nothing(tmp_path: Path, trouble: Exception, times: int) -> None:
    asked = []

    def bad(name: str) -> None:
        if name == "001.jpg":
            asked.append(name)
            raise trouble

    results = outcomes(Keeping(bad), found_below(tmp_path, 3), pause=lambda seconds: True)
    assert [outcome.what for outcome in results] == ["taken in", "failed", "taken in"]
    assert len(asked) == times
    assert results[1].reason


def test_a_search_that_breaks_is_a_failure_and_what_was_found_is_taken(tmp_path: Path) -> None:
    def breaks() -> Iterator[Found]:
        yield from found_below(tmp_path, 2)
        raise ZeroDivisionError("a bug")

    results = outcomes(Keeping(), breaks(), jobs=2)
    assert [outcome.what for outcome in results] == ["taken in", "taken in", "failed"]


def test_an_interrupt_lets_what_is_in_work_finish_and_begins_nothing_more(tmp_path: Path) -> None:
    begun, let_go = threading.Semaphore(0), threading.Event()

    def slow(name: str) -> None:
        begun.release()
        assert let_go.wait(20)

    ingest = Keeping(slow)
    importing, results = Importing(ingest, Wishes(IMAGES), jobs=2), []
    reader = threading.Thread(target=lambda: results.extend(importing.outcomes(found_below(tmp_path, 50))))
    reader.start()
    for _ in range(2):
        assert begun.acquire(timeout=20)
    importing.interrupt()
    wait_until(lambda: importing.tally.halted, 20, "the interrupt to be seen")
    let_go.set()
    reader.join(20)
    assert [outcome.what for outcome in results] == ["taken in", "taken in"]
    assert len(ingest.taken) == 2


def test_an_interrupt_ends_an_import_whose_list_never_ends(tmp_path: Path) -> None:
    def never() -> Iterator[Found]:
        yield from found_below(tmp_path, 1)
        threading.Event().wait()

    importing = Importing(Keeping(), Wishes(IMAGES), jobs=3)
    results = importing.outcomes(never())
    assert next(results).what == "taken in"
    importing.interrupt()
    assert list(results) == []


# what is no picture, what is found


def test_what_is_no_picture_is_skipped_unless_somebody_promised_one(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for name in ("notes.txt", "fake.JPG", "README"):
        (tmp_path / "photos" / name).write_bytes(b"no picture")
    (tmp_path / "photos/empty.png").write_bytes(b"")
    photo(tmp_path / "photos/no-extension")
    ingest = Keeping()
    found = [*find(str(tmp_path / "photos"), Patterns()), *find(str(tmp_path / "photos/notes.txt"), Patterns())]
    results = told(outcomes(ingest, found))
    assert [(name, what) for name, what, _ in results] == [
        ("README", "skipped"), ("empty.png", "failed"), ("fake.JPG", "failed"), ("no-extension", "taken in"), ("notes.txt", "skipped"),
        ("notes.txt", "failed"),
    ]  # fmt: skip
    assert results[0][2] == "no picture"
    assert "begin like no format" in results[2][2]
    assert ingest.names() == ["no-extension"]


def test_too_many_bytes_are_refused_before_any_is_copied(tmp_path: Path) -> None:
    ingest = Keeping()
    results = outcomes(ingest, [*find(str(photo(tmp_path / "a.jpg", b"x" * 100)), Patterns())], limits=Limits(max_original_bytes=50))
    assert results[0].what == "failed"
    assert "at most 50 bytes" in results[0].reason
    assert ingest.taken == []


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """b.jpg, a/c.jpg and mobotix files, hidden ones, links, loops, a pipe."""
    top = tmp_path / "tree"
    for name in ("b.jpg", "a/c.JPG", "a/.hidden/d.jpg", ".e.jpg", "mobotix1.jpg", "a/Mobotix/f.jpg", "a/g.png"):
        photo(top / name)
    os.mkfifo(top / "pipe.jpg")
    (top / "loop").symlink_to(top, target_is_directory=True)
    (top / "a/round").symlink_to("round")
    (top / "link.jpg").symlink_to("b.jpg")
    (top / "z").symlink_to(tmp_path / "nothing")
    return top


@pytest.mark.feature(78)
def test_a_folder_is_walked_in_order_and_nothing_of_it_hangs_or_comes_twice(tree: Path) -> None:
    assert shown(walk(str(tree), Patterns(skip=("mobotix*",))), tree) == [
        ".e.jpg: hidden", "a/.hidden: hidden", "a/Mobotix: matched by --skip 'mobotix*'", "a/c.JPG", "a/g.png", "a/round: no file", "b.jpg",
        "link.jpg", "loop: a link to a folder", "mobotix1.jpg: matched by --skip 'mobotix*'", "pipe.jpg: no file", "z: no file",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (Patterns(only=("*.JPG", "*.jpeg")), ["a/Mobotix/f.jpg", "a/c.JPG", "b.jpg", "link.jpg", "mobotix1.jpg"]),
        (Patterns(skip=("a/*",)), ["b.jpg", "link.jpg", "mobotix1.jpg"]),
        (Patterns(skip=("*mobotix*", "[bl]*"), only=("*.jpg",)), ["a/c.JPG"]),
        (Patterns(skip=("a",), only=("b.jpg",)), ["b.jpg"]),
    ],
    ids=["only", "a-path", "several", "a-folder"],
)
def test_patterns_are_of_names_and_of_paths_below_the_folder(tree: Path, patterns: Patterns, expected: list[str]) -> None:
    candidates = [each for each in walk(str(tree), patterns) if isinstance(each, Candidate)]
    assert shown(candidates, tree) == expected
    assert [each.name for each in candidates] == expected


@pytest.mark.parametrize(
    ("glob", "expected"),
    [
        ("*.jpg", ["b.jpg", "link.jpg", "mobotix1.jpg", "pipe.jpg: expected a file, got a pipe, socket or device"]),
        ("?/*.JPG", ["a/c.JPG"]),
        ("**/c*", ["a/c.JPG"]),
        ("a/**/[c-g].*", ["a/Mobotix/f.jpg", "a/c.JPG", "a/g.png"]),
        ("a/**", ["a/Mobotix/f.jpg", "a/c.JPG", "a/g.png"]),
        (".e*", [".e.jpg"]),
        ("a*/.hidden", ["a/.hidden/d.jpg"]),
        ("*.tiff", ["*.tiff: expected a glob that matches something, got none"]),
        ("**/*.tiff", ["**/*.tiff: expected a glob that matches something, got none"]),
    ],
    ids=["names", "folders", "deep", "below", "all-below", "hidden-files", "hidden-folders", "none", "deep-none"],
)
def test_globs_that_no_shell_expanded_are_expanded(tree: Path, glob: str, expected: list[str]) -> None:
    found = find(f"{tree}/{glob}", Patterns())
    wanted = [each for each in found if not (isinstance(each, Passed) and not each.is_failure)]
    assert shown(wanted, tree) == expected


def test_a_name_with_wildcards_in_it_is_a_name_when_there_is_such_a_file(tmp_path: Path) -> None:
    photo(tmp_path / "a[1].jpg")
    assert shown(find(f"{tmp_path}/a[1].jpg", Patterns()), tmp_path) == ["a[1].jpg"]


def test_what_is_named_and_is_not_there_fails(tmp_path: Path) -> None:
    (missing,) = find(f"{tmp_path}/none.jpg", Patterns())
    assert missing == Passed(f"{tmp_path}/none.jpg", "No such file or directory", is_failure=True)


def test_a_folder_that_cannot_be_read_fails_and_the_others_are_read(tmp_path: Path) -> None:
    photo(tmp_path / "b/c.jpg")
    (tmp_path / "a").mkdir()
    found = walk(str(tmp_path), Patterns())
    # the folder goes between being seen and being looked into, as for root none is unreadable
    (tmp_path / "a2").mkdir()
    results = []
    for each in found:
        results.append(each)
        if (tmp_path / "c").exists():
            (tmp_path / "c").rmdir()
    assert shown(results, tmp_path) == ["b/c.jpg"]
    (gone,) = walk(str(tmp_path / "nowhere"), Patterns())
    assert gone == Passed(str(tmp_path / "nowhere"), "No such file or directory", is_failure=True)


def test_a_pipe_in_a_file_s_place_does_not_keep_us_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.jpg")
    with pytest.raises(OSError, match="expected a file, got a pipe"), FileOrigin(str(tmp_path / "a.jpg")).opened():
        pass


class Drips(io.RawIOBase):
    """A pipe that gives a few bytes at a time."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)

    def read(self, size: int = -1) -> bytes:
        return next(self._pieces, b"")


@pytest.mark.parametrize(
    ("pieces", "separator", "expected"),
    [
        ([b"a.jpg\nb.jpg\n"], b"\n", ["a.jpg", "b.jpg"]),
        ([b"a.j", b"pg\r\n\r\nb.jpg"], b"\n", ["a.jpg", "b.jpg"]),
        ([b"a.jpg\0new\nline.jpg\0"], b"\0", ["a.jpg", "new\nline.jpg"]),
        ([b"\xff.jpg\n"], b"\n", ["\udcff.jpg"]),
        ([b"a.jpg\0b.jpg\0"], b"\n", ["a.jpg\0b.jpg\0: expected a path in a line, got a NUL; --null reads what `find -print0` writes"]),
        ([b"a.jpg\n", b"x" * 200_000], b"\n", ["a.jpg", "x" * 65_536 + ": File name too long"]),
        ([b".\n"], b"\n", [".: expected a file, got a folder"]),
    ],
    ids=["lines", "pieces", "nul", "no-utf-8", "nul-unasked", "endless", "folder"],
)
def test_lists_are_read_as_they_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pieces: list[bytes], separator: bytes, expected: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.jpg", "b.jpg", "new\nline.jpg", os.fsdecode(b"\xff.jpg")):
        photo(tmp_path / name)
    found = listed(Drips(pieces), separator)
    assert [each.shown + (f": {each.reason}" if isinstance(each, Passed) else "") for each in found] == expected


@pytest.mark.parametrize(
    ("path", "name"),
    [("a/b.jpg", "a/b.jpg"), ("./a/b.jpg", "a/b.jpg"), ("a/../b.jpg", "b.jpg"), ("../a/b.jpg", "b.jpg"), ("/x/a/b.jpg", "b.jpg")],
    ids=["relative", "dot", "folded", "upwards", "absolute"],
)
def test_a_path_of_a_list_is_a_name_where_it_leads_downwards(path: str, name: str) -> None:
    assert plain_name(path) == name


def test_a_bucket_is_read_below_a_prefix_with_the_original_s_own_time(tmp_path: Path) -> None:
    store, source = MemoryStore("bucket"), photo(tmp_path / "in.jpg")
    for key in ("photos/a.jpg", "photos/deep/b.jpg", "photos/mobotix.jpg", "other/c.jpg"):
        store.put(key, source, Facts(0, OWN_TIME + len(key)))
    ingest, scratch = Keeping(), tmp_path / "scratch"
    found = list(in_bucket(store, "b", "photos/", scratch, 1000, Patterns(skip=("mob*",))))
    store.delete("photos/deep/b.jpg")
    results = outcomes(ingest, found, Wishes(PATHS))
    assert [(outcome.shown, outcome.what) for outcome in results] == [
        ("s3://b/photos/a.jpg", "taken in"), ("s3://b/photos/deep/b.jpg", "failed"), ("s3://b/photos/mobotix.jpg", "skipped"),
    ]  # fmt: skip
    assert "found none" in results[1].reason
    assert [(name, own_time) for name, own_time, _ in ingest.taken] == [("a.jpg", OWN_TIME + len("photos/a.jpg"))]
    assert list(ingest.contents) == ["a.jpg"]
    assert list(scratch.iterdir()) == []
    (large,) = outcomes(ingest, in_bucket(store, "b", "other/c.jpg", scratch, 3, Patterns()))
    assert "at most 3 bytes" in large.reason


def test_a_stream_is_read_once_however_often_it_is_tried(tmp_path: Path) -> None:
    failures = iter([StoreUnavailable("disk", "away")])

    def once(name: str) -> None:
        for error in failures:
            raise error

    ingest = Keeping(once)
    with photo(tmp_path / "a.jpg").open("rb") as stream:
        candidate = Candidate(StreamOrigin(stream, Limits()), UNNAMED, "")
        state = State(tmp_path / "state")
        results = outcomes(ingest, [candidate], state=state, pause=lambda seconds: True)
        again = outcomes(ingest, [candidate], state=state)
        state.close()
    assert [outcome.what for outcome in (*results, *again)] == ["taken in", "skipped"]
    assert [(name, own_time) for name, own_time, _ in ingest.taken] == [("", OWN_TIME)]
    assert list(ingest.contents.values()) == [HEAD + b"a.jpg"]


# what is said of them


def about(wishes: Wishes, shown: str = "photos/ski/the skate.jpg", said: Said = Said()) -> About:
    return wishes.about(Candidate(FileOrigin(shown), shown, "ski/the skate.jpg", said=said))


@pytest.mark.feature(77)
def test_wishes_and_what_a_manifest_says_come_together() -> None:
    wishes = Wishes(IMAGES, title="All", references={"artnr": ("1",)}, types=("product_image",), references_from=("path",))
    said = Said("This", ("detail",), {"artnr": ("2",), "ean": ("4",)})
    assert about(wishes) == About("All", ("product_image",), {"artnr": ("1",), "path": ("photos/ski",)}, "the skate.jpg")
    references = {"artnr": ("1", "2"), "path": ("photos/ski",), "ean": ("4",)}
    assert about(wishes, said=said) == About("This", ("product_image", "detail"), references, "the skate.jpg")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"title_from": "filename"}, ("the skate.jpg", "the skate.jpg")),
        ({"title_from": "stem"}, ("the skate", "the skate.jpg")),
        ({"filename_from": "path"}, ("", "photos/ski/the skate.jpg")),
    ],
    ids=["title-filename", "title-stem", "filename-path"],
)
@pytest.mark.feature(78)
def test_titles_and_file_names_are_made_from_paths(options: dict[str, str], expected: tuple[str, str]) -> None:
    made = about(Wishes(IMAGES, **options))
    assert (made.title, made.filename) == expected


def test_a_path_that_is_no_utf_8_is_noted_in_letters_that_are() -> None:
    made = about(Wishes(IMAGES, title_from="filename", references_from=("path",)), os.fsdecode(b"f\xff/\xfe.jpg"))
    assert (made.title, made.references["path"], made.filename) == ("\ufffd.jpg", ("f\ufffd",), "\ufffd.jpg")


def test_tags_are_notes_of_a_user(tmp_path: Path) -> None:
    catalog, (candidate, *_) = MemoryCatalog("catalog"), found_below(tmp_path, 1)
    assert isinstance(candidate, Candidate)
    tagged = Candidate(candidate.origin, candidate.shown, candidate.name, said=Said(tags=("Winter", "ski")))
    (outcome,) = outcomes(Keeping(), [tagged], Wishes(IMAGES, tags=("ski",), user="emil"), catalog=catalog)
    assert outcome.ref
    assert catalog.notes(outcome.ref)["emil"].tags == ("ski", "winter")


def test_names_of_paths_are_below_the_folder_and_no_two_files_get_the_same(tmp_path: Path) -> None:
    for name in ("one/a.jpg", "two/a.jpg", "one/sub/b.jpg"):
        photo(tmp_path / name)
    ingest = Keeping()
    found = [each for folder in ("one", "two") for each in find(str(tmp_path / folder), Patterns())]
    results = outcomes(ingest, found, Wishes(PATHS, name_prefix="shop/"))
    assert list(ingest.contents) == ["shop/a.jpg", "shop/sub/b.jpg"]
    assert [outcome.what for outcome in results] == ["taken in", "taken in", "failed"]
    assert "'shop/a.jpg' for another one too" in results[2].reason
    again = outcomes(ingest, found[:1], Wishes(PATHS, name_prefix="shop/", only_new=True))
    assert told(again) == [("a.jpg", "skipped", "its name is taken")]


@pytest.mark.parametrize("is_remembered", [False, True], ids=["no-state", "state"])
def test_what_is_no_picture_needs_no_name(tmp_path: Path, is_remembered: bool) -> None:
    for name in ("one/README", "two/README", "two/tab\t.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"no picture")
    photo(tmp_path / "one/a.jpg")
    found = [each for folder in ("one", "two") for each in find(str(tmp_path / folder), Patterns())]
    state = State(tmp_path / "state") if is_remembered else None
    results = outcomes(Keeping(), found, Wishes(PATHS), state=state)
    assert [(name, what) for name, what, _ in told(results)] == [
        ("README", "skipped"), ("a.jpg", "taken in"), ("README", "skipped"), ("tab\t.txt", "skipped"),
    ]  # fmt: skip
    if state is None:
        return
    photo(tmp_path / "two/a.jpg")
    again = outcomes(Keeping(), [found[1], *find(str(tmp_path / "two/a.jpg"), Patterns())], Wishes(PATHS), state=state)
    assert [outcome.what for outcome in again] == ["skipped", "failed"], "what is done has its name still"
    state.close()


def test_a_rehearsal_takes_nothing_in_and_fetches_nothing(tmp_path: Path) -> None:
    store = MemoryStore("bucket")
    store.put("b.jpg", photo(tmp_path / "a.jpg"), Facts(0, 0))
    (tmp_path / "c.jpg").write_bytes(b"no picture")
    found = [*find(f"{tmp_path}/*.jpg", Patterns()), *in_bucket(store, "b", "", tmp_path / "never", 1, Patterns())]
    results = list(Importing(None, Wishes(IMAGES)).outcomes(found))
    assert [(name, what) for name, what, _ in told(results)] == [("a.jpg", "taken in"), ("c.jpg", "failed"), ("b.jpg", "taken in")]
    assert not (tmp_path / "never").exists()


# manifests

CSV = 'path,title,references,tags,types\nski/a.jpg,"The skate, picture",artnr=1;artnr=2; ean=3,"Ski, winter sun",product_image\nb.jpg,,,,\n'
JSON = (
    '{"path": "ski/a.jpg", "title": "The skate, picture", "references": {"artnr": [1, "2"], "ean": "3"}, '
    '"tags": ["Ski", "winter", "sun"], "types": "product_image"}\n\n{"path": "b.jpg"}\n'
)
SAID = [
    ("ski/a.jpg", Said("The skate, picture", ("product_image",), {"artnr": ("1", "2"), "ean": ("3",)}, ("Ski", "winter", "sun"))),
    ("b.jpg", Said()),
]


def read(text: str, folder: Path) -> list[Found]:
    return list(Manifest(io.BytesIO(text.encode("utf-8", "surrogateescape")), "m", str(folder)).find())


@pytest.mark.parametrize(
    "text",
    [CSV, "\ufeff" + CSV.replace("\n", "\r\n"), CSV.replace("Ski, ", "Ski ").replace("path,title,", "Title,PATH,"), JSON],
    ids=["csv", "csv-of-windows", "csv-other-order", "json"],
)
def test_manifests_say_which_pictures_and_what_of_them(tmp_path: Path, text: str) -> None:
    if "Title,PATH" in text:
        text = text.replace('ski/a.jpg,"The skate, picture",', '"The skate, picture",ski/a.jpg,').replace("b.jpg,,", ",b.jpg,")
    for name in ("ski/a.jpg", "b.jpg"):
        photo(tmp_path / name)
    found = read(text, tmp_path)
    assert [(each.name, each.said) for each in found if isinstance(each, Candidate)] == SAID
    assert [each.shown for each in found] == [f"{tmp_path}/ski/a.jpg", f"{tmp_path}/b.jpg"]


@pytest.mark.parametrize("delimiter", [";", "\t"], ids=["semicolon", "tab"])
def test_manifests_of_spreadsheets_are_read(tmp_path: Path, delimiter: str) -> None:
    photo(tmp_path / "a.jpg")
    text = delimiter.join(("path", "title", "references")) + "\n" + delimiter.join(("a.jpg", "T, t", '"artnr=1;artnr=2"')) + "\n"
    (found,) = read(text, tmp_path)
    assert isinstance(found, Candidate)
    assert found.said == Said("T, t", (), {"artnr": ("1", "2")})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("path,title\na.jpg\na.jpg,T,x\na.jpg,T\n", ["m:2: expected 2 columns, got 1", "m:3: expected 2 columns, got 3", "a.jpg"]),
        ("path,title\n,T\nnone.jpg,T\na.jpg,T\n", ["m:2: expected a path", "m:3: ", "a.jpg"]),
        ("path,references\na.jpg,artnr\na.jpg,a=1\n", ["m:2: expected KEY=VALUE for a reference, got 'artnr'", "a.jpg"]),
        ('path,title\na.jpg,"two\nlines"\na.jpg,"x"y\na.jpg,T\n', ["a.jpg", "m:4: expected a row of CSV", "a.jpg"]),
        ("path,title\na.jpg,\udcff\na.jpg,T\n", ["m:2: expected UTF-8 for title", "a.jpg"]),
        ('{"path": "a.jpg"}\n{"path"\n[1]\n{"path": "a.jpg"}\n', ["a.jpg", "m:2: expected a JSON object", "m:3: expected a JSON", "a.jpg"]),
        ('{"path": 1}\n{"path": "a.jpg", "titel": "T"}\n{"path": "a.jpg"}\n', ["m:1: expected a path", "m:2: expected path, ", "a.jpg"]),
        ('{"path": "a.jpg", "title": ["T"]}\n{"path": "a.jpg", "references": ["x"]}\n', ["m:1: expected text", "m:2: expected text"]),
        ('{"path": "a.jpg", "title": "\\ud800"}\n' + '{"path":' + "[" * 9999 + "\n", ["m:1: expected UTF-8", "m:2: expected a JSON"]),
        ('{"path": "a\\u0000.jpg"}\n{"path": "."}\n', ["m:1: ", "m:2: "]),
    ],
    ids=["columns", "paths", "references", "quotes", "bytes", "json", "keys", "kinds", "hostile", "odd-paths"],
)
def test_a_row_that_cannot_be_is_reported_with_its_line_and_stops_nothing(tmp_path: Path, text: str, expected: list[str]) -> None:
    photo(tmp_path / "a.jpg")
    found = read(text, tmp_path)
    told = [f"{each.shown}: {each.reason}" if isinstance(each, Passed) else each.name for each in found]
    assert len(told) == len(expected), told
    assert [text[: len(start)] for text, start in zip(told, expected, strict=True)] == expected
    assert all(each.is_failure for each in found if isinstance(each, Passed))


@pytest.mark.parametrize(
    "text", ["", "a.jpg\nb.jpg\n", "path,titel\n", "path,path\n", "title,tags\n", "\xff\xd8\xff\0", "x" * 200_000],
    ids=["empty", "no-header", "typing-error", "twice", "no-path", "a-picture", "a-large-picture"],
)  # fmt: skip
def test_what_is_no_manifest_is_refused_before_anything_is_done(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadRequest, match="expected a header of path, title"):
        read(text, tmp_path)


LONGEST = 1 << 20  # letters of a line of a manifest


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("path,title\na.jpg,T\n" + "x" * LONGEST + "\na.jpg,T\n", ["a.jpg", "m:3: expected a line of at most"]),
        ('{"path": "a.jpg"}\n\n{"path": "' + "x" * LONGEST + '"}\n{"path": "a.jpg"}\n', ["a.jpg", "m:3: expected a line of at most"]),
        ("path\n" + "x" * 200_000 + "\na.jpg\n", ["m:2: expected a row of CSV, got field larger", "a.jpg"]),
    ],
    ids=["csv", "json", "a-field"],
)
def test_a_line_that_never_ends_is_not_kept_in_memory(tmp_path: Path, text: str, expected: list[str]) -> None:
    photo(tmp_path / "a.jpg")
    told = [f"{each.shown}: {each.reason}" if isinstance(each, Passed) else each.name for each in read(text, tmp_path)]
    assert [text[: len(start)] for text, start in zip(told, expected, strict=True)] == expected


# what is remembered


def run(folder: Path, state: Path, ingest: Keeping, wishes: Wishes = Wishes(IMAGES)) -> list[Outcome]:
    """Once, with `state`."""
    remembered = State(state)
    try:
        return outcomes(ingest, find(str(folder), Patterns()), wishes, state=remembered, jobs=2)
    finally:
        remembered.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found_below(tmp_path / "photos", 5)
    photo(tmp_path / "photos" / "new\nline\t.jpg")
    photo(tmp_path / "photos" / os.fsdecode(b"\xff.jpg"))
    return tmp_path / "photos"


def test_a_repeat_skips_what_is_done_and_takes_what_changed(folder: Path, tmp_path: Path) -> None:
    ingest = Keeping()
    assert {outcome.what for outcome in run(folder, tmp_path / "state", ingest)} == {"taken in"}
    assert len((tmp_path / "state").read_text().splitlines()) == 8
    assert {outcome.reason for outcome in run(folder, tmp_path / "state", ingest)} == {"done before"}
    assert len(ingest.taken) == 7
    photo(folder / "001.jpg", own_time=OWN_TIME + 1)
    photo(folder / "002.jpg", b"longer than before")
    changed = [outcome.shown[-7:] for outcome in run(folder, tmp_path / "state", ingest) if outcome.what != "skipped"]
    assert changed == ["001.jpg", "002.jpg"]
    elsewhere = Namespace("products", NAMINGS["sha1"])
    assert {outcome.what for outcome in run(folder, tmp_path / "state", ingest, Wishes(elsewhere))} == {"already there"}


def test_what_failed_is_tried_by_a_repeat(folder: Path, tmp_path: Path) -> None:
    def broken(name: str) -> None:
        if name == "003.jpg":
            raise BrokenOriginal("nonsense")

    run(folder, tmp_path / "state", Keeping(broken))
    ingest = Keeping()
    run(folder, tmp_path / "state", ingest)
    assert ingest.names() == ["003.jpg"]


def test_what_was_not_yet_reported_is_not_yet_done(folder: Path, tmp_path: Path) -> None:
    state = State(tmp_path / "state")
    results = Importing(Keeping(), Wishes(IMAGES), state=state).outcomes(find(str(folder), Patterns()))
    for _ in range(3):
        next(results)
    results.close()
    state.close()
    ingest = Keeping()
    run(folder, tmp_path / "state", ingest)
    assert len(ingest.taken) == 5


@pytest.mark.parametrize("cut", [1, 20, 40], ids=["a-line-s-end", "half-a-line", "most-of-a-line"])
def test_a_torn_last_line_costs_one_file(folder: Path, tmp_path: Path, cut: int) -> None:
    state = tmp_path / "state"
    run(folder, state, Keeping())
    whole = state.read_bytes()
    state.write_bytes(whole[:-cut])
    ingest = Keeping()
    run(folder, state, ingest)
    assert len(ingest.taken) == 1
    assert sorted(state.read_bytes().splitlines()) == sorted(whole.splitlines())


@pytest.mark.parametrize("length", [0, 1, len(HEADER) - 1, len(HEADER)], ids=["empty", "a-byte", "all-but-one", "whole"])
def test_a_torn_first_line_is_begun_anew(tmp_path: Path, length: int) -> None:
    path = tmp_path / "state"
    path.write_bytes(HEADER[:length])
    state = State(path)
    state.add(b"mark", "huimages/X", "a.jpg")
    state.close()
    assert path.read_bytes().startswith(HEADER)
    assert State(path).knows(b"mark")


def test_nonsense_between_the_lines_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "state"
    state = State(path)
    state.add(b"one", "huimages/X", "a.jpg")
    state.close()
    path.write_bytes(path.read_bytes() + b"\0\xff nonsense\n" + b"\n")
    state = State(path)
    state.add(b"two", "huimages/Y", "b.jpg")
    state.close()
    again = State(path)
    assert [again.knows(mark) for mark in (b"one", b"two", b"three")] == [True, True, False]
    again.close()


def test_a_state_whose_disk_is_full_says_which_file_it_is(tmp_path: Path) -> None:
    state = State(tmp_path / "state")
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, state._descriptor)
    os.close(full)
    with pytest.raises(NoSpace, match=str(tmp_path / "state")):
        state.add(b"mark", "huimages/x", "x.jpg")
    state.close()


def test_a_file_that_is_no_state_is_left_as_it_is(tmp_path: Path) -> None:
    path = photo(tmp_path / "photo.jpg")
    before = path.read_bytes()
    with pytest.raises(BadRequest, match="expected the state of an import"):
        State(path)
    assert path.read_bytes() == before


def test_a_dry_look_alters_no_state_and_disturbs_nobody_who_writes_it(tmp_path: Path) -> None:
    path = tmp_path / "state"
    path.write_bytes(b"")
    State(path, is_dry=True).close()
    assert path.read_bytes() == b""
    writing = State(path)
    writing.add(b"one", "huimages/X", "a.jpg")
    path.write_bytes(path.read_bytes() + b"torn")
    looking = State(path, is_dry=True)
    assert [looking.knows(mark) for mark in (b"one", b"two")] == [True, False]
    looking.close()
    assert path.read_bytes().endswith(b"torn")
    writing.close()


@pytest.mark.parametrize("is_dry", [False, True], ids=["for-good", "dry"])
def test_a_pipe_is_no_state_and_does_not_keep_us_waiting(tmp_path: Path, is_dry: bool) -> None:
    os.mkfifo(tmp_path / "state")
    with pytest.raises(BadRequest, match="expected a file for the state"):
        State(tmp_path / "state", is_dry=is_dry)


def test_two_imports_do_not_share_a_state(tmp_path: Path) -> None:
    first = State(tmp_path / "state")
    with pytest.raises(Conflict, match="no other import"):
        State(tmp_path / "state")
    first.close()
    State(tmp_path / "state").close()


def test_lines_are_written_at_once_and_synced_in_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    clock = [0.0]
    state = State(tmp_path / "state", now=lambda: clock[0])
    for number in range(2 * SYNC_LINES + 1):
        state.add(b"%d" % number, "huimages/X", "a.jpg")
    assert (tmp_path / "state").read_bytes().count(b"\n") == 2 * SYNC_LINES + 2
    assert len(synced) == 2
    clock[0] = 5
    state.add(b"late", "huimages/X", "a.jpg")
    assert len(synced) == 3
    state.close()


@given(st.lists(st.tuples(st.binary(min_size=1), st.text()), max_size=20), st.integers(0, 100))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
def test_whatever_the_paths_are_and_wherever_it_is_cut_a_state_never_knows_too_much(
    tmp_path: Path, marks: list[tuple[bytes, str]], cut: int
) -> None:
    path = tmp_path / "state"
    path.unlink(missing_ok=True)
    state = State(path)
    for mark, shown in marks:
        state.add(mark, "huimages/X", shown)
    state.close()
    whole = path.read_bytes()
    kept = max(len(HEADER), len(whole) - cut)
    path.write_bytes(whole[:kept])
    lines = whole[:kept].count(b"\n") - 1
    state = State(path)
    assert [state.knows(mark) for mark, _ in marks[:lines]] == [True] * lines
    assert not state.knows(b"never")
    known = {mark for mark, _ in marks[:lines]}
    assert all(mark in known or not state.knows(mark) for mark, _ in marks)
    state.close()
