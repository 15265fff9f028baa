"""`onmiss process`, as a process: what it takes in, makes and prints, how it fails, how it ends, and how it goes on."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image

from renderer.cli import main
from tests.cli.test_importing import terminal
from tests.cli.test_prerender import slowly
from tests.e2e.site import OWN_TIME, TOP, Site, encoded, jpeg, picture
from tests.running import interrupt_twice
from tests.servers import S3Server
from tests.test_fetching import Source, running, said

TREE = {
    "namespaces": {"huimages": {}, "p": {"naming": "md5", "outputs": ["x10.jpg"]}},
    "render": {"processes": 1},
    "fetch": {"private_networks": ["127.0.0.0/8"]},
}
OUTPUTS = ("--outputs", "x30.webp,w20.jpg")
NOBODY = "0123456789abcdef" * 2


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Nothing runs: the command needs no server."""
    return Site(tmp_path / "site", TREE)


@pytest.fixture
def source() -> Iterator[Source]:
    with running() as source:
        yield source


def command(site: Site, *words: str | Path) -> list[str]:
    return [sys.executable, "-m", "renderer", "process", "--config", str(site.file), "--root", str(site.root), *map(str, words)]


def processed(site: Site, *words: str | Path, stdin: str = "", cwd: Path = TOP) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command(site, *words), input=stdin, capture_output=True, check=False, timeout=100, cwd=cwd, text=True,
        env={**os.environ, "PYTHONPATH": str(TOP)},
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    return done


def put(site: Site, count: int) -> list[str]:
    """So many originals, and their hashes in this order."""
    return [site.put(jpeg(64, 48, seed), "p").name for seed in range(count)]


def parted(name: str) -> str:
    return f"{name[:3]}/{name[3:6]}/{name[6:9]}/{name[9:]}"


def line(site: Site, name: str, url: str = "", sides: str = "64\t48") -> str:
    return f"{name}\t{url or f'http://127.0.0.1:{site.port}/p/{parted(name)}/original'}\t{sides}"


