"""Render processes: real ones, killed for real; their walls are read back from /proc."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from renderer import walls
from renderer.box import Box
from renderer.errors import BrokenOriginal, Busy, NotAllowed, Refused, RendererError, RenderKilled
from renderer.formats import AVIF, JPEG, PNG
from renderer.ops import Crop, Fit, Operation, Stretch
from renderer.picture.engine import Engine
from renderer.picture.jobs import Job, Made
from renderer.recipe import UNTOUCHED, Output, Recipe
from renderer.walls import Walls
from renderer.workers import Pids, Workers
from tests.picture.pictures import header_of_png
from tests.waiting import wait_until

TOP = Path(__file__).resolve().parent.parent
SECRET = "sesame-in-the-environment"

Start = Callable[..., Workers]


@pytest.fixture
def start() -> Iterator[Start]:
    """Workers with any settings, stopped afterwards."""
    with contextlib.ExitStack() as stack:

        def started(**settings: object) -> Workers:
            workers = Workers(Engine(), **{"processes": 1, "seconds": 20, **settings})  # type: ignore[arg-type]
            stack.callback(workers.stop, 3)
            workers.start()
            return workers

        yield started


@pytest.fixture
def original(tmp_path: Path) -> Path:
    Image.linear_gradient("L").resize((640, 480)).save(tmp_path / "original.jpg")
    return tmp_path / "original.jpg"


@pytest.fixture
def hanging(tmp_path: Path) -> Path:
    """An original that hangs whoever opens it: a pipe with no writer. Nothing of the code under test knows of it."""
    pipe = tmp_path / "hanging.jpg"
    os.mkfifo(pipe)
    return pipe


class Jobs:
    """Jobs with targets of their own."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.made = directory, 0

    def __call__(self, operation: Operation = Fit(Box(150, 150)), output: Output = Output(JPEG, 75)) -> Job:
        self.made += 1
        return Job(Recipe.of((operation,), output), self.directory / f"made-{self.made}")


@pytest.fixture
def job(tmp_path: Path) -> Jobs:
    return Jobs(tmp_path)


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(100) as pool:
        yield pool


