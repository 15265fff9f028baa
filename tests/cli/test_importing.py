"""`onmiss import` and scripts/bulk_import.py, as processes: what they print, what they leave, how they end, and how they go on."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import couchdb
import pytest

from renderer.catalog import Entry
from renderer.catalog.document import stamp
from renderer.rendition import Ref
from renderer.stores import Facts
from renderer.stores.s3 import S3Store
from tests.couch import couch_server
from tests.e2e.site import OWN_TIME, TOP, Site, encoded, jpeg, picture
from tests.running import interrupt_twice
from tests.servers import BUCKET, S3Server, stop

__all__ = ["couch_server"]

TREE = {"namespaces": {"huimages": {}, "scenes": {"naming": "path", "prefix": "f/"}}, "render": {"processes": 1}}
SUMMARY = "{} taken in, {} already there, {} skipped"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Nothing runs: an import needs no server."""
    return Site(tmp_path / "site", TREE)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """a.jpg, sub/b.JPEG and c.png are pictures."""
    folder = tmp_path / "photos"
    for name, content in {"a.jpg": jpeg(64, 48, 1), "sub/b.JPEG": jpeg(64, 48, 2), "c.png": encoded(picture(32, 24, 3), "PNG")}.items():
        put(folder / name, content)
    return folder


def put(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (OWN_TIME, OWN_TIME))
    return path


def command(site: Site, *words: str | Path) -> list[str]:
    own = ["--config", str(site.file), "--root", str(site.root)]
    return [sys.executable, str(TOP / "scripts/bulk_import.py"), *own, *map(str, words)]


def imported(site: Site, *words: str | Path, stdin: bytes = b"", cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """By the script, from wherever it is called."""
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        command(site, *words), input=stdin, capture_output=True, check=False, timeout=100, env=environ, cwd=cwd or site.root
    )
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def refs(site: Site, output: str, namespace: str = "huimages") -> list[Ref]:
    space = site.config.namespaces_built()[namespace]
    return [space.ref(line.split("\t")[0]) for line in output.splitlines()]


def entry(site: Site, ref: Ref) -> Entry:
    assert site.wiring.catalog
    found = site.wiring.catalog.get(ref)
    assert found
    return found


def originals(site: Site) -> dict[str, bytes]:
    root = site.root / "originals"
    return {path.name: path.read_bytes() for path in root.rglob("*") if path.is_file() and ".tmp" not in path.parts}


# the old scripts


@pytest.mark.feature(77, 150)
def test_the_import_script_prints_the_id_and_notes_article_title_name_and_time(site: Site, photos: Path) -> None:
    done = imported(site, "--artnr", "1", "--title", "T", "a.jpg", cwd=photos)
    assert done.returncode == 0, done.stderr
    (ref,) = refs(site, done.stdout)
    assert done.stdout == f"{ref.name}\thttp://127.0.0.1:{site.port}/640x480/{ref.name}.jpeg\n"
    found = entry(site, ref)
    assert (found.references, found.titles, found.filename) == ({"artnr": ("1",)}, ("T",), "a.jpg")
    assert (found.ctime, found.width, found.height, found.length) == (stamp(OWN_TIME), 64, 48, (photos / "a.jpg").stat().st_size)
    with site.wiring.originals.local(ref) as local:
        assert (local.path.read_bytes(), local.time) == ((photos / "a.jpg").read_bytes(), OWN_TIME)
    assert done.stderr.startswith("1 taken in, 0 already there, 0 skipped, 0 failed; ")
    assert done.stderr.endswith(" files/s\n")


@pytest.mark.feature(77)
def test_the_import_script_writes_couchdb_s_documents(tmp_path: Path, photos: Path, couch_server: str) -> None:
    site = Site(tmp_path / "site", {**TREE, "catalog": {"kind": "couchdb", "url": couch_server, "database": "importing"}})
    done = imported(site, "--artnr", "1", "--title", "T", "--tag", "Ski", "--user", "emil", "a.jpg", cwd=photos)
    assert done.returncode == 0, done.stderr
    (ref,) = refs(site, done.stdout)
    document = couchdb.Server(couch_server)["importing"][ref.name]
    expected = {
        "references": {"artnr": ["1"]}, "title": ["T"], "filename": "a.jpg", "ctime": stamp(OWN_TIME), "width": 64, "height": 48,
    }  # fmt: skip
    assert {key: document[key] for key in expected} == expected
    assert site.wiring.catalog
    assert site.wiring.catalog.notes(ref)["emil"].tags == ("ski",)


