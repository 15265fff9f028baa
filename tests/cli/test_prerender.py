"""`onmiss prerender` and scripts/prerender.py, as processes: what they print, what they leave, how they end, and how they go on."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image

from tests.cli.test_importing import terminal
from tests.e2e.site import OWN_TIME, TOP, Site, jpeg
from tests.running import interrupt_twice
from tests.servers import S3Server, stop
from tests.waiting import wait_until

# the first one is that which is meant without a word: the file is written in order of the names
TREE = {"namespaces": {"huimages": {}, "scenes": {"naming": "path", "prefix": "f/"}}, "render": {"processes": 1}}
NOBODY = "A" * 32 + "01"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Nothing runs: the command needs no server."""
    return Site(tmp_path / "site", TREE)


def command(site: Site, *words: str | Path) -> list[str]:
    own = ["--config", str(site.file), "--root", str(site.root)]
    return [sys.executable, str(TOP / "scripts/prerender.py"), *own, *map(str, words)]


def prerendered(site: Site, *words: str | Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """By the script, from elsewhere than its checkout."""
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        command(site, *words), input=stdin, capture_output=True, check=False, timeout=100, env=environ, cwd=site.root, text=True
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


def put(site: Site, count: int) -> list[str]:
    """So many originals, and their IDs in order."""
    return sorted(site.put(jpeg(64, 48, seed)).name for seed in range(count))


def summary(done: subprocess.CompletedProcess[str]) -> str:
    return done.stderr.splitlines()[-1].partition(";")[0]


def cached(site: Site) -> set[str]:
    return {Path(path).name for path in site.cached()}


# what it makes


def test_a_list_is_made_with_the_names_under_which_nginx_looks(site: Site) -> None:
    first, second = put(site, 2)
    site.put(jpeg(64, 48, 9), "scenes", "hall/Käse.jpg")
    lines = [f"{first}\t40x40!", f"{second} thumb", "scenes/hall/Käse.jpg 30x30", f"/20x20!/{first}/any-title.webp"]
    (site.root / "asked.txt").write_text("\n".join(lines[:3]) + "\n", encoding="utf-8")
    done = prerendered(site, lines[3], "--from", "asked.txt")
    host = f"http://127.0.0.1:{site.port}"
    assert done.stdout.splitlines() == [
        f"{first}\t{host}/20x20!/{first}/any-title.webp",
        f"{first}\t{host}/40x40!/{first}.jpeg",
        f"{second}\t{host}/thumb/{second}.jpeg",
        f"hall/Käse.jpg\t{host}/i/scenes/hall/K%C3%A4se.jpg/fit-30x30.jpg",
    ]
    assert (done.returncode, summary(done)) == (0, "4 made, 0 already there, 0 failed")
    assert done.stderr.endswith(" renditions/s\n")
    assert cached(site) == {
        "fill-20x20_q75.webp", "~20x20!.webp", "fill-40x40_q75.jpg", "~40x40!.jpeg",
        "fit-50x200_q75.jpg", "~thumb.jpeg", "~50x200.jpeg", "fit-30x30_q75.jpg", "fit-30x30.jpg",
    }  # fmt: skip
    (made,) = site.wiring.cache.files.rglob("~40x40!.jpeg")
    with Image.open(made) as image:
        assert (image.format, image.size, int(made.stat().st_mtime)) == ("JPEG", (40, 40), OWN_TIME)


def test_what_fails_is_named_with_its_reason_and_the_rest_is_made(site: Site) -> None:
    (good,) = put(site, 1)
    broken = site.put(jpeg(64, 48, 5)[:300]).name
    lines = [f"{NOBODY}\t40x40", f"{broken} 40x40", f"{good} 9999x9999", "what?", f"{good} 40x40"]
    done = prerendered(site, "--from", "-", stdin="\n".join(lines))
    assert (done.returncode, summary(done)) == (1, "1 made, 0 already there, 4 failed")
    assert done.stdout.startswith(f"{good}\t")
    for said in (
        f"{NOBODY} 40x40: expected an original for huimages/{NOBODY}, found none",
        f"{broken} 40x40: expected a readable picture, got ",
        f"{good} 9999x9999: expected at most 8192 pixels a side",
        "what?: expected a URL, or a size behind the name",
    ):
        assert [line for line in done.stderr.splitlines() if line.startswith(said)], said


def test_a_repeat_makes_nothing_twice_and_what_went_is_made_again(site: Site) -> None:
    names = put(site, 3)
    words = ("--all", "--sizes", "40x40,20x20!")
    first = prerendered(site, *words)
    before = {path: path.stat().st_ino for path in site.wiring.cache.files.rglob("*.jp*")}
    again = prerendered(site, *words)
    assert [line.split("\t")[0] for line in first.stdout.splitlines()] == [name for name in names for _ in range(2)]
    assert again.stdout == first.stdout
    assert (summary(first), summary(again)) == ("6 made, 0 already there, 0 failed", "0 made, 6 already there, 0 failed")
    assert {path: path.stat().st_ino for path in site.wiring.cache.files.rglob("*.jp*")} == before
    next(site.wiring.cache.files.rglob("fit-40x40_q75.jpg")).unlink()
    assert summary(prerendered(site, *words)) == "1 made, 5 already there, 0 failed"


def test_all_originals_are_those_of_one_namespace(site: Site) -> None:
    put(site, 1)
    for name in ("b.jpg", "a/c.jpg", "a.jpg"):
        site.put(jpeg(64, 48, len(name)), "scenes", name)
    done = prerendered(site, "--all", "--namespace", "scenes", "--sizes", "40x40", "--jobs", "3")
    assert [line.split("\t")[0] for line in done.stdout.splitlines()] == ["a.jpg", "a/c.jpg", "b.jpg"]


def test_what_an_import_prints_can_be_made_at_once(site: Site, tmp_path: Path) -> None:
    for seed in range(3):
        (tmp_path / f"{seed}.jpg").write_bytes(jpeg(64, 48, seed))
    own = ["--config", str(site.file), "--root", str(site.root)]
    imports = [sys.executable, str(TOP / "scripts/bulk_import.py"), *own, *sorted(map(str, tmp_path.glob("*.jpg")))]
    with subprocess.Popen(imports, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as importing:
        making = command(site, "--sizes", "40x40,20x20!", "--from", "-")
        done = subprocess.run(making, stdin=importing.stdout, capture_output=True, check=False, timeout=60, text=True)
    assert (done.returncode, summary(done), len(done.stdout.splitlines())) == (0, "6 made, 0 already there, 0 failed", 6)


def test_a_dry_run_says_what_it_would_make_and_makes_nothing(site: Site) -> None:
    first, second = put(site, 2)
    prerendered(site, f"{first} 40x40")
    before = site.cached()
    done = prerendered(site, "--dry-run", "--sizes", "40x40", second, first)
    assert (done.returncode, [line.split("\t")[0] for line in done.stdout.splitlines()]) == (0, [second, first])
    assert done.stderr == "1 would be made, 1 already there, 0 failed\n"
    assert site.cached() == before


def test_quiet_is_silent_but_for_failures_and_the_summary(site: Site) -> None:
    (good,) = put(site, 1)
    done = prerendered(site, "-q", f"{good} 40x40", f"{NOBODY} 40x40")
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 2)


def test_where_urls_are_signed_none_of_this_needs_a_signature(tmp_path: Path) -> None:
    site = Site(tmp_path / "site", {**TREE, "signing": {"keys": ["a key of the operator's"]}})
    (name,) = put(site, 1)
    done = prerendered(site, f"{name} 40x40", f"/20x20/{name}.jpeg")
    assert (done.returncode, {"~40x40.jpeg", "~20x20.jpeg"} <= cached(site)) == (0, True), done.stderr
    assert "/40x40~" in done.stdout


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--all",),
        ("--all", "--sizes", ","),
        ("--all", "--sizes", "40x40", NOBODY),
        ("--all", "--sizes", "40x40,9999x9999"),
        ("--all", "--sizes", "huge"),
        (NOBODY, "--sizes", ""),
        (f"{NOBODY} 40x40", "--namespace", "nope"),
        ("--from", "none.txt"),
        ("--from", "."),
        ("--from", "-", "--from", "-"),
        (f"{NOBODY} 40x40", "--jobs", "0"),
        (f"{NOBODY} 40x40", "--nice", "-5"),
    ],
    ids=lambda words: "-".join(word.strip("-/:") for word in words) or "nothing",
)
def test_what_cannot_be_is_said_before_anything_is_done(site: Site, words: tuple[str, ...]) -> None:
    tried = prerendered(site, *words)
    assert (tried.returncode, tried.stdout) == (2, "")
    assert "expected" in tried.stderr


