"""Everything that can go wrong, one family.

Classes are named for the fact and carry data, never an HTTP number: statuses have one home, `web/failures.py`. A distinct status is a
distinct class, so that the table there stays a plain dict. Every class pickles (its `args` are its arguments), because render processes
send them home.
"""

from __future__ import annotations


class RendererError(Exception):
    """Anything that is ours to report; never raised itself."""


class BadRequest(RendererError):
    """A dialect's shape with a part that cannot be: *expected X for Y, got Z*."""


class NotUnderstood(BadRequest):
    """No dialect's shape."""


class MethodNotAllowed(BadRequest):
    """A method that this URL does not take; `allowed` lists those that it does."""

    def __init__(self, method: str, allowed: tuple[str, ...]) -> None:
        super().__init__(method, allowed)
        self.method, self.allowed = method, allowed

    def __str__(self) -> str:
        return f"expected {' or '.join(self.allowed)} for this URL, got {self.method[:20]!r}"


class NotAllowed(BadRequest):
    """Understood, and refused by a rule of this installation: a signature, the size list, the policy for originals."""


class TokenNeeded(NotAllowed):
    """A write without a bearer token that we know."""


class SourceRefused(NotAllowed):
    """A URL that we shall not fetch. `reason` is one of a few fixed texts that a client may see: never an address that a name led to."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"expected a URL that we may fetch, got {self.reason}"


class Conflict(BadRequest):
    """It exists already, or was changed meanwhile."""


class Refused(BadRequest):
    """More than we are willing to do: pixels, frames, sides."""


class TooManyBytes(Refused):
    """More bytes than we are willing to take."""


class NotFound(RendererError):
    """There is no such original; `ref` names it."""

    def __init__(self, ref: object) -> None:
        super().__init__(ref)
        self.ref = ref

    def __str__(self) -> str:
        return f"expected an original for {self.ref}, found none"


class Gone(NotFound):
    """There was such an original, and it was deleted."""

    def __str__(self) -> str:
        return f"the original {self.ref} was deleted"


class BrokenOriginal(RendererError):
    """It is there, and it is no picture that we read; `reason` says why, `retry_after` (seconds) when we shall look again."""

    def __init__(self, reason: str, retry_after: int = 0) -> None:
        super().__init__(reason, retry_after)
        self.reason, self.retry_after = reason, retry_after

    def __str__(self) -> str:
        return f"expected a readable picture, got {self.reason}"


class RenderKilled(RendererError):
    """The render process died, or was killed at its time limit. `signal` is 0 for a time limit of ours."""

    def __init__(self, reason: str, signal: int = 0) -> None:
        super().__init__(reason, signal)
        self.reason, self.signal = reason, signal

    def __str__(self) -> str:
        return f"the render process died: {self.reason}"


class StoreUnavailable(RendererError):
    """A store or source did not answer; `store` is its name in the configuration."""

    def __init__(self, store: str, reason: str) -> None:
        super().__init__(store, reason)
        self.store, self.reason = store, reason

    def __str__(self) -> str:
        return f"store {self.store}: {self.reason}"


class StoreRefused(StoreUnavailable):
    """The store answered that we may not: credentials or policy."""


class StoreGarbled(StoreUnavailable):
    """The store's bytes are not what it promised: too few, or a wrong checksum."""


class StoreMismatch(StoreGarbled):
    """Whole bytes, and not those that the name promises; `retry_after` (seconds) when we shall look again."""

    def __init__(self, store: str, reason: str, retry_after: int = 0) -> None:
        super().__init__(store, reason)
        self.args = store, reason, retry_after
        self.retry_after = retry_after


class StoreSlow(StoreUnavailable):
    """The store did not answer in time."""


class SourceUnavailable(RendererError):
    """The host of a URL did not give us its bytes; `status` is its own answer, 0 = none.

    `reason` says no more than the client, who gave us the URL, can find out by itself.
    """

    def __init__(self, reason: str, status: int = 0) -> None:
        super().__init__(reason, status)
        self.reason, self.status = reason, status

    def __str__(self) -> str:
        return f"expected a picture at the URL, got {self.reason}"


class SourceNotFound(SourceUnavailable):
    """There is nothing at the URL, its host says. No NotFound: that is about originals of ours."""


class SourceSlow(SourceUnavailable):
    """Not all of it came in time."""


class Busy(RendererError):
    """A bounded queue is full, or the wait ran out; `retry_after` in seconds."""

    def __init__(self, reason: str, retry_after: int = 1) -> None:
        super().__init__(reason, retry_after)
        self.reason, self.retry_after = reason, retry_after

    def __str__(self) -> str:
        return f"busy: {self.reason}"


class NoSpace(Busy):
    """The disk under the cache is full."""


class ConfigError(RendererError):
    """The configuration cannot be; `key` is its path, `cure` the likely remedy. At start: exit code 2; later only for a file that it names
    and that is gone."""

    def __init__(self, key: str, problem: str, cure: str = "") -> None:
        super().__init__(key, problem, cure)
        self.key, self.problem, self.cure = key, problem, cure

    def __str__(self) -> str:
        where = f"{self.key}: " if self.key else ""
        return where + self.problem + (f" ({self.cure})" if self.cure else "")