def gone(pid: int) -> bool:
    """Dead, or dead but not yet taken note of by its parent."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def opens(pid: int) -> bool:
    """Whether this process waits for a writer of a pipe."""
    try:
        place = Path(f"/proc/{pid}/wchan").read_text()
    except FileNotFoundError:
        return False
    return "fifo" in place or "wait_for_partner" in place


def living(workers: Workers) -> list[int]:
    """The pool may still list what was killed a moment ago."""
    return [pid for pid in workers.pids().render if not gone(pid)]


def busy_with(workers: Workers) -> int:
    return wait_until(lambda: next((pid for pid in workers.pids().render if opens(pid)), 0), what="a process that hangs")


def forkserver(workers: Workers) -> int:
    return wait_until(lambda: workers.pids().forkserver or 0, what="a forkserver")


def assert_answers(workers: Workers, original: Path, job: Job) -> None:
    [made] = workers.render(original, [job])
    assert isinstance(made, Made)
    assert made.length == job.target.stat().st_size > 0


# --- what a render is ---------------------------------------------------------------------------------------------------------------


def test_jobs_are_rendered_elsewhere_and_answered_in_their_order(start: Start, original: Path, job: Jobs) -> None:
    workers = start()
    jobs = [job(), job(Crop(9999, 0, Box(1, 1))), job(output=Output(PNG))]
    results = workers.render(original, jobs)
    assert [type(result) for result in results] == [Made, Refused, Made]
    assert [made.extension for made in results if isinstance(made, Made)] == ["jpg", "png"]
    assert os.getpid() not in workers.pids().render


def test_a_header_is_read_elsewhere_too(start: Start, original: Path) -> None:
    header = start().header(original)
    assert (header.format, header.width, header.height, header.frames, header.has_gps) == (JPEG, 640, 480, 1, False)


def test_an_original_is_described_elsewhere_and_a_broken_one_says_so(start: Start, original: Path, tmp_path: Path) -> None:
    workers = start()
    described = workers.describe(original)
    assert described.header == workers.header(original)
    assert len(described.placeholder) > 20
    (tmp_path / "broken.jpg").write_bytes(original.read_bytes()[:700])
    assert workers.header(tmp_path / "broken.jpg").width == 640
    with pytest.raises(BrokenOriginal):
        workers.describe(tmp_path / "broken.jpg")


def test_an_original_that_hangs_whoever_describes_it_is_given_up(start: Start, hanging: Path, original: Path) -> None:
    workers = start(seconds=0.5)
    with pytest.raises(RenderKilled):
        workers.describe(hanging)
    assert workers.describe(original).placeholder


def test_a_description_that_nobody_waits_for_comes_after_all_renders(
    start: Start, original: Path, hanging: Path, job: Jobs, threads: ThreadPoolExecutor
) -> None:
    workers = start(seconds=3)
    busy = threads.submit(workers.render, hanging, [job()])
    busy_with(workers)
    with pytest.raises(Busy, match="at work"):
        workers.describe(original, idle_within=0.05)
    patient = threads.submit(workers.describe, original, 20)
    with hanging.open("wb"):  # the process reads the end of a file, and is free
        pass
    assert isinstance(busy.result(10)[0], BrokenOriginal)
    assert patient.result(10).placeholder


def test_errors_come_home_as_they_are(start: Start, tmp_path: Path, original: Path, job: Jobs) -> None:
    workers = start()
    (tmp_path / "text.jpg").write_text("no picture")
    [error] = workers.render(tmp_path / "text.jpg", [job()])
    assert isinstance(error, BrokenOriginal)
    assert error.reason == "bytes that begin like no format that we read"
    with pytest.raises(BrokenOriginal, match="expected a readable picture, got bytes that begin"):
        workers.header(tmp_path / "text.jpg")
    with pytest.raises(FileNotFoundError):
        workers.header(tmp_path / "missing.jpg")
    exif = Image.Exif()
    exif.get_ifd(0x8825)[1] = "N"
    Image.new("L", (5, 5)).save(tmp_path / "gps.tif", exif=exif.tobytes())
    [refusal] = workers.render(tmp_path / "gps.tif", [Job(UNTOUCHED["original-scrubbed"], tmp_path / "t")])
    assert isinstance(refusal, NotAllowed)


def test_a_process_is_renewed_after_so_many_renders(start: Start, original: Path, job: Jobs) -> None:
    workers = start(max_renders=2)
    [first] = workers.pids().render
    for _ in range(5):
        assert_answers(workers, original, job())
    assert first not in workers.pids().render
    assert gone(first)


# --- kills --------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("processes", [1, 2])
def test_an_idle_process_that_is_killed_costs_nobody_anything(start: Start, original: Path, job: Jobs, processes: int) -> None:
    workers = start(processes=processes)
    for _ in range(3):
        os.kill(wait_until(lambda: living(workers))[0], signal.SIGKILL)
        assert_answers(workers, original, job())


def test_an_idle_process_that_was_killed_long_ago_costs_nobody_anything(start: Start, original: Path, job: Jobs) -> None:
    workers = start(processes=2)
    before = workers.pids()
    for pid in before.render:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not workers.pids().render, what="pebble to see it")
    assert_answers(workers, original, job())
    assert not set(workers.pids().render) & set(before.render)


def test_a_forkserver_that_is_killed_costs_nobody_anything(start: Start, original: Path, job: Jobs) -> None:
    workers, known = start(processes=2), set[int | None]()
    for _ in range(3):
        wait_until(lambda: workers.header(original) and workers.pids().forkserver not in (None, *known), what="a new forkserver")
        pids = workers.pids()
        known.add(pids.forkserver)
        os.kill(forkserver(workers), signal.SIGKILL)
        assert_answers(workers, original, job())
        wait_until(lambda old=pids.render: all(map(gone, old)), what="the old processes to be gone")  # type: ignore[misc]


def test_a_forkserver_that_is_killed_during_a_render_costs_it_one_more_try(
    start: Start, hanging: Path, original: Path, job: Jobs, threads: ThreadPoolExecutor
) -> None:
    workers = start()
    waiting = threads.submit(workers.render, hanging, [job()])
    first = busy_with(workers)
    os.kill(forkserver(workers), signal.SIGKILL)
    second = wait_until(lambda: next((pid for pid in workers.pids().render if pid != first and opens(pid)), 0), what="the second try")
    assert gone(first)
    os.kill(second, signal.SIGKILL)
    with pytest.raises(RenderKilled):
        waiting.result()
    assert_answers(workers, original, job())


def test_what_a_first_try_left_behind_does_not_hinder_the_second(
    start: Start, tmp_path: Path, job: Jobs, threads: ThreadPoolExecutor
) -> None:
    workers, wish = start(), job(Stretch(Box(1000, 1000)), Output(AVIF, 60))
    render = threads.submit(workers.render, noisy(tmp_path, 1000), [wish])
    wait_until(wish.target.exists, what="encoding to have begun")
    os.kill(forkserver(workers), signal.SIGKILL)
    [made] = render.result()
    assert isinstance(made, Made)
    assert made.length == wish.target.stat().st_size


def test_R23_a_busy_process_that_is_killed_costs_one_render(
    start: Start, hanging: Path, original: Path, job: Jobs, threads: ThreadPoolExecutor
) -> None:
    workers, wish = start(), job()
    waiting = threads.submit(workers.render, hanging, [wish])
    os.kill(busy_with(workers), signal.SIGKILL)
    with pytest.raises(RenderKilled, match="killed by signal 9") as killed:
        waiting.result()
    assert killed.value.signal == signal.SIGKILL
    assert not wish.target.exists()  # so the original is to blame
    assert_answers(workers, original, job())


def test_kills_at_random_moments_leave_a_pool_that_answers(start: Start, original: Path, job: Jobs, threads: ThreadPoolExecutor) -> None:
    workers = start(processes=2)
    renders: list[Future[list[Made | RendererError]]] = []
    for number in range(12):
        renders += [threads.submit(workers.render, original, [job()]) for _ in range(4)]
        for pid in living(workers)[: number % 3]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    for render in renders:
        with contextlib.suppress(RenderKilled):
            assert isinstance(render.result(timeout=60)[0], Made)
    assert_answers(workers, original, job())


def test_a_process_that_is_stopped_and_never_answers_is_replaced(start: Start, original: Path, job: Jobs) -> None:
    """As one that died holding pebble's lock: nothing is seen to be wrong, and no time limit runs."""
    workers = start(seconds=0.5)
    [stopped] = workers.pids().render
    os.kill(stopped, signal.SIGSTOP)
    assert_answers(workers, original, job())
    assert gone(stopped)


