"""huImages' documents, read and written.

Documents are old, and were written by several programs: a field may be absent, or a text where a list is expected. What is not ours to
understand, and what a change did not touch, is written back as it was, so that huImages and we can share one database.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from renderer.catalog import Entry, Note

Document = Mapping[str, Any]
_STAMP = "%Y%m%dT%H%M%S.%f"
AUTOMATIC = "automatic"


# what four digits of a year can say; a file system may hold other times, and no file is worth less for it
_FIRST, _LAST = -30_610_224_000, 253_402_300_799  # 1000-01-01, 9999-12-31


def stamp(seconds: float) -> str:
    """A time of an entry, from seconds since 1970 UTC; one that no entry can hold becomes the nearest that it can."""
    return datetime.fromtimestamp(min(max(seconds, _FIRST), _LAST), UTC).strftime(_STAMP)


def seconds(stamped: str) -> float | None:
    """The inverse of `stamp`; None for what is no time."""
    try:
        return datetime.strptime(stamped, _STAMP).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


def read(document: Document) -> Entry:
    """Fields come first, then the attachment that huImages kept everything in (decision 25)."""
    attachments = _mapping(document.get("_attachments"))
    first = _mapping(next(iter(attachments.values()), None))
    types = _texts(document.get("types"))
    return Entry(
        ctime=_text(document.get("ctime")),
        mtime=_text(document.get("mtime")),
        width=_whole(document.get("width")),
        height=_whole(document.get("height")),
        titles=_texts(document.get("title")),
        types=types,
        references={str(key): _texts(values) for key, values in _mapping(document.get("references")).items()},
        filename=_text(document.get("filename")) or next(reversed(attachments), ""),  # huImages' URLs named the last one
        length=_whole(document.get("length")) or _whole(first.get("length")),
        content_type=_text(document.get("content_type")) or _text(first.get("content_type")),
        deleted=bool(document.get("deleted")),
        automatic=bool(document.get("automatic")) or AUTOMATIC in types,
        placeholder=_text(document.get("placeholder")),
    )


# Field of the document: how it is made of an entry. The first six are always written, because huImages relied on them.
_FIELDS: dict[str, Callable[[Entry], Any]] = {
    "ctime": lambda entry: entry.ctime,
    "mtime": lambda entry: entry.mtime,
    "width": lambda entry: entry.width,
    "height": lambda entry: entry.height,
    "title": lambda entry: list(entry.titles),
    "references": lambda entry: {key: list(values) for key, values in entry.references.items()},
    "types": lambda entry: list(entry.types),
    "filename": lambda entry: entry.filename,
    "length": lambda entry: entry.length,
    "content_type": lambda entry: entry.content_type,
    "deleted": lambda entry: entry.deleted,
    "automatic": lambda entry: entry.automatic,
    "placeholder": lambda entry: entry.placeholder,
}
_ALWAYS = ("ctime", "mtime", "width", "height", "title", "references")


def written(entry: Entry, old: Document | None) -> dict[str, Any]:
    """The document for `entry`, where `old` was; a `ctime` that is known stays."""
    known, document = read(old or {}), dict(old or {})
    for name, made in _FIELDS.items():
        value = made(entry)
        if value != made(known) or (old is None and name in _ALWAYS):
            document[name] = value
    if known.ctime:
        document["ctime"] = known.ctime
    return document


def read_note(document: Document) -> Note:
    rating = document.get("rating")
    return Note(
        tags=_texts(document.get("tags")),
        favorite=bool(document.get("favorite")),
        rating=rating if isinstance(rating, int) and not isinstance(rating, bool) else None,
    )


def written_note(note: Note, old: Document) -> dict[str, Any]:
    document = dict(old) | {"tags": list(note.tags), "favorite": note.favorite, "rating": note.rating}
    if note.rating is None:
        del document["rating"]
    return document


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _texts(value: object) -> tuple[str, ...]:
    """A list's texts; a text alone is a list of one."""
    if isinstance(value, str):
        return (value,) if value else ()
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def _whole(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