def test_a_bar_counts_on_a_terminal_and_the_lines_go_into_the_pipe(site: Site) -> None:
    (site.root / "asked.txt").write_text("".join(f"{name} 40x40\n" for name in put(site, 3)) + "\nwhat?\n")
    with terminal() as (ours, theirs):
        environ = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
        words = command(site, "--from", "asked.txt")
        done = subprocess.run(words, stdout=subprocess.PIPE, stderr=theirs, env=environ, check=False, timeout=60, cwd=site.root)
        shown = os.read(ours, 100_000).decode()
    assert (done.returncode, len(done.stdout.splitlines())) == (1, 3), shown
    assert "4/4" in shown
    assert "renditions" in shown
    assert "what?: expected" in shown


def test_a_store_that_does_not_answer_ends_it_with_a_clear_sentence(tmp_path: Path) -> None:
    server = S3Server("http://127.0.0.1:1")
    stores = {"disk": {"kind": "s3", **server.settings(connect_seconds=1)}}
    site = Site(tmp_path / "site", {**TREE, "stores": stores})
    lines = "".join(f"{NOBODY[:30]}{number:02}01 40x40\n".translate(str.maketrans("89", "XY")) for number in range(22, 66))
    done = prerendered(site, "--from", "-", "--patience", "1", "--jobs", "8", stdin=lines)
    assert (done.returncode, done.stdout) == (1, "")
    assert "40x40: store disk: expected an answer" in done.stderr
    assert "onmiss prerender: 10 originals in a row failed through no fault of theirs" in done.stderr
    assert "the same command again goes on" in done.stderr