def hash_of(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


def summary(done: subprocess.CompletedProcess[str]) -> str:
    return done.stderr.splitlines()[-1].partition(";")[0]


def stored(site: Site) -> list[str]:
    """The hashes of what the store has, wherever it is kept."""
    return sorted(hash_of(path.read_bytes()) for path in (site.root / "originals").rglob("*") if path.is_file())


# one picture


@pytest.mark.feature(79)
def test_a_picture_of_this_disk_is_taken_in_and_nginx_finds_what_was_made_of_it(site: Site, tmp_path: Path) -> None:
    """Beside a running renderer, which is stopped then."""
    upright = picture(64, 48)
    exif = upright.getexif()
    exif[0x0112] = 6  # turned by 90 degrees: 48 wide and 64 high for who looks at it
    turned = encoded(upright, "JPEG", exif=exif)
    (tmp_path / "turned.jpg").write_bytes(turned)
    os.utime(tmp_path / "turned.jpg", (OWN_TIME, OWN_TIME))
    (known,) = put(site, 1)
    try:
        site.start()
        path = f"public/images/p/{parted(known)}/original"
        done = processed(site, *OUTPUTS, "turned.jpg", path, known, NOBODY, "none.jpg", cwd=tmp_path)
        site.stop_renderer()
        name = hash_of(turned)
        assert done.stdout.splitlines() == [line(site, name, sides="48\t64"), line(site, known), line(site, known)]
        assert (done.returncode, summary(done)) == (1, "3 originals done, 4 renditions made, 2 failed")
        assert f"{NOBODY}: expected an original for p/{NOBODY}, found none" in done.stderr
        assert "none.jpg: expected a hash, a path with one" in done.stderr
        for each in (name, known):
            answer = site.get(f"/p/{parted(each)}/x30.webp")
            assert (answer.status, answer.picture().size) == (200, (30, 30))
        assert site.get(f"/p/{parted(name)}/w20.jpg")["last-modified"] == "Sun, 13 Mar 2011 07:06:40 GMT"
        assert b'"height":64' in site.get(f"/p/{parted(name)}/info.json").body
    finally:
        site.close()


@pytest.mark.feature(79)
def test_a_repeat_makes_only_what_is_missing_in_the_cache_or_the_store_of_renditions(tmp_path: Path, moto_server: S3Server) -> None:
    stores = {"archive": {"kind": "s3", **moto_server.settings(prefix="process/")}}
    site = Site(tmp_path, {**TREE, "stores": stores, "namespaces": {"p": {"naming": "md5", "store": "archive", "renditions": "archive"}}})
    (name,) = put(site, 1)
    first = processed(site, "--outputs", "x30.webp", name)
    kept = [key.rpartition("/")[2] for key in site.wiring.stores["archive"].names()]
    assert (summary(first), kept) == ("1 originals done, 1 renditions made, 0 failed", ["info.json", "original", "x30.webp"])
    shutil.rmtree(site.wiring.cache.root / "files")
    shutil.rmtree(site.wiring.cache.root / "originals", ignore_errors=True)
    again = processed(site, *OUTPUTS, name)
    assert (again.stdout, summary(again)) == (first.stdout, "1 originals done, 1 renditions made, 0 failed")
    assert not [path for path in site.cached() if path.endswith("x30.webp")]  # it is afar, and nobody asked for it here
    last = processed(site, *OUTPUTS, name)
    assert (last.returncode, summary(last)) == (0, "1 originals done, 0 renditions made, 0 failed")


def test_without_outputs_those_of_the_namespace_are_made_and_quiet_says_nothing_of_it(site: Site) -> None:
    done = processed(site, "-q", *put(site, 1))
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (0, "", 1)
    assert [Path(path).name for path in site.cached() if "~" in path] == ["~=x10.jpg"]


# a list


@pytest.mark.feature(80)
def test_a_list_is_worked_through_by_hash_and_by_url(site: Site, source: Source) -> None:
    (known,) = put(site, 1)
    pictures = [jpeg(64, 48, seed) for seed in range(10, 14)]
    for number, content in enumerate(pictures):
        source.answers[f"/{number}"] = said(content)
    source.answers["/text"] = said(b"no picture")
    urls = [source.url(f"/{number}") for number in range(4)]
    names = list(map(hash_of, pictures))
    lines = [
        known,
        f"{names[0]}\t{urls[0]}\r",
        "",
        urls[1],
        f"  {urls[2]}   {names[3]} ",
        f"{known} {source.url('/never')}",
        source.url("/text"),
        source.url("/absent"),
        "what? is this",
        f"{names[0]} {names[1]}",
        NOBODY,
        f"/p/{parted(known)}/ {urls[3]}",
        "ftp://127.0.0.1/x",
        "http://169.254.169.254/secret",
    ]
    done = processed(site, *OUTPUTS, "--jobs", "4", "-", stdin="\n".join(lines))
    assert done.stdout.splitlines() == [
        line(site, known),
        line(site, names[0], urls[0]),
        line(site, names[1], urls[1]),
        line(site, known, source.url("/never")),
        line(site, known, urls[3]),
    ]
    failures = [each for each in done.stderr.splitlines() if each.startswith("line ")]
    expected = {
        5: f"expected bytes with the hash {names[3]} for {urls[2]}, got {names[2]}",
        7: "expected a readable picture, got ",
        8: "expected a picture at the URL, got status 404",
        9: "expected a hash, a URL, or both, got 'what? is this'",
        10: "expected a hash, a URL, or both, got ",
        11: f"expected an original for p/{NOBODY}, found none",
        13: "expected a hash, a URL, or both, got 'ftp://127.0.0.1/x'",
        14: "expected a URL that we may fetch, got a private address",
    }
    assert len(failures) == len(expected), failures
    for failure, (number, reason) in zip(failures, expected.items(), strict=True):
        assert failure.startswith(f"line {number}: {lines[number - 1].strip()}: {reason}"), failure
    assert (done.returncode, summary(done)) == (1, "5 originals done, 6 renditions made, 8 failed")
    assert stored(site) == sorted([known, names[0], names[1]])
    assert not any(b"/never" in asked for asked in source.asked)
    assert not site.left_over()


@pytest.mark.feature(80)
def test_an_empty_list_is_done_and_a_list_may_stand_among_paths(site: Site) -> None:
    first, second = put(site, 2)
    assert summary(processed(site, *OUTPUTS, "-", stdin="\n\n")) == "0 originals done, 0 renditions made, 0 failed"
    done = processed(site, *OUTPUTS, first, "-", stdin=second)
    assert (done.returncode, done.stdout.splitlines()) == (0, [line(site, first), line(site, second)])


@pytest.mark.parametrize(
    "words",
    [
        (),
        OUTPUTS,
        (*OUTPUTS, "-", "-"),
        ("--outputs", "x30.bmp", NOBODY),
        ("--outputs", "notes.txt", NOBODY),
        ("--outputs", "x9999.jpg", NOBODY),
        (*OUTPUTS, "--namespace", "huimages", NOBODY),
        (*OUTPUTS, "--namespace", "nope", NOBODY),
        (*OUTPUTS, "--jobs", "0", NOBODY),
    ],
    ids=lambda words: "-".join(word.strip("-") for word in words) or "nothing",
)
def test_what_cannot_be_is_said_before_anything_is_done(site: Site, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    code, said = refused(site, words, capsys)
    assert (code, "expected" in said or "required" in said) == (2, True), said


def test_where_no_namespace_has_hashes_the_cure_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = refused(Site(tmp_path, {}), (*OUTPUTS, NOBODY), capsys)
    assert (code, "add namespaces: {p: {naming: md5}}" in said) == (2, True), said


def refused(site: Site, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> tuple[object, str]:
    """The exit code and what was said; in this process, for nothing is begun."""
    try:
        code: object = main(command(site, *words)[3:])
    except SystemExit as ended:
        code = ended.code
    assert not (site.root / "cache").exists()
    output, said = capsys.readouterr()
    assert output == ""
    return code, said


def test_a_bar_counts_on_a_terminal_and_the_lines_go_into_the_pipe(site: Site, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("\n".join([*put(site, 3), "what?"]))
    with terminal() as (ours, theirs), (tmp_path / "list.txt").open("rb") as listed:
        environ = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
        words = command(site, *OUTPUTS, "-")
        done = subprocess.run(words, stdin=listed, stdout=subprocess.PIPE, stderr=theirs, env=environ, check=False, timeout=60, cwd=TOP)
        shown = os.read(ours, 100_000).decode()
    assert (done.returncode, len(done.stdout.splitlines())) == (1, 3), shown
    for part in ("4/4", "originals, 1 failed", "line 4: what?: expected"):
        assert part in shown


# interrupted


def test_an_interrupt_finishes_and_the_same_command_goes_on(site: Site) -> None:
    names = put(site, 3)
    with slowly(command(site, *OUTPUTS, "-"), TOP) as running:
        running.write(*names[:2])
        printed = [running.line(), running.line()]
        os.killpg(running.process.pid, signal.SIGINT)  # as a terminal does it: to the whole group
        code, output, errors = running.end()
    assert (code, output, [each.split("\t")[0] for each in printed]) == (130, "", names[:2])
    assert "onmiss process: interrupted\n" in errors
    assert "2 originals done, 4 renditions made, 0 failed" in errors
    assert "Traceback" not in errors
    again = processed(site, *OUTPUTS, *names)
    assert (again.returncode, summary(again)) == (0, "3 originals done, 2 renditions made, 0 failed")


def test_what_waits_when_it_is_interrupted_is_not_begun(tmp_path: Path) -> None:
    with silent(tmp_path) as (site, store), slowly(command(site, *OUTPUTS, "--jobs", "1", "-"), TOP) as running:
        running.write(NOBODY, NOBODY[::-1])
        connection, _ = store.accept()  # now the first one waits for an answer
        with connection:
            os.killpg(running.process.pid, signal.SIGINT)
            assert running.process.stderr
            assert running.process.stderr.readline() == b"\n"
            assert b"once more ends it at once" in running.process.stderr.readline()
        code, output, errors = running.end()
    assert (code, output) == (130, "")
    assert "line 1: " in errors
    assert "line 2: " not in errors
    assert "0 originals done, 0 renditions made, 1 failed" in errors


@contextmanager
def silent(tmp_path: Path) -> Iterator[tuple[Site, socket.socket]]:
    """A site whose store takes connections, when `accept` is called, and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as store:
        store.settimeout(30)
        server = S3Server(f"http://127.0.0.1:{store.getsockname()[1]}")
        stores = {"disk": {"kind": "s3", **server.settings(read_seconds=100, attempts=1)}}
        yield Site(tmp_path / "site", {**TREE, "stores": stores}), store


def test_a_second_interrupt_ends_it_at_once(tmp_path: Path) -> None:
    with silent(tmp_path) as (site, store), slowly(command(site, *OUTPUTS, "-"), TOP) as running:
        running.write(NOBODY)
        connection, _ = store.accept()
        with connection:
            interrupt_twice(running.process)
            code, output, errors = running.end()
    assert (code, output) == (130, "")
    assert "Traceback" not in errors


def test_killed_in_the_middle_and_repeated_it_is_as_if_it_had_never_been(site: Site) -> None:
    names = put(site, 15)
    with slowly(command(site, *OUTPUTS, "-"), TOP) as running:
        running.write(*names)
        for _ in range(4):
            running.line()
        running.process.kill()
        running.process.wait(30)
    done = processed(site, *OUTPUTS, "-", stdin="\n".join(names))
    assert (done.returncode, done.stdout.splitlines()) == (0, [line(site, name) for name in names])
    aliases = list(site.wiring.cache.files.rglob("~=*"))
    assert len(aliases) == 30
    for alias in aliases:
        with Image.open(alias) as image:
            image.load()
    assert not site.left_over()


def test_a_store_that_does_not_answer_ends_it_with_a_clear_sentence(tmp_path: Path) -> None:
    stores = {"disk": {"kind": "s3", **S3Server("http://127.0.0.1:1").settings(connect_seconds=1)}}
    site = Site(tmp_path / "site", {**TREE, "stores": stores})
    lines = "\n".join(hash_of(b"%d" % number) for number in range(30))
    done = processed(site, *OUTPUTS, "--patience", "1", "--jobs", "8", "-", stdin=lines)
    assert (done.returncode, done.stdout) == (1, "")
    assert "store disk: expected an answer" in done.stderr
    assert "onmiss process: 10 originals in a row failed through no fault of theirs" in done.stderr
    assert "the same command again goes on" in done.stderr