def test_a_pool_that_is_given_up_at_this_moment_is_replaced(start: Start, original: Path, job: Jobs) -> None:
    """Another thread may give it up between our look and our call."""
    workers = start()
    usable = workers._usable_pool

    def give_up_once() -> object:
        pool = usable()
        workers._usable_pool = usable  # type: ignore[method-assign]
        pool.stop()
        return pool

    workers._usable_pool = give_up_once  # type: ignore[method-assign,assignment]
    assert_answers(workers, original, job())


def test_a_long_queue_does_not_prolong_the_wait_for_a_process_that_never_answers(
    start: Start, original: Path, job: Jobs, threads: ThreadPoolExecutor
) -> None:
    workers = start(seconds=0.5)
    [stopped] = workers.pids().render
    os.kill(stopped, signal.SIGSTOP)
    renders = [threads.submit(workers.render, original, [job()]) for _ in range(8)]
    assert all(isinstance(render.result(timeout=20)[0], Made) for render in renders)


# --- time -----------------------------------------------------------------------------------------------------------------------------


def test_a_render_that_hangs_is_killed_in_time(start: Start, hanging: Path, original: Path, job: Jobs) -> None:
    workers, wish = start(seconds=0.5), job()
    [pid] = workers.pids().render
    began = time.monotonic()
    with pytest.raises(RenderKilled, match=r"took more than 0.5 seconds") as killed:
        workers.render(hanging, [wish])
    assert 0.5 <= time.monotonic() - began < 3
    assert killed.value.signal == 0
    assert gone(pid)
    assert not wish.target.exists()
    assert_answers(workers, original, job())


def test_a_header_that_hangs_is_killed_in_time(start: Start, hanging: Path) -> None:
    with pytest.raises(RenderKilled, match="took more than"):
        start(seconds=0.5).header(hanging)


