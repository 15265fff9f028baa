"""What a key may be: parts joined by `/`, the same for every store, so that an original can move between any two of them.

A part never begins with a dot: `.` and `..` would leave the store, on disk and in S3 (HTTP libraries fold them away), and hidden names
are a store's own. What a listing finds under another name is not ours, and is passed over.
"""

from __future__ import annotations

import re

from renderer.errors import BadRequest
from renderer.fields import shown

MOST_KEY_BYTES = 1024  # S3's limit
MOST_PART_BYTES = 255  # NAME_MAX of every file system that Linux has

_PART = r"[^./\x00-\x1f\x7f][^/\x00-\x1f\x7f]*"
_KEY = re.compile(rf"{_PART}(?:/{_PART})*")


def is_key(text: str) -> bool:
    """Whether a store may hold something under `text`."""
    try:
        encoded = text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return _KEY.fullmatch(text) is not None and len(encoded) <= MOST_KEY_BYTES and max(map(len, encoded.split(b"/"))) <= MOST_PART_BYTES


def begins_key(prefix: str) -> bool:
    """Whether any key can begin with `prefix`; a server that folds `..` away must not be asked for others."""
    return is_key(prefix) or is_key(f"{prefix}x")


def checked(key: str) -> str:
    """`key` itself; BadRequest when no store may hold it."""
    if not is_key(key):
        raise BadRequest(f"expected visible parts joined by / for a key, got {shown(key)}")
    return key
