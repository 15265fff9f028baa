"""What a browser accepts, in nginx's words: a map for each set of formats that a namespace negotiates.

Whatever the header says, it comes to one of few values: the extension of a format, or nothing. They are all of it that goes further (R20).
No map captures (R25).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from renderer.dialects.negotiation import MARK
from renderer.formats import BY_NAME, Format
from renderer.web.nginx_text import block, quoted_regex

# A range of the header Accept (RFC 9110, 12.5.1): the type, then parameters. A weight of 0 says that it is not accepted; `*/*` is said by
# everybody and means nothing. No part of this can be matched in two ways, so that a long header costs its length.
_ACCEPTED = r"(?:^|,)[ \t]*%s[ \t]*(?![^,;])(?![^,]*;[ \t]*q[ \t]*=[ \t]*0(?:\.0*)?[ \t]*(?![^,;]))"

Formats = tuple[str, ...]  # by name, the best first


def variable(formats: Formats) -> str:
    """Which of `formats` is accepted: the extension with its dot, or nothing."""
    return "$accepted_" + "_".join(formats)


def pattern(form: Format) -> str:
    """Matches where the header Accept says that `form` is accepted."""
    return _ACCEPTED % re.escape(form.mime)


def maps(sets: Iterable[Formats]) -> str:
    """Those for all of `sets`; '' for none."""
    wanted = sorted(set(sets))
    if not wanted:
        return ""
    marked = block("map $accepted $marked", ['"" "";', f'default "{MARK}";'])
    silent = "uninitialized_variable_warn off;  # $accepted and $vary are set where somebody negotiates, and read elsewhere too"
    return "\n".join(["", "# who accepts what, where one URL has several formats", silent, *map(_map, wanted), marked])


def _map(formats: Formats) -> str:
    forms = [BY_NAME[name] for name in formats]
    ranges = [f'"~*{quoted_regex(pattern(form))}" .{form.extension};' for form in forms]
    return block(f"map $http_accept {variable(formats)}", ['default "";', *ranges])
