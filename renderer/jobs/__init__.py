"""Batches: renditions of many originals, made in the background, and told when they are done.

Each is a directory (see `folder.py`), so that it goes on after a restart where it stopped, in whichever renderer of this root comes first.
Visitors come first: a few threads ask for one original each, as a miss would, and what is busy or down is waited for. One batch does not
wait for another to end: each gets its turn of some originals.
"""

from __future__ import annotations

import datetime
import io
import logging
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

from renderer.crew import Crew
from renderer.errors import BadRequest, Busy, NoSpace, NotFound, Refused, RendererError, StoreUnavailable
from renderer.fields import in_line
from renderer.jobs import folder as folders
from renderer.jobs.folder import FAILED, Asked, Folder
from renderer.messages import Wish
from renderer.preparing import Completed
from renderer.rendition import MOST_NAME_BYTES, Namespace, Ref

log = logging.getLogger(__name__)

MOST_LINES = 500_000  # of one batch: what 16 MB of hashes are
KEPT_SECONDS = 7 * 86_400.0  # after its end: whoever asks on Monday what became of Friday's
PATIENCE = 3600.0  # seconds, for what is down: nobody waits, and an outage of some hours fails a few originals, not all
TURN = 200  # originals of one batch before the next has its turn: a minute or so
LOOK_SECONDS = 5.0  # between two looks for batches of renderers that ended
SWEEP_SECONDS = 86_400.0  # how old what was half made has to be, that nobody can be making it any more
_LINE_BYTES = 4 * MOST_NAME_BYTES  # of a line, before the rest is passed over: no name is longer
_BLOCK_BYTES = 64 * 1024
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Completes(Protocol):
    """What is needed of Preparing."""

    def complete(self, ref: Ref, wishes: Sequence[Wish]) -> Completed: ...


@dataclass(frozen=True)
class Bounds:
    """`threads`: originals in work at once; `lines`: of one batch; `unfinished`: batches at once, `unfinished_of_one`: of one namespace;
    `patience`: seconds that what is down is waited for; `turn`: originals of one batch before the next has its turn.
    """

    threads: int = 2
    lines: int = MOST_LINES
    unfinished: int = 100
    unfinished_of_one: int = 20  # or one namespace would have all of them
    patience: float = PATIENCE
    turn: int = TURN
    look_seconds: float = LOOK_SECONDS