@pytest.mark.feature(78)
def test_the_mass_import_walks_a_tree_and_goes_on_after_errors(site: Site, photos: Path) -> None:
    for name in (".hidden.jpg", "sub/mobotix-1.jpg", "sub/.git/x.jpg"):
        put(photos / name, jpeg(64, 48, 9))
    put(photos / "broken.jpg", jpeg(64, 48, 5)[:30])
    (photos / "sub/up").symlink_to(photos)
    options = ("--only", "*.jpg", "--only", "*.jpeg", "--skip", "*mobotix*", "--title-from", "filename", "--reference-from", "path")
    done = imported(site, *options, photos)
    assert done.returncode == 1
    found = {entry(site, ref).filename: entry(site, ref) for ref in refs(site, done.stdout)}
    assert list(found) == ["a.jpg", "b.JPEG"]
    assert found["b.JPEG"].titles == ("b.JPEG",)
    assert found["b.JPEG"].references == {"path": (f"{photos}/sub",)}
    assert f"{photos}/broken.jpg: expected a readable picture" in done.stderr
    assert "2 taken in, 0 already there, 5 skipped (" in done.stderr
    assert "2 hidden" in done.stderr
    assert "matched by --skip '*mobotix*'" in done.stderr
    assert "1 failed" in done.stderr


@pytest.mark.feature(43)
def test_a_repeat_stores_nothing_twice(site: Site, photos: Path) -> None:
    first, before = imported(site, photos), originals(site)
    again = imported(site, photos)
    assert (first.returncode, again.returncode, again.stdout) == (0, 0, first.stdout)
    assert SUMMARY.format(3, 0, 0) in first.stderr
    assert SUMMARY.format(0, 3, 0) in again.stderr
    assert originals(site) == before
    assert len(before) == 3


# what it is given


def test_folders_globs_lists_and_a_picture_come_together_in_their_order(site: Site, photos: Path) -> None:
    done = imported(site, photos / "sub", "photos/*.jpg", "-", stdin=(photos / "c.png").read_bytes(), cwd=photos.parent)
    assert done.returncode == 0, done.stderr
    assert [entry(site, ref).filename for ref in refs(site, done.stdout)] == ["b.JPEG", "a.jpg", ""]


@pytest.mark.parametrize(("separator", "options"), [(b"\n", ()), (b"\0", ("--null",))], ids=["lines", "nul"])
def test_a_list_on_standard_input_names_files(site: Site, photos: Path, separator: bytes, options: tuple[str, ...]) -> None:
    listed = separator.join((b"a.jpg", b"none.jpg", b"sub/b.JPEG", b""))
    done = imported(site, *options, "--files-from", "-", "--namespace", "scenes", stdin=listed, cwd=photos)
    assert done.returncode == 1
    assert [line.split("\t")[0] for line in done.stdout.splitlines()] == ["a.jpg", "sub/b.JPEG"]
    assert "none.jpg: No such file or directory\n" in done.stderr


def test_a_picture_from_standard_input_may_have_a_name(site: Site, photos: Path) -> None:
    done = imported(site, "-", "--stdin-name", "x/y.jpg", "--namespace", "scenes", stdin=(photos / "a.jpg").read_bytes())
    assert (done.returncode, done.stdout.split("\t")[0]) == (0, "x/y.jpg"), done.stderr


def test_a_manifest_says_what_is_to_be_known_and_its_bad_rows_stop_nothing(site: Site, photos: Path) -> None:
    rows = ["path,title,references,tags", 'a.jpg,First,artnr=7,"ski, Snow"', "nowhere.jpg,,,", "c.png,,,", "one,two"]
    (photos / "list.csv").write_text("\n".join(rows))
    done = imported(site, "--manifest", photos / "list.csv", "--title", "All", "--artnr", "1", "--tag", "new", "--user", "emil")
    assert done.returncode == 1
    first, second = refs(site, done.stdout)
    assert (entry(site, first).titles, entry(site, first).references) == (("First",), {"artnr": ("1", "7")})
    assert (entry(site, second).titles, entry(site, second).references) == (("All",), {"artnr": ("1",)})
    assert site.wiring.catalog
    assert site.wiring.catalog.notes(first)["emil"].tags == ("new", "ski", "snow")
    assert f"{photos}/list.csv:3: {photos}/nowhere.jpg: No such file" in done.stderr
    assert f"{photos}/list.csv:5: expected 4 columns, got 2" in done.stderr


