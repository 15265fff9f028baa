"""What a file remembers of itself fits into the nanoseconds of a second, comes back, and belongs to its length."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from renderer import memo
from renderer.memo import Memo

LENGTHS = st.integers(1, 2**40)
COSTS = st.floats(0, 10**7)
USES = st.integers(0, memo.MOST_USES)


@given(COSTS, USES, st.booleans(), LENGTHS)
def test_parse_undoes_spell_but_for_a_twentieth_of_the_cost(cost: float, uses: int, is_seen: bool, length: int) -> None:
    nanoseconds = memo.spell(Memo(cost, uses, is_seen), length)
    assert 0 < nanoseconds < 1_000_000_000
    found = memo.parse(nanoseconds, length)
    assert found is not None
    assert (found.uses, found.is_seen) == (uses, is_seen)
    assert found.cost == pytest.approx(min(max(cost, 1), 253_000), rel=0.03)
    assert not memo.is_damaged(nanoseconds, length)


@given(LENGTHS, st.integers(1, 1000))
def test_a_file_that_is_shorter_by_a_little_is_found_out(length: int, less: int) -> None:
    assert memo.is_damaged(memo.spell(Memo(30), length + less), length)


def test_hardly_any_other_length_passes() -> None:
    nanoseconds = memo.spell(Memo(30), 50_000)
    assert sum(not memo.is_damaged(nanoseconds, length) for length in range(50_000)) <= 2


def test_no_memo_is_none_and_no_damage() -> None:
    assert memo.parse(0, 50_000) is None
    assert not memo.is_damaged(0, 50_000)


@given(st.integers(0, 255), USES, st.booleans(), LENGTHS)
def test_a_state_is_spelled_as_its_memo(level: int, uses: int, is_seen: bool, length: int) -> None:
    assert memo.spell_state(level, uses, is_seen, length) == memo.spell(Memo(memo.cost_of(level), uses, is_seen), length)
