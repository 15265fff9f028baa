"""Move a namespace's originals out of its legacy CouchDB for good: plan, copy, verify, remove; while both serve.

Every document ends in one of a few states, and a journal remembers which, so that whatever stops a run, the next one goes on. It never
heard of command lines, and prints nothing. What is moved is what renditions are made of; the documents themselves stay where they are.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from renderer.stores import Facts
from renderer.stores.couchdb.attachments import Document

# What can become of a document's original in a run.
COPIED = "copied"  # we put it into the store
THERE = "there"  # somebody had put the same bytes
EMPTY = "nothing attached"  # new documents have no attachment (decision 25), and some old ones never had
MARKED = "marked deleted"  # by huImages, when it could not read it (decision 23): it stays where it is
GONE = "deleted"  # the document, or the original here
REMOVED = "attachment removed"  # it is in the store, and no longer in CouchDB
MISMATCH = "not what its name says"  # never put under that name; a look at it again would find the same
ODD = "no name of an original"  # the document has an attachment, and a name that no original can have
FAILED = "failed"  # tried again by the next run
BEGUN = "begun"  # the store did not have it when we began: what is found there after a kill is ours
STATES = (COPIED, THERE, EMPTY, MARKED, GONE, REMOVED, MISMATCH, ODD, FAILED, BEGUN)
IN_STORE = (COPIED, THERE, REMOVED)
TROUBLE = (MISMATCH, ODD, FAILED)


@dataclass(frozen=True)
class Outcome:
    """What became of one document, as the journal keeps it. Hashes in hexadecimal, '' where the bytes were not read.

    `is_ours`: what the store has of it we put there, whatever became of it since. `is_down`: it failed through no fault of its own, and
    perhaps all others would; `is_refused`: they certainly would; neither is kept.
    """

    key: str
    state: str
    revision: str = ""
    length: int = 0
    sha1: str = ""
    md5: str = ""
    content_type: str = ""
    attachment: str = ""
    reason: str = ""
    is_ours: bool = False
    is_down: bool = field(default=False, compare=False)
    is_refused: bool = field(default=False, compare=False)


@dataclass(frozen=True)
class Task:
    """One document to be looked at. `document`: as it was found, None for one that is to be looked up; `is_deleted`: known to be gone.

    `known`: what the journal says of it; `held`: what a listing of the store says, of which `is_listed` tells whether there was one;
    `progress`: what is true when this and everything before it is done; a task without a key has only that.
    """

    key: str
    document: Document | None = None
    is_deleted: bool = False
    known: Outcome | None = None
    held: Facts | None = None
    is_listed: bool = False
    progress: tuple[tuple[str, str], ...] = ()


def is_empty(document: Document) -> bool:
    """Whether it has no attachment, in no revision."""
    return not document.get("_attachments") and not document.get("_conflicts")
