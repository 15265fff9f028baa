"""The dialects, one grammar a file; DIALECTS lists them. A request is read by exactly one."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Protocol

from renderer.dialects import huimages, native
from renderer.dialects.hits import Hit
from renderer.errors import BadRequest, NotUnderstood
from renderer.messages import Intent, Reply, Request, Show, Terms, plain


class Dialect(Protocol):
    """One way of asking and of being answered. `SHAPE` matches every path that is this dialect's, well formed or not."""

    NAME: str
    SHAPE: str
    answer: Callable[[int, str, tuple[tuple[str, str], ...]], Reply]

    def read(self, request: Request, terms: Terms) -> Intent | None: ...

    def hits(self, terms: Terms) -> tuple[Hit, ...]: ...


DIALECTS: tuple[Dialect, ...] = (native, huimages)  # type: ignore[assignment]  # modules as values

# In a URL as it was sent. nginx normalises these before anyone else sees them, and would answer 200 from a file: dot segments, an
# encoded dot, slash or backslash, control characters. Refused by nginx and by us alike.
REFUSED_URI = r"(?:^|/)\.\.?(?:/|$|\?)|//|\\|%2[eEfF]|%5[cC]|%[01][0-9a-fA-F]|%7[fF]"
_REFUSED_PATH = re.compile(r"[\x00-\x1f\x7f\\]")


def read(request: Request, terms: Terms) -> Intent:
    """What `request` wants: NotUnderstood for no dialect's shape, BadRequest for a shape with an impossible part.

    A picture has one URL: a query on it is answered by a permanent redirect to the path.
    """
    if re.search(REFUSED_URI, request.asked) or _REFUSED_PATH.search(request.path):
        raise BadRequest("expected a path without dot segments, double slashes, backslashes and control characters")
    for dialect in DIALECTS:
        intent = dialect.read(request, terms)
        if intent is None:
            continue
        if isinstance(intent, Show) and request.query:
            return plain(301, "expected no query for a picture", (("Location", request.asked),))
        return intent
    raise NotUnderstood("File not found")


__all__ = ["DIALECTS", "REFUSED_URI", "Dialect", "Hit", "read"]
