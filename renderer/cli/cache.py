"""Look into the cache: what lies there, what of it is used, and what another size would do.

    onmiss cache stats                      a table; reads names and times of all files, and all of the log
    onmiss cache stats --json | jq .log.ratio.by_requests
    onmiss cache stats --namespace scenes --log-days 7 --unused-days 90

Nothing is changed and no file is opened, so that looking is no use. "Visited" are files that were read since the pruner last came by, and
"uses" what it noted of them then. Hits, and what a cache of half or twice the size would have had of them, come from nginx's access log
with all its rotated files; they are computed for a cache that lets go of what was used least recently. Evicted files that were rendered
again within an hour should have stayed: many of them say that the cache is too small.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from renderer.cli.progress import Progress
from renderer.config import Config
from renderer.fields import in_line
from renderer.pruning.census import Census, Counting
from renderer.pruning.evicted import FILE, Evicted
from renderer.pruning.statistics import FromLog, Reading
from renderer.pruning.table import Disk, Report, as_json, as_lines
from renderer.removal import space_of

DAY = 86_400.0


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=("stats",))
    parser.add_argument("--namespace", default="", metavar="NS", help="only what belongs to it")
    parser.add_argument("--unused-days", type=_days, default=30.0, metavar="N", help="name recipes not used for so long (default: 30)")
    parser.add_argument("--log-days", type=_days, default=0.0, metavar="N", help="read only so much of the log; 0, the default: all")
    parser.add_argument("--top", type=_count, default=20, metavar="N", help="name so many recipes (default: 20, at most 1000)")
    parser.add_argument("--json", action="store_true", help="for programs: bytes, seconds since 1970, ratios from 0 to 1")
    parser.add_argument("--quiet", "-q", action="store_true", help="no progress")


def run(arguments: argparse.Namespace, config: Config) -> int:
    only = space_of(config.namespaces_built(), arguments.namespace).name if arguments.namespace else ""
    # not by way of the wiring: that would sweep leftovers away, and who looks need not be who owns the files
    root, log = Path(config.cache.root), Path(config.nginx.logs) / "access.log"
    census = _counted(arguments, config, root, only)
    report = Report(config.generation(), census, Disk.below(root), _read(arguments, root, log, census, only), log, arguments.unused_days)
    if arguments.json:
        print(json.dumps(as_json(report), indent=2), flush=True)
    else:
        print("\n".join(map(in_line, as_lines(report))), flush=True)
    return 0


def _counted(arguments: argparse.Namespace, config: Config, root: Path, only: str) -> Census:
    with Progress("files", arguments.quiet) as progress:
        return Counting(
            root, config.generation(), config.namespaces_built(), only, arguments.top, arguments.unused_days, show=progress.show
        ).count()


def _read(arguments: argparse.Namespace, root: Path, log: Path, census: Census, only: str) -> FromLog | None:
    size = census.all.bytes + sum(tally.bytes for tally in census.old.values())
    since = time.time() - arguments.log_days * DAY if arguments.log_days else 0.0
    with Progress("lines", arguments.quiet) as progress:
        return Reading(root / "files", size, Evicted(root / FILE), only, show=lambda lines: progress.show(lines, 0)).read(log, since)


def _days(text: str) -> float:
    try:
        days = float(text)
    except ValueError:
        days = -1.0
    if not 0 <= days <= 36_500:
        raise argparse.ArgumentTypeError(f"expected a number of days, got {text!r}")
    return days


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or not 1 <= int(text[:6]) <= 1000:
        raise argparse.ArgumentTypeError(f"expected a number from 1 to 1000, got {text!r}")
    return int(text)
