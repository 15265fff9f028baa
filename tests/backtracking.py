"""A regular expression at work, step by step: how many characters a backtracking engine looks at, instead of how long it takes.

It does what Python's `re` does with the parts that our patterns have: greedy, first alternative first, giving back one by one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

MOST_STEPS = 50_000

Rest = Callable[[int], bool]  # what is still to be matched, from a position


class TooMany(Exception):
    """More steps than anything linear takes."""


class Engine:
    """`pattern` over `text`; `steps` is what it took."""

    def __init__(self, pattern: re.Pattern[str], text: str) -> None:
        self.text, self.steps, self.any = text, 0, bool(pattern.flags & re.DOTALL)
        self.tree = list(re._parser.parse(pattern.pattern, pattern.flags))  # type: ignore[attr-defined]

    def fullmatch(self) -> bool:
        return self.sequence(self.tree, 0, lambda at: at == len(self.text))

    def search(self) -> bool:
        return any(self.sequence(self.tree, start, lambda _: True) for start in range(len(self.text) + 1))

    def sequence(self, parts: Sequence[Any], at: int, rest: Rest) -> bool:
        if not parts:
            return rest(at)
        (kind, value), *others = parts
        return self.part(str(kind), value, at, lambda after: self.sequence(others, after, rest))

    def part(self, kind: str, value: Any, at: int, rest: Rest) -> bool:
        if kind in ("LITERAL", "NOT_LITERAL", "ANY", "IN"):
            return self.holds(kind, value, at) and rest(at + 1)
        if kind == "SUBPATTERN":
            return self.sequence(list(value[-1]), at, rest)
        if kind == "BRANCH":
            return any(self.sequence(list(branch), at, rest) for branch in value[1])
        if kind == "ASSERT_NOT":
            return not self.sequence(list(value[1]), at, lambda _: True) and rest(at)
        if kind == "AT":
            return (at == 0 if "BEGINNING" in str(value) else at == len(self.text)) and rest(at)
        assert kind == "MAX_REPEAT", f"expected a part that is understood, got {kind}"
        least, most, repeated = int(value[0]), int(value[1]), list(value[2])
        if len(repeated) == 1 and str(repeated[0][0]) in ("LITERAL", "NOT_LITERAL", "ANY", "IN"):
            return self.run(repeated[0], least, most, at, rest)
        return self.repeat(repeated, least, most, at, rest)

    def run(self, one: Any, least: int, most: int, at: int, rest: Rest) -> bool:
        """As many as there are, then giving back one by one."""
        end = at
        while end - at < most and self.holds(str(one[0]), one[1], end):
            end += 1
        return any(rest(after) for after in range(end, at + least - 1, -1))

    def repeat(self, parts: list[Any], least: int, most: int, at: int, rest: Rest) -> bool:
        def again(after: int) -> bool:
            return after > at and self.repeat(parts, max(0, least - 1), most - 1, after, rest)

        return (most > 0 and self.sequence(parts, at, again)) or (least == 0 and rest(at))

    def holds(self, kind: str, value: Any, at: int) -> bool:
        self.steps += 1
        if self.steps > MOST_STEPS:
            raise TooMany
        if at >= len(self.text):
            return False
        code = ord(self.text[at])
        if kind == "ANY":
            return self.any or code != 10
        if kind == "IN":
            negated = str(value[0][0]) == "NEGATE"
            return negated != any(_among(str(what), wanted, code) for what, wanted in value[negated:])
        return (code == value) == (kind == "LITERAL")


def _among(kind: str, wanted: Any, code: int) -> bool:
    assert kind in ("LITERAL", "RANGE"), f"expected characters and ranges in a class, got {kind}"
    return code == wanted if kind == "LITERAL" else wanted[0] <= code <= wanted[1]


def steps(pattern: re.Pattern[str], text: str, searched: bool = False) -> int:
    """How many characters are looked at, some again and again; AssertionError where `re` itself finds otherwise."""
    engine = Engine(pattern, text)
    found = engine.search() if searched else engine.fullmatch()
    assert found == bool(pattern.search(text) if searched else pattern.fullmatch(text))
    return engine.steps
