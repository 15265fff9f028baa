"""A module has one reason and fits in the head; so does a function."""

from __future__ import annotations

import math

from tests.house import tree

MODULES = tree.modules(*tree.CODE)
MOST_MODULE_LINES = 299
MOST_FUNCTION_LINES = 45
MOST_USUAL_LINES = 20  # nine functions in ten


def test_a_module_stays_below_300_lines() -> None:
    lengths = {str(module): len(tree.text(module).splitlines()) for module in MODULES}
    assert {module: lines for module, lines in lengths.items() if lines > MOST_MODULE_LINES} == {}


def test_a_function_has_at_most_45_lines() -> None:
    found = [f"{name}: {lines}" for module in MODULES for name, lines in tree.functions(module) if lines > MOST_FUNCTION_LINES]
    assert not found


def test_nine_functions_in_ten_have_at_most_20_lines() -> None:
    lengths = sorted(lines for module in MODULES for _, lines in tree.functions(module))
    assert lengths[math.ceil(len(lengths) * 0.9) - 1] <= MOST_USUAL_LINES
