"""Tests are checked too: they can fail, they do not sleep, they do not pretend."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tests.house import tree

MODULES = tree.modules("tests")
CHECKING = re.compile(r"assert|raises|warns|fail\b|wait_until|fnmatch_lines")


def functions(module: Path) -> list[ast.FunctionDef]:
    return [node for node in ast.walk(tree.tree(module)) if isinstance(node, ast.FunctionDef)]


def calls(function: ast.AST) -> set[str]:
    """The last names of what is called: `run` for `self.service.run()`."""
    called = (node.func for node in ast.walk(function) if isinstance(node, ast.Call))
    return {node.attr if isinstance(node, ast.Attribute) else node.id for node in called if isinstance(node, ast.Attribute | ast.Name)}


def checking_names() -> set[str]:
    """Functions of the tests that check something, by themselves or through others."""
    everything = [function for module in MODULES for function in functions(module)]
    found = {function.name for function in everything if _checks(function)}
    while more := {function.name for function in everything if function.name not in found and calls(function) & found}:
        found |= more
    return found


def _checks(function: ast.FunctionDef) -> bool:
    return any(isinstance(node, ast.Assert) for node in ast.walk(function)) or any(map(CHECKING.search, calls(function)))


def test_every_test_can_fail() -> None:
    checking = checking_names()
    tests = ((module, function.name) for module in MODULES for function in functions(module) if function.name.startswith("test_"))
    assert [f"{module} {name}" for module, name in tests if name not in checking] == []


def test_nothing_sleeps_to_wait() -> None:
    """But for the one place that waits for all."""
    asleep = [f"{module}:{line}" for module in MODULES for line in _sleeps(module)]
    assert [place for place in asleep if not place.startswith("tests/waiting.py:")] == []
    assert asleep


def _sleeps(module: Path) -> list[int]:
    imported = [line for line, name in tree.imports(module) if name == "time.sleep"]
    nodes = (node for node in ast.walk(tree.tree(module)) if isinstance(node, ast.Attribute))
    return imported + [node.lineno for node in nodes if ast.unparse(node) == "time.sleep"]


def test_fakes_are_implementations_and_never_mocks() -> None:
    mocks = ("unittest.mock", "mock.")
    assert [f"{module} {name}" for module in MODULES for _, name in tree.imports(module) if name.startswith(mocks)] == []


def test_modules_outside_packages_have_different_names() -> None:
    loose = [module for module in MODULES if not (tree.TOP / module.parent / "__init__.py").exists()]
    names = [module.name for module in loose if module.name.startswith("test_")]
    assert len(names) == len(set(names))
