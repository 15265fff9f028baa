"""The files that processes count in: whose they are, what becomes of damaged ones, and of a disk that is full."""

from __future__ import annotations

import os
import re
import struct
from pathlib import Path

import pytest

from renderer.metrics import room
from renderer.metrics.families import COUNTED
from tests import counting
from tests.counting import PAGE, run, staying, value
from tests.pruning.logs import Log, line
from tests.pruning.planted import Planted
from tests.test_metrics import COUNT, OK, START, SUCCEED

FULL = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))\n"  # a disk with no room for a file
READINGS = "metrics.page([metrics.Reading('onmiss_render_queue_length', 7)])[1].decode()"
DAMAGED = {
    "empty": b"",
    "cut": struct.pack("ii", 4096, 0) + struct.pack("i", 200) + b"x" * 20,
    "with lengths of nonsense": struct.pack("ii", 1 << 30, 0) + b"\xff" * 5000,
    "that leads back to its beginning": struct.pack("ii", 4096, 0) + struct.pack("i", -28) + bytes(4000),
    "with other keys": struct.pack("ii", 48, 0) + struct.pack("i12s", 7, b'[1,2,3]     ') + bytes(100),
}  # fmt: skip


def files(directory: Path) -> set[str]:
    return {path.name for path in directory.glob("*_*.db")}


def test_what_a_client_chooses_takes_no_room_from_another_metric(tmp_path: Path) -> None:
    many = "for n in range(4000): metrics.version('huimages', 'jpg', n, 'ok'); metrics.request('images', f'd{n}', 'huimages', 404)\n"
    code = START + many + COUNT + "metrics.request('images', 'native', 'huimages', 503)\n"
    page = counting.read(run(code + PAGE, tmp_path))
    assert value(page, "onmiss_requests_total", host="images", status="503") == 1  # who shares is seen to fail
    assert value(page, "onmiss_requests_total", dialect="other", namespace="other", status="404") > 2000
    assert value(page, "onmiss_requests_total", status="404") == 4000
    assert value(page, OK, quality="other") > 2000
    assert value(page, "onmiss_render_deaths_total", cause="crash") == 1


def test_of_what_was_not_made_no_quality_is_told(tmp_path: Path) -> None:
    code = "for n in range(1, 101): metrics.version('huimages', 'jpg', n, 'failed')\n"
    found = counting.read(run(START + code + PAGE, tmp_path))["image_server_processing_version_failed_total"]
    assert {sample.labels["quality"] for sample in found} == {"other"}
    assert sum(sample.value for sample in found) == 100


def test_all_that_may_be_counted_has_its_room(tmp_path: Path) -> None:
    """A file that grows is a sparse one, which kills its process when the disk is full."""
    fill = """
for n in range(9000):
    metrics.request(("images", "service")[n % 2], f"d{n}", "none", 200 + n % 100)
    metrics.version("huimages", f"ü{n}", n, ("ok", "noop", "failed")[n % 3])
    metrics.missed(f"d{n}", 0.1, {"fetch": 1.0})
"""
    with staying(START + fill, tmp_path):
        found = {path.name.partition("_")[0]: path.stat() for path in tmp_path.glob("*.db")}
        for kind, status in found.items():
            assert status.st_size == room.needed(kind)
            assert status.st_blocks * 512 >= status.st_size
    assert found.keys() == {family.kind for family in COUNTED}


def test_what_is_put_together_has_its_room_too(tmp_path: Path) -> None:
    run(START + COUNT, tmp_path)
    (tmp_path / ".counter-123").touch()
    (tmp_path / ".1.2-3-4").touch()  # of one that was killed
    run(SUCCEED, tmp_path)
    assert not list(tmp_path.glob(".*"))
    for kind in ("counter", "histogram"):
        status = (tmp_path / f"{kind}_0.db").stat()
        assert 0 < status.st_size <= status.st_blocks * 512


def test_a_full_disk_keeps_nobody_from_serving_and_loses_nothing(tmp_path: Path) -> None:
    run(START + COUNT, tmp_path)
    page = counting.read(run(FULL + SUCCEED + COUNT + f"print({READINGS})", tmp_path))
    assert (value(page, "onmiss_render_queue_length"), value(page, OK)) == (7, 1)
    assert not list(tmp_path.glob(".*"))
    assert value(counting.read(run(SUCCEED + PAGE, tmp_path)), OK) == 1


