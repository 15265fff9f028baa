"""Batches: what they tell, how they go on after a stop or a kill, who works on them, and when they go."""

from __future__ import annotations

import hashlib
import io
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from renderer.dialects import imageserver
from renderer.errors import BadRequest, BrokenOriginal, Busy, NotFound, Refused, RenderKilled, StoreUnavailable
from renderer.jobs import KEPT_SECONDS, Bounds, Jobs, lines_of
from renderer.jobs.folder import Asked, Folder, make
from renderer.messages import Wish
from renderer.preparing import Completed
from renderer.recipe import Qualities
from renderer.rendition import MOST_NAME_BYTES, NAMINGS, Namespace, Ref
from tests.e2e.faulty import FaultyS3
from tests.e2e.site import TOP, Site, jpeg
from tests.servers import S3Server, stop
from tests.waiting import wait_until

SPACE, OTHER = Namespace("p", NAMINGS["md5"]), Namespace("q", NAMINGS["md5"])
SPACES = {"p": SPACE, "q": OTHER}
WISHES = tuple(imageserver.wish_of(name, SPACE, Qualities()) for name in ("x30.webp", "w20.jpg"))
QUICK = Bounds(turn=3, look_seconds=0.02)
BEGAN = 1_700_000_000.0  # 2023-11-14T22:13:20Z: before every file that a test makes


def hashes(count: int, first: int = 0) -> list[str]:
    return [hashlib.md5(b"%d" % number).hexdigest() for number in range(first, first + count)]


def body(*lines: str) -> io.BytesIO:
    return io.BytesIO("\n".join(lines).encode())


