"""Delete originals for good: from their store and the catalog, with users' notes, local copies and every rendition.

    onmiss delete ID…                        NAMESPACE/ID for another namespace than the first
    onmiss delete --namespace NS NAME…
    onmiss delete --dry-run scenes/hall/lamp.jpg

Prints NAMESPACE/NAME<TAB>FILES<TAB>BYTES<TAB>WHAT a line, FILES and BYTES of the renditions. Their URLs answer 410 for 30 days, then 404;
importing one again ends that. Safe to repeat, and to be repeated when it failed half-way: till then nothing of it is served either. Works
while `onmiss up` runs. Each machine that has a cache of its own has to do it, for its copies and renditions.
"""

from __future__ import annotations

import argparse
from functools import partial

from renderer.cli.receipts import Receipts, configure_receipts
from renderer.config import Config
from renderer.removal import ref_of
from renderer.wiring import Wiring


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("ids", nargs="+", metavar="ID", help="originals, as `onmiss import` printed them, or NAMESPACE/ID")
    parser.add_argument("--namespace", default="", metavar="NS", help="where all of them are (default: the first that is configured)")
    configure_receipts(parser)


def run(arguments: argparse.Namespace, config: Config) -> int:
    spaces = config.namespaces_built()
    refs = [ref_of(spaces, text, arguments.namespace) for text in arguments.ids]
    removal = Wiring(config).removal
    return Receipts(arguments).collect(refs, partial(removal.measure, with_original=True) if arguments.dry_run else removal.delete)
