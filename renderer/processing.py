"""Work through a list of originals, each by its hash, its URL or its file: take in what is not stored yet, and make what is missing of it.

Outcomes come back in the order of the list, as a generator that its reader drives. At most WINDOW originals are on their way, so memory
does not grow with their number. Nothing is remembered: a repeat looks everything up, and makes what is not there. It never heard of
command lines, and prints nothing.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import SimpleQueue

from renderer.crew import Crew
from renderer.errors import BadRequest, Busy, Gone, NotFound, StoreGarbled, StoreUnavailable
from renderer.fetching import Fetcher
from renderer.fields import shown
from renderer.homes import digest_of
from renderer.importing import MOST_IN_A_ROW
from renderer.ingest import About, Ingest
from renderer.messages import Wish
from renderer.preparing import Completed, Preparing
from renderer.prerendering import said
from renderer.rendition import Namespace, Ref

WINDOW = 256  # originals between being found and being reported, some kilobytes each
_HASH = re.compile(r"(?:^|/)([0-9a-f]{3})/([0-9a-f]{3})/([0-9a-f]{3})/([0-9a-f]{23})(?:/|$)|^([0-9a-f]{32})$")
_URL = re.compile(r"https?://", re.IGNORECASE)
_PASSING = (StoreUnavailable, Busy)


@dataclass(frozen=True)
class Item:
    """One original that is asked for. `shown`: as it was asked for; `name`: its hash; `reason`: why nothing can be done with it.

    `url` or `file`: where its bytes are, should they not be stored yet.
    """

    shown: str
    name: str = ""
    url: str = ""
    file: Path | None = None
    reason: str = ""


def read_path(text: str) -> Item:
    """A hash, a path with one in it as image-server's are, or a file on this disk; it may be the second and the third."""
    name, file = _name_in(text), Path(text) if os.path.isfile(text) else None
    if not name and not file:
        return Item(text, reason="expected a hash, a path with one like /6e0/072/682/e66287b662827da75b244a3/, or a file; there is none")
    return Item(text, name, file=file)


def read_line(text: str) -> Item:
    """A hash, or a path with one, or a URL, or both, with blanks between them."""
    words = text.split()
    urls = [word for word in words if _URL.match(word)]
    names = list(filter(None, (_name_in(word) for word in words if word not in urls)))
    if not words or len(urls) > 1 or len(names) > 1 or len(urls) + len(names) < len(words):
        return Item(text, reason=f"expected a hash, a URL, or both, got {shown(text.strip())}")
    return Item(text, "".join(names), "".join(urls))


def _name_in(text: str) -> str:
    found = _HASH.search(text)
    return "".join(filter(None, found.groups())) if found else ""


@dataclass(frozen=True)
class Outcome:
    """What became of one. `line`: what there is to tell of it, '' when it failed; then `reason` says why, and `is_down` that it was
    through no fault of it.
    """

    item: Item
    line: str = ""
    reason: str = ""
    made: int = 0
    bytes: int = 0
    is_down: bool = False


@dataclass
class Tally:
    """What became of all. `made`: renditions, of so many `bytes`; `halted`: why not everything was tried, '' when it was."""

    done: int = 0
    failed: int = 0
    made: int = 0
    bytes: int = 0
    halted: str = ""


class Taking:
    """Brings bytes into `space`. `note_use`: is told its name when it got some; `temporary`: names a file that nobody else has."""

    def __init__(
        self, space: Namespace, fetcher: Fetcher, ingest: Ingest, temporary: Callable[[], Path], max_bytes: int,
        note_use: Callable[[str], object] = bool,
    ) -> None:  # fmt: skip
        self.space, self._fetcher, self._ingest, self._temporary = space, fetcher, ingest, temporary
        self._max_bytes, self._note_use = max_bytes, note_use

    def take(self, item: Item) -> Ref:
        """Store what is at its URL or in its file; BadRequest, and nothing stored, when that has another hash than the item says."""
        if item.file:
            return self._stored(item.file, item, About(filename=item.file.name))
        path = self._temporary()
        try:
            self._fetcher.fetch(item.url, path, self._max_bytes)
            return self._stored(path, item, About())
        finally:
            path.unlink(missing_ok=True)

    def _stored(self, path: Path, item: Item, about: About) -> Ref:
        name = self.space.naming.name_of(digest_of(self.space, path)) if item.name else ""
        if name != item.name:
            raise BadRequest(f"expected bytes with the hash {item.name} for {item.url or item.file}, got {name}")
        own_time = int(path.stat().st_mtime) if item.file else int(time.time())
        with path.open("rb") as stream:
            ref = self._ingest.take(self.space, stream, own_time, about=about).ref
        self._note_use(self.space.name)
        return ref