class Maker:
    """In place of Preparing: completes at once what is asked for, notes it, and fails as it is told. `before` may wait."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.wishes: list[Sequence[Wish]] = []
        self.errors: dict[str, list[Exception]] = {}
        self.before: Callable[[str], object] = bool

    def complete(self, ref: Ref, wishes: Sequence[Wish]) -> Completed:
        self.asked.append(ref.name)
        self.wishes.append(tuple(wishes))
        self.before(ref.name)
        left = self.errors.get(ref.name)
        if left:
            raise left.pop(0) if len(left) > 1 else left[0]
        return Completed(ref, {"width": 640, "height": 480}, len(wishes), 9)


class Clock:
    def __init__(self) -> None:
        self.now = BEGAN

    def __call__(self) -> float:
        return self.now


Begin = Callable[..., Jobs]


@pytest.fixture
def maker() -> Maker:
    return Maker()


@pytest.fixture
def renderer(tmp_path: Path, maker: Maker) -> Iterator[Begin]:
    """Makes the jobs of one renderer; of several, if it is asked several times."""
    url = partial(imageserver.original_url, "http://images")
    read_wish = partial(imageserver.wish_of, qualities=Qualities())
    with ExitStack() as stack:

        def begin(
            bounds: Bounds = QUICK, spaces: dict[str, Namespace] = SPACES, now: Callable[[], float] = Clock(), by: Any = maker
        ) -> Jobs:
            jobs = Jobs(tmp_path / "jobs", spaces, by, read_wish, url, bounds, now)
            stack.callback(jobs.stop, 5)
            return jobs

        yield begin


def done(jobs: Jobs, job: str, space: Namespace = SPACE) -> list[str]:
    def lines() -> list[str]:
        is_done, told = jobs.told(space, job)
        return told.read_text(encoding="utf-8").splitlines() if is_done and isinstance(told, Path) else []

    return wait_until(lines, what="the end of a batch")


def progress(jobs: Jobs, job: str) -> dict[str, Any]:
    is_done, told = jobs.told(SPACE, job)
    assert not is_done
    assert isinstance(told, dict)
    return told


def good(name: str, space: str = "p") -> str:
    return f"{name}\thttp://images/{space}/{name[:3]}/{name[3:6]}/{name[6:9]}/{name[9:]}/original\t640\t480"


# what is told


@pytest.mark.feature(128)
def test_a_batch_is_told_line_by_line_in_its_order(renderer: Begin, maker: Maker) -> None:
    first, absent, broken, down, last = hashes(5)
    ref = SPACE.ref(absent)
    maker.errors = {absent: [NotFound(ref)], broken: [BrokenOriginal("a\ttab and\na line")], down: [ValueError("of ours")]}
    jobs = renderer()
    asked = io.BytesIO(f"{first}\r\n\r\n{absent}\n \n{broken}\nno\tname\x1b[m\n{down}\n{first}\n{last}".encode())  # no end of the last line
    job = jobs.begin(SPACE, asked, WISHES)
    assert re.fullmatch(r"[0-9a-f-]{36}", job)
    assert progress(jobs, job) == {
        "job_id": job, "state": "queued", "namespace": "p", "outputs": ["x30.webp", "w20.jpg"], "total": 7, "done": 0, "failed": 0,
        "created": "2023-11-14T22:13:20+00:00", "seconds": 0.0,
    }  # fmt: skip
    jobs.start()
    assert done(jobs, job) == [
        good(first),
        f"{absent}\terror: expected an original for p/{absent}, found none",
        f"{broken}\terror: expected a readable picture, got a\\ttab and\\na line",
        "no\\tname\\x1b[m\terror: expected a md5 name for an original in p, got 'no\\\\tname\\\\x1b[m'",
        f"{down}\terror: internal error",
        good(first),
        good(last),
    ]
    assert set(maker.wishes) == {WISHES}
    _, file = jobs.told(SPACE, job)
    assert isinstance(file, Path)
    assert file.read_bytes().endswith(b"\n")


def test_how_far_it_is_can_be_asked_of_any_renderer(renderer: Begin, maker: Maker) -> None:
    names, gate = hashes(4), threading.Event()
    maker.errors[names[0]] = [BrokenOriginal("noise")]
    maker.before = lambda name: name in names[:2] or gate.wait(10)
    working, other = renderer(), renderer()
    job = working.begin(SPACE, body(*names), WISHES)
    working.start()
    wait_until(lambda: progress(other, job)["done"] == 2)
    assert [progress(jobs, job)[key] for jobs in (working, other) for key in ("state", "failed")] == ["running", 1] * 2
    gate.set()
    assert len(done(other, job)) == 4


@pytest.mark.parametrize(
    ("lines", "error"),
    [((), BadRequest), (("", "\r", " "), BadRequest), (("nobody", "A" * 32), BadRequest), (hashes(6), Refused)],
    ids=["empty", "blank", "no-names", "too-many"],
)
def test_what_cannot_be_a_batch_leaves_nothing(renderer: Begin, tmp_path: Path, lines: Sequence[str], error: type[Exception]) -> None:
    jobs = renderer(replace(QUICK, lines=5))
    with pytest.raises(error, match="expected"):
        jobs.begin(SPACE, body(*lines), WISHES)
    assert list((tmp_path / "jobs").iterdir()) == []


def test_a_line_without_an_end_is_read_in_pieces_and_stays_too_long() -> None:
    name = hashes(1)[0]
    found = list(lines_of(io.BytesIO(name.encode() + b"x" * 3_000_000 + b"\n" + name.encode() + b"\n\xff\n")))
    assert [len(line) for line in found] == [MOST_NAME_BYTES + 1, 32, 4]
    assert found[1:] == [name, "\\xff"]


def test_a_job_is_told_to_its_own_namespace_only(renderer: Begin) -> None:
    jobs = renderer()
    job = jobs.begin(SPACE, body(*hashes(1)), WISHES)
    for space, asked in ((OTHER, job), (SPACE, job.replace(job[0], "0" if job[0] != "0" else "1")), (SPACE, "../jobs"), (SPACE, "")):
        with pytest.raises(NotFound):
            jobs.told(space, asked)


def test_what_was_counted_is_not_read_again(tmp_path: Path) -> None:
    make(tmp_path / "one", Asked("p", ("x30.jpg",), BEGAN), hashes(5))
    folder = Folder(tmp_path / "one")
    with folder.adding() as add:
        add("a\tb\t1\t2")
        add("b\terror: none")
        assert (folder.count().done, folder.count().failed) == (2, 1)
        with (tmp_path / "one/results.part").open("r+b") as file:
            file.write(b"\n\n\n\n")  # whoever read it from its beginning would count more lines
        add("c\td\t1\t2")
        assert (folder.count().done, folder.count().failed) == (3, 1)
        assert list(folder.rest(1)) == hashes(1, first=3)
        assert list(folder.rest(9)) == hashes(2, first=3)


# going on


def test_a_stop_leaves_the_rest_to_who_comes_next_and_nothing_is_done_twice(renderer: Begin, maker: Maker, tmp_path: Path) -> None:
    names, reached, gate = hashes(20), threading.Event(), threading.Event()
    maker.before = lambda name: (reached.set(), gate.wait(10)) if name == names[7] else None
    jobs = renderer(replace(QUICK, threads=1))
    job = jobs.begin(SPACE, body(*names), WISHES)
    jobs.start()
    assert reached.wait(10)
    assert not jobs.stop(0)  # it is in the middle of one
    gate.set()
    assert jobs.stop(10)
    assert progress(jobs, job)["done"] == 8
    with (tmp_path / "jobs" / job / "results.part").open("ab") as file:
        file.write(names[8].encode() + b"\thttp://im")  # as who is killed leaves it
    successor = renderer()
    assert progress(successor, job)["done"] == 8
    successor.start()
    assert done(successor, job) == list(map(good, names))
    assert maker.asked == names


def test_what_fails_while_we_stop_is_not_held_against_the_original(renderer: Begin, maker: Maker) -> None:
    (name,) = hashes(1)
    reached, gate = threading.Event(), threading.Event()
    maker.before = lambda _: (reached.set(), gate.wait(10))
    maker.errors[name] = [RenderKilled("the pool is stopped")]
    jobs = renderer()
    job = jobs.begin(SPACE, body(name), WISHES)
    jobs.start()
    assert reached.wait(10)
    jobs.stop(0)
    gate.set()
    assert jobs.stop(10)
    assert progress(jobs, job)["done"] == 0
    maker.errors.clear()
    successor = renderer()
    successor.start()
    assert done(successor, job) == [good(name)]


def test_two_renderers_never_work_on_one_batch(renderer: Begin, maker: Maker) -> None:
    names = hashes(40)
    other = Maker()
    both = [renderer(), renderer(by=other)]
    started = threading.Barrier(2)
    seen: set[int] = set()

    def meet(number: int) -> None:
        """Each of the two begins one original only when the other does as well: so both are at work."""
        if number not in seen:
            seen.add(number)
            started.wait(10)

    maker.before, other.before = (lambda name, number=number: meet(number) for number in range(2))
    batches = [both[0].begin(SPACE, body(*names), WISHES) for _ in range(2)]
    for jobs in both:
        jobs.start()
    for job in batches:
        assert done(both[1], job) == list(map(good, names))
    assert len(maker.asked) + len(other.asked) == 80
    assert maker.asked
    assert other.asked


def test_batches_take_turns(renderer: Begin, maker: Maker) -> None:
    large, small = hashes(30), hashes(2, first=100)
    jobs = renderer(replace(QUICK, threads=1))
    clock = Clock()
    first = jobs.begin(SPACE, body(*large), WISHES)
    clock.now += 1
    second = renderer(now=clock).begin(OTHER, body(*small), WISHES)
    jobs.start()
    assert done(jobs, second, OTHER) == [good(name, "q") for name in small]
    assert done(jobs, first) == list(map(good, large))
    assert maker.asked == [*large[:3], *small, *large[3:]]


def test_what_the_configuration_knows_no_more_fails_and_does_not_hang(renderer: Begin, maker: Maker) -> None:
    asking = renderer()
    names = hashes(2)
    batches = [asking.begin(SPACE, body(*names), WISHES), asking.begin(OTHER, body(*names), WISHES)]
    working = renderer(spaces={"p": replace(SPACE, extensions=("png",))})
    working.start()
    for job, space in zip(batches, (SPACE, OTHER), strict=True):
        assert [line.split("\t")[1][:6] for line in done(asking, job, space)] == ["error:"] * 2
    assert maker.asked == []


# what is down, and what is too much


def test_what_is_busy_or_down_is_asked_again_and_what_stays_down_fails_by_itself(renderer: Begin, maker: Maker) -> None:
    busy, down, fine = hashes(3)
    maker.errors[busy] = [Busy("too many misses wait"), StoreUnavailable("archive", "10.0.0.1 refused"), NotFound("it")]
    maker.errors[down] = [StoreUnavailable("archive", "10.0.0.1 refused")]
    jobs = renderer(replace(QUICK, patience=0.3))
    job = jobs.begin(SPACE, body(busy, down, fine), WISHES)
    jobs.start()
    assert done(jobs, job) == [
        f"{busy}\terror: expected an original for it, found none",
        f"{down}\terror: a store did not answer as it should",
        good(fine),
    ]


def test_more_batches_than_may_wait_are_refused_until_some_are_done(renderer: Begin) -> None:
    jobs = renderer(replace(QUICK, unfinished=2))
    batches = [jobs.begin(SPACE, body(*hashes(1)), WISHES) for _ in range(2)]
    with pytest.raises(Busy):
        jobs.begin(SPACE, body(*hashes(1)), WISHES)
    jobs.start()
    for job in batches:
        done(jobs, job)
    assert done(jobs, jobs.begin(SPACE, body(*hashes(1)), WISHES))


def test_no_namespace_has_all_batches_and_the_largest_one_keeps_nobody_waiting(renderer: Begin, tmp_path: Path) -> None:
    jobs = renderer(replace(QUICK, unfinished_of_one=1))
    reading, going_on = threading.Event(), threading.Event()

    class Slow(io.BytesIO):
        def readinto(self, buffer: Any) -> int:
            reading.set()
            assert going_on.wait(10)
            return super().readinto(buffer)

    outcomes: list[object] = []

    def begin_slowly() -> None:
        try:
            outcomes.append(jobs.begin(SPACE, Slow(hashes(1)[0].encode()), WISHES))
        except Busy as error:
            outcomes.append(error)

    slow = threading.Thread(target=begin_slowly)
    slow.start()
    assert reading.wait(10)
    faster = jobs.begin(SPACE, body(*hashes(1)), WISHES)  # while the other is being read
    with pytest.raises(Busy):
        jobs.begin(SPACE, body(*hashes(1)), WISHES)
    other = jobs.begin(OTHER, body(*hashes(1)), WISHES)
    going_on.set()
    slow.join()
    assert [type(outcome) for outcome in outcomes] == [Busy]  # it was the second to come to its end
    assert {path.name for path in (tmp_path / "jobs").iterdir()} == {faster, other}


def test_a_list_is_read_in_blocks() -> None:
    reads: list[int] = []

    class Counted(io.RawIOBase):
        """As the library's stream of a body: what reads lines of it by itself reads a byte at a time."""

        left = b"abc\n" * 50_000

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            piece, self.left = self.left[: len(buffer)], self.left[len(buffer) :]
            buffer[: len(piece)] = piece
            reads.append(len(piece))
            return len(piece)

    stream: Any = Counted()
    assert list(lines_of(stream)) == ["abc"] * 50_000
    assert len(reads) < 10
    assert not stream.closed


