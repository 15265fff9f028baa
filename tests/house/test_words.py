"""Names that say something, heads that say why, and nothing unfinished or of one machine only."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.house import tree

NAMELESS = {"utils", "util", "helpers", "helper", "common", "misc", "base", "core", "manager", "types"}

# Put together here, so that this file does not break its own rule.
UNFINISHED = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|X{3})\b|NotImplemented" r"Error")
ONE_MACHINE = re.compile(r"(?<![\w.<>}])/(?:home|root|Users|work)/\w")
OUTSIDE = re.compile(r"\bshared/(?!corpus\b)|\bissues? #?\d")
LEGAL = re.compile(r"copy" r"right\s*(?:\(c\)|©|[12]\d{3})|SPD" r"X-|all rights " r"reserved|__auth" r"or__", re.IGNORECASE)
BARE = re.compile(r"#\s*(?:noqa|ruff:\s*noqa|type:\s*ignore)(?!\s*[:\[]\s*[\w-]+)", re.IGNORECASE)
DOCUMENT = re.compile(r"(?<![\w/.*\[-])(?:[\w-]+/)*[\w-]+\.md\b")
WRITTEN = {"bench/RESULTS.md"}  # by `make bench`


MODULES = tree.modules(*tree.CODE, "tests")


def test_modules_have_names_that_say_something() -> None:
    assert [module for module in MODULES if NAMELESS & {module.stem, *module.parts}] == []


def test_a_module_begins_with_a_sentence() -> None:
    heads = {module: ast.get_docstring(tree.tree(module)) or "" for module in MODULES if tree.text(module)}
    assert [module for module, head in heads.items() if not re.search(r"\S[.:!](?:\s|$)", head)] == []


@pytest.mark.parametrize(
    "pattern",
    [
        pytest.param(UNFINISHED, id="is unfinished"),
        pytest.param(ONE_MACHINE, id="names a path of one machine"),
        pytest.param(OUTSIDE, id="names what is not in this repository"),
        pytest.param(LEGAL, id="has a header"),
        pytest.param(BARE, id="is silent without a reason"),
    ],
)
def test_no_line(pattern: re.Pattern[str]) -> None:
    lines = ((file, number, line) for file in tree.files() for number, line in enumerate(tree.text(file).splitlines(), 1))
    assert [f"{file}:{number} {line.strip()}" for file, number, line in lines if pattern.search(line)] == []


def test_a_document_that_is_named_exists() -> None:
    missing = []
    for file in tree.files():
        named = {match[0] for match in DOCUMENT.finditer(tree.text(file))} - WRITTEN
        places = (tree.TOP, (tree.TOP / file).parent)
        missing += [f"{name} in {file}" for name in sorted(named) if not any((place / name).is_file() for place in places)]
    assert missing == []


def test_the_readme_opens_with_the_two_commands() -> None:
    opening = tree.text(Path("README.md"))[:600]
    assert opening.index("make run") < opening.index("make test")
    assert "make test" in tree.text(Path(".ci/run"))