class Jobs:
    """`root`: the directory of all batches; `read_wish`: a rendition by the name that `Wish.wish` has; `url`: of an original.

    `now`: seconds since 1970 UTC.
    """

    def __init__(
        self, root: Path, namespaces: Mapping[str, Namespace], preparing: Completes, read_wish: Callable[[str, Namespace], Wish],
        url: Callable[[Ref], str], bounds: Bounds = Bounds(), now: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        self._root, self._namespaces, self._preparing, self._read_wish, self._url = root, namespaces, preparing, read_wish, url
        self._bounds, self._now = bounds, now
        self._crew = Crew(bounds.threads, bounds.patience)
        self._beginning, self._woken = threading.Lock(), threading.Event()
        self._known: dict[Path, Folder] = {}  # those that have not ended
        self._thread = threading.Thread(target=self._run, name="jobs", daemon=True)

    def begin(self, namespace: Namespace, stream: BinaryIO, wishes: Sequence[Wish]) -> str:
        """Have `wishes` made of every original that `stream` names, one a line; the job's name, once it is on disk.

        A line that is no name fails by itself. BadRequest when none is one, Refused for too many, Busy for too many batches, NoSpace.
        """
        asked = Asked(namespace.name, tuple(wish.wish for wish in wishes), self._now())
        job = str(uuid.uuid4())
        with self._room(namespace):
            pass  # or all of it would be read and written first; somebody else may still be faster
        folders.make(self._root / job, asked, _judged(lines_of(stream), namespace, self._bounds.lines), self._room(namespace))
        self._woken.set()
        return job

    @contextmanager
    def _room(self, namespace: Namespace) -> Iterator[None]:
        """Nobody else begins one meanwhile; Busy when there are too many already."""
        with self._beginning:
            unfinished = [folder.asked.namespace for folder in self._unfinished()]
            if len(unfinished) >= self._bounds.unfinished or unfinished.count(namespace.name) >= self._bounds.unfinished_of_one:
                raise Busy("too many batches are not done yet", retry_after=60)
            yield

    def told(self, namespace: Namespace, job: str) -> tuple[bool, dict[str, Any] | Path]:
        """Whether it is done; and a file with a line for each original, or how far it is. NotFound for a job that this namespace never had.
        """
        if not _ID.fullmatch(job):
            raise NotFound(f"the batch {job}")
        folder = self._folder(self._root / job)
        if folder.asked.namespace != namespace.name:
            raise NotFound(f"the batch {job}")
        lines = folder.results()
        return (True, lines) if lines is not None else (False, self._progress(job, folder))

    def _progress(self, job: str, folder: Folder) -> dict[str, Any]:
        asked, count = folder.asked, folder.count()
        return {
            "job_id": job,
            "state": "running" if count.done else "queued",
            "namespace": asked.namespace,
            "outputs": list(asked.outputs),
            "total": asked.total,
            "done": count.done,
            "failed": count.failed,
            "created": datetime.datetime.fromtimestamp(asked.created, datetime.UTC).isoformat(timespec="seconds"),
            "seconds": round(max(0.0, self._now() - asked.created), 1),
        }

    def start(self) -> None:
        """Work on what is not done yet, and on what is begun from now on."""
        self._thread.start()

    def stop(self, seconds: float) -> bool:
        """Begin nothing new; whether all that was in work came to its end in time. What did not is done again by who comes next."""
        self._crew.stop()
        self._woken.set()
        if self._thread.is_alive():
            self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._crew.stopping.is_set():
            self._woken.clear()
            try:
                self._remove_old()
                is_busy = [self._advanced(folder) for folder in self._unfinished() if not self._crew.stopping.is_set()]
            except Exception:
                log.exception("batches")
                is_busy = []
            if not any(is_busy):
                self._woken.wait(self._bounds.look_seconds)
        self._crew.dismiss()

    def _unfinished(self) -> list[Folder]:
        """The oldest first."""
        found = {}
        for path in folders.below(self._root):
            with suppress(NotFound):  # it is removed just now, or no batch
                if folders.ended(path) is None:
                    found[path] = self._folder(path)
        self._known = found
        return sorted(found.values(), key=lambda folder: folder.asked.created)

    def _folder(self, path: Path) -> Folder:
        return self._known.get(path) or Folder(path)

    def _remove_old(self) -> None:
        for path in folders.below(self._root):
            if (folders.ended(path) or self._now()) < self._now() - KEPT_SECONDS:
                folders.remove(path)
        folders.sweep(self._root, self._now() - SWEEP_SECONDS)

    def _advanced(self, folder: Folder) -> bool:
        """One turn of it; False when that is another process's, or cannot be."""
        try:
            with folder.alone() as is_ours:
                return is_ours and folders.ended(folder.path) is None and self._has_advanced(folder)
        except (FileNotFoundError, NoSpace) as error:
            log.warning("the batch %s waits: %s", folder.path.name, error)
            return False

    def _has_advanced(self, folder: Folder) -> bool:
        line = None
        with folder.adding() as add:
            for _, line in self._crew.each(folder.rest(self._bounds.turn), self._work(folder.asked)):
                if line is None:
                    break
                add(line)
        return line is not None

    def _work(self, asked: Asked) -> Callable[[str], str | None]:
        """What is done with the name of each original; what the configuration knows no more fails all of them."""
        try:
            space = self._namespaces[asked.namespace]
            wishes = [self._read_wish(output, space) for output in asked.outputs]
        except KeyError:
            return partial(_failed, error=BadRequest(f"expected a namespace that is configured, got {asked.namespace}"))
        except BadRequest as error:
            return partial(_failed, error=error)
        return partial(self._line, space, wishes)

    def _line(self, space: Namespace, wishes: Sequence[Wish], name: str) -> str | None:
        """What became of one original; None when we stop before that is known."""
        if self._crew.stopping.is_set():
            return None
        try:
            ref = space.ref(name)
            completed = self._crew.patiently(partial(self._preparing.complete, ref, wishes))
        except Exception as error:
            if self._crew.stopping.is_set():
                return None
            return _failed(name, error)
        return completed.line(self._url(ref))


def _failed(name: str, error: Exception) -> str:
    """Of faults that are ours, the details are in the log."""
    if isinstance(error, StoreUnavailable):
        log.warning("%s in a batch: %s", name, error)
        said = "a store did not answer as it should"
    elif isinstance(error, RendererError):
        said = in_line(str(error))
    else:
        log.error("%s in a batch", name, exc_info=error)
        said = "internal error"
    return f"{name}\t{FAILED}{said}"


def lines_of(stream: BinaryIO) -> Iterator[str]:
    """The lines that are not blank, without what is blank around them, each in printable letters; of one that is too long, a beginning
    that is too long as well.
    """
    # the library's stream of a body reads lines byte by byte
    lines = io.BufferedReader(cast(io.RawIOBase, stream), _BLOCK_BYTES)
    while line := lines.readline(_LINE_BYTES):
        end = line
        while not end.endswith(b"\n") and (end := lines.readline(_LINE_BYTES)):
            continue
        text = in_line(line.decode("utf-8", "backslashreplace").strip())
        if text:
            yield text[: MOST_NAME_BYTES + 1]
    lines.detach()  # or it would be closed with it


def _judged(lines: Iterator[str], space: Namespace, most: int) -> Iterator[str]:
    """The same lines; at their end BadRequest when none of them was a name."""
    names = 0
    for number, line in enumerate(lines, 1):
        if number > most:
            raise Refused(f"expected at most {most} originals for a batch, got more")
        names += _is_name(space, line)
        yield line
    if not names:
        raise BadRequest(f"expected a {space.naming.kind} name a line for a batch, got none")


def _is_name(space: Namespace, line: str) -> bool:
    try:
        space.ref(line)
    except BadRequest:
        return False
    return True
