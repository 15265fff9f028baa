"""Ranks rise with what a file saves, thresholds hold what has to go, and the hand spares what was visited."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from renderer import memo
from renderer.pruning.policy import (
    EVERYTHING,
    EVICT,
    KEEP,
    MOST_CIRCLES,
    POLICIES,
    RANKS,
    SHARE,
    greet,
    rank_by_seconds,
    rank_by_value,
    state_of,
    step,
    threshold,
    used,
)

NEW, SEEN, ONCE, TWICE, OFTEN = 0, 1, 3, 5, 7  # uses << 1 | is_seen
YEAR = 366 * 86_400

states = st.integers(0, 7)
levels = st.integers(0, 255)
sizes = st.integers(0, 1 << 40)
seconds = st.floats(-60, 100 * YEAR)
heaps = st.dictionaries(st.integers(0, RANKS - 1), st.integers(0, 1 << 40), max_size=20)  # bytes by rank


@given(states, levels, sizes, seconds)
@pytest.mark.parametrize("name", POLICIES)
def test_a_rank_has_a_place_in_the_histogram(name: str, state: int, level: int, size: int, idle: float) -> None:
    assert 0 <= POLICIES[name].rank(state, level, size, idle) < RANKS


@given(states, levels, sizes, seconds, states, levels, sizes, seconds)
def test_what_is_better_in_all_respects_has_no_lower_rank(
    state: int, level: int, size: int, idle: float, other_state: int, other_level: int, other_size: int, other_idle: float
) -> None:
    best = rank_by_value(max(state, other_state), max(level, other_level), min(size, other_size), min(idle, other_idle))
    assert rank_by_value(state, level, size, idle) <= best


@given(levels, st.integers(1, 64 << 20), st.floats(0, 10 * YEAR))
def test_a_wonder_of_one_hit_goes_before_what_was_used_of_equal_cost_and_size(level: int, size: int, idle: float) -> None:
    ranks = [rank_by_value(state, level, size, idle) for state in (SEEN, ONCE, TWICE, OFTEN)]
    assert ranks == sorted(set(ranks))


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        pytest.param((SEEN, 100, 4096, 3600), (SEEN, 98, 4096, 3600), id="a tenth dearer"),
        pytest.param((SEEN, 100, 10 * 4096, 3600), (SEEN, 100, 11 * 4096, 3600), id="a tenth smaller"),
        pytest.param((SEEN, 100, 4096, 3600), (SEEN, 100, 4096, 4000), id="a tenth less idle"),
        pytest.param((NEW, 100, 4096, 3600), (NEW, 100, 4097, 3600), id="a block less"),
    ],
)
def test_a_difference_of_a_tenth_shows(better: tuple[int, int, int, float], worse: tuple[int, int, int, float]) -> None:
    assert rank_by_value(*better) > rank_by_value(*worse)


@given(st.floats(1, 9 * YEAR))
def test_times_are_told_apart_by_two_percent(idle: float) -> None:
    earlier, now = rank_by_seconds(0, 0, 0, idle * 1.02), rank_by_seconds(0, 0, 0, idle)
    assert now - 2 <= earlier < now


def test_the_lately_used_ranks_above_the_long_idle() -> None:
    assert [rank_by_seconds(0, 0, 0, idle) for idle in (-5, 0, 1, 20 * YEAR)] == [RANKS - 1] * 3 + [0]


@given(heaps, st.integers(0, 1 << 45))
def test_a_threshold_is_the_least_that_holds_what_has_to_go(heaped: dict[int, int], wanted: int) -> None:
    histogram = [heaped.get(rank, 0) for rank in range(RANKS)]
    mark, least = threshold(histogram, wanted), max(wanted, SHARE * sum(histogram))
    assert sum(histogram[: mark + 1]) >= least or mark == RANKS - 1
    assert sum(histogram[:mark]) < least or mark == 0


@pytest.mark.parametrize(
    ("wanted", "circle", "expected"),
    [
        pytest.param(0, 0, 102, id="the share"),
        pytest.param(512, 0, 511, id="what has to go, if that is more"),
        pytest.param(0, 1, 204, id="twice as much in the second circle"),
        pytest.param(0, MOST_CIRCLES - 1, RANKS - 1, id="all in the last"),
        pytest.param(9_999, 0, RANKS - 1, id="more than there is"),
        pytest.param(1, MOST_CIRCLES, EVERYTHING, id="after the last"),
    ],
)
def test_a_threshold_rises_from_circle_to_circle(wanted: int, circle: int, expected: int) -> None:
    assert threshold([1] * RANKS, wanted, circle) == expected


LOW, MARK, HIGH = 100, 200, 300


@pytest.mark.parametrize(
    ("is_visited", "is_young", "state", "rank", "expected"),
    [
        pytest.param(True, False, NEW, LOW, SEEN, id="the first reading is no use"),
        pytest.param(True, False, SEEN, LOW, ONCE, id="the next one is"),
        pytest.param(True, False, OFTEN, LOW, OFTEN, id="three are all that is remembered"),
        pytest.param(True, True, SEEN, LOW, ONCE, id="the young are re-armed too"),
        pytest.param(False, True, SEEN, LOW, KEEP, id="the young are not touched"),
        pytest.param(False, False, OFTEN, LOW, EVICT, id="low rank"),
        pytest.param(False, False, OFTEN, MARK, EVICT, id="rank at the threshold"),
        pytest.param(False, False, OFTEN, HIGH, KEEP, id="uses do not decay"),
        pytest.param(False, False, NEW, HIGH, SEEN, id="what nobody read has no first reading before it"),
    ],
)
def test_the_hand(is_visited: bool, is_young: bool, state: int, rank: int, expected: int) -> None:
    assert step(is_visited, is_young, state, rank, MARK) == expected


@pytest.mark.parametrize("is_visited", [False, True])
@pytest.mark.parametrize("name", POLICIES)
def test_in_the_end_all_go_but_the_young(name: str, is_visited: bool) -> None:
    policy = POLICIES[name]
    assert policy.step(is_visited, False, OFTEN, RANKS - 1, EVERYTHING) == EVICT
    assert policy.step(is_visited, True, OFTEN, RANKS - 1, EVERYTHING) == KEEP


@given(st.booleans(), st.booleans(), states, st.integers(0, RANKS - 1), st.integers(0, RANKS))
def test_by_age_nothing_is_written(is_visited: bool, is_young: bool, state: int, rank: int, mark: int) -> None:
    policy = POLICIES["age"]
    assert policy.greet(is_young, state) == KEEP
    expected = EVICT if rank <= mark and not is_young else KEEP
    assert policy.step(is_visited, is_young, state, rank, mark) == expected


def test_a_survey_greets_whom_it_sees_first_and_nobody_twice() -> None:
    assert greet(False, NEW) == SEEN
    assert greet(True, NEW) == KEEP
    assert {greet(False, state) for state in (SEEN, ONCE, OFTEN)} == {KEEP}


@given(levels, st.integers(0, memo.MOST_USES), st.booleans(), st.integers(1, 1 << 30))
def test_a_state_is_what_the_memo_says(level: int, uses: int, is_seen: bool, length: int) -> None:
    state = state_of(memo.spell_state(level, uses, is_seen, length))
    assert state == uses << 1 | is_seen
    assert used(state) == min(uses + is_seen, memo.MOST_USES) << 1 | 1


def test_without_a_memo_a_file_is_new() -> None:
    assert state_of(0) == NEW
