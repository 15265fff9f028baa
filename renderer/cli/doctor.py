"""Touch everything that the configuration names, and say what is well and what is not.

Exit code 1 when something is not.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from renderer.box import Box
from renderer.cli import FAILED
from renderer.config import Config
from renderer.config.catalogs import CouchAccess
from renderer.dialects import huimages
from renderer.errors import RendererError, StoreUnavailable
from renderer.formats import PNG
from renderer.ops import Stretch, Watermark
from renderer.picture import codecs
from renderer.picture.jobs import Job
from renderer.recipe import Output, Recipe
from renderer.web.serve import make_socket_directory
from renderer.web.supervisor import find_program
from renderer.wiring import Wiring

Finding = tuple[str, bool | None]  # a sentence, and whether it is well; None: well enough, but be warned

NGINX_FLOOR = (1, 30, 4)  # CVE-2026-42533, 42945, 9256: fixed here; distributions carry the fixes under older numbers
PILLOW_FLOOR = (12, 3, 0)  # CVE-2026-59199 and its kin
CODEC_FLOORS = {"webp": (1, 3, 2)}  # CVE-2023-4863


def configure(parser: argparse.ArgumentParser) -> None:
    """No options of its own."""


def run(arguments: argparse.Namespace, config: Config) -> int:
    wiring = Wiring(config)
    sections = (
        ("programs", _programs(config)),
        ("codecs", _codecs(config)),
        ("directories", _directories(config)),
        ("stores", _stores(wiring)),
        ("legacy sources", _legacy(wiring)),
        ("catalog", _catalog(wiring)),
        ("writing over HTTP", _writing(config)),
        ("render processes", _render_processes(wiring)),
    )
    ill = 0
    for title, findings in sections:
        print(title)
        for sentence, well in findings:
            ill += well is False
            print(f"  {'warn' if well is None else 'ok' if well else 'FAIL':<4} {sentence}")
    print("all is well" if not ill else f"{ill} not well", file=sys.stderr)
    return FAILED if ill else 0


def _programs(config: Config) -> Iterator[Finding]:
    yield f"Python {sys.version.split()[0]}", True
    yield f"flup {importlib.metadata.version('flup')}", True
    program = find_program(config.nginx.program)
    if program is None:
        yield f"no {config.nginx.program!r} found: apt-get install nginx-light, or name it in nginx.program", False
        return
    answer = subprocess.run([program, "-v"], capture_output=True, text=True, check=False).stderr
    version = version_of(answer)
    sentence = f"nginx {spelled(version)} at {program}"
    if version < NGINX_FLOOR:
        yield f"{sentence}: below {spelled(NGINX_FLOOR)}; see that your distribution carries the security fixes", None
    else:
        yield sentence, True


def _codecs(config: Config) -> Iterator[Finding]:
    yield f"pictures are resampled by {config.render.resampler}", True
    versions = codecs.versions()
    for name, version in versions.items():
        floor = PILLOW_FLOOR if name == "pillow" else CODEC_FLOORS.get(name)
        if floor and version_of(version) < floor:
            yield f"{name} {version}: below {spelled(floor)}, which has security fixes: pip install -U pillow", False
        else:
            yield f"{name} {version}", True


def _directories(config: Config) -> Iterator[Finding]:
    root = Path(config.cache.root)
    try:
        make_socket_directory(Path(config.serve.socket).parent)
    except (OSError, RendererError) as error:
        yield str(error), False
    for path in (root, Path(config.nginx.run), Path(config.nginx.logs), Path(config.serve.socket).parent):
        yield _writable(path)
    if root.exists():
        devices = {(root / name).stat().st_dev for name in ("files", "tmp", "trash") if (root / name).exists()} | {root.stat().st_dev}
        one = len(devices) == 1
        yield f"{root}: files, tmp and trash {'are' if one else 'must be'} on one file system, so that a rename is atomic", one
        free = shutil.disk_usage(root)
        yield f"{root}: {free.free // 10**9} GB of {free.total // 10**9} GB free", None if free.free < free.total // 20 else True


def _writable(path: Path) -> Finding:
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        return f"{path}: expected a writable directory, got {error.strerror}", False
    insecure = path.stat().st_mode & 0o002
    return f"{path} is writable{', by everybody' if insecure else ''} (user {os.getuid()})", None if insecure else True


def _stores(wiring: Wiring) -> Iterator[Finding]:
    for name, store in wiring.stores.items():
        for sentence, well in store.check(wiring.originals.known_key(store)):
            yield f"{name}: {sentence}", well


def _legacy(wiring: Wiring) -> Iterator[Finding]:
    """The sources are stores too, and were touched as such."""
    if not wiring.is_moving:
        yield "none are configured", True
        return
    for name, home in wiring.homes.items():
        if home.legacy:
            yield f"namespace {name}: what {home.store.name} lacks is looked for in {', '.join(each.name for each in home.legacy)}", True
    try:
        yield f"{wiring.debts.count()} originals were served from there and are still to be put into their stores", True
    except StoreUnavailable as error:
        yield f"what is owed to the stores cannot be noted: {error.reason}", False
    yield from _deletions(wiring)


def _deletions(wiring: Wiring) -> Iterator[Finding]:
    """Where the catalog is the source itself, a deletion takes the document away, and no machine finds the original there any more."""
    database = _database(wiring.config.catalog)
    for name, space in wiring.config.namespaces.items():
        for source in space.legacy:
            if name != huimages.NAMESPACE or not database or _database(wiring.config.stores[source]) != database:
                yield f"namespace {name}: {source} is not the catalog: what is deleted here stays deleted on this machine only", None


def _database(settings: object) -> tuple[str, str] | None:
    return (settings.url, settings.database) if isinstance(settings, CouchAccess) else None


def _writing(config: Config) -> Iterator[Finding]:
    own = sum(len(space.tokens) for space in (*config.namespaces.values(), config.new_namespaces))
    if config.tokens() or own:
        yield f"{len(config.tokens())} tokens for all namespaces, {own} for one", True
    else:
        yield "nobody may: there are no hosts.service.tokens", True
    if config.new_namespaces.allowed:
        yield "whoever has a token for it makes a namespace by posting to it", True
    for name, space in config.namespaces.items():
        if space.renditions:
            rights = "s3:GetObject, s3:PutObject, and s3:ListBucket and s3:DeleteObject for a purge"
            yield f"namespace {name}: renditions go to {space.renditions} too, which needs {rights}", True
    yield from _statsd(config)


def _statsd(config: Config) -> Iterator[Finding]:
    """Nothing answers by UDP, so that a name that leads nowhere is all that can be seen."""
    where = f"{config.statsd.host}:{config.statsd.port}"
    if not config.statsd.enabled:
        return
    try:
        socket.getaddrinfo(config.statsd.host, config.statsd.port, type=socket.SOCK_DGRAM)
    except OSError as error:
        yield f"statsd at {where}: its name is not found: {error.strerror}", False
    else:
        yield f"statsd at {where}: its name is found", True


def _catalog(wiring: Wiring) -> Iterator[Finding]:
    if wiring.catalog is None:
        yield "none is configured: no titles, tags and neighbours", True
        return
    yield from wiring.catalog.check()


def _render_processes(wiring: Wiring) -> Iterator[Finding]:
    with tempfile.TemporaryDirectory() as folder:
        sample = Path(folder) / "sample.gif"
        sample.write_bytes(bytes.fromhex("47494638396101000100800000ffffff00000021f90401000000002c00000000010001000002024401003b"))
        try:
            wiring.workers.start()
            header = wiring.workers.header(sample)
        except (RendererError, OSError) as error:
            yield f"none answers: {error}", False
        else:
            yield f"{wiring.config.render.count()} to run; one read a {header.width}x{header.height} {header.format.name}", True
            yield from _watermarks(wiring, sample)
        finally:
            wiring.workers.stop(1)


def _watermarks(wiring: Wiring, sample: Path) -> Iterator[Finding]:
    """Each drawn once: what cannot be drawn is 500 to whoever asks for it."""
    for name in wiring.config.watermarks:
        job = Job(Recipe.of([Stretch(Box(100, 100)), Watermark(name)], Output(PNG)), sample.with_name(f"{name}.png"))
        [made] = wiring.workers.render(sample, [job])
        yield f"watermark {name}: {made if isinstance(made, RendererError) else 'can be drawn'}", not isinstance(made, RendererError)


def version_of(text: str) -> tuple[int, ...]:
    """The first dotted number in `text`; () when there is none."""
    match = re.search(r"\d+(?:\.\d+)+", text)
    return tuple(map(int, match[0].split("."))) if match else ()


def spelled(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version)) or "of unknown version"
