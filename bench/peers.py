"""The peers: other people's renderers and servers, installed here and nowhere else, each at a pinned version.

They go into a directory of the bench below the user's cache, once: nothing of the project needs them, its tests included.
"""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

SHARP, IPX, THUMBOR = "sharp@0.35", "ipx@3", "thumbor==7.8.*"
HOME = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "onmiss-bench"


def sharp() -> Path:
    """The folder that node is to run in to find sharp."""
    return _by_npm(SHARP)


def ipx() -> Path:
    """The folder of ipx, with the sharp that it asks for itself."""
    return _by_npm(IPX)


def thumbor() -> Path:
    """The command."""
    home = _home(THUMBOR)
    command = home / "bin/thumbor"
    if not command.exists():
        _say(THUMBOR, home)
        venv.create(home, with_pip=True, clear=True)
        _run([str(home / "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", THUMBOR], home)
    return command


def _by_npm(package: str) -> Path:
    home = _home(package)
    stamp = home / "installed"
    if not stamp.exists():
        _say(package, home)
        home.mkdir(parents=True, exist_ok=True)
        (home / "package.json").write_text('{"private": true, "type": "module"}\n', encoding="utf-8")
        _run(["npm", "install", "--silent", "--no-audit", "--no-fund", package], home)
        stamp.touch()
    return home


def _home(package: str) -> Path:
    return HOME / package.replace("=", "").replace("*", "x")


def _say(package: str, home: Path) -> None:
    print(f"installing {package} into {home}", flush=True)


def _run(command: list[str], directory: Path) -> None:
    result = subprocess.run(command, cwd=directory, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if result.returncode:
        sys.exit(f"bench: expected {command[0]} to install, got status {result.returncode}:\n{result.stdout}{result.stderr}")