def test_without_any_standard_input_it_says_so(site: Site) -> None:
    closing = ["/bin/sh", "-c", 'exec "$@" <&-', "sh"]
    done = subprocess.run([*closing, *command(site, "--files-from", "-")], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (2, "onmiss: expected a pipe or a file on standard input, got none\n")


@pytest.mark.parametrize("option", ["--manifest", "--files-from"])
def test_a_pipe_of_a_shell_is_read_once_also_where_a_bar_counts(site: Site, photos: Path, option: str) -> None:
    """As of `--manifest <(…)`: on a terminal everything else is looked through twice."""
    lines = ["path"] * (option == "--manifest") + [str(photos / "a.jpg"), str(photos / "c.png")]
    reader, writer = os.pipe()
    os.write(writer, "\n".join(lines).encode() + b"\n")
    os.close(writer)
    with terminal() as (ours, theirs), os.fdopen(reader, "rb"):
        environ, words = {**os.environ, "TERM": "xterm"}, command(site, option, f"/dev/fd/{reader}")
        done = subprocess.run(
            words, stdout=subprocess.PIPE, stderr=theirs, env=environ, check=False, timeout=60, cwd=site.root, pass_fds=(reader,)
        )
        shown = os.read(ours, 100_000).decode()
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 2), shown


@pytest.mark.parametrize("configured", [True, False], ids=["a-configured-store", "boto3-s-own-chain"])
def test_a_bucket_is_read_by_the_store_that_has_it_or_by_boto3_s_own_chain(
    tmp_path: Path, photos: Path, moto_server: S3Server, monkeypatch: pytest.MonkeyPatch, configured: bool
) -> None:
    incoming = S3Store("incoming", **moto_server.settings(prefix=f"incoming-{configured}"))
    for name in ("a.jpg", "sub/b.JPEG", "c.png"):
        incoming.put(name, photos / name, Facts(0, OWN_TIME))
    words = ["--skip", "*.png", f"s3://{BUCKET}/incoming-{configured}/"]
    if configured:
        stores = {"disk": {"kind": "file"}, "s3": {"kind": "s3", **moto_server.settings(prefix="x")}}
        site = Site(tmp_path / "site", {**TREE, "stores": stores})
    else:
        site = Site(tmp_path / "site", TREE)
        names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION")
        for name, value in zip(names, (moto_server.access_key_id, moto_server.secret_access_key, "us-east-1"), strict=True):
            monkeypatch.setenv(name, value)
        words += ["--endpoint-url", moto_server.endpoint_url]
    done = imported(site, "--namespace", "scenes", *words)
    assert done.returncode == 0, done.stderr
    assert [ref.name for ref in refs(site, done.stdout, "scenes")] == ["a.jpg", "sub/b.JPEG"]
    with site.wiring.originals.local(refs(site, done.stdout, "scenes")[1]) as local:
        assert (local.path.read_bytes(), local.time) == ((photos / "sub/b.JPEG").read_bytes(), OWN_TIME)


def test_a_bucket_that_does_not_answer_fails_and_the_rest_is_taken(site: Site, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "y")
    done = imported(site, "--endpoint-url", "http://127.0.0.1:1", "s3://nobody-s/x", photos / "a.jpg")
    assert (done.returncode, len(done.stdout.splitlines())) == (1, 1)
    assert done.stderr.startswith("s3://nobody-s/x: store nobody-s: expected an answer")


def test_placeholders_are_made_at_once_when_they_are_wanted(site: Site, photos: Path) -> None:
    (plain,) = refs(site, imported(site, photos / "a.jpg").stdout)
    (made,) = refs(site, imported(site, "--placeholders", photos / "sub").stdout)
    assert (entry(site, plain).placeholder, len(entry(site, made).placeholder) > 20) == ("", True)


def test_a_dry_run_names_what_it_would_take_and_leaves_nothing(site: Site, photos: Path) -> None:
    (photos / "notes.txt").write_text("no picture")
    done = imported(site, "--dry-run", "--resume", "state", photos, "gone.jpg")
    assert (done.returncode, done.stdout) == (1, f"{photos}/a.jpg\n{photos}/c.png\n{photos}/sub/b.JPEG\n")
    assert f"{photos}/notes.txt: skipped, no picture\n" in done.stderr
    assert "3 would be taken in, 1 skipped (1 no picture), 1 failed; " in done.stderr
    assert (originals(site), (site.root / "state").exists()) == ({}, False)


