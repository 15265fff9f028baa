"""Serve misses: the FastCGI renderer alone, for systemd; nginx is started elsewhere.

SIGTERM drains: no new requests, those in flight are answered, at most serve.drain_seconds long. A second signal exits at once.
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
from renderer.wiring import Wiring

_M_MMAP_THRESHOLD = -3  # malloc.h


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=port, metavar="N", help="the images host's port: N, the service's N+1, the admin's N+2")


def run(arguments: argparse.Namespace, config: Config) -> int:
    if arguments.port:
        config = config.with_ports(arguments.port)
    logs.configure(config)
    _keep_large_blocks_apart()
    socket = Path(config.serve.socket)
    if serve.accepts(socket):
        raise ConfigError("serve.socket", f"another renderer listens on {socket}", "stop it, or choose another --root")
    wiring = Wiring(config)
    wiring.workers.start()  # first: its forkserver starts before a thread or a client of ours exists
    if wiring.settling:
        wiring.settling.start()
    limits = config.serve.threads, config.serve.drain_seconds
    serve.Server(wiring.front, socket, *limits, on_stop=lambda: wiring.workers.stop(1), on_drain=lambda: _drain(wiring)).run()
    logging.getLogger(__name__).info("stopped")
    return 0


def _keep_large_blocks_apart() -> None:
    """Fix glibc's threshold for blocks that go back to the system when they are freed.

    It moves up with the blocks that it sees. Python's table of interned strings, 2 MB, which pathlib fills with path parts, is replaced
    every few thousand misses, and would stay behind in the heap of whichever thread did it: 6 MB over 24,000 misses.
    """
    with contextlib.suppress(AttributeError):  # another C library
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, 256 * 1024)


def _drain(wiring: Wiring) -> None:
    """What is being put into a store when the requests are done is left: it is still owed, and nobody waits for it."""
    if wiring.settling:
        wiring.settling.stop()
