"""Keep the cache within its bounds: evict the renditions that are worth least, tidy up, and say what was done.

    onmiss prune                            one pass, for cron; the bounds are those of the configuration (`cache`)
    onmiss prune --max-bytes 100GB --min-free 5GB --dry-run
    onmiss prune --policy age --max-bytes 80GB
    onmiss prune --watch                    stays, and looks again and again: what `onmiss up` runs

When a bound is passed, the cache is brought to --low-water percent of it: first what was never used again, then what saves least time for
its bytes (--policy value). Renditions only, and local copies of originals that their store still has: nothing goes that could not be made
again. nginx finishes from what it has open. Safe to interrupt and to kill at any point; works while `onmiss up` runs.

Exit code: 0; 1 when a bound could not be met, or the cache could not be changed; 2 for what cannot be; 3 when another pruner is at work.
"""

from __future__ import annotations

import argparse
import json
import logging
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from renderer.cli import FAILED, logs
from renderer.cli.progress import Progress
from renderer.config import Config
from renderer.errors import ConfigError, Conflict, RendererError
from renderer.fields import in_line
from renderer.pruning.bounds import Free
from renderer.pruning.pruner import Pruner, Summary
from renderer.pruning.recency import Breath, be_nice
from renderer.wiring import Wiring

log = logging.getLogger(__name__)

AT_WORK = 3
LOOK_SECONDS = 1.0  # between two looks at the free space: one system call
REST = 10.0  # passes of a large cache take so much of the time at most: a tenth
BOUNDS = ("max_bytes", "max_inodes", "min_free", "min_free_inodes", "low_water", "min_age", "max_age", "policy", "recency")


