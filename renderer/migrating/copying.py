"""Copy one document's original into its namespace's store, unless it is there; never what is not what its name says.

What is in the store already costs one question there and no byte. After the bytes were put the document is looked at once more: who deleted
it meanwhile has the last word.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from renderer.crew import Crew
from renderer.errors import BadRequest, Busy, Gone, RendererError, StoreGarbled, StoreRefused, StoreUnavailable
from renderer.homes import Home, digest_of
from renderer.migrating import COPIED, EMPTY, FAILED, GONE, IN_STORE, MARKED, MISMATCH, ODD, REMOVED, THERE, Outcome, Task, is_empty
from renderer.originals import Originals
from renderer.placing import own_name
from renderer.removal import Removal
from renderer.rendition import NAMINGS, Ref
from renderer.settling import facts_of, type_of
from renderer.stores import Facts, Lists
from renderer.stores.couchdb import CouchSource, Got, Pace
from renderer.stores.couchdb.attachments import Attachment, Document, attachments_of
from renderer.workers import Workers

_HASH_LETTERS = 32  # of a name; huImages' cluster follows
_NOBODYS = {kind: naming.name_of(bytes(20 if kind == "sha1" else 16)) for kind, naming in NAMINGS.items()}  # names to ask a store for


class Copying:
    """From `source` into `home`'s store. `scratch`: a directory for originals on their way, which render processes can read."""

    def __init__(
        self, source: CouchSource, home: Home, originals: Originals, removal: Removal, workers: Workers, scratch: Path, max_bytes: int,
        crew: Crew, pace: Pace = int,
    ) -> None:  # fmt: skip
        self._source, self._home, self._originals, self._removal, self._workers = source, home, originals, removal, workers
        self._scratch, self._max_bytes, self._crew, self._pace = scratch, max_bytes, crew, pace

    def held(self, names: Iterable[str]) -> dict[str, Facts] | None:
        """What the store has of a page of documents, in their order, by one question; None where that cannot be asked, or would tell too
        much else. Raises what the store raises, once patience ends.
        """
        home = self._home
        keys = [home.key(ref.name) for ref in map(self._ref, names) if ref]
        if not (isinstance(home.store, Lists) and home.namespace.naming.immutable and keys):
            return None
        found = self._crew.patiently(partial(home.store.listed, keys[0], keys[-1], 2 * len(keys)))
        return None if found is None else {home.name(key): facts for key, facts in found.items()}

    @property
    def accepts_mismatch(self) -> bool:
        return self._home.accepts_mismatch

    def is_well(self) -> bool:
        """Whether both sides answer: then what failed was about the originals."""
        try:
            self._source.position()
            self._home.store.facts(self._home.key(_NOBODYS[self._home.namespace.naming.kind]))
        except StoreUnavailable:
            return False
        return True

    def _ref(self, name: str) -> Ref | None:
        try:
            return self._home.namespace.ref(name)
        except BadRequest:
            return None

    def copy(self, task: Task) -> Outcome | None:
        """What became of it; None for what is no document. Raises nothing: what is down is said of the outcome."""
        if not task.key:
            return None
        outcome = self._outcome(task)
        was_ours = task.known is not None and task.known.is_ours and outcome.state != GONE
        return replace(outcome, is_ours=was_ours or outcome.state == COPIED)

    def _outcome(self, task: Task) -> Outcome:
        attempts = iter([task])  # what was looked at before is good for the first attempt only
        try:
            return self._crew.patiently(lambda: self._attempt(next(attempts, replace(task, document=None, is_listed=False))))
        except (RendererError, OSError) as error:
            known = task.known or Outcome(task.key, FAILED)
            revision = _revision(task.document) or known.revision
            failed = replace(known, state=FAILED, revision=revision, sha1="", reason=str(error))
            return replace(failed, is_down=is_down(error), is_refused=isinstance(error, StoreRefused))

    def _attempt(self, task: Task) -> Outcome:
        try:
            document = task.document or self._source.document(task.key)
            if document is None:
                return self._gone(task)
            if document.get("deleted"):
                return Outcome(task.key, MARKED, _revision(document))
            if is_empty(document):
                return _emptied(task, document)
            return self._copied(task, document)
        except Gone as error:
            return self._gone(task, str(error))

    def _copied(self, task: Task, document: Document) -> Outcome:
        try:
            ref = self._home.namespace.ref(task.key)
        except BadRequest as error:
            return Outcome(task.key, ODD, _revision(document), reason=str(error))
        self._originals.check_deleted(ref)
        attachments, held = _attachments(document), task.held
        if not task.is_listed or (held and not _found(held, attachments)):  # a listing may be wrong about an MD5, where a key made it
            held = self._home.store.facts(self._home.key(ref.name))
        if held:
            found = _found(held, attachments)
            if found and not _was_found_wrong(task.known):
                return _there(task, document, found, held)
            if (not found or _was_found_wrong(task.known)) and (self._home.accepts_mismatch or not ref.namespace.naming.immutable):
                reason = f"expected the document's bytes in the store, which has {held.length} others"
                return Outcome(task.key, FAILED, _revision(document), reason=reason)
        return self._fetched(ref, document, is_wrong=held is not None)

    def _fetched(self, ref: Ref, document: Document, is_wrong: bool) -> Outcome:
        """`is_wrong`: what the store has is not what it should be, and is replaced."""
        target = self._scratch / own_name()
        try:
            got = self._source.fetch(ref.name, target, self._max_bytes, document, self._pace)
            if got is None:
                return Outcome(ref.name, EMPTY, _revision(document))
            outcome = outcome_of(ref, got, target, COPIED)
            name = self._true_name(ref, target)
            if name[:_HASH_LETTERS] != ref.name[:_HASH_LETTERS]:
                return replace(outcome, state=MISMATCH, reason=f"its bytes are those of {name}")
            return self._put(ref, target, facts_of(self._workers, target, got.facts.time), outcome, is_wrong)
        finally:
            target.unlink(missing_ok=True)

    def _true_name(self, ref: Ref, target: Path) -> str:
        """What its bytes make it, where a name is made of bytes at all."""
        if self._home.accepts_mismatch or not ref.namespace.naming.immutable:
            return ref.name
        return ref.namespace.naming.name_of(digest_of(ref.namespace, target))

    def _put(self, ref: Ref, target: Path, facts: Facts, outcome: Outcome, is_wrong: bool) -> Outcome:
        if is_wrong:
            with self._originals.alone(ref):
                self._originals.check_deleted(ref)
                stored = self._home.store.put(self._home.key(ref.name), target, facts)
        else:
            stored = self._originals.settle(ref, target, facts)
        with suppress(StoreUnavailable, Busy):  # then the feed of changes tells, and what stands in the journal is that it is ours
            if not self._crew.patiently(partial(self._source.has, ref.name)):
                if stored:  # by us, after whoever deleted the document deleted what the store had
                    self._crew.patiently(partial(self._removal.delete, ref))
                return Outcome(ref.name, GONE, reason="deleted while it was copied")
        return replace(outcome, state=COPIED if stored else THERE)

    def _gone(self, task: Task, reason: str = "") -> Outcome:
        """What we had copied must not outlive its document; what somebody else put is somebody else's."""
        known = task.known
        if known and known.is_ours and not self._source.has(task.key):
            self._removal.delete(self._home.namespace.ref(task.key))
            return replace(known, state=GONE, reason="deleted after it was copied")
        return Outcome(task.key, GONE, reason=reason)


