"""A server that speaks CouchDB's protocol over real HTTP: npm's pouchdb-server, with everything in memory."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from renderer.locks import held
from tests.servers import find_program, missing, running

_PACKAGE = "pouchdb-server@4.2.0"
_INSTALL_SECONDS = 600.0  # 64 s alone on two cores


@pytest.fixture(scope="session")
def couch_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its URL. Databases are shared by all tests: name your own."""
    with run_couch(tmp_path_factory.mktemp("couch")) as url:
        yield url


@contextmanager
def run_couch(directory: Path) -> Iterator[str]:
    """`directory` is for its log and its configuration."""
    node = find_program("node", "apt-get install nodejs npm")
    program = _installed()
    options = ["--in-memory", "--host", "127.0.0.1", "--no-stdout-logs"]
    with running(lambda port: [node, str(program), *options, "--port", str(port)], directory) as port:
        yield f"http://127.0.0.1:{port}"


def _installed() -> Path:
    """Installed once a machine, whoever needs it first; `.done` tells a whole installation from one that was interrupted."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / f"onmiss-{_PACKAGE.replace('@', '-')}"
    program, done = home / "node_modules/.bin/pouchdb-server", home / ".done"
    if not done.exists():
        npm = find_program("npm", "apt-get install npm")
        home.mkdir(parents=True, exist_ok=True)
        with held(home / ".lock", 0, _INSTALL_SECONDS):
            if not done.exists():
                _install(npm, home)
                done.touch()
    return program


def _install(npm: str, home: Path) -> None:
    """Its optional native parts, which need a compiler, are for databases on disk."""
    command = [npm, "install", "--prefix", str(home), "--no-audit", "--no-fund", _PACKAGE]
    with (home / "install.log").open("wb") as log:
        result = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=home, timeout=_INSTALL_SECONDS, check=False)
    if result.returncode:
        missing("pouchdb-server", f"npm could not install it, see {home / 'install.log'}")
