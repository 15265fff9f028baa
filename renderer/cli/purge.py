"""Drop the renditions of originals: they are made again when they are next asked for.

    onmiss purge --id ID…                    NAMESPACE/ID for another namespace than the first
    onmiss purge --namespace NS --name NAME…
    onmiss purge --namespace NS              everything that the cache holds of it
    onmiss purge --stdin                     as --id, a line each; what follows a tab is not read

    onmiss purge --id EQ53…01 scenes/hall/lamp.jpg
    onmiss purge --namespace scenes --name hall/lamp.jpg --dry-run

Prints NAMESPACE/NAME<TAB>FILES<TAB>BYTES<TAB>WHAT a line. Safe to repeat. Works while `onmiss up` runs; nginx may serve an open file for
five seconds more.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping

from renderer.cli import FAILED
from renderer.cli.receipts import Receipts, configure_receipts
from renderer.config import Config
from renderer.errors import BadRequest, RendererError
from renderer.removal import Receipt, ref_of, space_of
from renderer.rendition import Namespace, Ref
from renderer.wiring import Wiring


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--id", nargs="+", default=[], metavar="ID", help="originals, as `onmiss import` printed them, or NAMESPACE/ID")
    parser.add_argument("--namespace", default="", metavar="NS", help="all of it; or where --name or --stdin belong")
    parser.add_argument("--name", nargs="+", default=[], metavar="NAME", help="originals in the namespace")
    parser.add_argument("--stdin", action="store_true", help="names from standard input")
    parser.add_argument("--yes", action="store_true", help="yes, the whole namespace")
    configure_receipts(parser)


def run(arguments: argparse.Namespace, config: Config) -> int:
    chosen = [bool(arguments.id), bool(arguments.namespace) and not arguments.stdin, arguments.stdin]
    if chosen.count(True) != 1 or (arguments.name and not (arguments.namespace and not arguments.stdin)):
        raise BadRequest("expected one of --id ID…, --namespace NS [--name NAME…] or --stdin")
    whole = bool(arguments.namespace) and not (arguments.stdin or arguments.name)
    spaces = config.namespaces_built()
    space = space_of(spaces, arguments.namespace)
    if whole and not _is_meant(space, arguments):
        print("nothing was purged", file=sys.stderr)
        return FAILED
    wiring = Wiring(config)
    wanted: Iterable[Ref | RendererError]
    if arguments.stdin:
        wanted = refs_read(spaces, arguments.namespace)
    elif whole:
        wanted = wiring.removal.cached(space)
    else:
        wanted = [ref_of(spaces, text, arguments.namespace) for text in arguments.id or arguments.name]
    take: Callable[[Ref], Receipt] = wiring.removal.measure if arguments.dry_run else wiring.removal.purge
    return Receipts(arguments).collect(wanted, take)


def refs_read(namespaces: Mapping[str, Namespace], namespace: str) -> Iterator[Ref | RendererError]:
    """One a line; a line that names none is no reason to stop."""
    for line in sys.stdin.buffer:
        text = line.decode("utf-8", "surrogateescape").rstrip("\r\n").partition("\t")[0]
        if not text.strip():
            continue
        try:
            yield ref_of(namespaces, text, namespace)
        except BadRequest as error:
            yield error


def _is_meant(space: Namespace, arguments: argparse.Namespace) -> bool:
    if arguments.yes or arguments.dry_run:
        return True
    if not sys.stdin.isatty():
        raise BadRequest(f"expected --yes to purge the whole of {space.name}")
    print(f"Purge every rendition of {space.name}? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
