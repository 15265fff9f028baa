"""What runs here: version, commit and time.

A build writes the latter two into `_build.json` (setup.py does); a checkout that runs as it stands asks git.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import renderer

UNKNOWN = "unknown"
GIT_SECONDS = 2  # it takes 5 ms; a file system that hangs must not hang us
_PACKAGE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Build:
    """`built`: in UTC as 2026-11-27T12:00:00Z, of a checkout the time of its commit. What nobody knows is `unknown`."""

    version: str
    git_hash: str = UNKNOWN
    built: str = UNKNOWN

    def __str__(self) -> str:
        return f"{self.version} (git {self.git_hash}, built {self.built})"


@functools.cache
def build() -> Build:
    """Of the code that this process began with."""
    written = _PACKAGE / "_build.json"
    try:
        known = json.loads(written.read_text(encoding="utf-8"))
        return Build(renderer.__version__, str(known["git_hash"]), str(known["built"]))
    except (OSError, ValueError, KeyError, TypeError):
        return Build(renderer.__version__, *_commit())


def _commit() -> tuple[str, str]:
    """Of our own checkout only: an environment may stand inside of somebody else's."""
    if not (_PACKAGE.parent / ".git").exists():
        return UNKNOWN, UNKNOWN
    command = ["git", "-C", str(_PACKAGE.parent), "log", "-1", "--abbrev=7", "--date=format-local:%Y-%m-%dT%H:%M:%SZ", "--format=%h %cd"]
    environ = {"TZ": "UTC"} | {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}  # a hook's GIT_DIR is not ours
    try:
        said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=GIT_SECONDS, env=environ)
    except (OSError, subprocess.SubprocessError):
        return UNKNOWN, UNKNOWN
    git_hash, _, built = said.stdout.strip().partition(" ")
    return git_hash or UNKNOWN, built or UNKNOWN
