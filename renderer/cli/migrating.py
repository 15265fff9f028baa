"""What `onmiss migrate` does, one function for each of its ways, with what it says of it. Each returns whether all is well."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from renderer.cli.progress import Progress
from renderer.crew import Crew
from renderer.errors import StoreUnavailable
from renderer.fields import in_line
from renderer.homes import Home
from renderer.migrating import COPIED, GONE, IN_STORE, REMOVED, STATES, THERE, TROUBLE, Outcome
from renderer.migrating.copying import Copying
from renderer.migrating.journal import Journal, opened
from renderer.migrating.planning import Plan, Planning
from renderer.migrating.proving import Proof, Proving, Report
from renderer.migrating.removing import Removing
from renderer.migrating.running import LISTED, POSITION, Run
from renderer.migrating.shards import Shard
from renderer.migrating.throttle import Throttle
from renderer.migrating.verifying import Verifying
from renderer.stores.couchdb import CouchSource
from renderer.wiring import Wiring

# What was seen with 16 jobs on two cores, see bench/RESULTS.md; the first run's own figures take its place.
USUAL_OBJECTS, USUAL_BYTES = 100.0, 20e6  # a second
RATE = "rate"  # what the journal remembers: objects and bytes a second of the last run that copied something


@dataclass(frozen=True)
class Work:
    """All that a way of migrating needs. `began`: of the monotonic clock."""

    arguments: argparse.Namespace
    wiring: Wiring
    home: Home
    source: CouchSource
    shard: Shard
    crew: Crew
    throttle: Throttle
    path: Path
    progress: Progress
    began: float

    @property
    def scratch(self) -> Path:
        return self.wiring.cache.root / "tmp"

    def seconds(self) -> float:
        return max(time.monotonic() - self.began, 1e-3)

    @contextmanager
    def journal(self) -> Iterator[Journal]:
        store = self.wiring.config.stores[self.home.store.name].place()
        identity = {
            "namespace": self.home.namespace.name,
            "source": f"{self.source.couch.title} at {self.source.couch.where}",
            "store": " ".join((*map(str, store), self.home.prefix)).strip(),
            "shard": self.shard.text or "all",
        }
        with opened(self.path, identity) as journal:
            yield journal


def plan(work: Work) -> bool:
    """Says what is to be done. Always well, once it could be said."""
    limit = work.wiring.config.limits.max_original_bytes
    planning = Planning(work.source, work.home.namespace, limit, work.shard, work.crew)
    work.progress.expect(planning.count())
    for seen in planning.pages():
        work.progress.show(seen, planning.plan.bytes)
    work.progress.end()
    rate = ""
    if work.path.exists():
        with work.journal() as journal:
            rate = journal.fact(RATE)
    _say(*_planned(planning.plan, work, rate, planning.plan.documents / work.seconds()))
    return not work.crew.stopping.is_set()


def _planned(found: Plan, work: Work, rate: str, listing: float) -> Iterator[str]:
    yield f"{found.documents} documents in {work.source.couch.title} at {work.source.couch.where}"
    yield f"{found.originals} originals to move, {found.bytes / 1e9:.3f} GB, the largest {found.largest / 1e6:.1f} MB"
    formats = ", ".join(f"{count} {name}" for name, count in found.formats.most_common())
    yield f"formats, as the documents say: {formats or 'none'}"
    for what, count in sorted(found.odd.items()):
        yield f"{count} {what}: {', '.join(map(in_line, found.examples[what]))}{' …' if count > len(found.examples[what]) else ''}"
    objects, size = map(float, rate.split()) if rate else (USUAL_OBJECTS, USUAL_BYTES)
    if work.arguments.rate:
        size = min(size, work.arguments.rate * 1e6) if rate else work.arguments.rate * 1e6
    hours = max(found.originals / objects, found.bytes / size) / 3600
    why = "as fast as the last run" if rate else "a guess: try --run --limit 1000, and ask again"
    yield f"estimated time: {hours:.1f} h at {objects:.0f} originals or {size / 1e6:.0f} MB a second ({why})"
    yield f"a list of all documents took {found.documents / max(listing, 1e-9):.0f} s, {listing:.0f} documents a second"


def run_copying(work: Work) -> bool:
    """Copies. Well when nothing is left that failed."""
    wiring = work.wiring
    copying = Copying(
        work.source, work.home, wiring.originals, wiring.removal, wiring.workers, work.scratch,
        wiring.config.limits.max_original_bytes, work.crew, work.throttle.take,
    )  # fmt: skip
    with work.journal() as journal:
        run = Run(
            work.source, copying, journal, work.crew, work.shard, work.arguments.limit, work.arguments.since, work.arguments.follow
        )
        wiring.workers.start()
        try:
            work.progress.expect(_left(work, journal))
            seen = _shown(work, run.outcomes())
        finally:
            wiring.workers.stop(0.5)
        if seen.get(COPIED, (0, 0))[0]:
            objects, size = seen[COPIED]
            journal.note(None, ((RATE, f"{objects / work.seconds()} {size / work.seconds()}"),))
        _say(*_ran(work, run, journal, seen))
        return not (run.halt.reason or work.crew.stopping.is_set() or any(journal.counts().get(state) for state in TROUBLE))


def _total(work: Work) -> int | None:
    """For the bar; not of a shard, nor of what changed, where nobody can tell."""
    if work.shard.text or work.arguments.since:
        return None
    with suppress(StoreUnavailable):  # it is asked for more soon, and waited for then
        return work.arguments.limit or work.source.couch.count()
    return None


def _left(work: Work, journal: Journal) -> int | None:
    """Of the list; of changes nobody can tell."""
    total = None if journal.fact(LISTED) else _total(work)
    done = 0 if work.arguments.limit else sum(count for count, _ in journal.counts().values())
    return max(total - done, 0) if total else None


def _ran(work: Work, run: Run, journal: Journal, seen: dict[str, tuple[int, int]]) -> Iterator[str]:
    yield f"this run: {_counted(seen)}; {_pace(seen, work.seconds())}"
    yield f"in all: {_counted(journal.counts())}"
    yield f"changes are followed up to sequence {journal.fact(POSITION)}"
    if run.halt.reason:
        yield f"stopped: {run.halt.reason}"
    if run.halt.reason or work.crew.stopping.is_set():
        yield f"the same command again goes on; what is done stands in {work.path}"


def verify(work: Work) -> bool:
    """Compares, and writes the report. Well when it is complete and all is identical."""
    wiring, arguments = work.wiring, work.arguments
    limit = wiring.config.limits.max_original_bytes
    verifying = Verifying(work.source, work.home, wiring.originals, work.scratch, limit, work.crew, arguments.deep, work.throttle.take)
    with work.journal() as journal:
        moment = datetime.now(UTC)
        path = arguments.report or work.path.with_name(f"{work.path.stem}-verified-{moment:%Y%m%dT%H%M%SZ}.txt")
        proving = Proving(work.source, verifying, journal, work.crew, work.shard, arguments.limit)
        report = Report(path, _head(work, moment))
        try:
            work.progress.expect(_total(work))
            seen = _shown(work, _reported(report, proving))
            is_whole = not (proving.halt.reason or work.crew.stopping.is_set() or arguments.limit)
            ended = [("ended", f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"), ("complete", "yes" if is_whole else "no")]
            report.conclude(proving.proof, ended)
        finally:
            report.close()
        _say(*_verified(proving, proving.proof, seen, path, is_whole))
        return is_whole and not proving.proof.wrong


def _head(work: Work, moment: datetime) -> list[tuple[str, str]]:
    how = "bytes of both sides" if work.arguments.deep else "digests of both sides, bytes where those do not tell"
    store = " ".join(map(str, work.wiring.config.stores[work.home.store.name].place()))
    return [
        ("namespace", work.home.namespace.name),
        ("source", f"{work.source.couch.title} at {work.source.couch.where}"),
        ("store", store),
        ("shard", work.shard.text or "all"),
        ("compared", how),
        ("began", f"{moment:%Y-%m-%d %H:%M:%S} UTC"),
    ]


def _reported(report: Report, proving: Proving) -> Iterator[Outcome]:
    for outcome in proving.outcomes():
        report.add(outcome)
        yield outcome


def _verified(proving: Proving, proof: Proof, seen: dict[str, tuple[int, int]], path: Path, is_whole: bool) -> Iterator[str]:
    yield _counted(seen)
    if proving.halt.reason:
        yield f"stopped: {proving.halt.reason}"
    yield f"report: {path}"
    yield f"{proof}{'' if is_whole else ', and not all were looked at'}"


def remove(work: Work) -> bool:
    """Takes attachments out of CouchDB. Well when none was refused."""
    arguments = work.arguments
    work.progress.say("attachments are removed of what was verified; undoable until the database is compacted: see docs/migration.md")
    with work.journal() as journal:
        hours = arguments.fresh_hours
        removing = Removing(work.source, work.home, journal, work.crew, hours * 3600, arguments.limit)
        seen = _shown(work, removing.outcomes())
        if not seen:
            _say("nothing to remove: --verify first, with the same --journal")
            return True
        if removing.halt.reason:
            _say(f"stopped: {removing.halt.reason}")
        _say(f"{_counted(seen)}; nothing of it is lost before the database is compacted")
        return set(seen) <= {REMOVED, THERE, GONE} and not work.crew.stopping.is_set()


def _shown(work: Work, outcomes: Iterable[Outcome]) -> dict[str, tuple[int, int]]:
    """State to number of documents and bytes, told while they come."""
    seen: dict[str, tuple[int, int]] = {}
    done = size = failures = 0
    for outcome in outcomes:
        count, length = seen.get(outcome.state, (0, 0))
        seen[outcome.state] = (count + 1, length + outcome.length)
        done, size, failures = done + 1, size + outcome.length * (outcome.state in IN_STORE), failures + (outcome.state in TROUBLE)
        if outcome.state in TROUBLE:
            work.progress.say(f"{outcome.key}: {outcome.state}, {outcome.reason}")
        work.progress.show(done, size, failures)
    work.progress.end()
    return seen


def _counted(counts: dict[str, tuple[int, int]]) -> str:
    return ", ".join(f"{counts[state][0]} {state}" for state in STATES if state in counts) or "nothing to do"


def _pace(seen: dict[str, tuple[int, int]], seconds: float) -> str:
    count, size = seen.get(COPIED, (0, 0))
    return f"{size / 1e6:.1f} MB copied in {seconds:.1f} s, {count / seconds:.1f} originals/s, {size / 1e6 / seconds:.1f} MB/s"


def _say(*lines: str) -> None:
    print("\n".join(map(in_line, lines)), file=sys.stderr, flush=True)