def configure(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("instead of the configuration's `cache`; `off` for no bound").add_argument
    add("--max-bytes", metavar="SIZE", help="most bytes of renditions on disk (200GB)")
    add("--max-inodes", metavar="N", help="most inodes of renditions and their directories")
    add("--min-free", metavar="SIZE", help="least free bytes of the file system")
    add("--min-free-inodes", metavar="N", help="least free inodes of the file system")
    add("--low-water", metavar="PERCENT", help="to how much of a bound the cache is brought once it was passed")
    add("--min-age", metavar="SECONDS", help="what was published less than so long ago stays")
    add("--max-age", metavar="AGE", help="what was published longer ago goes (30d, 12h, seconds)")
    add("--policy", choices=("value", "lru", "age"), help="who goes first")
    add("--recency", choices=("auto", "visited", "log", "age"), help="how uses are known")
    add = parser.add_argument_group("how").add_argument
    add("--watch", action="store_true", help="stay, and look every `cache.prune_seconds`, and at once when the disk is short of space")
    add("--dry-run", action="store_true", help="only say what would go")
    add("--json", action="store_true", help="the summary as a line of JSON on standard output")
    add("--nice", type=int, choices=range(20), default=19, metavar="N", help="niceness, 0 to 19 (default: %(default)s)")
    add("--quiet", "-q", action="store_true", help="no progress, and a summary only where something is wrong")


def run(arguments: argparse.Namespace, config: Config) -> int:
    if arguments.watch and (arguments.dry_run or arguments.json):
        raise Conflict("expected --watch without --dry-run and --json")
    changes = _changes(arguments, config)
    be_nice(arguments.nice)
    if arguments.watch:
        logs.configure(config)
        return _Watch(Wiring(config).pruner_within(changes, breathe=_breath(arguments)), config).run()
    with Progress("renditions", arguments.quiet) as progress:
        pruner = Wiring(config).pruner_within(changes, _shown(progress), _breath(arguments))
        try:
            summary = pruner.run(arguments.dry_run)
        except Conflict as error:
            progress.end()
            print(f"onmiss: {error}", file=sys.stderr)
            return AT_WORK
    if arguments.json:
        print(json.dumps(asdict(summary)), flush=True)
    elif summary.unmet or not arguments.quiet:
        print("\n".join(map(in_line, told(summary))), file=sys.stderr, flush=True)
    return FAILED if summary.unmet else 0


def _breath(arguments: argparse.Namespace) -> Callable[[], object]:
    return Breath() if arguments.nice else bool


def _changes(arguments: argparse.Namespace, config: Config) -> dict[str, Any]:
    """What the options say, read as the configuration reads it; ConfigError names the option."""
    given = {name: getattr(arguments, name) for name in BOUNDS if getattr(arguments, name) is not None}
    environ = {f"ONMISS_CACHE__{name.upper()}": str(value) for name, value in given.items()}
    try:
        tried = Config.of({}, config.root, environ)
    except ConfigError as error:
        option = error.key.removeprefix("ONMISS_CACHE__").removeprefix("cache.").lower().replace("_", "-")
        raise ConfigError(f"--{option}", error.problem, error.cure) from None
    return {name: getattr(tried.cache, name) for name in given}


def _shown(progress: Progress) -> Callable[[int], None]:
    """Told of every directory; a look at the clock for each would cost as much as the look at the directory."""
    told = 0

    def show(seen: int) -> None:
        nonlocal told
        if seen - told >= 2000:
            told = seen
            progress.show(seen, 0)

    return show


def told(summary: Summary) -> list[str]:
    """The summary in sentences."""
    would = "would be " * summary.is_dry
    reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(summary.evicted.items())) or "nothing"
    lines = [
        f"{summary.scanned} renditions, {summary.visited} of them read since the last look; uses are known by: {summary.recency}",
        f"{would}evicted: {reasons}; {summary.evicted_bytes / 1e6:.1f} MB",
        f"{summary.bytes_before / 1e6:.1f} MB and {summary.inodes_before} inodes before, {summary.bytes_after / 1e6:.1f} MB and "
        f"{summary.inodes_after} inodes {'then' if summary.is_dry else 'now'}; {summary.seconds:.1f} s",
    ]
    copies = summary.copies
    if copies.get("files"):
        lines.append(
            f"local copies of originals: {copies['bytes'] / 1e6:.1f} MB, {copies['evicted']} {would}evicted, {copies['freed'] / 1e6:.1f} MB"
            + (f", {copies['kept_for_store']} kept because their store does not have them" if copies["kept_for_store"] else "")
        )
    if summary.leftovers:
        lines.append(f"{summary.leftovers} leftovers of processes that died, and expired tombstones, removed")
    if summary.spared:
        lines.append(f"{summary.spared} originals spared, because renditions of them are being made")
    if summary.foreign:
        lines.append(f"{summary.foreign} that are not ours, and are left alone: {', '.join(summary.foreign_examples)}")
    return lines + summary.unmet


class _Watch:
    """The resident pruner: a pass now and then, and at once when the file system is short of space."""

    def __init__(self, pruner: Pruner, config: Config) -> None:
        self._pruner, self._root, self._seconds = pruner, Path(config.cache.root), config.cache.prune_seconds
        self._stopping = threading.Event()

    def run(self) -> int:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._stopping.set())
        due = 0.0
        while not self._stopping.is_set():
            if time.monotonic() >= due or self._is_short():
                began = time.monotonic()
                self._pass()
                due = time.monotonic() + max(self._seconds, REST * (time.monotonic() - began))
            self._stopping.wait(LOOK_SECONDS)
        return 0

    def _pass(self) -> None:
        try:
            summary = self._pruner.run()
        except Conflict as error:
            log.info("%s", error)
        except (RendererError, OSError) as error:
            log.error("the cache was not pruned: %s", error)
        else:
            if summary.evicted or summary.unmet:
                log.log(logging.WARNING if summary.unmet else logging.INFO, "; ".join(told(summary)))

    def _is_short(self) -> bool:
        least = self._pruner.wishes.bounds.min_free
        with suppress(OSError):
            return least is not None and Free.below(self._root).bytes < least * 0.9
        return False
