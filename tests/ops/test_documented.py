"""The page about recipes shows every operation, in the order of the pipeline, as it is read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from renderer.ops import BY_WORD, PIPELINE
from renderer.recipe import Qualities, Recipe, parse_recipe
from tests.house import tree

PAGE = tree.text(Path("docs/recipes.md"))
SHOWN = [spelled for row in re.findall(r"^\| (`[a-z]+.*?`) \|", PAGE, re.MULTILINE) for spelled in re.findall(r"`([^`]+)`", row)]
OPERATIONS = [spelled for spelled in SHOWN if spelled.partition("-")[0] in BY_WORD]


def test_each_operation_is_shown_in_its_place() -> None:
    words = list(dict.fromkeys(spelled.partition("-")[0] for spelled in OPERATIONS))
    assert words == [kind.word for kind in PIPELINE]


@pytest.mark.parametrize("spelled", OPERATIONS)
def test_what_is_shown_is_read_and_spelled_so(spelled: str) -> None:
    word, _, argument = spelled.partition("-")
    assert BY_WORD[word].parse(argument).spell() == spelled


@pytest.mark.parametrize("name", re.findall(r"[a-z0-9_,-]+\.(?:jpg|png|webp|gif|avif)\b", PAGE))
def test_a_whole_recipe_that_is_shown_is_one(name: str) -> None:
    text, _, extension = name.partition(".")
    made = parse_recipe(text, extension, Qualities())
    assert isinstance(made, Recipe)
    assert made.spell() == text
