"""One field of text, one value, one spelling."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from renderer.errors import BadRequest
from renderer.fields import one_of, shown, whole


@given(st.integers(0, 999_999_999))
def test_a_whole_number_is_read_as_it_is_written(number: int) -> None:
    assert whole(str(number), "a side") == number


@given(st.text(max_size=12))
def test_what_is_read_is_the_only_spelling(text: str) -> None:
    try:
        number = whole(text, "a side")
    except BadRequest:
        return
    assert str(number) == text


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("075", id="leading zero"),
        pytest.param("00", id="two zeros"),
        pytest.param("-1", id="sign"),
        pytest.param("+1", id="plus"),
        pytest.param(" 1", id="space"),
        pytest.param("1\n", id="line end"),
        pytest.param("1_0", id="underscore"),
        pytest.param("1e3", id="exponent"),
        pytest.param("٣", id="arabic digit"),
        pytest.param("²", id="superscript"),
        pytest.param("１", id="wide digit"),
        pytest.param("9" * 10, id="ten digits"),
        pytest.param("9" * 5000, id="digits without end"),
    ],
)
def test_another_spelling_is_refused(text: str) -> None:
    with pytest.raises(BadRequest, match=r"expected a whole number from 0 to 999999999 for a side, got "):
        whole(text, "a side")


@pytest.mark.parametrize(("text", "allowed"), [("0", False), ("1", True), ("100", True), ("101", False)])
def test_bounds_belong_to_the_range(text: str, allowed: bool) -> None:
    if allowed:
        assert whole(text, "quality", 1, 100) == int(text)
    else:
        with pytest.raises(BadRequest, match=f"from 1 to 100 for quality, got '{text}'"):
            whole(text, "quality", 1, 100)


def test_a_choice_is_one_of_its_words_and_no_other() -> None:
    assert one_of("h", "flip", ("h", "v")) == "h"
    for wrong in ("", "H", "hv", "h\n"):
        with pytest.raises(BadRequest, match="expected h or v for flip, got "):
            one_of(wrong, "flip", ("h", "v"))


@given(st.text(st.characters(), max_size=200))
def test_what_an_error_repeats_is_short_ascii_on_one_line(text: str) -> None:
    said = shown(text)
    assert said.isascii()
    assert said.isprintable()
    assert len(said) <= 2 + 60 * len("\\U0001f600")
    assert len(shown("a" * 5000)) == len("''") + 60