def test_a_codec_that_does_not_return_is_killed_in_time(start: Start, tmp_path: Path, job: Jobs) -> None:
    """In C, where Python's signal handlers wait for ever."""
    Image.effect_noise((3000, 3000), 90).save(tmp_path / "noise.png", compress_level=1)
    began = time.monotonic()
    with pytest.raises(RenderKilled, match="took more than"):
        start(seconds=0.7).render(tmp_path / "noise.png", [job(Stretch(Box(3000, 3000)), Output(AVIF, 95))])
    assert time.monotonic() - began < 3


def test_many_jobs_have_more_time_but_not_without_end(start: Start, hanging: Path, job: Jobs) -> None:
    workers = start(seconds=0.3)
    began = time.monotonic()
    with pytest.raises(RenderKilled, match=r"took more than 1.3 seconds"):
        workers.render(hanging, [job() for _ in range(20)])
    assert time.monotonic() - began < 4


def test_one_that_hangs_does_not_hold_up_the_others(
    start: Start, hanging: Path, original: Path, job: Jobs, threads: ThreadPoolExecutor
) -> None:
    workers = start(processes=2)
    waiting = threads.submit(workers.render, hanging, [job()])
    busy = busy_with(workers)
    for _ in range(20):
        assert_answers(workers, original, job())
    assert not waiting.done()
    os.kill(busy, signal.SIGKILL)
    assert isinstance(waiting.exception(), RenderKilled)


def test_a_full_queue_is_busy_at_once(start: Start, hanging: Path, original: Path, job: Jobs, threads: ThreadPoolExecutor) -> None:
    workers = start(queue=2, seconds=1)
    calls = [threads.submit(workers.render, hanging, [job()]) for _ in range(5)]
    wait_until(lambda: sum(call.done() for call in calls) == 2, 0.9, "two to be refused before the first is killed")
    assert sorted(type(call.exception()).__name__ for call in calls) == ["Busy"] * 2 + ["RenderKilled"] * 3
    assert_answers(workers, original, job())


def test_stopping_ends_within_its_limit_even_when_a_render_hangs(
    start: Start, hanging: Path, original: Path, job: Jobs, threads: ThreadPoolExecutor
) -> None:
    workers = start(processes=2)
    waiting = threads.submit(workers.render, hanging, [job()])
    busy_with(workers)
    pids = workers.pids().render
    began = time.monotonic()
    workers.stop(1.5)
    assert time.monotonic() - began < 2
    assert all(map(gone, pids))
    with pytest.raises(Busy):
        waiting.result()
    with pytest.raises(Busy, match="shutting down"):
        workers.render(original, [job()])


def test_stopping_lets_a_render_in_flight_end(start: Start, tmp_path: Path, job: Jobs, threads: ThreadPoolExecutor) -> None:
    Image.effect_noise((900, 900), 90).save(tmp_path / "noise.png")
    workers = start()
    [pid] = workers.pids().render
    before = cpu_seconds(pid)
    render = threads.submit(workers.render, tmp_path / "noise.png", [job(Stretch(Box(900, 900)), Output(AVIF, 60))])
    wait_until(lambda: cpu_seconds(pid) > before + 0.1, what="the render to have begun")
    assert not render.done()
    workers.stop(20)
    assert isinstance(render.result()[0], Made)


# --- walls ----------------------------------------------------------------------------------------------------------------------------


def limits_of(pid: int) -> dict[str, tuple[str, str]]:
    rows = re.findall(r"^(Max [a-z ]+?) {2,}(\w+) +(\w+)", Path(f"/proc/{pid}/limits").read_text(), re.MULTILINE)
    return {name: (soft, hard) for name, soft, hard in rows}


def test_R2_a_render_process_has_limits(start: Start) -> None:
    workers = start(walls=Walls(memory_bytes=1_500_000_000, cpu_seconds=7, file_bytes=50_000_000, open_files=40))
    [pid] = workers.pids().render
    wait_until(lambda: limits_of(pid)["Max core file size"] == ("0", "0"))  # the last one to be set
    found = limits_of(pid)
    assert found["Max address space"] == ("1500000000", "1500000000")
    assert found["Max file size"] == ("50000000", "50000000")
    assert found["Max open files"] == ("40", "40")
    assert 7 <= int(found["Max cpu time"][0]) <= 9
    assert limits_of(os.getpid())["Max open files"] != ("40", "40")


