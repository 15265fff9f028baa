"""Drop the renditions of originals: they are made again when they are next asked for.

    onmiss purge --id ID…                    NAMESPACE/ID for another namespace than the first
    onmiss purge --namespace NS --name NAME…
    onmiss purge --namespace NS              everything that the cache holds of it
    onmiss purge --stdin                     as --id, a line each; what follows a tab is not read

Prints NAMESPACE/NAME<TAB>FILES<TAB>BYTES<TAB>WHAT a line. Safe to repeat. Works while `onmiss up` runs; nginx may serve an open file for
five seconds more.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator

from renderer.cli import FAILED
from renderer.cli.importing import namespace_of
from renderer.cli.receipts import Receipts, configure_receipts
from renderer.config import Config
from renderer.errors import BadRequest, RendererError
from renderer.fields import shown
from renderer.removal import Receipt
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
    space = namespace_of(config, arguments.namespace)
    if whole and not _is_meant(space, arguments):
        print("nothing was purged", file=sys.stderr)
        return FAILED
    wiring = Wiring(config)
    wanted: Iterable[Ref | RendererError]
    if arguments.stdin:
        wanted = refs_read(config, arguments.namespace)
    elif whole:
        wanted = wiring.removal.cached(space)
    else:
        wanted = [ref_of(config, text, arguments.namespace) for text in arguments.id or arguments.name]
    take: Callable[[Ref], Receipt] = wiring.removal.measure if arguments.dry_run else wiring.removal.purge
    return Receipts(arguments).collect(wanted, take)


def ref_of(config: Config, text: str, namespace: str = "") -> Ref:
    """NAME in `namespace`; without one NAMESPACE/NAME, as we print it, or the ID of an original in the first namespace."""
    space, slash, name = text.partition("/")
    if namespace or not slash:
        return namespace_of(config, namespace).ref(text)
    spaces = config.namespaces_built()
    if space not in spaces:
        raise BadRequest(f"expected an ID or NAMESPACE/NAME for an original, got {shown(text)}")
    return spaces[space].ref(name)


def refs_read(config: Config, namespace: str) -> Iterator[Ref | RendererError]:
    """One a line; a line that names none is no reason to stop."""
    namespace_of(config, namespace)
    for line in sys.stdin.buffer:
        text = line.decode("utf-8", "surrogateescape").partition("\t")[0].strip()
        if not text:
            continue
        try:
            yield ref_of(config, text, namespace)
        except BadRequest as error:
            yield error


def _is_meant(space: Namespace, arguments: argparse.Namespace) -> bool:
    if arguments.yes or arguments.dry_run:
        return True
    if not sys.stdin.isatty():
        raise BadRequest(f"expected --yes to purge the whole of {space.name}")
    print(f"Purge every rendition of {space.name}? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
