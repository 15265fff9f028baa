"""Leaving alone what does not answer: a store or a catalog that hangs costs some requests its time limits, not all of them.

While one question waits long and nothing of its answer came, nobody else asks. After one that failed nobody does for a while; then one asks
again, and the others go without until it knows. For those who can go without an answer: who cannot asks anyway.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from renderer.errors import NotFound, StoreSlow, StoreUnavailable

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Patience:
    """`rest_seconds`: how long it is left alone; `slow_seconds`: how long one question may wait before nobody else asks.

    `forgiven_seconds`: a failure that came sooner, and is no time limit, cost little and is about one thing perhaps. `answers`: errors that
    only who is well can give.
    """

    rest_seconds: float
    slow_seconds: float
    forgiven_seconds: float = 0.0
    answers: tuple[type[Exception], ...] = (NotFound,)

    def is_silence(self, error: StoreUnavailable, seconds: float) -> bool:
        """Whether this failure, after so many seconds, means that others would wait too."""
        return isinstance(error, StoreSlow) or seconds >= self.forgiven_seconds


@dataclass(eq=False)
class _Question:
    """`since`: when it was asked; `target`: the file in which its answer arrives, where it is one."""

    since: float
    target: Path | None

    def is_being_answered(self) -> bool:
        try:
            return self.target is not None and self.target.stat().st_size > 0
        except FileNotFoundError:
            return False


class Rest:
    """Whether `name` is worth asking."""

    def __init__(self, name: str, patience: Patience, now: Callable[[], float] = time.monotonic) -> None:
        self._name, self._patience, self._now = name, patience, now
        self._lock = threading.Lock()  # guards all of the following
        self._until: float | None = None  # None while it answers
        self._heard = float("-inf")  # when the youngest question was asked that it answered
        self._asked: set[_Question] = set()

    @contextmanager
    def asking(self, target: Path | None = None) -> Iterator[None]:
        """The block asks; StoreUnavailable at once, and without it, while `name` is left alone. `target`: where a file arrives."""
        question = self._begin(target)
        try:
            yield
        except self._patience.answers:
            self._note_answer(question)
            raise
        except StoreUnavailable as error:
            self._note_failure(question, error)
            raise
        else:
            self._note_answer(question)
        finally:
            with self._lock:
                self._asked.discard(question)

    def _begin(self, target: Path | None) -> _Question:
        with self._lock:
            now = self._now()
            if self._until is None and any(self._is_silent(asked, now) for asked in self._asked):
                self._begin_rest(now, f"a question waits for more than {self._patience.slow_seconds:g} s")
            if self._until is not None:
                if now < self._until:
                    raise StoreUnavailable(self._name, "it did not answer a moment ago, and is left alone")
                self._until = now + self._patience.rest_seconds  # the caller finds out, and nobody else
            question = _Question(now, target)
            self._asked.add(question)
            return question

    def _is_silent(self, asked: _Question, now: float) -> bool:
        """Whether a question that still waits says something about others: not when younger ones were answered, nor while bytes come."""
        return now - asked.since > self._patience.slow_seconds and self._heard <= asked.since and not asked.is_being_answered()

    def _begin_rest(self, now: float, why: object) -> None:
        if self._until is None:
            log.warning("%s is left alone for %g s at a time until it answers: %s", self._name, self._patience.rest_seconds, why)
        self._until = now + self._patience.rest_seconds

    def _note_failure(self, question: _Question, error: StoreUnavailable) -> None:
        with self._lock:
            now = self._now()
            if self._heard <= question.since and self._patience.is_silence(error, now - question.since):
                self._begin_rest(now, error)

    def _note_answer(self, question: _Question) -> None:
        with self._lock:
            is_news, self._until, self._heard = self._until is not None, None, max(self._heard, question.since)
        if is_news:
            log.info("%s answers again", self._name)
