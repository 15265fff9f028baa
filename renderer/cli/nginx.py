"""Print nginx's configuration for ours: onmiss nginx > nginx.conf, then nginx -c $PWD/nginx.conf.

Makes the directories of nginx's pid, temporary files and logs, without which nginx does not start.
"""

from __future__ import annotations

import argparse

from renderer.config import Config
from renderer.errors import ConfigError
from renderer.web import nginx


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=int, metavar="N", help="the images host's port: N, the service's N+1, the admin's N+2")


def run(arguments: argparse.Namespace, config: Config) -> int:
    if arguments.port:
        config = config.with_ports(arguments.port)
    text = nginx.configuration(config)
    for key, directory in (("nginx.run", config.nginx.run), ("nginx.logs", config.nginx.logs)):
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(key, f"expected a directory that can be made, got {error.strerror}: {directory}") from error
    print(text, end="")
    return 0
