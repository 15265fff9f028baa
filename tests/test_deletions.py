"""What was deleted is gone for a while, or for good; what is there is never hidden by a record that is merely broken."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from renderer.deletions import GONE_SECONDS, Deletions
from renderer.errors import Gone, NoSpace
from renderer.rendition import NAMINGS, Namespace, Ref

HASHED = Namespace("huimages", NAMINGS["sha1"]).ref("FKXGYNOJJ7H3IFO35FPUBC445EPOQRXN01")
PATH = Namespace("scenes", NAMINGS["path"]).ref("wall/Käse & Wurst.jpg")
DAY = 24 * 3600.0


class Clock:
    """Seconds since 1970, as a test wants them."""

    def __init__(self) -> None:
        self.seconds = 1_700_000_000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def deletions(tmp_path: Path, clock: Clock) -> Deletions:
    return Deletions(tmp_path / "root/deletions", now=clock)


def is_gone(deletions: Deletions, ref: Ref) -> bool:
    try:
        deletions.check(ref)
    except Gone:
        return True
    return False


def is_unfinished(deletions: Deletions, ref: Ref) -> bool:
    try:
        deletions.check_unfinished(ref)
    except Gone:
        return True
    return False


def records(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file()]


@pytest.mark.parametrize("ref", [HASHED, PATH], ids=["hash-named", "path-named"])
def test_what_was_deleted_is_gone_until_it_is_put_again(deletions: Deletions, ref: Ref, tmp_path: Path) -> None:
    assert not is_gone(deletions, ref)
    deletions.clear(ref)  # of what was never deleted: nothing
    deletions.record(ref)
    assert is_gone(deletions, ref)
    assert not is_gone(deletions, PATH if ref is HASHED else HASHED)
    deletions.clear(ref)
    assert not is_gone(deletions, ref)
    assert records(tmp_path) == []


def test_a_record_is_one_small_file_that_says_what_and_when(deletions: Deletions, tmp_path: Path, clock: Clock) -> None:
    deletions.record(PATH)
    (path,) = records(tmp_path)
    expected = {"ref": "scenes/wall/Käse & Wurst.jpg", "time": clock.seconds, "for_good": False, "unfinished": True}
    assert json.loads(path.read_text("utf-8")) == expected
    assert path.parent.name == path.name[:2]


def test_gone_lives_thirty_days_and_then_it_is_as_if_it_had_never_been(deletions: Deletions, clock: Clock) -> None:
    deletions.record(HASHED)
    deletions.finish(HASHED)
    assert GONE_SECONDS == 30 * DAY
    clock.seconds += 30 * DAY - 1
    assert is_gone(deletions, HASHED)
    clock.seconds += 1
    assert not is_gone(deletions, HASHED)
    deletions.record(HASHED)
    assert is_gone(deletions, HASHED)


def test_for_good_is_for_good_and_stays_so_when_it_is_deleted_again(deletions: Deletions, clock: Clock) -> None:
    deletions.record(HASHED)
    deletions.record(HASHED, for_good=True)
    deletions.finish(HASHED)
    clock.seconds += 10_000 * DAY
    assert is_gone(deletions, HASHED)
    deletions.record(HASHED)
    deletions.finish(HASHED)
    clock.seconds += 10_000 * DAY
    assert is_gone(deletions, HASHED)
    deletions.clear(HASHED)
    assert not is_gone(deletions, HASHED)


def test_a_deletion_is_unfinished_until_it_is_said_to_be_over(deletions: Deletions, clock: Clock) -> None:
    deletions.finish(HASHED)
    assert not is_gone(deletions, HASHED)
    for _ in range(2):
        deletions.record(HASHED)
        assert is_unfinished(deletions, HASHED)
        clock.seconds += DAY
        deletions.finish(HASHED)
        assert not is_unfinished(deletions, HASHED)
    clock.seconds += GONE_SECONDS - 1
    assert is_gone(deletions, HASHED)


def test_an_unfinished_deletion_has_no_end_of_its_own(deletions: Deletions, clock: Clock) -> None:
    """Or what a store refused to delete would be public again after thirty days."""
    deletions.record(HASHED)
    clock.seconds += 10_000 * DAY
    assert is_unfinished(deletions, HASHED)
    deletions.finish(HASHED)
    clock.seconds += GONE_SECONDS
    assert not is_gone(deletions, HASHED)


def test_another_process_sees_it(deletions: Deletions, tmp_path: Path) -> None:
    Deletions(tmp_path / "root/deletions").record(PATH)
    assert is_gone(deletions, PATH)


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe", b"[]", b"{}", b'{"ref": 1}', b'{"ref":"","time":"x","for_good":false,"unfinished":true}', b"["],
    ids=["empty", "no-text", "list", "nothing", "half", "wrong-type", "no-json"],
)  # fmt: skip
def test_a_record_that_cannot_be_read_counts_as_a_deletion_for_good_but_hides_nothing_that_is_there(
    deletions: Deletions, tmp_path: Path, clock: Clock, content: bytes
) -> None:
    deletions.record(HASHED)
    (path,) = records(tmp_path)
    path.write_bytes(content)
    clock.seconds += 10_000 * DAY
    assert is_gone(deletions, HASHED)
    assert not is_unfinished(deletions, HASHED)
    deletions.record(HASHED)
    assert is_unfinished(deletions, HASHED)
    deletions.clear(HASHED)
    assert not is_gone(deletions, HASHED)


@pytest.mark.parametrize("call", ["fsync", "rename"])
def test_a_record_whose_making_was_interrupted_is_the_old_one_or_none(
    deletions: Deletions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(os, call, dies)
        with pytest.raises(KeyboardInterrupt):
            deletions.record(HASHED)
    assert not is_gone(deletions, HASHED)
    assert records(tmp_path) == []
    deletions.record(HASHED)
    deletions.finish(HASHED)
    with monkeypatch.context() as broken:
        broken.setattr(os, call, dies)
        with pytest.raises(KeyboardInterrupt):
            deletions.record(HASHED)
    assert is_gone(deletions, HASHED)
    assert not is_unfinished(deletions, HASHED)


def test_a_record_and_its_directories_are_on_disk_before_it_is_believed(
    deletions: Deletions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced, real = [], os.fsync

    def note(descriptor: int) -> None:
        synced.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    deletions.record(HASHED)
    (path,) = records(tmp_path)
    assert {tmp_path, tmp_path / "root", path.parent.parent, path.parent} <= set(synced)
    assert (synced[-2].parent.name, synced[-1]) == ("tmp", path.parent)  # first the bytes, then their name
    synced.clear()
    deletions.clear(HASHED)
    assert synced == [path.parent]


def test_what_killed_processes_were_writing_is_swept_away_and_nothing_else(deletions: Deletions, tmp_path: Path) -> None:
    deletions.sweep()
    deletions.record(HASHED)
    tmp = tmp_path / "root/deletions/tmp"
    script = "import sys, pathlib; from renderer.placing import own_name; pathlib.Path(sys.argv[1], own_name()).touch()"
    subprocess.run([sys.executable, "-c", script, str(tmp)], check=True, timeout=30)
    assert len(list(tmp.iterdir())) == 1
    deletions.sweep()
    assert list(tmp.iterdir()) == []
    assert is_gone(deletions, HASHED)


def test_a_full_disk_is_told_as_such(deletions: Deletions, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(NoSpace, match="deleted"):
        deletions.record(HASHED)
