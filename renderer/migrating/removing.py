"""Take attachments out of CouchDB, one document after the other, each only when its original was verified a short while ago.

The document stays, with what it said of the attachment as fields (decision 25). Until the database is compacted the revision before still
has the attachment; afterwards nothing brings it back.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from renderer.crew import Crew
from renderer.errors import Gone, RendererError
from renderer.homes import Home
from renderer.migrating import FAILED, GONE, REMOVED, THERE, Outcome
from renderer.migrating.copying import is_down
from renderer.migrating.journal import Journal, Verified
from renderer.migrating.running import MOST_IN_A_ROW, Halt
from renderer.stores.couchdb import CouchSource
from renderer.stores.couchdb.attachments import Document

FRESH_SECONDS = 24 * 3600.0  # how long a verification is good for
NOT_FRESH = "expected a verification of this revision within the last {:g} h, got {}"
_FIELDS = ("filename", "length", "content_type")


class Removing:
    """`fresh_seconds`: how old a verification may be; `now`: seconds since 1970; `limit`: how many documents at most, 0 for all."""

    def __init__(
        self, source: CouchSource, home: Home, journal: Journal, crew: Crew, fresh_seconds: float = FRESH_SECONDS, limit: int = 0,
        now: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        self._source, self._home, self._journal, self._crew = source, home, journal, crew
        self._fresh_seconds, self._limit, self._now = fresh_seconds, limit, now
        self.halt = Halt()

    def outcomes(self) -> Iterator[Outcome]:
        """REMOVED; THERE where nothing is attached; GONE for a document that is not there any more; FAILED with what is in the way."""
        in_a_row = 0
        for verified, outcome in self._crew.each(self._verified(), self._remove):
            if self.halt.reason:
                continue
            if outcome.state == REMOVED:  # what is in the way is no news about the original
                self._journal.note(outcome, is_verified=True)
            yield replace(outcome, length=verified.outcome.length)
            in_a_row = in_a_row + 1 if outcome.is_down else 0
            if in_a_row == MOST_IN_A_ROW:
                self.halt.reason = outcome.reason
                self._crew.stop()
        self._journal.flush()

    def _verified(self) -> Iterator[Verified]:
        left = self._limit or None
        for verified in self._journal.verified():
            if left == 0:
                return
            if verified.outcome.state != REMOVED:
                left = left and left - 1
                yield verified

    def _remove(self, verified: Verified) -> Outcome:
        key = verified.outcome.key
        try:
            return self._crew.patiently(lambda: self._attempt(verified))
        except Gone as error:
            return Outcome(key, GONE, reason=str(error))
        except (RendererError, OSError) as error:
            return Outcome(key, FAILED, reason=str(error), is_down=is_down(error))

    def _attempt(self, verified: Verified) -> Outcome:
        ours = verified.outcome
        age = self._now() - verified.at
        if not 0 <= age <= self._fresh_seconds:
            return self._refused(ours, f"one {age / 3600:.1f} h old")
        document = self._source.document(ours.key)
        if document is None:
            return Outcome(ours.key, GONE)
        if document["_rev"] != verified.revision:
            if not document.get("_attachments"):
                return replace(ours, state=REMOVED)  # by a run that was killed before it could note it
            return self._refused(ours, "another revision")
        attachments = document.get("_attachments") or {}
        if not attachments:
            return replace(ours, state=THERE)  # there is nothing to remove
        if len(attachments) > 1 or document.get("_conflicts"):
            return self._refused(ours, "several attachments, of which only one is in the store")
        held = self._home.store.facts(self._home.key(ours.key))
        if held is None or held.length != ours.length or (held.md5 and ours.md5 and held.md5 != ours.md5):
            return self._refused(ours, "a store that does not have it any more")
        if not self._source.couch.put(without_attachments(document, ours)):
            return self._refused(ours, "a change at this moment")
        return replace(ours, state=REMOVED)  # and the revision is that which has the attachment, for who wants it back

    def _refused(self, ours: Outcome, got: str) -> Outcome:
        return replace(ours, state=FAILED, reason=NOT_FRESH.format(self._fresh_seconds / 3600, got))


def without_attachments(document: Document, ours: Outcome) -> dict[str, Any]:
    """The document as it stays; fields that it has already come first."""
    said = {"filename": ours.attachment, "length": ours.length, "content_type": ours.content_type}
    kept = {name: value for name, value in document.items() if name not in ("_attachments", "_conflicts")}
    return kept | {name: kept.get(name) or said[name] for name in _FIELDS}
