"""The ways of rendering, each a process of its own that is asked for one picture after the other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bench import peers
from renderer import walls

TOP = Path(__file__).resolve().parent.parent
QUALITY = 80


@dataclass(frozen=True)
class Wish:
    """One original fitted into squares. `spare`: our decode scale, 0 for the engine's own; `settings`: more for sharp's encoder."""

    original: Path
    sides: Sequence[int]
    format: str = "jpeg"
    resampler: str = "vips"
    spare: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Cost:
    milliseconds: float
    bytes: tuple[int, ...]


class Way:
    """A running process; `changes`: what it makes of every wish before."""

    def __init__(self, process: subprocess.Popen[str], **changes: Any) -> None:
        self._process, self._changes = process, changes

    @property
    def pid(self) -> int:
        return self._process.pid

    def but(self, **changes: Any) -> Way:
        """The same process with other settings."""
        return Way(self._process, **{**self._changes, **changes})

    def render(self, wish: Wish, keep: Path | None = None) -> Cost:
        """`keep`: where the first picture is to be written."""
        wish = replace(wish, **self._changes)
        line = {
            "original": str(wish.original), "sides": list(wish.sides), "format": wish.format, "quality": QUALITY, "spare": wish.spare,
            "resampler": wish.resampler, "settings": dict(wish.settings), "keep": str(keep or ""),
        }  # fmt: skip
        if self._process.stdin is None or self._process.stdout is None:
            raise TypeError("expected a process with pipes")
        print(json.dumps(line), file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"expected a rendition of {wish}, got status {self._process.wait(10)}")
        found = json.loads(answer)
        return Cost(found["milliseconds"], tuple(found["bytes"]))


@contextmanager
def ways() -> Iterator[dict[str, Way]]:
    """All of them, running: ours by either resampler, and the peers."""
    with ExitStack() as stack:
        own = stack.enter_context(onmiss())
        pyvips = stack.enter_context(_running([sys.executable, "-m", "bench.child", "pyvips"], TOP))
        sharp = stack.enter_context(_running(["node", str(Path(__file__).with_name("sharp.mjs"))], peers.sharp()))
        yield {"vips": own.but(resampler="vips"), "pillow": own.but(resampler="pillow"), "pyvips": pyvips, "sharp": sharp}


@contextmanager
def onmiss() -> Iterator[Way]:
    """Ours, in an environment like that of a render process."""
    with _running([sys.executable, "-m", "bench.child", "onmiss"], TOP, walls.TUNED) as way:
        yield way


@contextmanager
def _running(command: Sequence[str], directory: Path, environ: Mapping[str, str] | None = None) -> Iterator[Way]:
    with subprocess.Popen(
        command, cwd=directory, env={**os.environ, **(environ or {})}, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        try:
            yield Way(process)
        finally:
            process.terminate()
