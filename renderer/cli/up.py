"""Run nginx, the renderer and the pruner together, in the foreground, until Ctrl-C.

Images are served on port N (default 8080), the service pages on N+1, the admin pages on N+2. SIGHUP reads the
configuration again; no request fails.
"""

from __future__ import annotations

import argparse
import errno
import itertools
import logging
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

from renderer.cli import logs, port
from renderer.cli.importing import links_of
from renderer.cli.reconfiguring import Reload, make_nginx_directories, try_out
from renderer.cli.serve import options
from renderer.config import Config
from renderer.errors import ConfigError, RendererError
from renderer.web import nginx, serve
from renderer.web.supervisor import Child, find_program, pruner_command, renderer_command, supervise
from renderer.wiring import Wiring

SHOWN = 4  # pictures in the table of URLs
SHOWN_SIZES = ("150x150!", "640x480")


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=port, metavar="N", help="the images host's port; the service gets N+1, the admin N+2")
    parser.add_argument("--profile", action="store_true", help="the admin host shows where memory goes; costs time and memory")


def run(arguments: argparse.Namespace, config: Config) -> int:
    if arguments.port:
        config = config.with_ports(arguments.port)
    logs.configure(config)
    _check(config)
    program = _program(config)
    conf = write_nginx_configuration(config, program)
    socket_path = Path(config.serve.socket)
    serving = Child("renderer", renderer_command(options(arguments)), signal.SIGTERM, lambda: serve.accepts(socket_path), os.environ)
    sending = Child(
        "nginx", [program, "-c", str(conf), "-e", str(Path(config.nginx.logs) / "error.log")],
        signal.SIGQUIT, lambda: _listens(config.hosts.images.listen), os.environ,
    )  # fmt: skip
    pruning = Child("pruner", pruner_command(options(arguments, prune=True)), signal.SIGTERM, lambda: True, os.environ)
    reload = Reload(arguments, config, program, serving, sending, pruning)
    return supervise((serving, sending, pruning), lambda: reload.config.serve.drain_seconds, lambda: _announce(config), reload)


def write_nginx_configuration(config: Config, program: str) -> Path:
    """Write nginx.conf where `up` starts nginx from, with the directories that it needs; ConfigError when nginx does not like it."""
    make_nginx_directories(config)
    conf = Path(config.nginx.run) / "nginx.conf"
    conf.write_text(nginx.configuration(config), encoding="utf-8")
    try_out(conf, program)
    return conf


def _check(config: Config) -> None:
    if serve.accepts(Path(config.serve.socket)):
        raise ConfigError("root", f"onmiss runs already on {config.root}", "stop it, or choose another --root")
    for name, host in (("images", config.hosts.images), ("service", config.hosts.service), ("admin", config.hosts.admin)):
        _check_free(f"hosts.{name}.listen", host.listen)
    Wiring(config).cache  # noqa: B018  # makes the directories that nginx wants to see


def _program(config: Config) -> str:
    program = find_program(config.nginx.program)
    if program is None:
        cure = "install it: apt-get install nginx-light; or name it in nginx.program"
        raise ConfigError("nginx.program", f"expected a program for nginx, found no {config.nginx.program!r}", cure)
    return program


def _check_free(key: str, listen: str) -> None:
    address = _address(listen)
    with socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            why = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be used: {error.strerror}"
            raise ConfigError(key, f"expected a free port for {listen}, but it {why}", "choose another with --port N") from error


def _listens(listen: str) -> bool:
    try:
        with socket.create_connection(_address(listen), timeout=1):
            return True
    except OSError:
        return False


def _address(listen: str) -> tuple[str, int]:
    host, _, number = listen.rpartition(":")
    return "0.0.0.0" if host == "*" else host.strip("[]"), int(number)  # noqa: S104  # nginx's word for everywhere


def _announce(config: Config) -> None:
    """A short table of URLs to click."""
    rows = [("service", f"{config.hosts.service.base_url()}/"), ("admin", f"{config.hosts.admin.base_url()}/")]
    try:
        pictures = list(_pictures(config))
    except RendererError as error:  # a store that is down now is no reason not to run
        pictures = []
        print(f"  no pictures to show: {error}", flush=True)
    else:
        if not pictures:
            print("  no originals yet: onmiss import PICTURE…", flush=True)
    print("\n".join(f"  {name:<9} {url}" for name, url in (*rows, *pictures)), flush=True)
    print("Ctrl-C stops.", flush=True)
    logging.getLogger(__name__).info("ready")


def _pictures(config: Config) -> Iterator[tuple[str, str]]:
    originals, links = Wiring(config).originals, links_of(config)
    for space in config.namespaces_built().values():
        sizes = links.sizes(space, SHOWN_SIZES, config.limits.sizes.get(space.name, ()))
        for ref in itertools.islice(originals.names(space), SHOWN):
            yield from ((size, links.url(space, ref.name, size)) for size in sizes)
