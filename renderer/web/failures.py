"""Every status but 200: one table from error class to HTTP status, and the headers that go with it.

Looked up along the class hierarchy, so that a new error has its parent's status until it gets a row. Errors never carry long caching.
"""

from __future__ import annotations

from renderer import errors
from renderer.errors import RendererError
from renderer.messages import Answer, Reply, plain

STATUS: dict[type[RendererError], int] = {
    errors.BadRequest: 400,
    errors.TokenNeeded: 401,
    errors.NotAllowed: 403,
    errors.NotUnderstood: 404,
    errors.NotFound: 404,
    errors.SourceNotFound: 404,
    errors.MethodNotAllowed: 405,
    errors.Conflict: 409,
    errors.Gone: 410,
    errors.TooManyBytes: 413,
    errors.BrokenOriginal: 415,
    errors.Refused: 422,
    errors.StoreRefused: 502,
    errors.StoreGarbled: 502,
    errors.SourceUnavailable: 502,
    errors.StoreUnavailable: 503,
    errors.RenderKilled: 503,
    errors.Busy: 503,
    errors.SourceSlow: 504,
    errors.ConfigError: 500,  # a file that was there at the start and is gone: a watermark
}

# Short back-pressure against one client asking for one missing original again and again. What was deleted is asked for most: pages still
# name it. It may be put again, so no longer than what was never there.
NOT_FOUND_SECONDS = 10
RETRY_SECONDS = 5  # where the error does not know better

# What a client may know of faults that are ours: no host, bucket, path or credential.
_DISCREET = {
    500: "internal error",
    502: "the store of the originals answered with an error",
    503: "busy, try again",
    504: "no answer in time",
}


def status_of(error: RendererError) -> int:
    """The HTTP status of `error`; 500 for a class that no row covers."""
    return next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 500)


def headers_of(error: RendererError) -> tuple[tuple[str, str], ...]:
    """Caching, Retry-After, Allow and WWW-Authenticate as the error wants them."""
    status = status_of(error)
    found = [("Cache-Control", f"max-age={NOT_FOUND_SECONDS}" if status in (404, 410) else "no-store")]
    retry_after = getattr(error, "retry_after", 0) or (RETRY_SECONDS if status in (502, 503, 504) else 0)
    if retry_after:
        found.append(("Retry-After", str(retry_after)))
    if isinstance(error, errors.MethodNotAllowed):
        found.append(("Allow", ", ".join(error.allowed)))
    if isinstance(error, errors.TokenNeeded):
        found.append(("WWW-Authenticate", "Bearer"))
    return tuple(found)


def sentence_of(error: RendererError) -> str:
    """What the client is told: our own sentence, but for faults behind us."""
    status = status_of(error)
    if isinstance(error, errors.NotFound) and not isinstance(error, errors.Gone):
        return "File not found"
    if isinstance(error, errors.SourceUnavailable):
        return str(error)  # not behind us: the client named it
    return _DISCREET.get(status, str(error))


def reply_to(error: RendererError, answer: Answer = plain) -> Reply:
    """The whole answer, in the way of the dialect that was asked; plain text where none was."""
    return answer(status_of(error), sentence_of(error), headers_of(error))
