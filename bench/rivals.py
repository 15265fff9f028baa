"""Servers that are asked for the same pictures: ours, thumbor and ipx, each with the originals in local files."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import peers
from bench.rendering import QUALITY
from bench.site import TOP, Site
from tests.running import free_port, listens
from tests.waiting import wait_until

START_SECONDS = 60
PROCESSES = 2  # of thumbor, and render processes of ours; ipx has threads for every core

THUMBOR = """
LOADER = 'thumbor.loaders.file_loader'
FILE_LOADER_ROOT_PATH = {folder!r}
STORAGE = 'thumbor.storages.no_storage'
RESULT_STORAGE = None
QUALITY = {quality}
RESPECT_ORIENTATION = True
ALLOW_UNSAFE_URL = True
"""


@dataclass(frozen=True)
class Rival:
    """A server that runs on `port`. `path`: of an original, by its number, fitted into a square; `forget`: what it made is made anew;
    `mark`: the header that only a picture has that was made for this request."""

    port: int
    path: Callable[[int, int], str]
    forget: Callable[[], None] = lambda: None
    mark: str = ""


@contextmanager
def rivals(directory: Path, contents: Sequence[bytes]) -> Iterator[dict[str, Rival]]:
    """All of them, running. The originals lie as their pixels do: ipx does not turn them upright."""
    folder = directory / "originals"
    folder.mkdir()
    contents = [_TURNED.sub(_unturned, content, count=1) for content in contents]
    for number, content in enumerate(contents):
        (folder / f"{number}.jpg").write_bytes(content)
    with ExitStack() as stack:
        yield {
            "onmiss": stack.enter_context(_onmiss(directory / "onmiss", contents, TOP)),
            "onmiss, decoding as small as thumbor": stack.enter_context(_onmiss(directory / "lean", contents, _lean(directory / "code"))),
            "thumbor": stack.enter_context(_thumbor(directory, folder)),
            "ipx": stack.enter_context(_ipx(directory, folder)),
        }


# EXIF's orientation, 2 to 8, in either byte order: tag 0x0112, a short, one of them
_TURNED = re.compile(
    rb"(?P<little>\x12\x01\x03\x00\x01\x00\x00\x00)[\x02-\x08]\x00|(?P<big>\x01\x12\x00\x03\x00\x00\x00\x01)\x00[\x02-\x08]", re.DOTALL
)


def _unturned(match: re.Match[bytes]) -> bytes:
    return match["little"] + b"\x01\x00" if match["little"] else match["big"] + b"\x00\x01"


@contextmanager
def _onmiss(root: Path, contents: Sequence[bytes], code: Path) -> Iterator[Rival]:
    # nginx would go on serving for some seconds what was forgotten
    site = Site(root, {"render": {"processes": PROCESSES, "resampler": "vips"}, "nginx": {"open_file_cache": "off"}}, code)
    refs = [site.put(content) for content in contents]

    def forget() -> None:
        for ref in refs:
            site.wiring.cache.forget(ref)

    with site.running():
        yield Rival(site.port, lambda number, side: f"/i/huimages/{refs[number].name}/fit-{side}x{side}_q{QUALITY}.jpg", forget, "X-Onmiss")


def _lean(directory: Path) -> Path:
    """The same package, but that a JPEG is decoded at the least fraction that is not below the result."""
    shutil.copytree(TOP / "renderer", directory / "renderer", ignore=shutil.ignore_patterns("__pycache__"))
    with (directory / "renderer/picture/scale.py").open("a", encoding="utf-8") as scale:
        scale.write('\n\nSPARES["jpeg"] = tuple((each, Fraction(1)) for each, _ in SPARES["jpeg"])\n')
    return directory


@contextmanager
def _thumbor(directory: Path, folder: Path) -> Iterator[Rival]:
    port, settings = free_port(), directory / "thumbor.conf"
    settings.write_text(THUMBOR.format(folder=str(folder), quality=QUALITY), encoding="utf-8")
    command = [str(peers.thumbor()), "-i", "127.0.0.1", "-p", str(port), "-c", str(settings), "--processes", str(PROCESSES)]
    with _running("thumbor", command, directory, port):
        yield Rival(port, lambda number, side: f"/unsafe/fit-in/{side}x{side}/{number}.jpg")


@contextmanager
def _ipx(directory: Path, folder: Path) -> Iterator[Rival]:
    port, home = free_port(), peers.ipx()
    command = ["node", str(Path(__file__).with_name("ipx.mjs")), str(folder), str(port)]
    with _running("ipx", command, home, port, directory):
        yield Rival(port, lambda number, side: f"/fit_inside,s_{side}x{side},q_{QUALITY},f_jpeg/{number}.jpg")


@contextmanager
def _running(name: str, command: Sequence[str], home: Path, port: int, logs: Path | None = None) -> Iterator[None]:
    """In a session of its own, since thumbor's second process outlives the first."""
    log = (logs or home) / f"{name}.log"
    environ = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=home, env=environ, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    try:
        wait_until(lambda: listens(port) or process.poll() is not None, START_SECONDS, f"{name} to listen")
        if process.poll() is not None:
            sys.exit(f"bench: expected {name} to start, got status {process.returncode}:\n{log.read_text(errors='replace')}")
        yield
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    for number in (15, 9):
        try:
            os.killpg(process.pid, number)
            process.wait(5)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue
