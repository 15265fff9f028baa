"""What nginx answers alone: one regular expression over the path, and the file that its captures name.

Python decides what may be remembered, nginx only looks. The patterns are written in the common part of Python's `re` and PCRE, so that
the golden table tests both sides with the same text.
"""

from __future__ import annotations

from dataclasses import dataclass

from renderer.rendition import Namespace


@dataclass(frozen=True)
class Hit:
    """`pattern`: the whole path, named groups; `files`: where to look, first to last, below the cache's generation, `$group` for captures.

    `namespace` decides how long the answer may be cached.
    """

    name: str
    namespace: Namespace
    pattern: str
    files: tuple[str, ...]
