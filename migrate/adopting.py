"""Adopt the cache directory of a huImages 2 server: its originals are taken in, what was asked of it is listed. Dry unless --run.

    python migrate/huimages_cache.py --root /srv/onmiss /usr/local/huImages/cache              looks, and stores nothing
    python migrate/huimages_cache.py --root /srv/onmiss --run --list asked.txt /usr/local/huImages/cache

Originals are CACHE/o/ID.jpeg; one whose bytes do not have the hash in its name is reported and not taken in, under no name at all. Each
keeps its own time, which is that of the file. What is in the store already is not read again, and what was deleted here stays deleted.
Renditions, CACHE/WIDTHxHEIGHT/ID.jpeg, are never taken over: many are a pixel off, not enlarged, or sideways. --list writes which ones
were asked for, ID<TAB>SIZE a line, for them to be made anew; leading zeros are gone, sizes that are not answered here are reported instead.

Nothing in CACHE is changed. Failures, strange names and a summary go to standard error. Exit code: 0, 1 when something failed or is not
what it says, 2 for what cannot be, 130 when it was interrupted: by Ctrl-C once what is in work is finished, twice at once. Safe to
interrupt and to repeat; works while `onmiss up` runs, and while the old server still does.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO

from migrate.cached_originals import Adopting, candidates
from migrate.old_cache import Asked, OldCache
from renderer import markup
from renderer.cli import FAILED, USAGE
from renderer.cli.importing import MOST_JOBS, USUAL_JOBS, namespace_of
from renderer.cli.interrupting import INTERRUPTED
from renderer.cli.reporting import Report
from renderer.config import Config
from renderer.errors import BadRequest, ConfigError, RendererError
from renderer.fields import in_line
from renderer.importing import FAILED as BAD
from renderer.importing import SKIPPED, TAKEN, THERE, Importing, Outcome, Tally
from renderer.importing.candidates import Found, Passed
from renderer.importing.resume import State
from renderer.importing.wishes import Wishes
from renderer.originals import Originals
from renderer.wiring import Wiring

NAME = "huimages_cache"
STDOUT = "-"


def main(argv: list[str]) -> int:
    """Adopt one cache; returns the exit code."""
    arguments = _parser().parse_args(argv)
    try:
        return run(arguments)
    except RendererError as error:
        _say(str(error))
        return USAGE if isinstance(error, BadRequest | ConfigError) else FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our list went away
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except OSError as error:
        _say(f"{error.strerror or error}: {error.filename}" if error.filename else str(error))
        return FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(f"{NAME}.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("cache", metavar="CACHE", type=Path, help="the old server's directory: what holds `o` and `150x150`")
    add("--config", metavar="FILE", help="the configuration, YAML (environment: ONMISS_CONFIG)")
    add("--root", metavar="DIR", help="where everything lives that is not placed elsewhere (ONMISS_ROOT)")
    add("--namespace", default=markup.NAMESPACE, metavar="NS", help="where to; it names by `sha1` (default: %(default)s)")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--dry-run", action="store_true", help="read and check everything, store nothing: the default")
    which.add_argument("--run", action="store_true", help="take the originals in")
    add("--list", default="", metavar="FILE", help="write there what was asked for; - is standard output; there when it is complete")
    add("--jobs", type=int, choices=range(1, MOST_JOBS + 1), default=USUAL_JOBS, metavar="N", help="so many at once (here: %(default)s)")
    add("--resume", metavar="STATE", type=Path, help="a file that remembers what is done, for a store that is slow to ask; may be new; "
        "takes some 100 bytes of memory a file")  # fmt: skip
    add("--quiet", "-q", action="store_true", help="no progress and no strange names, only failures and the summary")
    return parser


def run(arguments: argparse.Namespace) -> int:
    file, root = arguments.config or os.environ.get("ONMISS_CONFIG"), arguments.root or os.environ.get("ONMISS_ROOT")
    config = Config.load(Path(file) if file else None, Path(root) if root else None, os.environ)
    space = namespace_of(config, arguments.namespace)
    if space.naming.kind != "sha1":
        raise BadRequest(f"expected a namespace that names by sha1, as huImages does, got {space.name}")
    arguments.dry_run = not arguments.run
    _expect_listable(arguments.list)
    cache = OldCache(arguments.cache, space, config.limits_built())
    with _interruptible() as interrupted:
        tally = _adopt(arguments, Wiring(config), cache, interrupted)
        counts = Counter[str]() if tally.halted else _list(arguments, cache, interrupted)
    if arguments.dry_run:
        _say("this was a dry run, and nothing is stored; --run does it")
    if interrupted.came:
        return INTERRUPTED
    return FAILED if tally.halted or tally.counts[BAD] or counts[BAD] else 0


def _expect_listable(name: str) -> None:
    """Hours later would be late to say so."""
    if name not in ("", STDOUT):
        path = Path(name)
        if not path.absolute().parent.is_dir() or (path.exists() and not path.is_file()):
            raise BadRequest(f"expected a file for --list, in a folder that is there, got {name}")


class _Interrupted:
    """`came`: somebody wants us to end."""

    def __init__(self) -> None:
        self.came = False
        self._then: Callable[[], None] = _nothing

    def then(self, act: Callable[[], None]) -> None:
        """At once, when it came before."""
        self._then = act
        if self.came:
            act()

    def stop(self, number: int, frame: object) -> None:
        if self.came:
            raise KeyboardInterrupt
        self.came = True
        self._then()


def _nothing() -> None:
    """There is nothing in work that has to be told."""


@contextmanager
def _interruptible() -> Iterator[_Interrupted]:
    """Ctrl-C and SIGTERM finish what is in work, a second one ends it at once."""
    interrupted = _Interrupted()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number, handler in before.items():
        if handler != signal.SIG_IGN:  # whoever started us in the background said no to Ctrl-C
            signal.signal(number, interrupted.stop)
    try:
        yield interrupted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Originals:
    """What a report may count for its bar."""

    is_repeatable = True

    def __init__(self, cache: OldCache, originals: Originals) -> None:
        self._cache, self._originals = cache, originals

    def find(self) -> Iterator[Found]:
        return candidates(self._cache.originals(), self._originals)


def _adopt(arguments: argparse.Namespace, wiring: Wiring, cache: OldCache, interrupted: _Interrupted) -> Tally:
    config, began = wiring.config, time.monotonic()
    ingest = wiring.ingest if arguments.run else None
    adopting = Adopting(wiring.originals, wiring.catalog if arguments.run else None, ingest)
    jobs = min(arguments.jobs, config.render.count() + config.render.queue)  # more would find the render processes' queue full
    found = _Originals(cache, wiring.originals)
    with _remembered(arguments) as state:
        importing = Importing(adopting, Wishes(cache.namespace), jobs, state, None, config.limits_built())
        if ingest:
            wiring.workers.start()
        try:
            with _report(arguments, found) as report:
                interrupted.then(_ending(importing, report))
                for outcome in importing.outcomes(found.find()):
                    report.show(_as_shown(outcome))
        finally:
            interrupted.then(_nothing)
            if ingest:
                wiring.workers.stop(0.5)
            _conclude(importing.tally, time.monotonic() - began, arguments.dry_run)
    return importing.tally


def _ending(importing: Importing, report: Report) -> Callable[[], None]:
    def end() -> None:
        importing.interrupt()
        report.say_at_once(f"{NAME}: finishing what is in work; once more ends it at once")

    return end


@contextmanager
def _remembered(arguments: argparse.Namespace) -> Iterator[State | None]:
    """A dry run begins and alters nobody's state."""
    if arguments.resume is None or (arguments.dry_run and not arguments.resume.exists()):
        yield None
        return
    state = _Looked(arguments.resume, is_dry=True) if arguments.dry_run else State(arguments.resume)
    try:
        yield state
    finally:
        state.close()


