"""The simulator counts as one counts by hand, keeps within its capacity, and draws the traces that the policy was tuned by."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import policies, simulator, traces
from bench.simulator import BLOCK, Outcome, Pruned, Stage
from renderer.pruning.policy import POLICIES

COSTS = (100, 300, 20, 2000, 50, 700)
SIZES = (1, 3, 2, 1, 5, 2)  # blocks

requests = st.lists(st.integers(0, len(SIZES) - 1), min_size=1, max_size=120)
every_cache = pytest.mark.parametrize("name", policies.CACHES)


def stage(asked: Iterable[int], sizes: Sequence[int] = SIZES, costs: Sequence[int] = COSTS, apart: float = 100.0) -> Stage:
    """A trace with `apart` seconds between requests; `sizes` in blocks."""
    things = array("L", asked)
    times = array("d", (number * apart for number in range(len(things))))
    return Stage(traces.Trace("by hand", times, things, array("L", (size * BLOCK for size in sizes)), array("L", costs)))


def alike(asked: Iterable[int]) -> Stage:
    return stage(asked, [1] * len(SIZES), [1] * len(SIZES))


def letters(text: str) -> list[int]:
    return ["abcdef".index(letter) for letter in text]


@pytest.mark.parametrize(
    ("cache", "text", "hits"),
    [
        pytest.param(simulator.lru, "abcacdb", 2, id="LRU: a and c are hit, b was last when d came"),
        pytest.param(partial(simulator.lru, moves=False), "abcadab", 1, id="FIFO: a is first out though it was hit"),
        pytest.param(simulator.sieve, "abcadab", 2, id="SIEVE: a is spared, b goes for d"),
        pytest.param(simulator.sieve, "abcabcda", 3, id="SIEVE: all were visited, so the oldest goes"),
        pytest.param(simulator.belady, "abcdabc", 3, id="Belady: d is not asked for again and stays out"),
    ],
)
def test_hits_are_as_counted_by_hand_with_room_for_three(cache: Callable[[Stage, int], Outcome], text: str, hits: int) -> None:
    assert cache(alike(letters(text)), 3 * BLOCK) == (hits, len(text) - hits)


def test_gdsf_keeps_what_cost_and_hits_together_make_dear() -> None:
    site = stage(letters("aabca"), [1] * 6, [5, 8, 9, 1, 1, 1])
    assert simulator.gdsf(site, 2 * BLOCK) == (2, 5 + 8 + 9)


@given(requests, st.integers(1, 12))
def test_lru_is_exact(asked: list[int], blocks: int) -> None:
    recent: list[int] = []  # the last used first
    hits = 0
    for thing in asked:
        hits += thing in recent
        recent = [thing, *(other for other in recent if other != thing)]
        while sum(SIZES[other] for other in recent) > blocks:
            recent.pop()
    assert simulator.lru(stage(asked), blocks * BLOCK).hits == hits


@every_cache
@given(requests, st.integers(1, 6))
def test_nobody_has_more_hits_than_belady_where_sizes_are_equal(name: str, asked: list[int], blocks: int) -> None:
    site = alike(asked)
    assert policies.CACHES[name](site, blocks * BLOCK).hits <= simulator.belady(site, blocks * BLOCK).hits


@every_cache
@given(asked=requests, blocks=st.integers(5, 14))
def test_nobody_misses_less_than_the_limit(name: str, asked: list[int], blocks: int) -> None:
    site = stage(asked)
    assert policies.CACHES[name](site, blocks * BLOCK).missed >= simulator.least_missed(site, blocks * BLOCK) - 1e-6


@given(requests)
def test_the_limit_is_met_where_all_fits(asked: list[int]) -> None:
    site = stage(asked)
    first = sum(COSTS[thing] for thing in set(asked))
    assert simulator.least_missed(site, site.footprint()) == first
    assert policies.CACHES["value"](site, site.footprint()).missed == first


@pytest.mark.parametrize("name", POLICIES)
@given(requests, st.integers(5, 12))
def test_the_capacity_is_never_exceeded(name: str, asked: list[int], blocks: int) -> None:
    for length in range(1, len(asked) + 1, 7):
        site = stage(asked[:length])
        cache = Pruned(site, blocks * BLOCK, POLICIES[name], min_age=0)
        cache.run()
        assert cache.bytes == sum(site.sizes[thing] for thing in cache.kept)
        assert cache.bytes <= blocks * BLOCK


@pytest.mark.parametrize("name", POLICIES)
def test_the_young_are_spared(name: str) -> None:
    site = stage(range(6), apart=1)
    cache = Pruned(site, 5 * BLOCK, POLICIES[name])
    cache.run()
    assert len(cache.kept) == 6


def test_who_was_used_outlives_wonders_of_one_hit() -> None:
    favourite, wonders = 0, range(1, 60)
    asked = [favourite, *wonders[:9], favourite, *wonders[9:]]
    site = stage(asked, [1] * 60, [100] * 60, apart=600)
    cache = Pruned(site, 20 * BLOCK, POLICIES["value"])
    assert cache.run().hits == 1
    assert site.asked[0] in cache.kept
    assert not cache.kept & set(site.asked[1:30]) - {site.asked[0]}


# of the first requests, with the bytes and milliseconds of what they ask for
DRAWN = {
    "zipf 0.8": "2cbc348f272c",
    "zipf 0.9": "d270d697a037",
    "zipf 1.0": "9e4ade322ff8",
    "zipf 1.1": "35bd6ccb3542",
    "scan": "e327902b4fc5",
    "drift": "1cdc03119965",
    "news": "0e2839b13c40",
    "pages": "4fa7e095992b",
    "equal": "5d0544228c74",
}


@pytest.mark.parametrize("name", traces.FAMILIES)
def test_traces_are_those_that_the_policy_was_tuned_by(name: str) -> None:
    trace = traces.draw(name, 500)
    asked = [(thing, trace.sizes[thing], trace.costs[thing]) for thing in trace.asked]
    assert hashlib.sha256(repr(asked).encode()).hexdigest()[:12] == DRAWN[name]


def test_an_access_log_is_a_trace(tmp_path: Path) -> None:
    lines = [
        ("10.500", "200", "GET", "/o/A/x.jpeg", "5000", "/c/a/fit.jpg", "0.3", "0.250", "miss", "::1"),
        ("11.000", "304", "GET", "/o/A/x.jpeg", "0", "/c/a/~x.jpeg", "0.0", "-", "-", "::1"),
        ("13.000", "206", "GET", "/o/A/x.jpeg", "100", "/c/a/~x.jpeg", "0.0", "-", "-", "::1"),
        ("12.000", "200", "GET", "/o/B/y.jpeg", "700", "/c/b/~y.jpeg", "0.0", "-", "-", "::1"),
        ("14.000", "404", "GET", "/o/C/z.jpeg", "9", "/c/c/~z.jpeg", "0.0", "0.002", "-", "::1"),
        ("15.000", "200", "HEAD", "/o/A/x.jpeg", "0", "/c/a/~x.jpeg", "0.0", "-", "-", "::1"),
        ("16.000", "200", "GET", "/o/A/x.jpeg", "5000", "/c/a/fit.jpg", "0.3", "0.004, 0.146", "miss", "::1"),
        ("half a line",),
    ]
    log = tmp_path / "access.log"
    log.write_text("".join("\t".join(line) + "\n" for line in lines))
    trace = traces.read_log(log)
    assert list(trace.times) == [10.5, 12, 13, 16]
    assert list(trace.asked) == [0, 1, 0, 0]
    assert list(trace.sizes) == [5000, 700]
    assert list(trace.costs) == [200, 200]  # of the other nothing is known


def test_the_results_say_how_far_each_is_from_lru_and_from_the_limit(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    line = "{0}\t200\tGET\t/o/{1}.jpeg\t9000\t/c/{1}.jpg\t0.1\t0.1\tmiss\t::1\n"
    log.write_text("".join(line.format(number, number * number % 40) for number in range(400)))
    text = policies.measure_log(log).spell()
    assert "| access.log |" in text
    assert text.count("60%") >= 2


def test_a_log_without_pictures_is_refused(tmp_path: Path) -> None:
    (tmp_path / "access.log").write_text("nothing\n")
    with pytest.raises(SystemExit, match="got none"):
        policies.measure_log(tmp_path / "access.log")