def test_R2_a_picture_that_needs_too_much_memory_is_refused_and_the_process_lives(start: Start, tmp_path: Path, job: Jobs) -> None:
    (tmp_path / "large.png").write_bytes(header_of_png((9000, 9000), bits=8, colour_type=2))  # 324 MB, asked for before any is read
    workers = start(walls=Walls(memory_bytes=350_000_000))
    [pid] = workers.pids().render
    [result] = workers.render(tmp_path / "large.png", [job()])
    assert isinstance(result, Refused)
    assert "more memory than a render process has" in str(result)
    assert workers.pids().render == (pid,)


def test_R2_a_rendition_beyond_the_file_size_is_refused_and_leaves_nothing(start: Start, tmp_path: Path, job: Jobs) -> None:
    Image.effect_noise((400, 400), 90).save(tmp_path / "noise.png")
    wish = job(output=Output(PNG))
    [result] = start(walls=Walls(file_bytes=5_000)).render(tmp_path / "noise.png", [wish])
    assert isinstance(result, Refused)
    assert "file size" in str(result)
    assert not wish.target.exists()


def test_R8_a_bomb_costs_no_memory(start: Start, tmp_path: Path, job: Jobs) -> None:
    (tmp_path / "bomb.png").write_bytes(header_of_png((30000, 30000)))
    workers = start()
    [result] = workers.render(tmp_path / "bomb.png", [job()])
    assert isinstance(result, Refused)
    assert "pixels for an original" in str(result)
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{workers.pids().render[0]}/status").read_text())
    assert peak
    assert int(peak[1]) < 150_000


def noisy(directory: Path, side: int) -> Path:
    Image.effect_noise((side, side), 90).save(directory / f"noise-{side}.png", compress_level=1)
    return directory / f"noise-{side}.png"


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_the_cpu_limit_is_for_each_render_and_not_for_the_life_of_the_process(start: Start, tmp_path: Path, job: Jobs) -> None:
    original, workers = noisy(tmp_path, 400), start(walls=Walls(cpu_seconds=1))
    [pid] = workers.pids().render
    while cpu_seconds(pid) < 2.5:
        [made] = workers.render(original, [job(Stretch(Box(700, 700)), Output(AVIF, 60))])
        assert isinstance(made, Made)
    assert workers.pids().render == (pid,)


def test_a_render_that_uses_too_much_cpu_is_killed(start: Start, tmp_path: Path, job: Jobs) -> None:
    workers = start(seconds=60, walls=Walls(cpu_seconds=1))
    with pytest.raises(RenderKilled) as killed:
        workers.render(noisy(tmp_path, 3000), [job(Stretch(Box(3000, 3000)), Output(AVIF, 95))])
    assert killed.value.signal == signal.SIGXCPU


# --- a front of its own -----------------------------------------------------------------------------------------------------------------

FRONT = """
    import sys, threading
    from pathlib import Path
    from renderer.picture.engine import Engine
    from renderer.workers import Workers
    from renderer.errors import RendererError
    from renderer.hiding import hide_front

    hide_front()
    workers = Workers(Engine(), processes=2, seconds=300)
    workers.start()

    def width(file):
        try:
            return workers.header(Path(file)).width
        except RendererError as error:
            return type(error).__name__

    def tell():
        pids = workers.pids()
        print(pids.forkserver or 0, *pids.render, flush=True)

    tell()
    for line in sys.stdin:
        if line.startswith("hang "):
            threading.Thread(target=width, args=(line[5:].strip(),), daemon=True).start()
        else:
            print(width(line.strip()), flush=True)
        tell()
"""


class Front:
    """A process as the renderer's, with a secret in its environment, that does what it is told on standard input."""

    def __init__(self) -> None:
        environment = {**os.environ, "AWS_SECRET_ACCESS_KEY": SECRET, "PYTHONPATH": str(TOP)}
        command = [sys.executable, "-W", "error", "-c", textwrap.dedent(FRONT)]
        self.process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.pids = self.read()

    def read(self) -> Pids:
        assert self.process.stdout
        forkserver, *render = map(int, self.process.stdout.readline().split())
        return Pids(forkserver, tuple(render))

    def tell(self, line: str) -> str:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = "" if line.startswith("hang ") else self.process.stdout.readline()
        self.pids = self.read()
        return answer.strip()

    def family(self) -> set[int]:
        """All descendants: forkserver, render processes, multiprocessing's resource tracker."""
        parents = {int(entry.name): _parent(entry) for entry in Path("/proc").iterdir() if entry.name.isdigit()}
        found, more = {self.process.pid}, {self.process.pid}
        while more := {pid for pid, above in parents.items() if above in more}:
            found |= more
        return found - {self.process.pid}


