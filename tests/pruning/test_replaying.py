"""Visits that nginx's access log tells: the bit that a read would have set, on the right file, on any mount; and real nginx's own lines."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from renderer.pruning.access_log import History
from renderer.pruning.log_lines import Logged
from renderer.pruning.replaying import Replayed, replay
from tests.e2e.site import Site, jpeg, running
from tests.pruning.logs import Log, line
from tests.waiting import wait_until

OWN_NS = 1_300_000_000 * 10**9 + 123_456_789  # of a file's mtime: the original's own time, and a memo


class Cached:
    """A cache's directory and its access log."""

    def __init__(self, root: Path) -> None:
        self.served, self.log = root / "cache/files", Log(root / "logs")
        self.served.mkdir(parents=True)

    def plant(self, name: str = "1-pillow/huimages/EQ/5/EQ5/fit-300x_q75.jpg") -> Path:
        """A file as the cache publishes it."""
        path = self.served / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"picture")
        os.utime(path, ns=(path.stat().st_ctime_ns - 10**9, OWN_NS))
        assert not is_visited(path)
        return path

    def replay(self, *lines: bytes, most_recent: int = 100) -> Replayed:
        self.log.append(b"".join(lines))
        return replay(self.log.path, self.served.parent / "prune/log", self.served, most_recent=most_recent)


@pytest.fixture
def cached(tmp_path: Path) -> Cached:
    return Cached(tmp_path)


def is_visited(path: Path) -> bool:
    status = path.stat()
    return status.st_atime_ns > status.st_ctime_ns


def clear(path: Path) -> None:
    """What a sweep does."""
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize(("method", "status"), [("GET", 200), ("HEAD", 200), ("GET", 206), ("GET", 304)])
def test_a_line_sets_the_bit_and_a_sweep_clears_it_at_once(cached: Cached, method: str, status: int) -> None:
    path = cached.plant()
    assert cached.replay(line(path, method=method, status=status)) == Replayed(lines=1, visits=1, files=1)
    assert is_visited(path)
    assert path.stat().st_mtime_ns == OWN_NS
    clear(path)
    assert not is_visited(path)
    assert path.stat().st_mtime_ns == OWN_NS


def test_the_alias_that_nginx_opened_marks_its_rendition(cached: Cached) -> None:
    path = cached.plant()
    alias = path.with_name("~300x300.jpeg")
    os.link(path, alias)
    cached.replay(line(alias))
    assert is_visited(path)


@pytest.mark.parametrize(
    "other",
    [{"is_miss": True}, {"status": 404}, {"status": 503}, {"method": "POST"}, {"status": 204, "method": "OPTIONS"}],
    ids=["the miss itself", "not found", "busy", "POST", "OPTIONS"],
)
def test_what_is_no_visit_sets_no_bit(cached: Cached, other: dict[str, object]) -> None:
    path = cached.plant()
    assert cached.replay(line(path, **other)) == Replayed(lines=1)  # type: ignore[arg-type]
    assert not is_visited(path)


def test_a_hot_file_is_marked_once_a_batch(cached: Cached) -> None:
    path, other = cached.plant(), cached.plant("1-pillow/fitter/a.png/~/fit-3x.png")
    assert cached.replay(*[line(path)] * 50, *[line(other)] * 50) == Replayed(lines=100, visits=100, files=2)
    clear(path)
    assert cached.replay(line(path)) == Replayed(lines=1, visits=1, files=1)
    assert is_visited(path)


def test_so_many_files_that_they_are_forgotten_are_marked_again(cached: Cached) -> None:
    paths = [cached.plant(f"1-pillow/fitter/{number}.png/~/fit-3x.png") for number in range(10)]
    done = cached.replay(*(line(path) for _ in range(2) for path in paths), most_recent=4)
    assert (done.visits, done.files) == (20, 20)
    assert all(map(is_visited, paths))


def test_a_file_that_is_gone_is_counted(cached: Cached) -> None:
    path = cached.plant()
    gone = line(path.with_name("fit-1x_q75.jpg"))
    nowhere = line(path.parent.with_name("EQ6") / "fit-1x_q75.jpg")
    no_directory = line(path / "fit-1x_q75.jpg")
    too_long = line(path.with_name("x" * 300))
    assert cached.replay(gone, nowhere, no_directory, too_long, line(path)) == Replayed(lines=5, visits=1, files=1, gone=4)


def test_what_an_old_nginx_still_serves_of_another_generation_is_marked(cached: Cached) -> None:
    path = cached.plant("0-pillow/huimages/EQ/5/EQ5/fit-300x_q75.jpg")
    cached.replay(line(path))
    assert is_visited(path)


