"""A standing nginx with the generated configuration, an empty cache below a test's own directory, and no renderer unless one is given."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from renderer.config import Config
from renderer.web.nginx import configuration
from tests.nginx.answering import Answer, Answering
from tests.nginx.asking import Answered, ask
from tests.running import Nginx, free_port

TIME = 1_500_000_000  # of every planted file, seconds since 1970


@dataclass(frozen=True)
class Standing:
    """`files`: the served tree of the generation; `asked`: what the renderer was asked, where there is one."""

    config: Config
    nginx: Nginx
    renderer: Answering | None = None

    @property
    def files(self) -> Path:
        return self.config.cache.root / "files" / self.config.generation()

    @property
    def port(self) -> int:
        return int(self.config.hosts.images.listen.rpartition(":")[2])

    def plant(self, file: PurePosixPath | str, content: bytes = b"a picture", seconds: int = TIME) -> Path:
        """A file as the cache would publish it."""
        path = self.files / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (seconds, seconds))
        return path

    def ask(self, target: str | bytes, method: str = "GET", headers: dict[str, str] | None = None, body: bytes = b"") -> Answered:
        """From the images host."""
        return ask(self.port, target, method, headers, body)


def settled(root: Path, tree: dict[str, Any] | None = None, **nginx: Any) -> Config:
    """A Config on free ports with no open_file_cache, so that what was planted is seen at once; `nginx`: keys of that section."""
    config = Config.of((tree or {}) | {"nginx": {"worker_processes": 1, "open_file_cache": "off"} | nginx}, root)
    for directory in (config.nginx.run, config.nginx.logs, config.cache.root / "files"):
        directory.mkdir(parents=True, exist_ok=True)
    return config.with_ports(free_port(following=2))


@contextlib.contextmanager
def standing(config: Config, answer: Answer | None = None) -> Iterator[Standing]:
    """nginx for `config`, with a renderer that answers `answer` or with none."""
    port = int(config.hosts.images.listen.rpartition(":")[2])
    with contextlib.ExitStack() as stack:
        renderer = stack.enter_context(Answering(config.serve.socket, answer)) if answer else None
        nginx = Nginx(configuration(config), config.root, port, port + 1, port + 2)
        yield Standing(config, stack.enter_context(nginx), renderer)
