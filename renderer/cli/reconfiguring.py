"""What `onmiss up` does on SIGHUP: one configuration after the other, and no request fails in between.

nginx asks the renderer, so it hears first where a new one puts its files; then the renderer changes; then nginx asks for what is new. Old
workers of nginx may ask until they are gone, so they are waited for where a new renderer would have them send what they never heard of.
"""

from __future__ import annotations

import argparse
import logging
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from renderer.cli import configuration
from renderer.config import Config
from renderer.errors import ConfigError, RendererError
from renderer.web import door, handover, nginx
from renderer.web.reloading import START_SECONDS
from renderer.web.supervisor import Child
from renderer.wiring import Wiring

SPARE_SECONDS = 5  # for whoever has a time limit of his own, to keep it

log = logging.getLogger(__name__)


class Reload:
    """`config`: what is in force. A call begins a reload; each step that has to wait yields."""

    def __init__(self, arguments: argparse.Namespace, config: Config, program: str, serving: Child, sending: Child, pruning: Child) -> None:
        self.config = config
        self._arguments, self._program = arguments, program
        self._serving, self._sending, self._pruning = serving, sending, pruning
        self._conf = Path(config.nginx.run) / "nginx.conf"
        self._sent = nginx.configuration(config)  # with the places of all that the renderer may make
        self._drain_seconds = config.serve.drain_seconds  # the longest that a renderer of ours may have

    def __call__(self) -> Iterator[None]:
        log.info("SIGHUP: reading the configuration again")
        try:
            yield from self._change(self._read())
        except (RendererError, OSError) as error:
            log.error("not reloaded, and going on as before: %s", error)
        except Exception:  # ours is the process that all others end with
            log.exception("not reloaded, and going on as before")

    def _read(self) -> Config:
        config, serve = configuration(self._arguments), self.config.serve
        if self._arguments.port:
            config = config.with_ports(self._arguments.port)
        if config.serve.socket != serve.socket:
            log.warning("serve.socket: expected %s as before for a reload, got %s: restart to move it", serve.socket, config.serve.socket)
            config = config.model_copy(update={"serve": config.serve.model_copy(update={"socket": serve.socket})})
        return config

    def _change(self, config: Config) -> Iterator[None]:
        before, old, new = self._conf.read_text(encoding="utf-8"), self._sent, nginx.configuration(config)
        make_nginx_directories(config)
        Wiring(config).cache  # noqa: B018  # makes the directories that nginx wants to see
        for text in (handover.joined(old, new), handover.joined(new, old)):
            self._try_out(text)
        self._sent = handover.joined(old, new)  # until it is known who renders: one that is late is not without its places
        if not handover.covers(before, self._sent):
            yield from self._tell_nginx(self._sent, self.config.serve.drain_seconds + SPARE_SECONDS)
        yield from self._replace_renderer()
        self.config, self._sent = config, new
        self._drain_seconds = max(self._drain_seconds, config.serve.drain_seconds)
        yield from self._tell_nginx(handover.joined(new, old), 0)
        yield from self._pruning.renew(SPARE_SECONDS)
        log.info("reloaded")

    def _replace_renderer(self) -> Iterator[None]:
        """One that is just not there starts with the new configuration anyway; one that still answers what it took before an earlier reload
        starts its successor after that.
        """
        path = Path(self.config.serve.socket)
        before = door.listener(path)
        self._serving.send(signal.SIGHUP)
        yield from _until(lambda: door.listener(path) not in (before, None), self._drain_seconds + START_SECONDS + SPARE_SECONDS)
        if door.listener(path) in (before, None):
            cure = "its own message in the log says why; SIGHUP tries again"
            raise ConfigError("serve", "the renderer did not take the new configuration over", cure)

    def _tell_nginx(self, text: str, seconds: float) -> Iterator[None]:
        """Have nginx work by `text`; what its former workers still do may take so many seconds, if that matters."""
        former = _workers(self._sending.pid)
        self._conf.write_text(text, encoding="utf-8")
        self._sending.send(signal.SIGHUP)
        yield from _until(lambda: bool(_workers(self._sending.pid) - former), SPARE_SECONDS)
        yield from _until(lambda: not _workers(self._sending.pid) & former, seconds)

    def _try_out(self, text: str) -> None:
        trial = self._conf.with_name("nginx.conf.new")
        trial.write_text(text, encoding="utf-8")
        try_out(trial, self._program)
        trial.unlink()


def make_nginx_directories(config: Config) -> None:
    for directory in (config.nginx.run, config.nginx.logs):
        Path(directory).mkdir(parents=True, exist_ok=True)


def try_out(conf: Path, program: str) -> None:
    """ConfigError when nginx does not like it."""
    tried = subprocess.run([program, "-t", "-q", "-c", str(conf), "-e", "stderr"], capture_output=True, text=True, check=False)
    if tried.returncode:
        raise ConfigError("nginx", f"nginx does not accept {conf}: {tried.stderr.strip()}")


def _until(is_so: Callable[[], bool], seconds: float) -> Iterator[None]:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not is_so():
        yield


def _workers(master: int | None) -> set[int]:
    """Process numbers of nginx's workers; none where the kernel does not tell."""
    try:
        return set(map(int, Path(f"/proc/{master}/task/{master}/children").read_text(encoding="ascii").split()))
    except OSError:
        return set()
