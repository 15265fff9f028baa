"""R13: a signature holds for one request and no other, in one spelling."""

from __future__ import annotations

import base64
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from renderer.errors import NotAllowed
from renderer.rendition import NAMINGS, Namespace, Ref
from renderer.signing import SIGNATURE, check, sign

SPACE, OTHER_SPACE = Namespace("fitter", NAMINGS["path"]), Namespace("images", NAMINGS["path"])
REF, WISH = SPACE.ref("wallpaper/lion.png"), "~300x200!.jpeg"
OLD, NEW = b"the key of last year", b"the key of this year"
SIGNED = sign(NEW, REF, WISH)
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def refused(ref: Ref, wish: str, signature: str, *keys: bytes) -> bool:
    try:
        check(keys or (NEW,), ref, wish, signature)
    except NotAllowed:
        return True
    return False


def test_R13_what_was_signed_is_let_in() -> None:
    assert not refused(REF, WISH, SIGNED)


@given(st.integers(0, 21), st.sampled_from(ALPHABET))
def test_R13_any_edit_of_a_signature_is_refused(place: int, letter: str) -> None:
    edited = SIGNED[:place] + letter + SIGNED[place + 1 :]
    assert refused(REF, WISH, edited) == (edited != SIGNED)


def test_R13_another_spelling_of_the_same_bits_is_refused() -> None:
    """22 letters hold 132 bits, 4 more than a signature has: the last letter has 15 twins that decode alike."""
    bits = base64.urlsafe_b64decode(SIGNED + "==")
    twins = [SIGNED[:-1] + letter for letter in ALPHABET if base64.urlsafe_b64decode(SIGNED[:-1] + letter + "==") == bits]
    assert len(twins) == 16
    assert [twin for twin in twins if not refused(REF, WISH, twin)] == [SIGNED]


@pytest.mark.parametrize(
    "signature",
    [
        pytest.param("", id="none"),
        pytest.param(SIGNED[:-1], id="cut"),
        pytest.param(SIGNED[:8], id="cut short"),
        pytest.param(SIGNED + "A", id="longer"),
        pytest.param(SIGNED + "==", id="padded"),
        pytest.param(SIGNED + "\n", id="line end"),
        pytest.param(SIGNED.swapcase(), id="other case"),
        pytest.param("?" * 22, id="question marks"),
        pytest.param("é" * 22, id="not ASCII"),
        pytest.param("\udcff" * 22, id="not UTF-8"),
    ],
)
def test_R13_what_is_not_the_signature_is_refused(signature: str) -> None:
    assert refused(REF, WISH, signature)


@given(st.text("~0123456789x!.jpegwbn-_", max_size=20))
def test_R13_a_signature_holds_for_one_wish_only(wish: str) -> None:
    assert refused(REF, wish, SIGNED) == (wish != WISH)


@given(st.text("abcdefghijklmnopqrstuvwxyz./", min_size=1, max_size=20).filter(lambda name: name != REF.name))
def test_R13_a_signature_holds_for_one_original_only(name: str) -> None:
    assert refused(Ref(SPACE, name), WISH, SIGNED)


@pytest.mark.parametrize(
    ("ref", "wish"),
    [
        pytest.param(OTHER_SPACE.ref("wallpaper/lion.png"), WISH, id="namespace"),
        pytest.param(SPACE.ref("wallpaper"), f"lion.png/{WISH}", id="a part moved from the name to the wish"),
        pytest.param(SPACE.ref(f"wallpaper/lion.png{WISH}"), "", id="the wish moved to the name"),
        pytest.param(Ref(Namespace("fitterwallpaper", NAMINGS["path"]), "lion.png"), WISH, id="a part moved to the namespace"),
    ],
)
def test_R13_parts_of_a_request_cannot_be_moved_about(ref: Ref, wish: str) -> None:
    assert refused(ref, wish, SIGNED)


def test_R13_several_keys_make_a_change_of_keys_possible() -> None:
    old = sign(OLD, REF, WISH)
    assert not refused(REF, WISH, old, NEW, OLD)
    assert not refused(REF, WISH, SIGNED, NEW, OLD)
    assert refused(REF, WISH, old, NEW)


def test_without_keys_nothing_needs_a_signature() -> None:
    check((), REF, WISH, "")
    check((), REF, WISH, "anything")
    assert refused(REF, WISH, "", NEW)


def test_R13_a_signature_has_at_least_128_bits() -> None:
    assert len(base64.urlsafe_b64decode(SIGNED + "==")) * 8 >= 128


@given(st.binary(min_size=1, max_size=40), st.text("abc0123456789x!~.", max_size=20))
def test_a_signature_looks_as_the_web_server_expects(key: bytes, wish: str) -> None:
    assert re.fullmatch(SIGNATURE, sign(key, REF, wish))


def test_a_signature_stays_the_same_over_the_years() -> None:
    """Signed pages are printed and cached: a change here would break them all. By openssl dgst -sha256 -hmac, cut to 16 bytes."""
    assert sign(b"key", SPACE.ref("a"), "fit-10x10.jpg") == "1DT5giJsr-L3TaeOJg6xjg"


def test_a_refusal_does_not_tell_the_signature() -> None:
    with pytest.raises(NotAllowed, match="expected a valid signature for this URL, got none") as caught:
        check((NEW,), REF, WISH, "")
    assert SIGNED not in str(caught.value)
    with pytest.raises(NotAllowed, match="got another"):
        check((NEW,), REF, WISH, "A" * 22)
