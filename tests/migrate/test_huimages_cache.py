"""migrate/huimages_cache.py: originals under their own names only, sizes as they were asked for, nothing twice, nothing half."""

from __future__ import annotations

import io
import os
import pty
import signal
import subprocess
import sys
import tracemalloc
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, cast

import pytest

from migrate.cached_originals import DELETED, Adopting, Promised, PromisedFile, candidates
from migrate.old_cache import LEFTOVER, NO_FILE, NOT_ANSWERED, STRANGE, Asked, Kept, OldCache
from renderer.catalog import Entry
from renderer.catalog.document import stamp
from renderer.errors import BadRequest, BrokenOriginal, Gone
from renderer.importing.candidates import FileOrigin, Passed
from renderer.limits import Limits
from renderer.markup import operation_of
from renderer.rendition import NAMINGS, Namespace, Ref
from tests.e2e.site import OWN_TIME, TOP, Site, jpeg
from tests.waiting import wait_until

IMAGES = Namespace("huimages", NAMINGS["sha1"])
TREE = {"namespaces": {"huimages": {}, "scenes": {"naming": "path", "prefix": "f/"}}, "render": {"processes": 1}}
ID = "3I42H3S6NNFQ2MSVX7XZKYAYSCX5QBYJ01"  # of no bytes at all
OTHER = "VGMT4NSHA2AWVOR6EVYXQUGCNSONBWE501"  # of b"abc"


def named(content: bytes) -> Ref:
    hasher = IMAGES.naming.hasher()
    hasher.update(content)
    return IMAGES.ref(IMAGES.naming.name_of(hasher.digest()))


def numbered(number: int) -> str:
    """An ID for each number, which no bytes need to have."""
    return f"{number:032d}".translate(str.maketrans("0189", "ABCD")) + "01"


def put(path: Path, content: bytes = b"") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (OWN_TIME, OWN_TIME))
    return path