def test_a_name_with_odd_letters_is_found(cached: Cached) -> None:
    path = cached.plant('1-pillow/scenes/hall/Käse "1" \\ \t.jpg/~/fit-3x_q75.jpg')
    cached.replay(line(path))
    assert is_visited(path)


@pytest.mark.parametrize("place", ["a link", "a directory that is a link", "dots", "a neighbour", "beside files", "doubled"])
def test_nothing_outside_the_cache_is_touched(cached: Cached, place: str) -> None:
    outside = cached.served.parent.parent / "filesystem/secret.jpg"
    outside.parent.mkdir()
    outside.write_bytes(b"secret")
    sibling = Path(f"{cached.served}-old/a.jpg")
    sibling.parent.mkdir()
    sibling.write_bytes(b"old")
    inside = cached.plant()
    link = inside.with_name("link.jpg")
    link.symlink_to(outside)
    (cached.served / "dir").symlink_to(outside.parent)
    names = {
        "a link": link, "a directory that is a link": cached.served / "dir/secret.jpg",
        "dots": f"{cached.served}/../../filesystem/secret.jpg", "a neighbour": sibling, "beside files": outside,
        "doubled": f"{inside.parent}//{inside.name}",
    }  # fmt: skip
    files = (outside, sibling, inside)
    before = [path.stat() for path in files]
    done = cached.replay(line(names[place]))
    assert (done.visits, done.files) == (0, 0)
    assert [path.stat() for path in files] == before


def test_only_regular_files_are_marked_and_a_pipe_stops_nobody(cached: Cached) -> None:
    path = cached.plant()
    os.mkfifo(path.with_name("pipe.jpg"))
    assert cached.replay(line(path.with_name("pipe.jpg")), line(path.parent)).files == 0


def test_a_cache_below_a_link_is_one_as_well(cached: Cached, tmp_path: Path) -> None:
    path = cached.plant()
    (tmp_path / "var").symlink_to(tmp_path / "cache")
    cached.log.append(line(tmp_path / "var/files" / path.relative_to(cached.served)))
    assert replay(cached.log.path, tmp_path / "state", tmp_path / "var/files").visits == 1
    assert is_visited(path)


def test_lines_of_others_and_logs_that_went_are_told(cached: Cached) -> None:
    path = cached.plant()
    assert cached.replay(line(path), b"what is this?\n") == Replayed(lines=2, passed_over=1, visits=1, files=1)
    cached.log.path.unlink()
    assert cached.replay(line(path)) == Replayed(lines=1, visits=1, files=1, lost_files=1)


# mounts


