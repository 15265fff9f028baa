"""At which fraction a JPEG is decoded."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from renderer.picture.scale import SPARES, denominator

FRACTIONS = st.fractions(min_value=Fraction(1, 100_000), max_value=1)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        pytest.param(Fraction(1), 1, id="all"),
        pytest.param(Fraction(1, 2), 1, id="half, of which nothing would be spare"),
        pytest.param(Fraction(2, 5), 2, id="just enough spare for a half"),
        pytest.param(Fraction(2, 5) + Fraction(1, 10**6), 1, id="not quite enough for a half"),
        pytest.param(Fraction(1, 8), 4, id="just enough for a quarter"),
        pytest.param(Fraction(1, 20), 8, id="just enough for an eighth"),
        pytest.param(Fraction(1, 19), 4, id="not quite enough for an eighth"),
        pytest.param(Fraction(1, 10_000), 8, id="a speck"),
    ],
)
def test_a_decode_is_as_small_as_its_spare_pixels_allow(wanted: Fraction, expected: int) -> None:
    assert denominator(wanted) == expected


@given(FRACTIONS)
def test_a_decode_is_never_smaller_than_what_is_shown(wanted: Fraction) -> None:
    assert Fraction(1, denominator(wanted)) >= wanted


@given(FRACTIONS, FRACTIONS)
def test_what_shows_more_is_never_decoded_smaller(one: Fraction, other: Fraction) -> None:
    assert denominator(max(one, other)) <= denominator(min(one, other))


def test_the_smallest_decode_is_tried_first() -> None:
    assert [each for each, _ in SPARES] == [8, 4, 2]
    assert all(spare >= 1 for _, spare in SPARES)
