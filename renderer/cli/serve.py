"""Serve misses: the FastCGI renderer alone, for systemd; nginx is started elsewhere.

SIGTERM drains: no new requests, those in flight are answered, at most serve.drain_seconds long. A second signal exits at once.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from renderer.cli import logs, port
from renderer.config import Config
from renderer.errors import ConfigError
from renderer.web import serve
from renderer.wiring import Wiring


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=port, metavar="N", help="the images host's port: N, the service's N+1, the admin's N+2")


def run(arguments: argparse.Namespace, config: Config) -> int:
    if arguments.port:
        config = config.with_ports(arguments.port)
    logs.configure(config)
    socket = Path(config.serve.socket)
    if serve.accepts(socket):
        raise ConfigError("serve.socket", f"another renderer listens on {socket}", "stop it, or choose another --root")
    wiring = Wiring(config)
    wiring.workers.start()  # first: its forkserver starts before a thread or a client of ours exists
    server = serve.Server(wiring.front, socket, config.serve.threads, config.serve.drain_seconds, on_stop=lambda: _stop(wiring))
    server.run()
    logging.getLogger(__name__).info("stopped")
    return 0


def _stop(wiring: Wiring) -> None:
    wiring.service.stop()
    wiring.workers.stop(1)