# interrupted


class Slow:
    """A list on standard input that a test writes as it likes, so that the command is as far as the test wants it to be."""

    def __init__(self, words: list[str], root: Path) -> None:
        self.process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=root, start_new_session=True, bufsize=0,
        )  # fmt: skip  # without a buffer `select` tells whether there is a line

    def write(self, *lines: str) -> None:
        assert self.process.stdin
        self.process.stdin.write("".join(f"{line}\n" for line in lines).encode())

    def line(self) -> str:
        assert self.process.stdout
        ready, _, _ = select.select([self.process.stdout], [], [], 30)
        assert ready, "expected a line within 30 s"
        return self.process.stdout.readline().decode()

    def processes(self) -> list[int]:
        """All of its session: render processes and their forkserver too."""
        return [int(path.name) for path in Path("/proc").glob("[0-9]*") if _session(int(path.name)) == self.process.pid]

    def end(self) -> tuple[int, str, str]:
        self.process.wait(30)  # first: `communicate` ends the list
        output, errors = self.process.communicate(timeout=30)
        return self.process.returncode, output.decode(), errors.decode()


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return 0


@contextmanager
def slow(site: Site, *words: str) -> Iterator[Slow]:
    with slowly(command(site, "--from", "-", *words), site.root) as running:
        yield running


@contextmanager
def slowly(words: list[str], root: Path) -> Iterator[Slow]:
    running = Slow(words, root)
    try:
        yield running
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(running.process.pid, signal.SIGKILL)
        stop(running.process)
        for stream in (running.process.stdin, running.process.stdout, running.process.stderr):
            assert stream
            with contextlib.suppress(OSError):
                stream.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "terminated"])
def test_an_interrupt_finishes_and_the_same_command_goes_on(site: Site, number: signal.Signals) -> None:
    names = put(site, 4)
    lines = [f"{name} 40x40" for name in names]
    with slow(site) as running:
        running.write(*lines[:3])  # of the third it is not yet known whether more follows
        printed = [running.line(), running.line()]
        os.killpg(running.process.pid, number)  # as a terminal does it: to the whole group
        code, output, errors = running.end()
    assert (code, output, [line.split("\t")[0] for line in printed]) == (130, "", names[:2])
    assert "onmiss prerender: interrupted\n" in errors
    assert "2 made, 0 already there, 0 failed" in errors
    assert "Traceback" not in errors
    assert summary(prerendered(site, *lines)) == "2 made, 2 already there, 0 failed"


def test_a_second_interrupt_ends_it_at_once(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(30)
        server = S3Server(f"http://127.0.0.1:{silent.getsockname()[1]}")
        site = Site(tmp_path / "site", {**TREE, "stores": {"disk": {"kind": "s3", **server.settings(read_seconds=100)}}})
        with slow(site) as running:
            running.write(f"{NOBODY} 40x40", f"{NOBODY[:-4]}BB01 40x40")
            connection, _ = silent.accept()  # now it waits for an answer
            with connection:
                interrupt_twice(running.process)
                code, output, errors = running.end()
    assert (code, output) == (130, "")
    assert "0 made" in errors
    assert "Traceback" not in errors


def test_killed_in_the_middle_and_repeated_it_is_as_if_it_had_never_been(site: Site) -> None:
    lines = [f"{name} {size}" for name in put(site, 20) for size in ("40x40", "thumb")]
    with slow(site) as running:
        running.write(*lines)
        for _ in range(6):
            running.line()
        running.process.kill()
        running.process.wait(30)
    done = prerendered(site, *lines)
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 40)
    assert len(site.cached()) == 20 * 5
    assert all(path.stat().st_size for path in site.wiring.cache.files.rglob("*.jp*"))
    assert not site.left_over()


def test_it_gives_way_to_others_with_all_its_processes(site: Site) -> None:
    names, own = put(site, 2), os.getpriority(os.PRIO_PROCESS, 0)
    with slow(site, "--nice", "7") as running:
        running.write(*(f"{name} 40x40" for name in names))
        running.line()
        found = running.processes()
        niceness = {pid: os.getpriority(os.PRIO_PROCESS, pid) for pid in found}
        wait_until(lambda: len(found) >= 3, 1, "the command, a forkserver and a render process")
    assert set(niceness.values()) == {min(own + 7, 19)}


def test_a_reader_that_goes_away_ends_it_quietly(site: Site) -> None:
    lines = [f"{name} 40x40" for name in put(site, 5)]
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as output:
        done = subprocess.run(command(site, *lines), stdout=output, stderr=subprocess.PIPE, check=False, timeout=60, cwd=site.root)
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr
