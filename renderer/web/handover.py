"""nginx's configuration while one renderer hands over to another: it sends what either of them has made.

A renderer names its file by generation and namespace, and nginx refuses those that it was not told of. So nginx hears of the new ones
before a new renderer speaks of them, and of the former ones as long as the former renderer may.
"""

from __future__ import annotations

import re

_PLACE = re.compile(r'^( *)(location \^~ "/_(?:done|beside)/[^"\n]+") \{\n(?:.*\n)*?\1\}\n', re.MULTILINE)
_END_OF_PLACES = re.compile(r"^ *location \^~ /_done/ \{\n", re.MULTILINE)  # what refuses all others


def joined(text: str, other: str) -> str:
    """The configuration `text`, with the places of made files from `other` that it lacks."""
    end, known = _END_OF_PLACES.search(text), _places(text)
    if end is None:
        raise ValueError("expected a location for what nobody made, got none")
    missing = "".join(place for name, place in _places(other).items() if name not in known)
    return text[: end.start()] + missing + text[end.start() :]


def covers(text: str, other: str) -> bool:
    """Whether nginx under `text` can send whatever a renderer beside `other` makes."""
    return _places(other).keys() <= _places(text).keys()


def _places(text: str) -> dict[str, str]:
    return {found[2]: found[0] for found in _PLACE.finditer(text)}
