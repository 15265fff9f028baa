"""Move originals here from where an older system kept them: from the attachments of huImages' documents in CouchDB.

    onmiss migrate couchdb-to-s3 --plan                  counts, bytes, formats, odd documents, estimated time; reads documents only
    onmiss migrate couchdb-to-s3 --run --jobs 16         copies what the store does not have; works while both systems serve
    onmiss migrate couchdb-to-s3 --verify                compares both sides, and writes a report: N of N identical
    onmiss migrate couchdb-to-s3 --remove-attachments    of what was verified within a day; the documents stay

From the namespace's legacy source into its store, S3 or any other. A run lists all documents, then follows the changes until there are
none, so that people may upload meanwhile. A journal remembers what is done: whatever stops a run, kill -9 too, the same command goes on.
What is in the store already costs one question there. Several machines may share the work: --shard 1/3, 2/3 and 3/3.

Exit code: 0 when all is done (--verify: all looked at, and identical), 1 when something failed or is not as it should be, 2 for what cannot
be, 130 when it was interrupted: by Ctrl-C once what is in work is finished, twice at once.
"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Callable
from pathlib import Path

from renderer.cli import FAILED
from renderer.cli.importing import MOST_JOBS, USUAL_JOBS
from renderer.cli.interrupting import INTERRUPTED, interruptible
from renderer.cli.migrating import Work, plan, remove, run_copying, verify
from renderer.cli.progress import Progress
from renderer.config import Config
from renderer.crew import PATIENCE, Crew
from renderer.errors import BadRequest, ConfigError
from renderer.homes import Home
from renderer.migrating.removing import FRESH_SECONDS
from renderer.migrating.shards import parse_shard
from renderer.migrating.throttle import Throttle
from renderer.removal import space_of
from renderer.stores.couchdb import CouchSource
from renderer.wiring import Wiring

WAYS = ("couchdb-to-s3",)
PAGE_DOCUMENTS = 500  # at a time: a kilobyte each


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("way", choices=WAYS, help="from where to where")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--plan", action="store_true", help="look at the documents, and say what is to be done")
    what.add_argument("--run", action="store_true", help="copy; may be repeated, and goes on where it was stopped")
    what.add_argument("--verify", action="store_true", help="compare both sides and write a report")
    what.add_argument("--remove-attachments", action="store_true", help="take out of CouchDB what was verified; undoable until compaction")
    add = parser.add_argument_group("which").add_argument
    add("--namespace", default="", metavar="NS", help="whose originals (default: the first that has a legacy source in CouchDB)")
    add("--source", default="", metavar="NAME", help="the source (default: the namespace's first legacy one in CouchDB)")
    add("--shard", default="", metavar="I/N", help="only the I-th of N ranges of names, for machines that share the work")
    add("--limit", type=_whole, default=0, metavar="N", help="at most so many documents")
    add("--since", default="", metavar="SEQ", help="--run: only what changed since this sequence of CouchDB's, without listing all")
    add("--follow", action="store_true", help="--run: when all is done, wait for changes until interrupted")
    _configure_how(parser)


def _configure_how(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("how").add_argument
    add("--jobs", type=_jobs, default=USUAL_JOBS, metavar="N", help="so many at once (default here: %(default)s)")
    add("--rate", type=_rate, default=0.0, metavar="MB/s", help="read at most so many megabytes a second from CouchDB")
    add("--patience", type=_seconds, default=PATIENCE, metavar="S", help="how long to wait for what is down (default: %(default)g)")
    add("--deep", action="store_true", help="--verify: read and hash the bytes on both sides, whatever the servers say of them")
    add("--fresh-hours", type=_hours, default=FRESH_SECONDS / 3600, metavar="H",
        help="--remove-attachments: how long a verification is good for (default: %(default)g)")  # fmt: skip
    add("--journal", type=Path, metavar="FILE", help="what is done (default: migration/NAMESPACE[-SHARD].sqlite below the root)")
    add("--report", type=Path, metavar="FILE", help="--verify: where the report goes (default: beside the journal, with the time)")
    add("--quiet", "-q", action="store_true", help="no progress, only failures and the summary")


def run(arguments: argparse.Namespace, config: Config) -> int:
    _expect_together(arguments)
    wiring = Wiring(config)
    home, source = _from_where(wiring, arguments.namespace, arguments.source)
    shard = parse_shard(arguments.shard, home.namespace.naming)
    jobs = min(arguments.jobs, config.render.count() + config.render.queue)  # more would find the render processes' queue full
    crew, throttle = Crew(jobs, arguments.patience), Throttle(arguments.rate * 1e6)
    name = f"{home.namespace.name}{f'-{shard.text}' if shard.text else ''}".replace("/", "-of-")
    journal = arguments.journal or config.root / "migration" / f"{name}.sqlite"
    with Progress("documents", arguments.quiet) as progress, interruptible(crew.stop, progress.say_at_once, "onmiss migrate") as came:
        work = Work(arguments, wiring, home, source, shard, crew, throttle, journal, progress, time.monotonic())
        is_well = _doing(arguments)(work)
    if came.is_set() and not is_well:
        return INTERRUPTED
    return 0 if is_well else FAILED


def _doing(arguments: argparse.Namespace) -> Callable[[Work], bool]:
    return plan if arguments.plan else verify if arguments.verify else remove if arguments.remove_attachments else run_copying


def _from_where(wiring: Wiring, namespace: str, name: str) -> tuple[Home, CouchSource]:
    homes = wiring.originals.homes
    if namespace:
        homes = {namespace: homes[space_of(wiring.config.namespaces_built(), namespace).name]}
    for home in homes.values():
        for source in home.legacy:
            if isinstance(source, CouchSource) and name in ("", source.name):
                source.page_documents = max(source.page_documents, PAGE_DOCUMENTS)
                return home, source
    wanted = f"the source {name}" if name else "a source of kind couchdb"
    key = f"namespaces.{namespace or next(iter(homes))}.legacy"
    cure = "legacy: [couch], with couch: {kind: couchdb, url: …} under `stores`"
    raise ConfigError(key, f"expected {wanted} to move originals from, found none", cure)


def _expect_together(arguments: argparse.Namespace) -> None:
    """An option that would be passed over in silence is a mistake."""
    for option, is_given, what in (
        ("--since", arguments.since, "run"), ("--follow", arguments.follow, "run"),
        ("--deep", arguments.deep, "verify"), ("--report", arguments.report, "verify"),
    ):  # fmt: skip
        if is_given and not getattr(arguments, what):
            raise BadRequest(f"expected --{what} with {option}")
    if arguments.follow and arguments.limit:
        raise BadRequest("expected --follow or --limit, got both")


def _jobs(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,3}", text) or not 1 <= int(text) <= MOST_JOBS:
        raise argparse.ArgumentTypeError(f"expected a number from 1 to {MOST_JOBS}, got {text!r}")
    return int(text)


def _whole(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,12}", text) or not int(text):
        raise argparse.ArgumentTypeError(f"expected a number of 1 or more, got {text!r}")
    return int(text)


def _positive(text: str, what: str) -> float:
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]+)?", text) or not float(text):
        raise argparse.ArgumentTypeError(f"expected a number above 0 for {what}, got {text!r}")
    return float(text)


def _seconds(text: str) -> float:
    return _positive(text, "seconds")


def _rate(text: str) -> float:
    return _positive(text, "megabytes a second")


def _hours(text: str) -> float:
    return _positive(text, "hours")