class Processing:
    """Works on as many originals at once as `crew` has jobs, and by its patience. `url`: of an original that was asked for without one."""

    def __init__(self, taking: Taking, preparing: Preparing, wishes: Sequence[Wish], crew: Crew, url: Callable[[Ref], str]) -> None:
        self._taking, self._preparing, self._wishes, self._crew, self._url = taking, preparing, tuple(wishes), crew, url
        self._window = threading.Semaphore(WINDOW)
        self._begun: SimpleQueue[Future[Outcome | None] | None] = SimpleQueue()  # None: no more will come
        self._in_a_row = 0
        self.tally = Tally()

    def outcomes(self, found: Iterable[Item]) -> Iterator[Outcome]:
        """Do all of it, and tell what became of each."""
        threading.Thread(target=self._find, args=(found,), name="process", daemon=True).start()
        try:
            while (future := self._begun.get()) is not None:
                outcome = future.result()
                self._window.release()
                if outcome:
                    yield self._counted(outcome)
        finally:
            self._crew.stop()
            self._window.release()

    def interrupt(self) -> None:
        """End when what is in work is done. May be called by a signal handler, at any moment."""
        self._halt("interrupted")

    def _halt(self, why: str) -> None:
        self.tally.halted = self.tally.halted or why
        self._crew.stop()
        self._begun.put(None)

    def _find(self, found: Iterable[Item]) -> None:
        try:
            for item in found:
                self._window.acquire()
                if self._crew.stopping.is_set():
                    return
                self._begun.put(self._crew.given(partial(self._worked, item)))
        except Exception as error:
            unread = Item("the list", reason=f"could not be read to its end: {said(error)}")
            self._begun.put(self._crew.given(partial(self._worked, unread)))
        finally:
            self._begun.put(None)

    def _worked(self, item: Item) -> Outcome | None:
        """None for what was not begun before we were stopped."""
        if self._crew.stopping.is_set():
            return None
        if item.reason:
            return Outcome(item, reason=item.reason)
        try:
            completed = self._completed(item)
        except Exception as error:  # a bug of ours is no reason to stop
            return Outcome(item, reason=said(error), is_down=isinstance(error, _PASSING) and not isinstance(error, StoreGarbled))
        line = completed.line(item.url or self._url(completed.ref))
        return Outcome(item, line, made=completed.made, bytes=completed.bytes)

    def _completed(self, item: Item) -> Completed:
        """Of what is stored already, nothing is fetched."""
        if item.name:
            try:
                return self._complete(self._taking.space.ref(item.name))
            except Gone:
                raise
            except NotFound:
                if not (item.url or item.file):
                    raise
        return self._complete(self._crew.patiently(partial(self._taking.take, item)))

    def _complete(self, ref: Ref) -> Completed:
        return self._crew.patiently(partial(self._preparing.complete, ref, self._wishes))

    def _counted(self, outcome: Outcome) -> Outcome:
        tally = self.tally
        tally.done, tally.failed = tally.done + 1, tally.failed + bool(outcome.reason)
        tally.made, tally.bytes = tally.made + outcome.made, tally.bytes + outcome.bytes
        if not outcome.item.reason:
            self._in_a_row = self._in_a_row + 1 if outcome.is_down else 0
        if self._in_a_row == MOST_IN_A_ROW and not self._crew.stopping.is_set():
            self._halt(f"{MOST_IN_A_ROW} originals in a row failed through no fault of theirs, and so would all others: {outcome.reason}")
        return outcome
