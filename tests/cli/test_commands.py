"""The command line, as a process: output, exit codes, and one clear sentence for what cannot be."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from renderer.cli import COMMANDS
from renderer.config import Config
from tests.e2e.site import jpeg
from tests.e2e.test_up import onmiss
from tests.servers import find_program, unused_port

ID = "VGMT4NSHA2AWVOR6EVYXQUGCNSONBWE501"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path


@pytest.mark.parametrize("command", list(COMMANDS))
def test_every_command_has_help_and_takes_config_and_root(root: Path, command: str) -> None:
    shown = onmiss(root, command, "--help")
    assert shown.returncode == 0
    assert "--config" in shown.stdout
    assert "--root" in shown.stdout


def test_the_overview_lists_every_command_with_a_sentence() -> None:
    shown = subprocess.run([sys.executable, "-m", "renderer", "--help"], capture_output=True, text=True, check=True)
    for command in COMMANDS:
        assert re.search(rf"^    {command}\s+[A-Z][a-z]+ ", shown.stdout, re.MULTILINE), command


@pytest.mark.parametrize(
    ("size", "options", "path"),
    [
        ("150x150!", (), f"/150x150!/{ID}.jpeg"),
        ("thumb", ("--format", "webp"), f"/thumb/{ID}.webp"),
        ("o", (), f"/o/{ID}.jpeg"),
        ("rotate-90_fit-10x10_q80", (), f"/i/huimages/{ID}/rotate-90_fit-10x10_q80.jpg"),
    ],
)
def test_url_prints_a_url_that_we_would_read(root: Path, size: str, options: tuple[str, ...], path: str) -> None:
    assert onmiss(root, "url", ID, size, *options).stdout == f"http://127.0.0.1:8080{path}\n"


def test_url_signs_where_keys_are_set(root: Path) -> None:
    printed = onmiss(root, "url", ID, "150x150!", environ={"ONMISS_SIGNING__KEYS": "[a key of the operator's]"}).stdout
    assert "/150x150!~" in printed


@pytest.mark.parametrize(
    "words", [(ID, "0x0"), ("nope", "150x150"), (ID, "150x150", "--namespace", "nope")], ids=["size", "id", "namespace"]
)
def test_what_cannot_be_is_one_clear_sentence(root: Path, words: tuple[str, ...]) -> None:
    tried = onmiss(root, "url", *words)
    assert tried.returncode in (1, 2)
    assert tried.stderr.startswith("onmiss: ")
    assert "expected" in tried.stderr
    assert len(tried.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("size", "output", "options", "form", "expected"),
    [
        ("300x200!", "a.jpg", (), "JPEG", (300, 200)),
        ("300x200", "b.webp", (), "WEBP", (266, 200)),
        ("rotate-90_fit-100x", "c.png", (), "PNG", (100, 133)),
        ("square", "d.out", ("--format", "avif", "--quality", "40"), "AVIF", (75, 75)),
        ("whole", "e.gif", (), "GIF", (640, 480)),
    ],
    ids=["fill", "fit", "recipe", "name-and-format", "whole"],
)
def test_render_makes_what_the_server_would(
    root: Path, size: str, output: str, options: tuple[str, ...], form: str, expected: tuple[int, int]
) -> None:
    (root / "photo.jpg").write_bytes(jpeg())
    made = onmiss(root, "render", "photo.jpg", "--size", size, *options, "-o", output)
    assert made.returncode == 0, made.stderr
    with Image.open(root / output) as image:
        assert (image.format, image.size) == (form, expected)
    assert not list(root.glob(".onmiss-*"))


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"no picture at all, really", ("--size", "10x10")), (jpeg(), ("--size", "0x0")), (jpeg(), ("--size", "9999x9999"))],
    ids=["no-picture", "bad-size", "too-large"],
)
def test_render_refuses_with_a_sentence_and_leaves_nothing(root: Path, content: bytes, words: tuple[str, ...]) -> None:
    (root / "photo.jpg").write_bytes(content)
    tried = onmiss(root, "render", "photo.jpg", *words, "-o", "out.jpg")
    assert tried.returncode in (1, 2)
    assert "expected" in tried.stderr
    assert not (root / "out.jpg").exists()
    assert not list(root.glob(".onmiss-*"))


@pytest.mark.parametrize(
    "words",
    [
        ("render", "no-such-file.jpg", "--size", "10x10", "-o", "out.jpg"),
        ("render", "photo.jpg", "--size", "10x10", "-o", "/no/such/folder/out.jpg"),
        ("import", "no-such-file.jpg"),
        ("quarantine", "clear"),
        ("quarantine", "list", "x"),
        ("up", "--port", "0"),
        ("config", "--config", "no-such-file.yaml"),
        ("serve", "--root", "/proc/no/such/place"),
        ("doctor", "--root", "/proc/no/such/place"),
    ],
    ids=lambda words: "-".join(words)[:40],
)
def test_no_mistake_of_a_person_is_answered_with_a_traceback(root: Path, words: tuple[str, ...]) -> None:
    (root / "photo.jpg").write_bytes(jpeg())
    tried = onmiss(root, *words)
    assert tried.returncode in (1, 2)
    assert "Traceback" not in tried.stderr
    assert tried.stderr.strip()


def test_the_log_file_may_be_in_a_root_that_is_new(root: Path) -> None:
    import signal

    environ = {"ONMISS_LOG__FILE": "logs/renderer.log"}
    from tests.e2e.test_up import _environ
    from tests.waiting import wait_until

    command = [sys.executable, "-m", "renderer", "serve", "--root", str(root / "new")]
    process = subprocess.Popen(command, env=_environ(environ), stderr=subprocess.PIPE)
    try:
        log = root / "new/logs/renderer.log"
        wait_until(lambda: (log.exists() and "listening" in log.read_text()) or process.poll() is not None, 20, "a log")
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("limits", "url"),
    [
        ("{max_side_out: 500}", "/500x500/"),
        ("{sizes: {huimages: [75x75!]}}", "/75x75!/"),
        ("{sizes: {huimages: [rotate-90_fit-75x75]}}", "/i/huimages/"),
        ("{sizes: {huimages: []}}", ""),
    ],
    ids=["limit", "list", "list-of-recipes", "nothing-allowed"],
)
def test_import_prints_a_url_that_is_answered_and_takes_everything_in(root: Path, limits: str, url: str) -> None:
    for seed in (1, 2):
        (root / f"{seed}.jpg").write_bytes(jpeg(64, 48, seed=seed))
    (root / "onmiss.yaml").write_text(f"limits: {limits}\n".replace("75x75!", "'75x75!'"))
    done = onmiss(root, "import", "--config", "onmiss.yaml", "1.jpg", "2.jpg")
    assert done.returncode == 0, done.stderr
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    assert len(lines) == 2
    assert all(url in printed if url else not printed for _, printed in lines), lines


def test_import_twice_stores_once_and_keeps_the_time(root: Path) -> None:
    import os

    photo = root / "photo.jpg"
    photo.write_bytes(jpeg())
    os.utime(photo, (1_200_000_000, 1_200_000_000))
    lines = [onmiss(root, "import", "photo.jpg").stdout for _ in range(2)]
    assert lines[0] == lines[1] != ""
    (stored,) = (path for path in (root / "originals").rglob("*01") if path.is_file())
    assert stored.read_bytes() == photo.read_bytes()
    assert stored.stat().st_mtime == 1_200_000_000


@pytest.mark.feature(94)
def test_nginx_accepts_the_configuration_that_is_printed(root: Path) -> None:
    program = find_program("nginx", "apt-get install nginx-light")
    printed = onmiss(root, "nginx")
    assert printed.returncode == 0, printed.stderr
    for directory in ("run/nginx", "logs"):
        (root / directory).mkdir(parents=True, exist_ok=True)
    (root / "nginx.conf").write_text(printed.stdout)
    command = [program, "-t", "-q", "-e", "stderr", "-c", str(root / "nginx.conf")]
    tried = subprocess.run(command, capture_output=True, text=True, check=False)
    assert tried.returncode == 0, tried.stderr


def test_config_reads_back_what_it_prints(root: Path) -> None:
    printed = onmiss(root, "config")
    assert printed.returncode == 0
    (root / "again.yaml").write_text(printed.stdout)
    again = onmiss(root, "config", "--config", str(root / "again.yaml"))
    assert again.stdout == printed.stdout


def test_an_unknown_key_names_its_path_and_the_cure(root: Path) -> None:
    (root / "bad.yaml").write_text("cache: {rooot: /tmp/x}\n")
    tried = onmiss(root, "config", "--config", str(root / "bad.yaml"))
    assert tried.returncode == 2
    assert "cache.rooot" in tried.stderr
    assert "root" in tried.stderr.replace("cache.rooot", "")


def test_R3_R25_doctor_prints_versions_and_touches_everything(root: Path) -> None:
    seen = onmiss(root, "doctor")
    assert seen.returncode == 0, seen.stdout + seen.stderr
    for named in ("nginx ", "flup ", "pillow ", "webp ", "jpeg", "avif", "is writable", "one file system", "disk:"):
        assert named in seen.stdout, named
    assert "Traceback" not in seen.stderr


def test_doctor_draws_every_watermark(root: Path, tmp_path: Path) -> None:
    Image.new("RGBA", (9, 9), "red").save(tmp_path / "good.png")
    (tmp_path / "bad.png").write_text("no picture")
    marks = {f"ONMISS_WATERMARKS__{name.upper()}__FILE": str(tmp_path / f"{name}.png") for name in ("good", "bad")}
    seen = onmiss(root, "doctor", environ=marks)
    assert "ok   watermark good: can be drawn" in seen.stdout
    assert "FAIL watermark bad: watermarks.bad.file: expected a PNG, WebP or JPEG file" in seen.stdout
    assert seen.returncode == 1


def test_doctor_tells_who_may_write_and_what_that_needs() -> None:
    from renderer.cli import doctor

    def told(tree: dict[str, Any]) -> list[tuple[str, bool | None]]:
        return list(doctor._writing(Config.of(tree)))

    assert told({}) == [("nobody may: there are no hosts.service.tokens", True)]
    tree = {
        "stores": {"disk": {"kind": "file"}, "far": {"kind": "s3", "bucket": "far-away"}},
        "namespaces": {"p": {"naming": "md5", "renditions": "far", "tokens": ["sixteen letters."]}},
        "new_namespaces": {"allowed": True},
        "statsd": {"enabled": True, "host": "no-such-host.invalid"},
    }
    sentences = dict(told(tree))
    assert sum(well is False for well in sentences.values()) == 1
    for said in ("0 tokens for all namespaces, 1 for one", "makes a namespace", "p: renditions go to far", "no-such-host.invalid:8125: it"):
        assert any(said in sentence for sentence in sentences), said


def test_doctor_fails_where_something_is_not_well(root: Path) -> None:
    seen = onmiss(root, "doctor", environ={"ONMISS_NGINX__PROGRAM": "no-such-nginx"})
    assert seen.returncode == 1
    assert "FAIL no 'no-such-nginx' found" in seen.stdout


def test_R3_doctor_fails_below_the_floor_of_a_codec(monkeypatch: pytest.MonkeyPatch) -> None:
    from renderer.cli import doctor

    monkeypatch.setattr(doctor, "PILLOW_FLOOR", (999, 0))
    assert any(well is False and "pillow" in sentence for sentence, well in doctor._codecs(Config.of({})))


def findings(tmp_path: Path, catalog: dict[str, str], namespace: str = "huimages", **space: object) -> list[tuple[str, bool | None]]:
    from renderer.cli import doctor
    from renderer.wiring import Wiring

    stores = {"disk": {"kind": "file"}, "old": {"kind": "file", "root": "old"}, "couch": {"kind": "couchdb"}}
    config = Config.of({"stores": stores, "catalog": catalog, "namespaces": {namespace: space}}, tmp_path)
    return list(doctor._legacy(Wiring(config)))


def test_doctor_says_what_is_owed_and_whether_a_deletion_reaches_other_machines(tmp_path: Path) -> None:
    assert findings(tmp_path, {"kind": "sqlite"}) == [("none are configured", True)]
    moving = ("namespace huimages: what disk lacks is looked for in couch", True)
    alone = ("namespace huimages: couch is not the catalog: what is deleted here stays deleted on this machine only", None)
    none_owed = ("0 originals were served from there and are still to be put into their stores", True)
    assert findings(tmp_path, {"kind": "sqlite"}, legacy=["couch"]) == [moving, none_owed, alone]
    assert findings(tmp_path, {"kind": "couchdb", "database": "another"}, legacy=["couch"]) == [moving, none_owed, alone]
    assert findings(tmp_path, {"kind": "couchdb"}, legacy=["couch"]) == [moving, none_owed]
    for catalog, space in (({"kind": "sqlite"}, {"legacy": ["old"]}), ({"kind": "couchdb"}, {"legacy": ["couch"], "namespace": "others"})):
        assert [well for _, well in findings(tmp_path, catalog, **space)] == [True, True, None]  # type: ignore[arg-type]
    (tmp_path / "debts.sqlite").mkdir()
    assert [well for _, well in findings(tmp_path, {"kind": "couchdb"}, legacy=["couch"])] == [True, False]


def test_R3_doctor_touches_legacy_sources_as_the_stores_that_they_are(root: Path) -> None:
    (root / "onmiss.yaml").write_text(
        f"stores: {{disk: {{kind: file}}, couch: {{kind: couchdb, url: 'http://127.0.0.1:{unused_port()}'}}}}\n"
        "namespaces: {huimages: {legacy: [couch]}}\n"
    )
    seen = onmiss(root, "doctor", "--config", str(root / "onmiss.yaml"))
    assert seen.returncode == 1
    assert "FAIL couch: store couch: expected an answer about huimages" in seen.stdout
    assert "warn namespace huimages: couch is not the catalog" in seen.stdout


def test_quarantine_is_listed_and_cleared(root: Path) -> None:
    from renderer.config import Config
    from renderer.wiring import Wiring

    config = Config.load(None, root, {})
    ref = config.namespaces_built()["huimages"].ref(ID)
    Wiring(config).quarantine.strike(ref, "a truncated file")
    listed = onmiss(root, "quarantine", "list").stdout
    assert f"huimages/{ID}\tall\t1 tries" in listed
    assert "a truncated file" in listed
    assert onmiss(root, "quarantine", "clear", f"huimages/{ID}").stdout == "1 records cleared\n"
    assert onmiss(root, "quarantine", "list").stdout == ""


def test_version_prints_the_version(root: Path) -> None:
    assert onmiss(root, "version").stdout.startswith("onmiss 0.")


def test_log_lines_can_be_json(tmp_path: Path) -> None:
    from tests.e2e.site import running

    with running(tmp_path / "site", {"log": {"format": "json"}}) as site:
        name = site.put(jpeg()).name
        site.get(f"/150x150/{name}.jpeg")
        lines = [json.loads(line) for line in site.log.read_text().splitlines()]
    (miss,) = (line for line in lines if line["logger"] == "renderer.misses")
    assert (miss["method"], miss["status"], miss["url"]) == ("GET", 200, f"/150x150/{name}.jpeg")
    assert {"wait", "fetch", "decode", "operations", "encode", "publish", "bytes"} <= set(miss)
