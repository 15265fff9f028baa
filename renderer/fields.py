"""One field of text to one value, or say why not.

No leading zeros, no foreign digits, no signs, no white space: one spelling per value, so that one picture has one name (H-B7, H-B8).
"""

from __future__ import annotations

import re

from renderer.errors import BadRequest

_WHOLE = re.compile(r"0|[1-9][0-9]{0,8}")


def whole(text: str, what: str, least: int = 0, most: int = 999_999_999) -> int:
    """The whole number that `text` spells; `what` names the field in the error."""
    if not _WHOLE.fullmatch(text) or not least <= int(text) <= most:
        raise BadRequest(f"expected a whole number from {least} to {most} for {what}, got {shown(text)}")
    return int(text)


def one_of(text: str, what: str, choices: tuple[str, ...]) -> str:
    """`text`, when it is one of `choices`."""
    if text not in choices:
        raise BadRequest(f"expected {' or '.join(choices)} for {what}, got {shown(text)}")
    return text


def shown(text: str) -> str:
    """A client's text as an error may repeat it: short, quoted, ASCII only."""
    return ascii(text if len(text) <= 60 else text[:57] + "...")


def in_line(text: str) -> str:
    """The whole text in one line, whatever is in it: nobody's file name shall move the cursor of a terminal."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)