class _Looked(State):
    """What was only looked at is not done."""

    def add(self, mark: bytes, ref: str, shown: str) -> None:
        pass


def _report(arguments: argparse.Namespace, found: Any) -> Report:
    """`found`: something to look through a second time, for the bar's total."""
    return Report(arguments, found, lambda ref: "")


def _as_shown(outcome: Outcome) -> Outcome:
    """Without a line where all is well: millions of those would hide the others."""
    return replace(outcome, what=SKIPPED, is_wanted=True) if outcome.what in (TAKEN, THERE) else outcome


def _conclude(tally: Tally, seconds: float, is_dry: bool) -> None:
    counts = tally.counts
    if tally.halted:
        _say(f"{tally.halted}; the same command again goes on, and does nothing twice; no list was written")
    taken = f"{counts[TAKEN]} {'would be ' * is_dry}taken in, {counts[THERE]} already there"
    passed = f"{counts[SKIPPED]} skipped{_reasons(tally.skipped)}, {counts[BAD]} failed"
    _say(f"originals: {taken}, {passed}; {tally.bytes / 1e6:.1f} MB in {seconds:.1f} s")


def _reasons(counts: Counter[str]) -> str:
    reasons = ", ".join(f"{count} {reason}" for reason, count in counts.most_common())
    return f" ({reasons})" * bool(reasons)


class _Nothing:
    """There is no total for a list: to count it takes as long as to write it."""

    is_repeatable = False


def _list(arguments: argparse.Namespace, cache: OldCache, interrupted: _Interrupted) -> Counter[str]:
    """How many outcomes there were of which kind; TAKEN are lines of the list."""
    counts, skipped = Counter[str](), Counter[str]()
    with _written(arguments.list, lambda: interrupted.came) as file, _report(arguments, _Nothing()) as report:
        for each in cache.asked():
            if interrupted.came:
                break
            outcome = _outcome(each)
            counts[outcome.what] += 1
            if isinstance(each, Asked) and file is not None:
                file.write(f"{each.ref.name}\t{each.size}\n")
            if outcome.what == SKIPPED:
                skipped[outcome.reason.partition(":")[0]] += 1
            report.show(_as_shown(outcome))
    where = ""
    if arguments.list not in ("", STDOUT):
        where = f"; {'interrupted, and not ' * interrupted.came}listed in {arguments.list}"
    _say(f"renditions: {counts[TAKEN]} were asked for, {counts[SKIPPED]} names skipped{_reasons(skipped)}, {counts[BAD]} failed{where}")
    return counts


def _outcome(each: Asked | Passed) -> Outcome:
    if isinstance(each, Passed):
        return Outcome(each.shown, BAD if each.is_failure else SKIPPED, each.reason, is_wanted=each.is_wanted)
    return Outcome(each.ref.name, TAKEN, ref=each.ref)


@contextmanager
def _written(name: str, is_cut: Callable[[], bool]) -> Iterator[TextIO | None]:
    """A file is there when it is whole: half a list looks like a list."""
    if name in ("", STDOUT):
        yield sys.stdout if name else None
        sys.stdout.flush()
        return
    partial = Path(f"{name}.{os.getpid()}.partial")
    try:
        with partial.open("x", encoding="ascii") as file:
            yield file
        if not is_cut():
            partial.replace(name)
    finally:
        partial.unlink(missing_ok=True)


def _say(line: str) -> None:
    print(f"{NAME}: {in_line(line)}", file=sys.stderr, flush=True)