def _parent(entry: Path) -> int:
    try:
        return int((entry / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()[1])
    except OSError:
        return 0


@pytest.fixture
def front() -> Iterator[Front]:
    found = Front()
    yield found
    with found.process:  # closes the pipes and waits
        found.process.kill()


def assert_no_secret(front: Front) -> None:
    family = front.family()
    assert {front.pids.forkserver, *front.pids.render} <= family
    for pid in family:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
        assert SECRET.encode() not in environment, Path(f"/proc/{pid}/cmdline").read_bytes()
        assert b"AWS_" not in environment


def test_R26_render_processes_hold_no_credentials(front: Front, original: Path) -> None:
    assert SECRET.encode() in Path(f"/proc/{front.process.pid}/environ").read_bytes()  # so there was something to inherit
    assert front.tell(str(original)) == "640"
    assert_no_secret(front)


def test_render_processes_keep_large_pictures_in_one_piece(front: Front, original: Path) -> None:
    """malloc and Pillow read that when they start, from the environment that the front gives them."""
    assert front.tell(str(original)) == "640"
    assert front.pids.forkserver
    environment = Path(f"/proc/{front.pids.forkserver}/environ").read_bytes().split(b"\0")
    assert {f"{name}={value}".encode() for name, value in walls.TUNED.items()} <= set(environment)


def test_R26_a_forkserver_that_pebble_starts_again_holds_no_credentials(front: Front, hanging: Path, original: Path) -> None:
    """By itself and in a thread of its own: a start of ours under another environment would miss this one."""
    front.tell(f"hang {hanging}")
    wait_until(lambda: any(opens(pid) for pid in front.pids.render))
    assert front.pids.forkserver
    os.kill(front.pids.forkserver, signal.SIGKILL)
    old = front.pids
    wait_until(
        lambda: front.tell(str(original)) == "640" and not {old.forkserver, *old.render} & {front.pids.forkserver, *front.pids.render}
    )
    assert_no_secret(front)


def test_the_front_is_closed_to_others_of_its_uid(front: Front) -> None:
    """A process that is not dumpable belongs to root in /proc, whoever runs it; we run as root, so the kernel is asked."""
    code = "import ctypes; from renderer.hiding import hide_front; hide_front(); print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"
    shown = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(TOP)}, capture_output=True, text=True, check=True)
    assert shown.stdout == "0\n"


def test_nothing_survives_a_front_that_is_killed_not_even_a_render_that_hangs(front: Front, hanging: Path) -> None:
    front.tell(f"hang {hanging}")
    wait_until(lambda: any(opens(pid) for pid in front.pids.render))
    family = front.family()
    front.process.kill()
    assert wait_until(lambda: all(map(gone, family)), 5, "all its processes to be gone")


def test_a_front_that_ends_ends_its_processes(front: Front) -> None:
    family = front.family()
    assert front.process.stdin
    front.process.stdin.close()
    assert front.process.wait(10) == 0
    wait_until(lambda: all(map(gone, family)), 5, "all its processes to be gone")


def test_the_front_loads_no_codec() -> None:
    """What asks for a render imports no plugin of Pillow: codecs are for render processes."""
    code = "import sys, renderer.workers; print([name for name in sys.modules if name.startswith('PIL.') and 'Plugin' in name])"
    shown = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(TOP)}, capture_output=True, text=True, check=True)
    assert shown.stdout == "[]\n"


def test_R1_no_child_is_left_by_any_file(front: Front, tmp_path: Path, original: Path) -> None:
    """EPS behind another name: Ghostscript would be a child of a render process."""
    (tmp_path / "picture.jpg").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n(%pipe%id) (r) file\n")
    before = front.family()
    assert front.tell(str(tmp_path / "picture.jpg")) == "BrokenOriginal"
    assert front.tell(str(original)) == "640"
    assert front.family() <= before
