"""The checklist is whole, and what claims to prove a row names one that exists."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

from tests.house import tree

pytest_plugins = ["pytester"]

ROWS = re.findall(r"^\| (\d+) \| ([^|]+) \| ([^|]+) \|$", tree.text(Path("docs/features.md")), re.MULTILINE)

CONFTEST = """
from tests.features import FeatureRecord
def pytest_configure(config):
    config.addinivalue_line("markers", "feature(number): a row")
    config.pluginmanager.register(FeatureRecord(config))
"""

SOME_TESTS = """
import pytest
@pytest.mark.feature(1, 2)
def test_good(): assert True
@pytest.mark.feature(3)
def test_bad(): assert False
@pytest.mark.feature(4)
def test_bad_at_the_end(request): request.addfinalizer(lambda: 1 / 0)
@pytest.mark.feature(5)
def test_left_out(): pytest.skip("no peer")
def test_of_nothing(): assert True
"""


def test_the_checklist_has_each_row_from_1_to_172_once() -> None:
    assert [int(number) for number, _, _ in ROWS] == list(range(1, 173))
    assert all(name.strip() and proof.strip() for _, name, proof in ROWS)


def marks() -> list[tuple[str, object]]:
    found = []
    for module in tree.modules("tests"):
        for node in ast.walk(tree.tree(module)):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.feature":
                found += [
                    (f"{module}:{node.lineno}", ast.literal_eval(argument)) for argument in node.args if isinstance(argument, ast.Constant)
                ]
    return found


def test_each_feature_that_a_test_names_is_in_the_checklist() -> None:
    assert [mark for mark in marks() if mark[1] not in range(1, len(ROWS) + 1)] == []


@pytest.mark.parametrize("processes", [pytest.param((), id="one process"), pytest.param(("-n", "2"), id="several processes")])
def test_only_tests_that_pass_in_all_phases_prove_a_feature(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, processes: tuple[str, ...]
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(tree.TOP))
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(SOME_TESTS)
    pytester.runpytest_subprocess("-p", "no:cacheprovider", *processes).assert_outcomes(passed=3, failed=1, skipped=1, errors=1)
    tests = json.loads((pytester.path / ".features.json").read_text(encoding="utf-8"))["tests"]
    assert {tuple(test["features"]) for test in tests.values() if test["passed"]} == {(1, 2)}
    assert {tuple(test["features"]) for test in tests.values() if not test["passed"]} == {(3,), (4,), (5,)}


def test_a_run_of_some_tests_adds_to_the_record(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(tree.TOP))
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(SOME_TESTS)
    pytester.runpytest_subprocess("-p", "no:cacheprovider")
    pytester.runpytest_subprocess("-p", "no:cacheprovider", "-k", "test_good").assert_outcomes(passed=1, deselected=4)
    assert len(json.loads((pytester.path / ".features.json").read_text(encoding="utf-8"))["tests"]) == 4
