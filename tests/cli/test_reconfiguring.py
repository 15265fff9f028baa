"""What `onmiss up` does on SIGHUP, step by step: with a renderer that is late, one that never comes, and what nobody thought of."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from renderer.cli import reconfiguring
from renderer.cli.reconfiguring import Reload
from renderer.cli.up import write_nginx_configuration
from renderer.config import Config
from renderer.web import handover, nginx
from renderer.web.door import Door
from renderer.web.supervisor import Child
from tests.servers import find_program, stop

LISTEN = "import socket, sys; socket.socket(fileno=int(sys.argv[1])).listen(); print(flush=True); sys.stdin.read()"


def child(*command: str) -> Child:
    return Child("a child", command, signal.SIGTERM, bool, os.environ)


class Up:
    """`onmiss up` below `root` without its children: none is started, but a pruner at the end."""

    def __init__(self, root: Path, drain_seconds: float) -> None:
        self.file, self._drain_seconds = root / "onmiss.yaml", drain_seconds
        self.arguments = argparse.Namespace(config=str(self.file), root=str(root), port=None)
        self.write(generation=1)
        program = find_program("nginx", "apt-get install nginx-light")
        self.conf = write_nginx_configuration(self.config(), program)
        self.pruning = child("sleep", "60")
        self.reload = Reload(self.arguments, self.config(), program, child(), child(), self.pruning)

    def write(self, **cache: object) -> None:
        self.file.write_text(yaml.safe_dump({"cache": cache, "serve": {"socket": "s", "drain_seconds": self._drain_seconds}}))

    def config(self) -> Config:
        return Config.load(self.file, self.file.parent, {})

    def sends(self, config: Config) -> bool:
        """Whether nginx sends what a renderer under `config` makes."""
        return handover.covers(self.conf.read_text(), nginx.configuration(config))


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a drain takes time."""
    for name in ("START_SECONDS", "SPARE_SECONDS"):
        monkeypatch.setattr(reconfiguring, name, 0)


def test_a_successor_that_starts_only_after_a_drain_is_waited_for(tmp_path: Path) -> None:
    up = Up(tmp_path, drain_seconds=60)
    door = Door(tmp_path / "s")
    door.open()
    up.write(generation=2)
    course = up.reload()
    for _ in range(100):
        next(course)
    listening = door.listening.fileno()
    command = [sys.executable, "-c", LISTEN, str(listening)]
    with subprocess.Popen(command, pass_fds=[listening], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            list(course)
            assert up.reload.config.cache.generation == 2
        finally:
            up.pruning.stop(10, bool)
            stop(process)
            door.close()


def test_after_a_reload_that_failed_nginx_sends_what_a_late_successor_makes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    up = Up(tmp_path, drain_seconds=0.01)
    known = [up.config()]
    for generation in (2, 3):
        up.write(generation=generation)
        known.append(up.config())
        assert not up.sends(known[-1])
        list(up.reload())
        assert "did not take the new configuration over" in caplog.text
        assert up.reload.config == known[0]
        assert all(map(up.sends, known))


def test_what_nobody_thought_of_ends_the_reload_and_nothing_else(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    up = Up(tmp_path, drain_seconds=1)
    del up.arguments.config
    assert list(up.reload()) == []
    assert "not reloaded, and going on as before" in caplog.text
    assert "AttributeError" in caplog.text


def test_a_child_does_not_die_of_a_reload_before_it_can_hear_of_one() -> None:
    waiting = child("sleep", "60")
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGHUP, signal.SIGTERM))  # as a supervisor does
    try:
        waiting.start()
        blocked = Path(f"/proc/{waiting.pid}/status").read_text().partition("SigBlk:")[2].split()[0]
        assert int(blocked, 16) == 1 << signal.SIGHUP - 1
    finally:
        waiting.stop(10, bool)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
