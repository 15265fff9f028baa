"""At which fraction an original is decoded."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from renderer.formats import BY_NAME, JPEG, PNG, WEBP, Format
from renderer.picture.scale import SPARES, denominator

FORMATS = st.sampled_from((JPEG, PNG, WEBP))
FRACTIONS = st.fractions(min_value=Fraction(1, 100_000), max_value=1)


@pytest.mark.parametrize(
    ("form", "wanted", "expected"),
    [
        pytest.param(JPEG, Fraction(1), 1, id="all"),
        pytest.param(JPEG, Fraction(1, 2), 1, id="half, of which nothing would be spare"),
        pytest.param(JPEG, Fraction(2, 5), 2, id="just enough spare for a half"),
        pytest.param(JPEG, Fraction(2, 5) + Fraction(1, 10**6), 1, id="not quite enough for a half"),
        pytest.param(JPEG, Fraction(1, 5), 4, id="just enough for a quarter"),
        pytest.param(JPEG, Fraction(1, 10), 8, id="just enough for an eighth"),
        pytest.param(JPEG, Fraction(1, 9), 4, id="not quite enough for an eighth"),
        pytest.param(JPEG, Fraction(1, 10_000), 8, id="a speck"),
        pytest.param(PNG, Fraction(1, 4), 2, id="png: twice as large is enough for a half"),
        pytest.param(PNG, Fraction(1, 16), 8, id="png: any whole number"),
        pytest.param(WEBP, Fraction(5, 16), Fraction(5, 2), id="webp: any fraction"),
        pytest.param(WEBP, Fraction(1, 12), 8, id="webp: a small one"),
    ],
)
def test_a_decode_is_as_small_as_its_spare_pixels_allow(form: Format, wanted: Fraction, expected: Fraction) -> None:
    assert denominator(form, wanted, False) == expected


@given(FORMATS, FRACTIONS, st.booleans())
def test_a_decode_is_never_smaller_than_what_is_shown(form: Format, wanted: Fraction, is_all: bool) -> None:
    assert 1 / denominator(form, wanted, is_all) >= wanted


@given(FORMATS, FRACTIONS, FRACTIONS, st.booleans())
def test_what_shows_more_is_never_decoded_smaller(form: Format, one: Fraction, other: Fraction, is_all: bool) -> None:
    assert denominator(form, max(one, other), is_all) <= denominator(form, min(one, other), is_all)


@pytest.mark.parametrize("name", SPARES)
def test_the_smallest_decode_is_tried_first(name: str) -> None:
    found = [each for each, _ in SPARES[BY_NAME[name].name]]
    assert found == sorted(found, reverse=True)
    assert all(spare >= 1 for _, spare in SPARES[name])


@given(FRACTIONS)
def test_a_webp_of_which_nothing_is_cut_is_decoded_at_the_very_size(wanted: Fraction) -> None:
    assert denominator(WEBP, wanted, True) == 1 / wanted