def test_a_batch_goes_a_week_after_its_end_and_never_before(renderer: Begin, tmp_path: Path) -> None:
    clock = Clock()
    jobs = renderer(now=clock)
    ended, waiting = jobs.begin(SPACE, body(*hashes(1)), WISHES), jobs.begin(OTHER, body(*hashes(1)), WISHES)
    make_results(tmp_path / "jobs" / ended)
    when = Path(tmp_path / "jobs" / ended / "results").stat().st_mtime
    clock.now = when + KEPT_SECONDS - 60
    jobs.start()
    assert len(done(jobs, waiting, OTHER)) == 1
    assert jobs.told(SPACE, ended)[0]
    clock.now = when + KEPT_SECONDS + 60
    wait_until(lambda: [path.name for path in (tmp_path / "jobs").iterdir()] in ([waiting], []))
    with pytest.raises(NotFound):
        jobs.told(SPACE, ended)


def make_results(path: Path) -> None:
    folder = Folder(path)
    with folder.adding() as add:
        for name in folder.rest(9):
            add(good(name))


def test_a_stranger_among_the_batches_stops_nobody(renderer: Begin, tmp_path: Path) -> None:
    (tmp_path / "jobs/lost+found").mkdir(parents=True)
    (tmp_path / "jobs/note.txt").write_text("what is this?")
    jobs = renderer()
    jobs.start()
    assert done(jobs, jobs.begin(SPACE, body(*hashes(1)), WISHES))


