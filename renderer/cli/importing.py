"""Take pictures in, as originals: files, or folders with all below them.

Prints ID<TAB>URL a line. Hidden files are skipped; what is no picture is reported and skipped. Safe to repeat: the same bytes are stored
once. Works while `onmiss up` runs.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from renderer.cli import FAILED, USAGE
from renderer.config import Config
from renderer.dialects.links import Links
from renderer.errors import BadRequest, ConfigError, RendererError
from renderer.ingest import Taken
from renderer.rendition import Namespace, Ref
from renderer.wiring import Wiring

URL_SIZES = ("640x480",)  # of the URL that is printed; not `o`, which a namespace may forbid


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", nargs="+", metavar="PATH", type=Path, help="a picture, or a folder of them")
    parser.add_argument("--namespace", default="", help="where to (default: the first that is configured)")
    parser.add_argument("--quiet", "-q", action="store_true", help="no line per picture, only failures and the summary")


def run(arguments: argparse.Namespace, config: Config) -> int:
    missing = [path for path in arguments.paths if not path.exists()]
    if missing:
        print(f"onmiss import: expected files or folders, got {missing[0]}", file=sys.stderr)
        return USAGE
    wiring, space, links = Wiring(config), namespace_of(config, arguments.namespace), links_of(config)
    size = links.sizes(space, URL_SIZES, config.limits.sizes.get(space.name, ()))[0]
    took = failed = 0
    try:
        wiring.workers.start()
        for path, name in _files(arguments.paths):
            try:
                taken = _take(wiring, space, path, name)
            except (RendererError, OSError) as error:
                failed += 1
                print(f"{path}: {error}", file=sys.stderr)
                continue
            took += 1
            if not arguments.quiet:
                print(f"{taken.ref.name}\t{_url(links, taken.ref, size)}", flush=True)
    finally:
        wiring.workers.stop(1)
    print(f"{took} taken in, {failed} failed", file=sys.stderr)
    return FAILED if failed else 0


def namespace_of(config: Config, name: str) -> Namespace:
    """The configured namespace called `name`; the first one for ''."""
    spaces = config.namespaces_built()
    if not name:
        return next(iter(spaces.values()))
    if name not in spaces:
        raise ConfigError("namespaces", f"expected one of {', '.join(spaces)} for a namespace, got {name!r}")
    return spaces[name]


def links_of(config: Config) -> Links:
    """What spells the URLs of this configuration."""
    return Links(config.terms(), config.limits_built(), config.hosts.images.base_url(), config.signing_keys())


def _url(links: Links, ref: Ref, size: str) -> str:
    """'' where the configuration allows no size at all: what is taken in is taken in."""
    try:
        return links.url(ref.namespace, ref.name, size)
    except BadRequest:
        return ""


def _take(wiring: Wiring, space: Namespace, path: Path, name: str) -> Taken:
    with path.open("rb") as stream:
        return wiring.ingest.take(space, stream, int(path.stat().st_mtime), name)


def _files(paths: list[Path]) -> Iterator[tuple[Path, str]]:
    """Each file with the name that a path-named namespace gives it: below the folder that was given."""
    for path in paths:
        if not path.is_dir():
            yield path, path.name
            continue
        for found in sorted(path.rglob("*")):
            relative = found.relative_to(path)
            if found.is_file() and not any(part.startswith(".") for part in relative.parts):
                yield found, relative.as_posix()