def keep(cache: Path, content: bytes) -> Ref:
    """An original as the old server kept it."""
    ref = named(content)
    put(cache / f"o/{ref.name}.jpeg", content)
    return ref


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Nothing runs: the tool needs no server."""
    return Site(tmp_path / "site", TREE)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    (tmp_path / "cache/o").mkdir(parents=True)
    return tmp_path / "cache"


def command(site: Site, *words: str | Path) -> list[str]:
    return [sys.executable, str(TOP / "migrate/huimages_cache.py"), "--config", str(site.file), "--root", str(site.root), *map(str, words)]


def adopted(site: Site, *words: str | Path) -> subprocess.CompletedProcess[str]:
    """By the script, from elsewhere than its checkout."""
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command(site, *words), capture_output=True, check=False, timeout=100, env=environ, cwd=site.root, text=True)
    assert "Traceback" not in done.stderr, done.stderr
    return done


def stored(site: Site) -> dict[str, bytes]:
    root = site.root / "originals"
    return {path.name: path.read_bytes() for path in root.rglob("*") if path.is_file() and ".tmp" not in path.parts}


def asked(cache: Path, limits: Limits = Limits()) -> list[tuple[str, str]]:
    return sorted((each.ref.name, each.size) for each in OldCache(cache, IMAGES, limits).asked() if isinstance(each, Asked))


def passed(cache: Path, limits: Limits = Limits()) -> dict[str, str]:
    """Path below the cache to the kind of reason."""
    old = OldCache(cache, IMAGES, limits)
    found = [each for each in (*old.originals(), *old.asked()) if isinstance(each, Passed)]
    return {os.path.relpath(each.shown, cache): each.reason.partition(":")[0] for each in found}


# what stands in an old cache


def test_originals_and_sizes_are_told_apart(cache: Path) -> None:
    put(cache / f"o/{ID}.jpeg")
    put(cache / f"150x150!/{ID}.jpeg")
    put(cache / f"477x800/{OTHER}.jpeg")
    assert list(OldCache(cache, IMAGES, Limits()).originals()) == [Kept(str(cache / f"o/{ID}.jpeg"), IMAGES.ref(ID))]
    assert asked(cache) == [(ID, "150x150!"), (OTHER, "477x800")]
    assert passed(cache) == {}


def test_leading_zeros_of_a_size_are_gone_and_what_was_asked_both_ways_is_listed_once(cache: Path) -> None:
    for path in (f"75x75/{ID}.jpeg", f"0075x075/{ID}.jpeg", f"0075x075/{OTHER}.jpeg"):
        put(cache / path)
    assert asked(cache) == [(ID, "75x75"), (OTHER, "75x75")]


@pytest.mark.parametrize("name", ["0x0", "0x75!", "100000x1", "9000x10", "9" * 200 + "x1"], ids=lambda name: name[:10])
def test_a_size_that_is_not_answered_is_reported_and_not_listed(cache: Path, name: str) -> None:
    put(cache / f"{name}/{ID}.jpeg")
    assert (asked(cache), passed(cache)) == ([], {name: NOT_ANSWERED})


def test_only_the_sizes_that_an_installation_allows_are_listed(cache: Path) -> None:
    for size in ("75x75", "76x76"):
        put(cache / f"{size}/{ID}.jpeg")
    limits = Limits(sizes={"huimages": frozenset({(operation_of("75x75"),)})})
    assert (asked(cache, limits), passed(cache, limits)) == ([(ID, "75x75")], {"76x76": NOT_ANSWERED})


def test_leftovers_strange_names_and_what_is_no_file_are_passed_over(cache: Path) -> None:
    leftovers = ["tmp_150x150_abc", "o/tmp_o_abc", "75x75/tmp_75x75_abc"]
    strange = ["notes.txt", f"o/{ID}", f"o/{ID}.jpg", f"o/{ID.lower()}.jpeg", f"o/{ID}\n.jpeg", f"75x75/{ID}.png", "75x75\n/x", "o/ü.jpeg"]
    for name in (*leftovers, *strange, f"75x75/{OTHER}.jpeg"):
        put(cache / name)
    (cache / f"o/{ID}.jpeg").mkdir()
    (cache / f"o/{OTHER}.jpeg").symlink_to(cache / "notes.txt")
    (cache / "loop").symlink_to("loop")
    found = passed(cache)
    assert {name for name, reason in found.items() if reason == LEFTOVER} == set(leftovers)
    assert {name for name, reason in found.items() if reason == STRANGE} == {*strange, "75x75\n", "loop"} - {"75x75\n/x"}
    assert {name for name, reason in found.items() if reason == NO_FILE} == {f"o/{ID}.jpeg", f"o/{OTHER}.jpeg"}
    assert asked(cache) == [(OTHER, "75x75")]


@pytest.mark.parametrize("kind", ["absent", "a file", "empty", "other"])
def test_what_is_no_old_cache_is_refused(tmp_path: Path, kind: str) -> None:
    top = tmp_path / "top"
    if kind == "a file":
        put(top)
    elif kind != "absent":
        put(tmp_path / "top/photos/a.jpg") if kind == "other" else top.mkdir()
    with pytest.raises(BadRequest, match="expected huImages' cache"):
        OldCache(top, IMAGES, Limits())


def test_memory_does_not_grow_with_a_directory(cache: Path) -> None:
    (cache / "75x75").mkdir()
    for number in range(20_000):
        (cache / f"75x75/{numbered(number)}.jpeg").touch()
    old = OldCache(cache, IMAGES, Limits())
    tracemalloc.start()
    try:
        seen = sum(1 for each in old.asked() if isinstance(each, Asked))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (seen, peak < 500_000) == (20_000, True), peak


# originals on their way in


def test_a_stream_that_is_not_what_its_name_says_raises_at_its_end() -> None:
    good, bad = (Promised(io.BytesIO(content), IMAGES.ref(OTHER), 3) for content in (b"abc", b"abd"))
    for _ in range(2):
        assert (good.read(2), good.read(2), good.read(2), good.seek(0)) == (b"ab", b"c", b"", 0)
    assert good.read() == b"abc"
    assert bad.read(3) == b"abd"
    with pytest.raises(BrokenOriginal, match="bytes whose hash makes them"):
        bad.read(3)
    with pytest.raises(BrokenOriginal):
        bad.read()
    with pytest.raises(io.UnsupportedOperation):
        good.seek(1)


def test_a_file_that_changes_while_it_is_read_is_not_stored(site: Site, cache: Path) -> None:
    content = jpeg(64, 48, 1)
    ref = keep(cache, content)
    wiring = site.wiring
    adopting = Adopting(wiring.originals, wiring.catalog, wiring.ingest)
    with PromisedFile(FileOrigin(str(cache / f"o/{ref.name}.jpeg")), ref).opened() as opened:
        put(cache / f"o/{ref.name}.jpeg", jpeg(64, 48, 2))
        with pytest.raises(BrokenOriginal, match="hash"):
            adopting.take(IMAGES, opened.stream, opened.time)
    assert stored(site) == {}


def test_what_is_deleted_after_it_was_found_stays_deleted(site: Site, cache: Path) -> None:
    content = jpeg(64, 48, 1)
    ref = keep(cache, content)
    site.put(content)
    site.wiring.removal.delete(ref)
    adopting = Adopting(site.wiring.originals, None, site.wiring.ingest)
    with pytest.raises(Gone):
        adopting.take(IMAGES, cast(BinaryIO, Promised(io.BytesIO(content), ref, len(content))), OWN_TIME)
    found = candidates(OldCache(cache, IMAGES, Limits()).originals(), site.wiring.originals)
    assert list(found) == [Passed(str(cache / f"o/{ref.name}.jpeg"), DELETED, is_wanted=True)]
    assert stored(site) == {}


# the tool as a process


def test_a_dry_run_is_the_default_and_stores_nothing(site: Site, cache: Path) -> None:
    keep(cache, jpeg(64, 48, 1))
    there = keep(cache, jpeg(64, 48, 2))
    site.put(jpeg(64, 48, 2))
    put(cache / f"o/{OTHER}.jpeg", jpeg(64, 48, 3))
    done = adopted(site, "--resume", "state", cache)
    assert done.returncode == 1
    assert "originals: 1 would be taken in, 1 already there, 0 skipped, 1 failed; " in done.stderr
    assert f"{OTHER}.jpeg: expected a readable picture, got bytes whose hash makes them {named(jpeg(64, 48, 3)).name}\n" in done.stderr
    assert "this was a dry run" in done.stderr
    assert (stored(site), (site.root / "state").exists(), done.stdout) == ({there.name: jpeg(64, 48, 2)}, False, "")


def test_originals_are_taken_in_with_their_own_time_and_nothing_that_nobody_said(site: Site, cache: Path) -> None:
    content = jpeg(64, 48, 1)
    ref = keep(cache, content)
    done = adopted(site, "--run", cache)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert done.stderr.startswith("huimages_cache: originals: 1 taken in, 0 already there, 0 skipped, 0 failed; ")
    with site.wiring.originals.local(ref) as local:
        assert (local.path.read_bytes(), local.time) == (content, OWN_TIME)
    assert site.wiring.catalog
    entry = site.wiring.catalog.get(ref)
    assert entry
    assert (entry.ctime, entry.width, entry.height, entry.filename, entry.titles) == (stamp(OWN_TIME), 64, 48, "", ())
    assert (cache / f"o/{ref.name}.jpeg").read_bytes() == content


def test_an_original_that_is_not_what_its_name_says_is_taken_under_no_name(site: Site, cache: Path) -> None:
    good = keep(cache, jpeg(64, 48, 1))
    put(cache / f"o/{OTHER}.jpeg", jpeg(64, 48, 2))
    put(cache / f"o/{named(jpeg(64, 48, 3)).name}.jpeg", jpeg(64, 48, 3)[:-1])
    put(cache / f"o/{named(jpeg(64, 48, 4)).name[:32]}02.jpeg", jpeg(64, 48, 4))
    put(cache / f"o/{ID}.jpeg")
    done = adopted(site, "--run", cache)
    assert (done.returncode, stored(site)) == (1, {good.name: jpeg(64, 48, 1)})
    assert done.stderr.count("bytes whose hash makes them") == 3
    assert f"{ID}.jpeg: expected a readable picture, got an empty file\n" in done.stderr


def test_what_is_there_is_not_read_again_but_what_was_interrupted_is_finished(site: Site, cache: Path) -> None:
    unread, unfinished, short = (keep(cache, jpeg(64, 48, number)) for number in (1, 2, 3))
    assert adopted(site, "--run", cache).returncode == 0
    catalog = site.wiring.catalog
    assert catalog
    catalog.delete(unfinished)
    first = site.root / "originals/huimages"
    (path,) = (path for path in (first if first.is_dir() else site.root / "originals").rglob(short.name))
    path.write_bytes(b"short")
    file = cache / f"o/{unread.name}.jpeg"
    put(file, file.read_bytes()[:3] + bytes(file.stat().st_size - 3))  # as long as it was: only who reads it can tell
    done = adopted(site, "--run", cache)
    assert "originals: 1 taken in, 2 already there, 0 skipped, 0 failed; " in done.stderr
    assert (done.returncode, catalog.get(unfinished) is not None, path.read_bytes()) == (0, True, jpeg(64, 48, 3))


def test_an_entry_that_calls_an_original_broken_is_mended(site: Site, cache: Path) -> None:
    """huImages marked what it could not read, for a full disk too (H-B12)."""
    ref = keep(cache, jpeg(64, 48, 1))
    adopted(site, "--run", cache)
    catalog = site.wiring.catalog
    assert catalog
    catalog.change(ref, lambda known: replace(known or Entry(), deleted=True))
    adopted(site, "--run", cache)
    mended = catalog.get(ref)
    assert mended
    assert not mended.deleted


def test_what_was_deleted_here_does_not_come_back(site: Site, cache: Path) -> None:
    ref = keep(cache, jpeg(64, 48, 1))
    adopted(site, "--run", cache)
    site.wiring.removal.delete(ref)
    done = adopted(site, "--run", cache)
    assert "0 taken in, 0 already there, 1 skipped (1 deleted here), 0 failed" in done.stderr
    assert (done.returncode, stored(site)) == (0, {})


def test_a_state_remembers_what_is_done_and_a_dry_run_adds_nothing_to_it(site: Site, cache: Path) -> None:
    keep(cache, jpeg(64, 48, 1))
    state = site.root / "state"
    assert adopted(site, "--run", "--resume", state, cache).returncode == 0
    remembered = state.read_bytes()
    keep(cache, jpeg(64, 48, 2))
    done = adopted(site, "--resume", state, cache)
    assert "1 would be taken in, 0 already there, 1 skipped (1 done before), 0 failed" in done.stderr
    assert (done.returncode, state.read_bytes()) == (0, remembered)
    assert "1 taken in, 0 already there, 1 skipped (1 done before)" in adopted(site, "--run", "--resume", state, cache).stderr


@pytest.mark.parametrize("place", ["a-file", "standard-output"])
def test_what_was_asked_for_is_listed(site: Site, cache: Path, place: str) -> None:
    for name in (f"075x75!/{ID}.jpeg", f"640x480/{OTHER}.jpeg", f"0x0/{ID}.jpeg", "tmp_640x480_x"):
        put(cache / name)
    file = site.root / "asked.txt"
    done = adopted(site, "--list", file if place == "a-file" else "-", cache)
    assert done.returncode == 0, done.stderr
    listed = file.read_text() if place == "a-file" else done.stdout
    assert sorted(listed.splitlines()) == [f"{ID}\t75x75!", f"{OTHER}\t640x480"]
    assert "renditions: 2 were asked for, 2 names skipped (1 " in done.stderr
    assert "1 left by a process that died" in done.stderr
    assert f"{cache}/0x0: skipped, a size that is not answered here: " in done.stderr
    assert not list(site.root.glob("*.partial"))


def test_half_a_list_is_not_left_under_its_name(site: Site, cache: Path) -> None:
    for number in range(2000):  # more lines about them than a pipe holds: it waits in the middle until somebody reads
        put(cache / f"75x75/{number}.strange")
    asked, words = site.root / "asked.txt", command(site, "--list", site.root / "asked.txt", cache)
    process = subprocess.Popen(words, stderr=subprocess.PIPE, cwd=site.root, text=True)
    wait_until(lambda: bool(list(site.root.glob("asked.txt.*"))) or process.poll() is not None, 30, "a list that is begun")
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=30)[1]
    assert (process.returncode, list(site.root.glob("asked.txt*"))) == (130, []), said
    assert f"; interrupted, and not listed in {asked}\n" in said


def test_a_reader_of_the_list_may_go_away(site: Site, cache: Path) -> None:
    (cache / "75x75").mkdir()
    for number in range(5000):  # more than a pipe holds
        (cache / f"75x75/{numbered(number)}.jpeg").touch()
    with (site.root / "stderr").open("wb") as said:
        process = subprocess.Popen(command(site, "--list", "-", cache), stdout=subprocess.PIPE, stderr=said, cwd=site.root)
        assert process.stdout
        assert process.stdout.readline().endswith(b"01\t75x75\n")
        process.stdout.close()
        assert process.wait(30) == 1
    assert "Traceback" not in (site.root / "stderr").read_text()


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(("none",), id="no directory"),
        pytest.param(("CACHE", "--namespace", "scenes"), id="a namespace of paths"),
        pytest.param(("CACHE", "--namespace", "nope"), id="no namespace"),
        pytest.param(("CACHE", "--run", "--dry-run"), id="both"),
        pytest.param(("CACHE", "--jobs", "0"), id="no jobs"),
        pytest.param(("CACHE", "--list", "none/x"), id="a list nowhere"),
        pytest.param(("CACHE", "--list", "/"), id="a list in a folder's place"),
        pytest.param((), id="nothing"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_done(site: Site, cache: Path, words: tuple[str, ...]) -> None:
    keep(cache, jpeg(64, 48, 1))
    done = adopted(site, *(cache if word == "CACHE" else word for word in words), *["--run"] * ("--dry-run" not in words))
    assert (done.returncode, done.stdout, stored(site)) == (2, "", {})
    assert "expected" in done.stderr or "usage: " in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=["ctrl-c", "terminated", "killed"])
def test_a_repeat_finishes_what_was_interrupted(site: Site, cache: Path, number: signal.Signals) -> None:
    contents: Mapping[str, bytes] = {keep(cache, content).name: content for content in (jpeg(64, 48, seed) for seed in range(60))}
    asked = site.root / "asked.txt"
    with (site.root / "stderr").open("wb") as said:
        process = subprocess.Popen(command(site, "--run", "--jobs", "1", "--list", asked, cache), stderr=said, cwd=site.root)
        wait_until(lambda: bool(stored(site)) or process.poll() is not None, 30, "the first original")
        process.send_signal(number)
        assert process.wait(30) == (-number if number == signal.SIGKILL else 130), (site.root / "stderr").read_text()
    assert ("finishing what is in work" in (site.root / "stderr").read_text()) == (number != signal.SIGKILL)
    assert (0 < len(stored(site)) < 60, asked.exists()) == (True, False)
    done = adopted(site, "--run", "--list", asked, cache)
    assert (done.returncode, stored(site), asked.exists()) == (0, contents, True), done.stderr


def test_a_terminal_sees_how_far_it_is(site: Site, cache: Path) -> None:
    for seed in range(3):
        keep(cache, jpeg(64, 48, seed))
    ours, theirs = pty.openpty()
    try:
        environ = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
        done = subprocess.run(command(site, "--run", cache), stdout=theirs, stderr=theirs, env=environ, check=False, timeout=60)
        shown = os.read(ours, 100_000).decode()
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.returncode == 0
    assert "3/3" in shown
    assert "files/s" in shown
