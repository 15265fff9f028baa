"""Records which rows of docs/features.md passing tests prove, into `.features.json`.

A test says so itself, by `@pytest.mark.feature(5)` or `(5, 6)`. The numbers travel with the test's report, so that the tests may run in
several processes; only the first process writes. A run of some tests adds to the record, a run of all begins it anew.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

_PROPERTY = "feature"


class FeatureRecord:
    """`seen`: test to the features that it is about and whether it passed in all its phases."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.file = config.rootpath / ".features.json"
        self.seen: dict[str, dict[str, object]] = {}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            for number in sorted({number for mark in item.iter_markers(_PROPERTY) for number in mark.args}):
                item.user_properties.append((_PROPERTY, number))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        numbers = [value for name, value in report.user_properties if name == _PROPERTY]
        if not numbers:
            return
        entry = self.seen.setdefault(report.nodeid, {"features": numbers, "passed": False})
        if report.when == "call":
            entry["passed"] = report.passed
        elif not report.passed:
            entry["passed"] = False

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        if hasattr(self.config, "workerinput") or self.config.option.collectonly:
            return
        known = {} if self._whole() else _read(self.file)
        if self.seen or known:
            text = json.dumps({"tests": {**known, **self.seen}}, indent=1, sort_keys=True)
            self.file.write_text(text + "\n", encoding="utf-8")

    def _whole(self) -> bool:
        option = self.config.option
        everything = self.config.args == self.config.getini("testpaths")
        chosen = (
            option.keyword or option.markexpr not in ("", "feature") or option.deselect or option.maxfail or getattr(option, "lf", False)
        )
        return bool(everything and not chosen)


def _read(file: Path) -> dict[str, dict[str, object]]:
    try:
        tests = json.loads(file.read_text(encoding="utf-8"))["tests"]
    except (FileNotFoundError, ValueError, KeyError):
        return {}
    return dict(tests)
