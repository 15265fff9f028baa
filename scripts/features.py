"""Prints for each row of docs/features.md whether a passing test proves it: `make features`.

Reads what the last runs of the tests recorded in `.features.json`; exit code 0 whatever is missing, for this is a report and no check.
"""

from __future__ import annotations

import json
import re
import sys
from collections import defaultdict
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
LIST, RECORD = TOP / "docs/features.md", TOP / ".features.json"
_SOURCES = ("renderer", "nginx", "scripts", "tests", "migrate")

Row = tuple[int, str]


def main() -> int:
    rows = read_rows(LIST.read_text(encoding="utf-8"))
    proofs, failures = read_record(RECORD)
    for number, name in rows:
        tests = proofs.get(number, [])
        mark, why = ("proven ", _counted(tests)) if tests else ("not yet", _failed(failures.get(number, [])))
        print(f"{number:>4}  {mark}  {name}{why}")
    proven = sum(number in proofs for number, _ in rows)
    print(f"\n{proven} of {len(rows)} rows are proven by a passing test.")
    if RECORD.exists() and _newest_source() > RECORD.stat().st_mtime:
        print("Sources changed since the tests ran: `make test` brings this up to date.")
    return 0


def read_rows(text: str) -> list[Row]:
    """Number and name of each row of the checklist's tables."""
    return [(int(match[1]), match[2]) for match in re.finditer(r"^\| *(\d+) *\| *([^|]+?) *\|", text, re.MULTILINE)]


def read_record(file: Path) -> tuple[dict[int, list[str]], dict[int, list[str]]]:
    """Feature to the tests that passed, and to those that did not."""
    proofs: dict[int, list[str]] = defaultdict(list)
    failures: dict[int, list[str]] = defaultdict(list)
    tests = json.loads(file.read_text(encoding="utf-8"))["tests"] if file.exists() else {}
    for name, entry in sorted(tests.items()):
        for number in entry["features"]:
            (proofs if entry["passed"] else failures)[number].append(name)
    return proofs, failures


def _counted(tests: list[str]) -> str:
    return f"\n               {tests[0]}" + (f" and {len(tests) - 1} more" if len(tests) > 1 else "")


def _failed(tests: list[str]) -> str:
    return f"\n               did not pass: {tests[0]}" if tests else ""


def _newest_source() -> float:
    files = (file for folder in _SOURCES for file in (TOP / folder).rglob("*") if file.is_file() and "__pycache__" not in file.parts)
    return max((file.stat().st_mtime for file in files), default=0.0)


if __name__ == "__main__":
    sys.exit(main())
