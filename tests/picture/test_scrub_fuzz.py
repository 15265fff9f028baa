"""Filters of segments on what nobody meant to be a picture: an answer or BrokenOriginal, never more bytes than came in."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from renderer.errors import BrokenOriginal
from renderer.formats import Format
from renderer.picture.metadata import minimal_exif
from renderer.picture.scrub import scrubbed
from tests.picture.telling import ADDED, CLEAN

EXIF = minimal_exif(6, "Somebody")
MOST_MORE = 100  # bytes: an end, a header, a block of ours


def telling(name: str) -> tuple[Format, bytes]:
    form, content = CLEAN[name]
    for add in list(ADDED[form.name].values())[:4]:
        content = add(content)
    return form, content


TELLING = {name: telling(name) for name in CLEAN}
bits = st.sampled_from(
    [
        b"\xff\xd8", b"\xff\xd9", b"\xff\xda", b"\xff\xe1\0\x02", b"\xff", b"\0", b"\xff" * 4, b"\0\0\0\0", b"\x80\0\0\0",
        b"IEND", b"IDAT", b"ANMF", b"VP8X", b"\x2c", b"\x21\xf9\x04", b"\x3b",
    ]
)  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn) -> tuple[Format, bytes]:
    """A picture with a few bytes changed, put in, taken out, or cut off behind its first twelve."""
    form, original = TELLING[draw(st.sampled_from(sorted(TELLING)))]
    content = bytearray(original)
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(12, max(12, len(content) - 1)))
        added = draw(bits | st.binary(max_size=8))
        gone = draw(st.sampled_from((0, 1, len(added), 4, 100, len(content))))
        content[at : at + gone] = added
    return form, bytes(content)


@given(mutated())
@settings(max_examples=400, deadline=None)
def test_any_bytes_are_scrubbed_once_for_all_or_broken(drawn: tuple[Format, bytes]) -> None:
    form, content = drawn
    for exif, profile in ((b"", True), (EXIF, False)):
        try:
            left = scrubbed(content, form, exif, profile)
        except BrokenOriginal:
            continue
        assert left is not None
        assert len(left) <= len(content) + MOST_MORE
        assert scrubbed(left, form, exif, profile) == left


@given(st.sampled_from(sorted(TELLING)), st.binary(max_size=200))
@settings(max_examples=100, deadline=None)
def test_a_beginning_alone_promises_nothing(name: str, rest: bytes) -> None:
    form, content = TELLING[name]
    try:
        left = scrubbed(content[:12] + rest, form)
    except BrokenOriginal:
        return
    assert left is not None
    assert len(left) <= 12 + len(rest) + MOST_MORE
