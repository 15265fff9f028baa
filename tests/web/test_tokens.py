"""Whose token it is, and what for."""

from __future__ import annotations

import pytest

from renderer.errors import NotAllowed, TokenNeeded
from renderer.web.tokens import MADE, Tokens

TOKENS = Tokens([b"for-everything-1", b"for-everything-2"], {"p": [b"for-p-alone-1234"], "q": [], MADE: [b"for-those-made-1"]})


@pytest.mark.feature(170)
@pytest.mark.parametrize(
    ("token", "name", "may", "may_not"),
    [
        ("for-everything-2", "token 2", ["", "p", "q", "brand-new"], []),
        ("for-p-alone-1234", "token 1 of p", ["p"], ["", "q", "brand-new"]),
        ("for-those-made-1", "token 1 of *", ["brand-new"], ["", "p", "q"]),
    ],
)
def test_a_token_is_good_for_its_namespaces(token: str, name: str, may: list[str], may_not: list[str]) -> None:
    holder = TOKENS.holder(f"Bearer {token}")
    assert holder.name == name
    for namespace in may:
        holder.expect(namespace)
    for namespace in may_not:
        with pytest.raises(NotAllowed):
            holder.expect(namespace)


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer for", "Basic for-everything-1", "for-everything-1"])
def test_a_stranger_is_asked_for_a_token(header: str) -> None:
    with pytest.raises(TokenNeeded):
        TOKENS.holder(header)


def test_with_no_tokens_there_is_nobody_to_be() -> None:
    with pytest.raises(NotAllowed, match=r"until hosts\.service\.tokens is configured") as caught:
        Tokens([], {"p": []}).holder("Bearer anything")
    assert not isinstance(caught.value, TokenNeeded)  # no token would help