# with all real parts

RUN = """
import sys, threading
from pathlib import Path
from renderer.config import Config
from renderer.wiring import Wiring
wiring = Wiring(Config.load(Path(sys.argv[1]), Path(sys.argv[2]), {}))
wiring.workers.start()
wiring.jobs.start()
threading.Event().wait()
"""


@contextmanager
def working(site: Site) -> Iterator[subprocess.Popen[bytes]]:
    """A renderer that works on batches and does nothing else."""
    command = [sys.executable, "-c", RUN, str(site.file), str(site.root)]
    with (site.root / "log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=TOP)
    try:
        yield process
    finally:
        stop(process)


def put(site: Site, count: int, side: int = 64) -> list[str]:
    return [site.put(jpeg(side, 48, seed), "p").name for seed in range(count)]


@pytest.mark.feature(128)
def test_killed_in_the_middle_a_batch_goes_on_and_ends_as_if_nothing_had_been(tmp_path: Path) -> None:
    site = Site(tmp_path, {"namespaces": {"p": {"naming": "md5"}}, "render": {"processes": 1}})
    names, jobs = put(site, 30), site.wiring.jobs
    job = jobs.begin(SPACE, body(*names, "nobody"), WISHES)
    with working(site) as first:
        wait_until(lambda: progress(jobs, job)["done"] > 3, 30)
        first.send_signal(signal.SIGKILL)
        first.wait(10)
    assert 3 < progress(jobs, job)["done"] < 30
    with working(site):
        wait_until(lambda: jobs.told(SPACE, job)[0], 60, (site.root / "log").read_text())
    lines = [line.split("\t") for line in done(jobs, job)]
    assert [line[0] for line in lines] == [*names, "nobody"]
    assert {tuple(line[2:]) for line in lines[:-1]} == {("64", "48")}
    assert sum(path.endswith("/~=x30.webp") for path in site.cached()) == 30
    assert not site.left_over()


@pytest.mark.feature(128)
def test_a_store_that_is_down_for_a_while_costs_a_batch_nothing_but_time(tmp_path: Path, moto_server: S3Server) -> None:
    with FaultyS3(moto_server.endpoint_url) as proxy:
        settings = moto_server.settings(endpoint_url=proxy.url, prefix="batches/", attempts=1)
        stores = {"archive": {"kind": "s3", **settings}}
        namespace = {"naming": "md5", "store": "archive", "renditions": "archive"}
        site = Site(tmp_path, {"stores": stores, "namespaces": {"p": namespace}, "render": {"processes": 1}})
        names, jobs = put(site, 3), site.wiring.jobs
        site.wiring.workers.start()
        try:
            proxy.answer(503)
            proxy.forget()
            job = jobs.begin(SPACE, body(*names), WISHES)
            jobs.start()
            wait_until(lambda: len(proxy.seen) > 5)
            assert progress(jobs, job)["failed"] == 0
            proxy.heal()
            assert [line.split("\t")[2:] for line in done(jobs, job)] == [["64", "48"]] * 3
        finally:
            jobs.stop(5)
            site.wiring.workers.stop(2)
        kept = [key for key in site.wiring.stores["archive"].names() if names[0][9:] in key]
        assert [key.rpartition("/")[2] for key in kept] == ["info.json", "original", "w20.jpg", "x30.webp"]
