"""Each dependency has a floor, a reason and an exact version that the tests run with."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.house import tree


def requirements() -> dict[str, Requirement]:
    """What setup.py asks for, to run and to test: read, not run."""
    call = next(
        node for node in ast.walk(tree.tree(Path("setup.py"))) if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "setup"
    )
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    extras = ast.literal_eval(given["extras_require"])
    texts = [*ast.literal_eval(given["install_requires"]), *(text for extra in extras.values() for text in extra)]
    return {canonicalize_name(found.name): found for found in map(Requirement, texts)}


def documented() -> dict[str, tuple[str, ...]]:
    """Package to floor, purpose and reason, from the tables of the document."""
    rows = re.findall(
        r"^\| *([\w.-]+) *\| *([\d.]+) *\| *([^|]*?) *\| *([^|]*?) *\|$", tree.text(Path("docs/dependencies.md")), re.MULTILINE
    )
    return {canonicalize_name(name): tuple(rest) for name, *rest in rows}


def pinned() -> dict[str, Version]:
    lines = [line for line in tree.text(Path("constraints.txt")).splitlines() if line and not line.startswith("#")]
    pairs = [line.split("==") for line in lines]
    return {canonicalize_name(name): Version(version) for name, version in pairs}


def test_each_requirement_has_a_row_and_each_row_a_requirement() -> None:
    assert requirements().keys() == documented().keys()


def test_each_row_gives_the_floor_a_purpose_and_a_reason() -> None:
    for name, (floor, purpose, reason) in documented().items():
        assert str(requirements()[name].specifier) == f">={floor}", name
        assert purpose, name
        assert reason, name


def test_no_requirement_has_a_ceiling() -> None:
    operators = {specifier.operator for requirement in requirements().values() for specifier in requirement.specifier}
    assert operators == {">="}


def test_the_tests_run_with_exact_versions_that_satisfy_the_floors() -> None:
    versions = pinned()
    for name, requirement in requirements().items():
        assert versions[name] in requirement.specifier, name
