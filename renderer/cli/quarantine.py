"""Originals that failed: list them, or give them another chance.

    onmiss quarantine list               one line each: original, recipe or `mismatch`, tries, next try, reason
    onmiss quarantine clear REF… | --all REF is NAMESPACE/NAME as listed
"""

from __future__ import annotations

import argparse
import time

from renderer.config import Config
from renderer.errors import BadRequest
from renderer.rendition import Ref
from renderer.wiring import Wiring


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=("list", "clear"))
    parser.add_argument("refs", nargs="*", metavar="REF", help="NAMESPACE/NAME, with clear")
    parser.add_argument("--all", action="store_true", help="clear every record")


def run(arguments: argparse.Namespace, config: Config) -> int:
    wiring = Wiring(config)
    if arguments.action == "list" and (arguments.refs or arguments.all):
        raise BadRequest("expected nothing after list, got " + " ".join(arguments.refs or ["--all"]))
    if arguments.action == "list":
        for record in wiring.quarantine:
            again = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(record.retry_at))
            print(f"{record.namespace}/{record.name}\t{record.concerned}\t{record.tries} tries\tagain {again}\t{record.reason}")
        return 0
    if bool(arguments.refs) == arguments.all:
        raise BadRequest(f"expected NAMESPACE/NAME or --all to clear, got {'both' if arguments.all else 'neither'}")
    if arguments.all:
        cleared = wiring.quarantine.clear_all()
    else:
        cleared = sum(wiring.quarantine.clear(_ref(config, text)) for text in dict.fromkeys(arguments.refs))
    print(f"{cleared} records cleared")
    return 0


def _ref(config: Config, text: str) -> Ref:
    space, _, name = text.partition("/")
    spaces = config.namespaces_built()
    if space not in spaces:
        raise BadRequest(f"expected NAMESPACE/NAME for an original, got {text!r}")
    return spaces[space].ref(name)
