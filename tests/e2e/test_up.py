"""`onmiss up` as a person runs it: one command, nginx and renderer, until Ctrl-C."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from tests.e2e.site import TOP, UNLIMITED, jpeg
from tests.e2e.test_reload import Load, change, children, is_alive
from tests.servers import find_program, stop, unused_port
from tests.waiting import wait_until


def onmiss(root: Path, *words: str, environ: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "renderer", words[0], "--root", str(root), *words[1:]]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=_environ(environ), cwd=root)


def _environ(extra: dict[str, str] | None = None) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(TOP), **(extra or {})}


def three_ports() -> int:
    """The first of three neighbouring free ports."""
    while True:
        first = unused_port()
        try:
            for port in (first, first + 1, first + 2):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return first


@contextmanager
def up(root: Path, port: int, *options: str, **environ: str) -> Iterator[subprocess.Popen[bytes]]:
    find_program("nginx", "apt-get install nginx-light")
    output = root / "up.log"
    command = [sys.executable, "-m", "renderer", "up", "--root", str(root), "--port", str(port), *options]
    with output.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, stdin=subprocess.DEVNULL, env=_environ(environ), cwd=root)
    try:
        wait_until(lambda: b"Ctrl-C stops" in output.read_bytes() or process.poll() is not None, 40, "up to be ready")
        assert process.poll() is None, output.read_text()
        yield process
    finally:
        stop(process, 40)


def fetch(port: int, path: str) -> tuple[int, bytes]:
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "pictures/deeper").mkdir(parents=True)
    (tmp_path / "pictures/one.jpg").write_bytes(jpeg(seed=1))
    (tmp_path / "pictures/deeper/two.jpg").write_bytes(jpeg(seed=2))
    (tmp_path / "pictures/.hidden.jpg").write_bytes(jpeg(seed=3))
    (tmp_path / "pictures/notes.txt").write_text("no picture")
    root = tmp_path / "root"
    root.mkdir()
    return root


def test_it_runs_imports_meanwhile_stops_on_ctrl_c_and_starts_again(root: Path) -> None:
    port = three_ports()
    for start in (1, 2):
        with up(root, port) as process:
            imported = onmiss(root, "import", str(root.parent / "pictures"), environ={"ONMISS_HOSTS__IMAGES__LISTEN": f"127.0.0.1:{port}"})
            assert imported.returncode == 0, imported
            assert "notes.txt: skipped, no picture" in imported.stderr
            lines = [line.split("\t") for line in imported.stdout.splitlines()]
            assert len(lines) == 2
            for name, url in lines:
                assert re.fullmatch(r"[A-Z2-7]{32}01", name)
                status, body = fetch(port, url.removeprefix(f"http://127.0.0.1:{port}"))
                assert (status, body[:2]) == (200, b"\xff\xd8")
            status, page = fetch(port + 1, "/")
            assert status == 200
            assert all(name.encode() in page for name, _ in lines)
            status, load = fetch(port + 2, "/")
            assert (status, b"render_processes" in load) == (200, True)
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 0
        announced = (root / "up.log").read_text()
        assert (f"http://127.0.0.1:{port}/150x150!/" in announced) == (start == 2)
        assert not (root / "run/onmiss.sock").exists()
        with pytest.raises(ConnectionError):
            fetch(port, "/")


def test_what_dies_is_started_again(root: Path) -> None:
    port = three_ports()
    with up(root, port):
        onmiss(root, "import", str(root.parent / "pictures/one.jpg"))
        (name,) = (path.name for path in (root / "originals").rglob("*01") if path.is_file())
        for victim in ("nginx", "renderer"):
            text = (root / "up.log").read_text()
            pid = int(re.findall(rf"{victim} started, process (\d+)", text)[-1])
            os.kill(pid, signal.SIGKILL)
            wait_until(
                lambda v=victim, n=text.count("started"): (root / "up.log").read_text().count("started") > n, 20, f"{victim} again"
            )
            wait_until(lambda v=victim: _status(port, f"/150x15{len(v)}/{name}.jpeg") == 200, 20, "a picture")


@pytest.mark.feature(132)
def test_SIGHUP_changes_everything_but_ports_and_fails_no_request(root: Path) -> None:
    port, file = three_ports(), root / "onmiss.yaml"
    file.write_text(yaml.safe_dump({"nginx": UNLIMITED, "render": {"processes": 2}, "cache": {"generation": 1}}))
    with up(root, port, "--config", str(file)) as process:
        onmiss(root, "import", str(root.parent / "pictures/one.jpg"))
        (name,) = (path.name for path in (root / "originals").rglob("*01") if path.is_file())
        assert _status(port, f"/150x150/{name}.jpeg") == 200
        pids = started(root)
        load = Load(lambda path: fetch(port, path)[0], name)
        with load():
            for generation in (2, 3):
                change(file, "cache", generation=generation)
                process.send_signal(signal.SIGHUP)
                wait_until(lambda n=generation: says(root, "reloaded") == n - 1, 60, "a reload")
                assert _status(port, f"/{150 + generation}x150/{name}.jpeg") == 200
                assert list((root / "cache/files").glob(f"{generation}-*/**/*{150 + generation}x150*"))
        assert set(load.statuses) == {200}, load.statuses
        now = started(root)
        assert (now["nginx"], now["renderer"]) == (pids["nginx"], pids["renderer"])
        assert now["pruner"] != pids["pruner"]
        right = file.read_text()
        for turn, (wrong, said) in enumerate(((right.replace("generation", "generations"), "cache.generations"), ("[" * 3000, "brackets"))):
            file.write_text(wrong)
            process.send_signal(signal.SIGHUP)
            wait_until(lambda n=turn: says(root, "going on as before") == n + 1, 10, "a refusal")
            assert says(root, said)
        assert _status(port, f"/160x150/{name}.jpeg") == 200
        family = children(process.pid)
        assert len(family) >= 6
        process.kill()
        wait_until(lambda: not any(map(is_alive, family)), 20, "the end of all of them")


def says(root: Path, words: str) -> int:
    """How often the log does."""
    return (root / "up.log").read_text().count(words)


def started(root: Path) -> dict[str, str]:
    """Process numbers by name, the latest of each."""
    return dict(re.findall(r"(\w+) started, process (\d+)", (root / "up.log").read_text()))


def _status(port: int, path: str) -> int:
    try:
        return fetch(port, path)[0]
    except OSError:
        return 0


def test_a_busy_port_is_one_clear_sentence(root: Path) -> None:
    port = three_ports()
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", port + 1))
        busy.listen()
        tried = onmiss(root, "up", "--port", str(port))
    assert tried.returncode == 2
    assert tried.stderr.strip().splitlines()[-1] == (
        f"onmiss: hosts.service.listen: expected a free port for 127.0.0.1:{port + 1}, but it is in use (choose another with --port N)"
    )


def test_a_missing_nginx_is_one_clear_sentence(root: Path) -> None:
    tried = onmiss(root, "up", "--port", str(three_ports()), environ={"ONMISS_NGINX__PROGRAM": "no-such-nginx"})
    assert tried.returncode == 2
    assert "apt-get install nginx-light" in tried.stderr
    assert "Traceback" not in tried.stderr


def test_a_store_that_is_down_is_no_reason_not_to_run(root: Path) -> None:
    (root / "onmiss.yaml").write_text(
        "stores: {archive: {kind: s3, bucket: abc, endpoint_url: 'http://127.0.0.1:9', connect_seconds: 1, attempts: 1}}\n"
        "namespaces: {huimages: {store: archive}}\n"
    )
    port = three_ports()
    with up(root, port, "--config", str(root / "onmiss.yaml"), AWS_ACCESS_KEY_ID="x", AWS_SECRET_ACCESS_KEY="y"):
        assert fetch(port, "/150x150/VGMT4NSHA2AWVOR6EVYXQUGCNSONBWE501.jpeg")[0] == 503
        status, page = fetch(port + 1, "/")
        assert (status, b"<" in page) == (503, False)
        assert fetch(port + 1, "/no-such-page") == (404, b"Not Found\n")
        assert fetch(port + 2, "/")[0] == 200
    assert "no pictures to show: store archive" in (root / "up.log").read_text()


def test_two_ups_on_one_root_do_not_fight(root: Path) -> None:
    with up(root, three_ports()):
        tried = onmiss(root, "up", "--port", str(three_ports()))
    assert tried.returncode == 2
    assert "runs already" in tried.stderr


def test_R26_credentials_are_not_in_any_render_process(tmp_path: Path) -> None:
    """Neither in the environment that they see nor in the block that the kernel shows of the forkserver and its children."""
    from tests.e2e.site import running

    secrets = {
        "AWS_ACCESS_KEY_ID": "AKIAVERYSECRET",
        "AWS_SECRET_ACCESS_KEY": "verysecretindeed",
        "ONMISS_SIGNING__KEYS": "[a-very-secret-signing-key]",
    }
    with running(tmp_path / "site", environ=secrets) as site:
        pids = site.load()["render_processes"]
        processes = [int(pids["forkserver"]), *map(int, pids["render"])]
        assert len(processes) >= 2
        for pid in processes:
            environ = Path(f"/proc/{pid}/environ").read_bytes()
            assert environ
            assert not any(secret.encode() in environ for secret in (*secrets, *secrets.values(), "very-secret-signing-key"))