def test_names_that_are_taken_are_replaced_unless_only_new_ones_are_wanted(site: Site, photos: Path) -> None:
    imported(site, "--namespace", "scenes", photos)
    put(photos / "a.jpg", jpeg(64, 48, 20))
    kept = imported(site, "--namespace", "scenes", "--only-new", photos)
    assert "3 its name is taken" in kept.stderr
    assert originals(site)["a.jpg"] == jpeg(64, 48, 1)
    imported(site, "--namespace", "scenes", photos)
    assert originals(site)["a.jpg"] == jpeg(64, 48, 20)


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("-", "--files-from", "-"),
        ("-", "--namespace", "scenes"),
        ("a.jpg", "--jobs", "0"),
        ("a.jpg", "--reference", "artnr"),
        ("a.jpg", "--title", "T", "--title-from", "stem"),
        ("a.jpg", "--title-from", "moon"),
        ("a.jpg", "--namespace", "nope"),
        ("--manifest", "none.csv"),
        ("--manifest", "a.jpg"),
        ("--files-from", "none.txt"),
        ("s3://", "a.jpg"),
        ("a.jpg", "--resume", "a.jpg"),
        ("a.jpg", "--resume", "/dev/null"),
        ("a.jpg", "--null"),
        ("a.jpg", "--stdin-name", "b.jpg"),
        ("a.jpg", "--name-prefix", "shop/"),
        ("a.jpg", "--endpoint-url", "http://127.0.0.1:1"),
        ("--manifest", "-"),
    ],
    ids=lambda words: "-".join(word.strip("-/:") for word in words) or "nothing",
)
def test_what_cannot_be_is_said_before_anything_is_done(site: Site, photos: Path, words: tuple[str, ...]) -> None:
    tried = imported(site, *words, cwd=photos)
    assert (tried.returncode, tried.stdout, originals(site)) == (2, "", {})
    assert "expected" in tried.stderr or "invalid choice" in tried.stderr


def test_tags_need_a_catalog(tmp_path: Path, photos: Path) -> None:
    site = Site(tmp_path / "site", {**TREE, "catalog": {"kind": "none"}})
    assert imported(site, "--tag", "ski", photos).returncode == 2
    assert imported(site, "--title", "T", photos).returncode == 0


def test_no_name_of_a_file_moves_the_cursor_or_breaks_a_line(site: Site, photos: Path) -> None:
    put(photos / "\x1b[2Jevil\n.jpg", b"no picture")
    put(photos / os.fsdecode(b"\xff.jpg"), jpeg(64, 48, 7))
    done = imported(site, photos)
    assert done.returncode == 1
    assert "\\x1b[2Jevil\\n.jpg: expected a readable picture" in done.stderr
    assert len(done.stdout.splitlines()) == 4


def test_no_name_of_an_original_moves_the_cursor(site: Site, photos: Path) -> None:
    put(photos / "sub/\x9b31m\u202e.jpg", jpeg(64, 48, 8))
    done = imported(site, "--namespace", "scenes", photos / "sub")
    assert done.returncode == 0
    assert done.stdout.splitlines()[1].startswith("\\x9b31m\\u202e.jpg\thttp")