@pytest.fixture(params=["ext4", "tmpfs"])
def unread(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A mount that keeps no access times."""
    if os.geteuid() != 0 or not shutil.which("mkfs.ext4"):
        pytest.skip("to mount a file system takes root and mkfs.ext4")
    place, image = tmp_path / "mounted", tmp_path / "image"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "noatime,size=10m", "tmpfs", str(place)]
    if request.param == "ext4":
        with image.open("wb") as file:
            file.truncate(16_000_000)
        subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=True, timeout=30)
        command = ["mount", "-o", "loop,noatime", str(image), str(place)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    if mounted.returncode:
        pytest.skip(f"a mount is not allowed here: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", str(place)], check=True, timeout=30)


def test_the_log_tells_what_a_mount_without_access_times_does_not(unread: Path) -> None:
    cached = Cached(unread)
    path = cached.plant()
    path.read_bytes()
    assert not is_visited(path)
    cached.replay(line(path))
    assert is_visited(path)
    clear(path)
    assert not is_visited(path)
    assert path.stat().st_mtime_ns == OWN_NS


# nginx

Wish = tuple[str, str, dict[str, str]]  # path, method, headers


class Asked:
    """A site all of whose requests go through here, so that their lines can be told; one worker writes them in order."""

    def __init__(self, site: Site) -> None:
        self.site, self.log, self._count = site, Path(site.config.nginx.logs) / "access.log", 0

    def lines(self, *wishes: Wish | str, before: int = 0) -> list[Logged]:
        """What nginx writes about these requests; a text is a GET of that path. `before`: requests that were made without us."""
        self._count += before
        for wish in wishes:
            path, method, headers = (wish, "GET", dict[str, str]()) if isinstance(wish, str) else wish
            self.site.get(path, method, headers)
        self._count += len(wishes)
        return wait_until(lambda: len(found := list(History(self.log))) == self._count and found, 10, "the lines")[-len(wishes) :]

    def named(self, found: Logged) -> str:
        """The file that the line names, below the cache's generation; '' for none of the cache."""
        files, path = self.site.wiring.cache.files, Path(found.filename)
        return str(path.relative_to(files)) if path.is_relative_to(files) else ""


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    tree = {"namespaces": {"huimages": {}, "scenes": {"naming": "path", "prefix": "f/"}}, "nginx": {"worker_processes": 1}}
    with running(tmp_path_factory.mktemp("logged") / "site", tree) as site:
        yield Asked(site)


def test_nginx_names_the_rendition_for_a_miss_and_the_file_that_it_opened_for_a_hit(asked: Asked) -> None:
    ref = asked.site.put(jpeg(seed=11))
    paths = (f"/150x150/{ref.name}.jpeg", f"/i/huimages/{ref.name}/fit-100x_q75.jpg", f"/o/{ref.name}/x.jpeg")
    lines = asked.lines(*(path for path in paths for _ in range(2)))
    assert [(asked.named(found), found.is_miss, found.is_visit) for found in lines] == [
        (f"{ref.directory}/fit-150x150_q75.jpg", True, False), (f"{ref.directory}/~150x150.jpeg", False, True),
        (f"{ref.directory}/fit-100x_q75.jpg", True, False), (f"{ref.directory}/fit-100x_q75.jpg", False, True),
        (f"{ref.directory}/original-scrubbed.jpg", True, False), (f"{ref.directory}/original-scrubbed.jpg", False, True),
    ]  # fmt: skip


def test_nginx_names_a_file_of_the_cache_for_heads_parts_and_what_was_not_changed(asked: Asked) -> None:
    ref = asked.site.put(jpeg(seed=12))
    path = f"/150x150/{ref.name}.jpeg"
    lines = asked.lines(
        path,
        (path, "HEAD", {}),
        (path, "GET", {"Range": "bytes=0-3"}),
        (path, "GET", {"If-Modified-Since": "Sun, 13 Mar 2011 07:06:40 GMT"}),
    )[1:]
    assert [(found.status, found.is_visit, asked.named(found)) for found in lines] == [
        (status, True, f"{ref.directory}/~150x150.jpeg") for status in (200, 206, 304)
    ]


def test_nginx_names_no_file_of_the_cache_for_what_is_no_picture(asked: Asked) -> None:
    nobody, ref = "A" * 32 + "01", asked.site.put(jpeg(seed=13))
    path = f"/150x150/{ref.name}.jpeg"
    lines = asked.lines(f"/150x150/{nobody}.jpeg", "/nothing", "/robots.txt", (path, "POST", {}), f"{path}?x=1")
    assert [(found.status, found.method, asked.named(found)) for found in lines] == [
        (404, "GET", ""), (404, "GET", ""), (200, "GET", ""), (405, "GET", ""), (301, "GET", ""),
    ]  # fmt: skip
    # the POST is a GET there: so nginx comes to the sentence that it answers


def test_what_nginx_answers_is_marked_whatever_its_name(asked: Asked, tmp_path: Path) -> None:
    ref, other = asked.site.put(jpeg(seed=14)), asked.site.put(jpeg(seed=15), "scenes", 'hall/Käse "1".jpg')
    paths = (f"/i/huimages/{ref.name}/fit-100x_q75.jpg", "/i/scenes/hall/K%C3%A4se%20%221%22.jpg/fit-100x_q75.jpg")
    cache, state = asked.site.wiring.cache, tmp_path / "state"
    files = [cache.files / each.directory / "fit-100x_q75.jpg" for each in (ref, other)]
    assert [found.filename for found in asked.lines(*paths)] == list(map(str, files))
    replay(asked.log, state, cache.served)
    for file in files:
        clear(file)
    asked.lines(*((path, "HEAD", {}) for path in paths))  # nothing is sent of these, so that only the log tells
    assert not any(map(is_visited, files))
    assert replay(asked.log, state, cache.served) == Replayed(lines=2, visits=2, files=2)
    assert all(map(is_visited, files))


def test_a_rotation_of_nginx_itself_loses_no_visit(asked: Asked, tmp_path: Path) -> None:
    ref, cache, state = asked.site.put(jpeg(seed=16)), asked.site.wiring.cache, tmp_path / "state"
    path = f"/i/huimages/{ref.name}/fit-100x_q75.jpg"
    asked.lines(path)
    replay(asked.log, state, cache.served)
    asked.lines(path, path)
    asked.log.rename(asked.log.with_name("access.log.1"))
    asked.site.get(path)  # nginx writes to the renamed one still
    assert asked.site.nginx is not None
    asked.site.nginx.send_signal(signal.SIGUSR1)
    wait_until(asked.log.exists, 10, "a new log")
    asked.lines(path, before=1)
    assert replay(asked.log, state, cache.served) == Replayed(lines=4, visits=4, files=1)
