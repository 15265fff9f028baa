"""Disjoint ranges of names, so that several machines can share the work without speaking to one another."""

from __future__ import annotations

import re
from dataclasses import dataclass

from renderer.errors import BadRequest
from renderer.fields import shown
from renderer.rendition import Naming

MOST = 1024
# In the order of bytes, which is CouchDB's for names. Every name that begins otherwise is in the range around it.
_ALPHABETS = {"sha1": "234567ABCDEFGHIJKLMNOPQRSTUVWXYZ", "md5": "0123456789abcdef"}


@dataclass(frozen=True)
class Shard:
    """Names from `first` on and before `end`; '' for no bound. `text`: as it was asked for, '' for all of them."""

    text: str = ""
    first: str = ""
    end: str = ""

    def holds(self, name: str) -> bool:
        return name >= self.first and not self.is_past(name)

    def is_past(self, name: str) -> bool:
        return bool(self.end) and name >= self.end


def parse_shard(text: str, naming: Naming) -> Shard:
    """`3/8`: the third of eight ranges of about as many originals each, because hashes are spread evenly; '' is all."""
    if not text:
        return Shard()
    found = re.fullmatch(r"([1-9][0-9]{0,3})/([1-9][0-9]{0,3})", text)
    if not found or not int(found[1]) <= int(found[2]) <= MOST:
        raise BadRequest(f"expected I/N with I from 1 to N and N up to {MOST} for a shard, got {shown(text)}")
    if naming.kind not in _ALPHABETS:
        raise BadRequest(f"expected a namespace that names by hash for a shard, got naming: {naming.kind}")
    number, count = int(found[1]), int(found[2])
    return Shard(text, _bound(number - 1, count, _ALPHABETS[naming.kind]), _bound(number, count, _ALPHABETS[naming.kind]))


def _bound(number: int, count: int, alphabet: str) -> str:
    """Where the range after the first `number` of `count` begins: three letters, 4096 at least for at most 1024 ranges."""
    if number in (0, count):
        return ""
    place, letters = number * len(alphabet) ** 3 // count, ""
    for _ in range(3):
        place, letter = divmod(place, len(alphabet))
        letters = alphabet[letter] + letters
    return letters