def test_a_name_that_the_output_s_encoding_lacks_stops_nothing(site: Site, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(photos / "sub/ü.jpg", jpeg(64, 48, 8))
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    done = imported(site, "--dry-run", photos / "sub")
    assert (done.returncode, done.stdout) == (0, f"{photos}/sub/b.JPEG\n{photos}/sub/\\xfc.jpg\n")


def test_a_store_that_refuses_everything_stops_the_import_with_a_clear_sentence(
    tmp_path: Path, photos: Path, rclone_server: S3Server
) -> None:
    store = {"kind": "s3", **rclone_server.settings(secret_access_key="of somebody else")}
    site = Site(tmp_path / "site", {**TREE, "stores": {"disk": store}})
    for seed in range(40):
        put(photos / f"{seed:02}.jpg", jpeg(16, 12, seed))
    done = imported(site, photos, "--jobs", "1", "--resume", "state")
    assert (done.returncode, done.stdout) == (1, "")
    assert "10 files in a row failed through no fault of theirs, and so would all others: store disk: " in done.stderr
    assert "the same command again goes on" in done.stderr


# interrupted


class Slow:
    """A list on standard input that a test writes as it likes, so that an import is as far as the test wants it to be."""

    def __init__(self, site: Site, *words: str | Path) -> None:
        self.process = subprocess.Popen(
            command(site, "--files-from", "-", "--jobs", "2", *words), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, cwd=site.root, start_new_session=True, bufsize=0,
        )  # fmt: skip  # without a buffer `select` tells whether there is a line

    def write(self, *paths: Path) -> None:
        assert self.process.stdin
        self.process.stdin.write(b"".join(os.fsencode(path) + b"\n" for path in paths))
        self.process.stdin.flush()

    def line(self) -> str:
        assert self.process.stdout
        ready, _, _ = select.select([self.process.stdout], [], [], 30)
        assert ready, "expected a line within 30 s"
        return self.process.stdout.readline().decode()

    def end(self) -> tuple[int, str, str]:
        self.process.wait(30)  # first: `communicate` ends the list
        output, errors = self.process.communicate(timeout=30)
        return self.process.returncode, output.decode(), errors.decode()


@contextmanager
def slow(site: Site, *words: str | Path) -> Iterator[Slow]:
    running = Slow(site, *words)
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
def test_an_interrupt_finishes_and_says_how_to_go_on(site: Site, photos: Path, number: signal.Signals) -> None:
    with slow(site, "--resume", "state") as running:
        running.write(photos / "a.jpg", photos / "c.png")
        printed = [running.line(), running.line()]
        os.killpg(running.process.pid, number)  # as a terminal does it: to the whole group
        code, output, errors = running.end()
    assert (code, output) == (130, "")
    assert len(originals(site)) == len(printed) == 2
    assert "onmiss import: interrupted\n" in errors
    assert "what is done stands in state and is skipped" in errors
    assert "2 taken in" in errors
    assert "Traceback" not in errors
    again = imported(site, "--resume", "state", photos)
    assert (again.returncode, len(again.stdout.splitlines())) == (0, 1)
    assert "2 done before" in again.stderr


def test_a_second_interrupt_ends_it_at_once(tmp_path: Path, photos: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(30)
        server = S3Server(f"http://127.0.0.1:{silent.getsockname()[1]}")
        store = {"kind": "s3", **server.settings(read_seconds=100)}
        site = Site(tmp_path / "site", {**TREE, "stores": {"disk": store}, "render": {"processes": 1, "seconds": 100}})
        with slow(site) as running:
            running.write(photos / "a.jpg")
            connection, _ = silent.accept()  # now it waits for an answer
            with connection:
                interrupt_twice(running.process)
                code, output, errors = running.end()
    assert (code, output) == (130, "")
    assert "0 taken in" in errors
    assert "Traceback" not in errors


@pytest.mark.feature(43)
def test_killed_in_the_middle_and_repeated_it_is_as_if_it_had_never_been(tmp_path: Path) -> None:
    files = [put(tmp_path / f"many/{seed:03}.jpg", jpeg(64, 48, seed)) for seed in range(60)]
    killed, undisturbed = Site(tmp_path / "killed", TREE), Site(tmp_path / "undisturbed", TREE)
    printed: list[str] = []
    for _ in range(2):
        with slow(killed, "--resume", "state") as running:
            running.write(*files)
            printed += [running.line().rstrip("\n") for _ in range(20)]
            running.process.kill()
            running.process.wait(30)
    done = imported(killed, "--resume", "state", tmp_path / "many")
    whole = imported(undisturbed, tmp_path / "many")
    assert (done.returncode, whole.returncode) == (0, 0), done.stderr
    assert set(printed) | set(done.stdout.splitlines()) <= set(_there(killed, whole.stdout, undisturbed))
    assert originals(killed) == originals(undisturbed)
    assert len(originals(killed)) == 60
    assert _known(killed) == _known(undisturbed)
    assert _skipped(done.stderr) >= 38  # what was printed was remembered, but for the last line of each time
    assert not list((killed.root / "cache/tmp").glob("*"))


def _there(site: Site, output: str, other: Site) -> list[str]:
    """The lines of one site as another prints them."""
    return output.replace(f":{other.port}/", f":{site.port}/").splitlines()


def _known(site: Site) -> dict[str, Any]:
    assert site.wiring.catalog
    found = {}
    for ref in site.wiring.catalog.refs(site.config.namespaces_built()["huimages"]):
        known = entry(site, ref)
        found[ref.name] = (known.ctime, known.filename, known.width, known.length)
    return found


def _skipped(summary: str) -> int:
    found = re.search(r"([0-9]+) done before", summary)
    return int(found[1]) if found else 0


def test_a_reader_that_goes_away_ends_it_quietly(site: Site, photos: Path) -> None:
    for seed in range(30):
        put(photos / f"{seed}.jpg", jpeg(16, 12, seed))
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as output:
        done = subprocess.run(command(site, photos), stdout=output, stderr=subprocess.PIPE, check=False, timeout=60, cwd=site.root)
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr


# on a terminal


@contextmanager
def terminal() -> Iterator[tuple[int, int]]:
    ours, theirs = pty.openpty()
    try:
        yield ours, theirs
    finally:
        os.close(ours)
        os.close(theirs)


def test_a_bar_stands_on_a_terminal_and_the_lines_go_into_the_pipe(site: Site, photos: Path) -> None:
    put(photos / "broken.jpg", b"no picture")
    with terminal() as (ours, theirs):
        environ = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
        words = command(site, photos)
        done = subprocess.run(words, stdout=subprocess.PIPE, stderr=theirs, env=environ, check=False, timeout=60, cwd=site.root)
        shown = os.read(ours, 100_000).decode()
    assert done.returncode == 1
    assert all(line.count(b"\t") == 1 for line in done.stdout.splitlines())
    assert len(done.stdout.splitlines()) == 3
    assert "4/4" in shown
    assert "files/s" in shown
    assert "MB/s" in shown
    assert "broken.jpg: expected a readable picture" in shown
    assert SUMMARY.format(3, 0, 0) in shown


def read_until(ours: int, *texts: str) -> str:
    """What a terminal shows, as soon as all of `texts` are there."""
    shown = ""
    while not all(text in shown for text in texts):
        ready, _, _ = select.select([ours], [], [], 30)
        assert ready, f"expected {texts} within 30 s, got {shown!r}"
        shown += os.read(ours, 100_000).decode()
    return shown


def test_lines_on_a_terminal_wait_for_no_other_picture_and_an_interrupt_is_answered(site: Site, photos: Path) -> None:
    with terminal() as (ours, theirs):
        running = subprocess.Popen(
            command(site, "--files-from", "-"), stdin=subprocess.PIPE, stdout=theirs, stderr=theirs, env={**os.environ, "TERM": "xterm"},
            cwd=site.root, start_new_session=True,
        )  # fmt: skip
        assert running.stdin
        with running, running.stdin as listed:
            listed.write(b"".join(os.fsencode(photos / name) + b"\n" for name in ("a.jpg", "c.png", "none.jpg")))
            listed.flush()
            assert read_until(ours, "none.jpg: No such file", "3/?").count(".jpeg") == 2
            os.killpg(running.pid, signal.SIGINT)
            shown = read_until(ours, "once more ends it at once", "2 taken in")
            assert running.wait(30) == 130
    assert "\x1b[2Konmiss import: finishing" in shown, "it stands above the bar, which is not drawn over it"


def test_where_no_cursor_can_be_moved_there_is_no_bar(site: Site, photos: Path) -> None:
    with terminal() as (ours, theirs):
        environ = {**os.environ, "TERM": "dumb"}
        done = subprocess.run(command(site, photos), stdout=theirs, stderr=theirs, env=environ, check=False, timeout=60, cwd=site.root)
        shown = read_until(ours, "files/s")
    assert (done.returncode, len(shown.splitlines())) == (0, 4)
    assert "\x1b" not in shown


def test_a_picture_is_not_read_from_a_terminal(site: Site) -> None:
    with terminal() as (_, theirs):
        done = subprocess.run(command(site, "-"), stdin=theirs, capture_output=True, text=True, check=False, timeout=60, cwd=site.root)
    assert (done.returncode, done.stdout) == (2, "")
    assert "got a terminal" in done.stderr


def test_quiet_says_only_what_failed_and_the_summary(site: Site, photos: Path) -> None:
    (photos / "notes.txt").write_text("no picture")
    put(photos / "broken.jpg", b"no picture")
    done = imported(site, "--quiet", photos)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 2)


def test_a_state_says_in_plain_text_what_was_done(site: Site, photos: Path) -> None:
    done = imported(site, "--resume", "state", photos)
    lines = (site.root / "state").read_text().splitlines()[1:]
    names = ("a.jpg", "c.png", "sub/b.JPEG")
    expected = [[str(ref), json.dumps(str(photos / name))] for ref, name in zip(refs(site, done.stdout), names, strict=True)]
    assert [line.split("\t")[1:] for line in lines] == expected
