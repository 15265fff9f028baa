"""Serve misses: the FastCGI renderer alone, for systemd; nginx is started elsewhere.

SIGTERM drains: no new requests, those in flight are answered, at most serve.drain_seconds long; health is told meanwhile. A second signal
exits at once. SIGHUP reads the configuration again and replaces the workers; no request fails, and the process number stays.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import logging
from pathlib import Path

from renderer.cli import logs, port
from renderer.config import Config
from renderer.errors import ConfigError
from renderer.web import serve
from renderer.web.door import Door
from renderer.web.reloading import Heritage, heritage
from renderer.web.supervisor import renderer_command
from renderer.wiring import Wiring

KEEPING_SECONDS = 2.0  # at a stop
_M_MMAP_THRESHOLD = -3  # malloc.h


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=port, metavar="N", help="the images host's port: N, the service's N+1, the admin's N+2")
    parser.add_argument("--profile", action="store_true", help="the admin host shows where memory goes; costs time and memory")
    parser.add_argument("--succeed", type=heritage, help=argparse.SUPPRESS)  # said by a renderer to its successor


def run(arguments: argparse.Namespace, config: Config) -> int:
    given: Heritage | None = arguments.succeed
    if given:
        given.adopt()
    if arguments.port:
        config = config.with_ports(arguments.port)
    logs.configure(config)
    _keep_large_blocks_apart()
    door = _door(Path(config.serve.socket), given)
    wiring = Wiring(config, arguments.profile)
    wiring.workers.start()  # first: its forkserver starts before a thread or a client of ours exists
    wiring.count(is_anew=given is None)
    if wiring.settling:
        wiring.settling.start()
    wiring.jobs.start()
    ending = serve.Ending(config.serve.drain_seconds, lambda: _stop(wiring), lambda: _drain(wiring))
    command = renderer_command(options(arguments))
    server = serve.Server(wiring.front, door, wiring.life, config.serve.threads, ending, command)
    server.run(given.announce if given else lambda: None)
    logging.getLogger(__name__).info("stopped")
    return 0


def options(arguments: argparse.Namespace, prune: bool = False) -> list[str]:
    """What was said on the command line, for a renderer that is started in our place; or, with `prune`, for a pruner."""
    given = {"--config": arguments.config, "--root": arguments.root, "--port": None if prune else arguments.port}
    found = [word for option, value in given.items() if value for word in (option, str(value))]
    return [*found, "--profile"] if arguments.profile and not prune else found


def _door(path: Path, given: Heritage | None) -> Door:
    if given is None:
        if serve.accepts(path):
            raise ConfigError("serve.socket", f"another renderer listens on {path}", "stop it, or choose another --root")
        return Door(path)
    door = Door(path, given.listening)
    if door.path != path:
        logging.getLogger(__name__).warning("serve.socket: expected %s as before for a reload, got %s: restart to move it", door.path, path)
    return door


def _keep_large_blocks_apart() -> None:
    """Fix glibc's threshold for blocks that go back to the system when they are freed.

    It moves up with the blocks that it sees. Python's table of interned strings, 2 MB, which pathlib fills with path parts, is replaced
    every few thousand misses, and would stay behind in the heap of whichever thread did it: 6 MB over 24,000 misses.
    """
    with contextlib.suppress(AttributeError):  # another C library
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, 256 * 1024)


def _stop(wiring: Wiring) -> None:
    """What still waits to be kept in a remote store gets a moment; it would cost a render to lose it."""
    wiring.archive.drain(KEEPING_SECONDS)
    wiring.workers.stop(1)


def _drain(wiring: Wiring) -> None:
    """What is being put into a store when the requests are done is left: it is still owed, and nobody waits for it. Nor do batches end."""
    wiring.jobs.stop(0)
    if wiring.settling:
        wiring.settling.stop()