def test_where_nothing_can_be_counted_there_are_readings_still(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    page = counting.read(run("directory /= 'taken'\n" + START + COUNT + f"print({READINGS})", tmp_path))
    assert (value(page, "onmiss_render_queue_length"), page.keys()) == (7, {"onmiss_render_queue_length"})


def test_without_a_lock_all_is_counted_and_shown(tmp_path: Path) -> None:
    (tmp_path / "lock").mkdir()
    page = counting.read(run(START + COUNT + f"print({READINGS})", tmp_path))
    assert (value(page, "onmiss_render_queue_length"), value(page, OK)) == (7, 1)


@pytest.mark.parametrize("content", DAMAGED.values(), ids=list(DAMAGED))
def test_what_cannot_be_read_is_left_out_and_said_once(tmp_path: Path, content: bytes) -> None:
    run(START + COUNT, tmp_path)
    damaged = tmp_path / "counter_7.1.db"
    damaged.write_bytes(content)
    with staying(SUCCEED, tmp_path):
        assert not damaged.exists()  # it never will be whole
    damage = f"import logging\nlogging.basicConfig(stream=sys.stdout, format='# %(message)s')\nPath('{damaged}').write_bytes({content!r})\n"
    shown = run(SUCCEED + COUNT + damage + "metrics.page([])\n" + PAGE, tmp_path)
    assert shown.count("counter_7.1.db is left out") == 1
    assert value(counting.read(shown), OK) == 2


def test_a_number_that_lives_again_is_another_process(tmp_path: Path) -> None:
    """As in a container, where the renderer has the same number each time."""
    run(START + COUNT, tmp_path)
    for path in tmp_path.glob("*_*.db"):
        path.rename(path.with_name(re.sub(r"_\d+", f"_{os.getpid()}", path.name, count=1)))
    assert value(counting.read(run(START + PAGE, tmp_path)), OK) == 0
    assert len(files(tmp_path)) == 2


def test_who_executes_something_else_still_lives(tmp_path: Path) -> None:
    parent = "import os\nos.execv(sys.executable, [sys.executable, '-c', 'import sys; print(\"done\", flush=True); sys.stdin.read()'])\n"
    with staying(START + COUNT + parent, tmp_path):
        before = files(tmp_path)
        assert value(counting.read(run(SUCCEED + PAGE, tmp_path)), OK) == 1
        assert before <= files(tmp_path)


def test_readings_are_taken_while_others_may_read_too(tmp_path: Path) -> None:
    code = """
from renderer import locks
def readings():
    with locks.held(directory / "lock", 0, 0) as is_free:
        print(is_free)
    yield from ()
metrics.page(readings())
"""
    assert run(START + code, tmp_path) == "True\n"


@pytest.mark.parametrize("host", ["a..b", "x" * 70 + ".example"])
def test_a_name_that_is_none_is_a_statsd_that_is_not_there(tmp_path: Path, host: str) -> None:
    told = "import threading\nthreading.excepthook = print\n"
    start = f"metrics.start(directory, statsd=metrics.Address('{host}', 8125, ''))\n"
    assert run(told + start + "print(metrics.wait_statsd(20))\n", tmp_path) == "False\n"


# nginx's answers


def test_hits_that_could_not_be_written_down_are_counted_the_next_time(tmp_path: Path) -> None:
    log = Log(tmp_path)
    names = [f"n{number:02}" for number in range(60)]
    log.append(b"".join(line(tmp_path / f"files/1-pillow/{name}/a.jpg") for name in names))
    code = f"""
import resource
from renderer.pruning.totals import answers, count_answers
def count(most_bytes):
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, resource.RLIM_INFINITY))
    try:
        count_answers(directory / "access.log", directory, directory / "files", {names})
    except OSError:
        print("no room")
    print(sum(answers(directory).values()))
for most_bytes in (600, 100_000, 100_000):  # room for how far the log was read, but not for all counts
    count(most_bytes)
"""
    assert run(code, tmp_path).split("\n") == ["no room", "0", "60", "60", ""]


def test_while_hits_are_counted_an_emergency_finds_the_pruner_free(tmp_path: Path) -> None:
    from renderer import locks
    from renderer.pruning.bounds import Bounds
    from renderer.pruning.pruner import Pruner
    from renderer.pruning.totals import answers

    planted, log = Planted(tmp_path), Log(tmp_path / "logs")
    log.append(line(planted.cache.files / "huimages/a.jpg"))
    free: list[bool] = []

    class Looking(Pruner):
        def _count_answers(self) -> None:
            with locks.held(self._folder / "lock", 0, 0) as is_free:
                free.append(is_free)
            super()._count_answers()

    usual = planted.pruner(Bounds(min_free=None, min_free_inodes=None, min_age=60.0), access_log=log.path)
    looking = Looking(usual._cache, usual._namespaces, usual._homes, usual._copies, usual.wishes)
    with locks.held(planted.cache.pruning / "lock", 1, 0):  # by who counts already
        looking.run()
    assert (free, answers(planted.cache.pruning)) == ([True], {})
    looking.run()
    assert answers(planted.cache.pruning) == {"hit huimages 2xx": 1}
