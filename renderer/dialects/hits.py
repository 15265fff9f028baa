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

    `namespace` decides how long the answer may be cached. `is_foreign`: it is no rendition, but what somebody stored beside an original, or
    what is known of that: it may change, and no browser may take it for a page. `negotiates`: formats, by name and the best first, that who
    accepts them gets instead; in `files`, `$accepted` is then the extension of that format with its dot, and `$marked` what the name of an
    alias needs before it where the URL names the file itself. Both are empty for a JPEG.
    """

    name: str
    namespace: Namespace
    pattern: str
    files: tuple[str, ...]
    is_foreign: bool = False
    negotiates: tuple[str, ...] = ()