def _was_found_wrong(known: Outcome | None) -> bool:
    """By a verification, which knows its bytes: their length and MD5 may be right all the same, and its content type wrong."""
    return known is not None and known.state == FAILED and bool(known.sha1)


def _emptied(task: Task, document: Document) -> Outcome:
    """Of what we know to be in the store the attachment was removed; then the revision that had it is worth keeping."""
    known = task.known
    if known and known.state in IN_STORE:
        return replace(known, state=REMOVED)
    return known if known and known.state == FAILED and known.attachment else Outcome(task.key, EMPTY, _revision(document))


def _found(held: Facts, attachments: Iterable[Attachment]) -> Attachment | None:
    """The attachment that the store has, as far as can be told without bytes: what it cannot tell is verified later."""
    alike = (each for each in attachments if each.length == held.length)
    return next((each for each in alike if not (held.md5 and each.md5) or each.md5.hex() == held.md5), None)


def _there(task: Task, document: Document, found: Attachment, held: Facts) -> Outcome:
    """What was known of the same bytes is still true."""
    known, md5 = task.known, found.md5.hex() or held.md5
    if known and known.state in IN_STORE and (known.md5, known.length) == (md5, found.length):
        state = COPIED if known.state == COPIED else THERE
        return replace(known, state=state, revision=_revision(document), attachment=found.name, reason="")
    return Outcome(task.key, THERE, _revision(document), found.length, "", md5, "", found.name)


def outcome_of(ref: Ref, got: Got, path: Path, state: str) -> Outcome:
    """What is noted of bytes that came down into `path`."""
    found = got.attachment
    return Outcome(ref.name, state, got.revision, got.facts.length, sha1_of(path), found.md5.hex(), type_of(path), found.name)


def sha1_of(path: Path) -> str:
    """In hexadecimal, of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.sha1(usedforsecurity=False)).hexdigest()


def is_down(error: Exception) -> bool:
    """Whether it is about more than one original, so that all others would fail too."""
    return isinstance(error, (StoreUnavailable, Busy, OSError)) and not isinstance(error, StoreGarbled)


def _attachments(document: Document) -> list[Attachment]:
    try:
        return attachments_of(document)
    except ValueError:  # as the source will say, when it is asked for the bytes
        return []


def _revision(document: Document | None) -> str:
    return str(document.get("_rev", "")) if document else ""
