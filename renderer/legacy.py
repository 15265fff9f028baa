"""What only legacy sources have: asked one after the other for an original that the store of its namespace does not have, or does not give.

What they had is owed to the store. What has other bytes than its name says is never served, kept or owed, and left alone for a while. So is
a store or a source that does not answer: where there is another place to look, nobody waits for that. An outage is no absence, though.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from renderer.debts import Debts
from renderer.errors import Gone, NotFound, StoreGarbled, StoreMismatch, StoreRefused, StoreUnavailable, TooManyBytes
from renderer.homes import Home
from renderer.quarantine import Quarantine
from renderer.rendition import Ref
from renderer.rests import Patience, Rest
from renderer.stores import Facts, Source

log = logging.getLogger(__name__)

# As long as a 404 may be cached; half of that is long for the first byte, and longer than S3's quick refusals with the pauses between them.
PATIENCE = Patience(
    rest_seconds=10, slow_seconds=5, forgiven_seconds=5, answers=(NotFound, TooManyBytes, StoreGarbled, StoreRefused)
)  # fmt: skip


class Legacy:
    """`debts`: who notes what is owed; `quarantine`: who notes what is wrong. Without them it is served all the same, and not noted."""

    def __init__(
        self, debts: Debts | None = None, quarantine: Quarantine | None = None, now: Callable[[], float] = time.monotonic
    ) -> None:  # fmt: skip
        self._debts, self._quarantine, self._now = debts, quarantine, now
        self._rests: dict[str, Rest] = {}

    def asking(self, source: Source, target: Path) -> AbstractContextManager[None]:
        """As Rest.asking, of a store or a source."""
        name = source.name
        return self._rests.setdefault(name, Rest(name, PATIENCE, self._now)).asking(target)

    def fetch(self, home: Home, ref: Ref, target: Path, max_bytes: int) -> Facts | None:
        """The first whole original, as `Source.get`; None only when each source answered that it has none.

        Gone when a source says that it was deleted there: no older source brings it back. When no source has it, but some failed, what the
        first of these raised is raised; StoreMismatch when all answered, and one has other bytes under that name, or had a while ago.
        """
        if not home.legacy:
            return None
        if self._quarantine and not home.accepts_mismatch:
            self._quarantine.check_mismatch(ref)
        facts = self._first(home, ref, target, max_bytes)
        if facts:
            self._owe(ref)
            self.forget(ref)
        return facts

    def _first(self, home: Home, ref: Ref, target: Path, max_bytes: int) -> Facts | None:
        failure: StoreUnavailable | None = None
        mismatch: StoreMismatch | None = None
        for source, key in home.sources(ref.name):
            try:
                with self.asking(source, target):
                    facts = source.get(key, target, max_bytes)
                if facts is not None:
                    home.verify(ref, target, source.name)
                    return facts
            except Gone as error:
                if failure is not None:
                    raise failure from error
                raise
            except StoreMismatch as error:
                mismatch = mismatch or error
            except StoreUnavailable as error:
                if isinstance(error, StoreGarbled):
                    log.error("%s", error)  # somebody has to look at it: no later attempt does better
                failure = failure or error
        if failure:
            raise failure
        if mismatch:
            raise self._noted(ref, mismatch)
        return None

    def _noted(self, ref: Ref, mismatch: StoreMismatch) -> StoreMismatch:
        """The same, with the time when the sources are asked again."""
        if not self._quarantine:
            return mismatch
        try:
            record = self._quarantine.strike_source(ref, mismatch.store, mismatch.reason)
        except OSError:
            log.exception("no record of %s: %s", ref, mismatch)
            return mismatch
        log.error("quarantined until %s: %s", time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record.retry_at)), mismatch)
        return StoreMismatch(mismatch.store, mismatch.reason, round(record.retry_at - record.last))

    def forget(self, ref: Ref) -> None:
        """The right bytes were found: whatever a source had instead is of no interest any more."""
        try:
            if self._quarantine:
                self._quarantine.clear_mismatch(ref)
        except OSError:
            log.exception("the record of %s stays", ref)

    def _owe(self, ref: Ref) -> None:
        """Before a copy is kept, after which no legacy source is asked again. A debt that cannot be noted is no reason to serve nothing."""
        try:
            if self._debts:
                self._debts.owe(ref)
        except StoreUnavailable as error:
            log.error("%s is served from a legacy source, and not owed to its store: %s", ref, error)
