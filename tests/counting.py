"""Processes that count, each started for itself: what prometheus_client is told at its import cannot be told again in one process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

TOP = Path(__file__).resolve().parent.parent
_HEAD = "import sys\nfrom pathlib import Path\nfrom renderer import metrics\ndirectory = Path(sys.argv[1])\n"
PAGE = "print(metrics.page([])[1].decode())"

Page = dict[str, list[Sample]]


def read(text: str) -> Page:
    """Samples by the name of their family, as families.py has it."""
    found: Page = {}
    for family in text_string_to_metric_families(text):
        found[family.name + "_total" if family.type == "counter" else family.name] = list(family.samples)
    return found


def value(page: Page, name: str, **labels: str) -> float:
    """Of one sample, whatever labels it has besides; 0 where there is none. The sum, where there are several."""
    samples = [sample for samples in page.values() for sample in samples if sample.name == name]
    return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())


def run(code: str, directory: Path) -> str:
    """What a process that counts below `directory` prints."""
    command = [sys.executable, "-W", "error", "-c", _HEAD + code, str(directory)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=_environ())
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextmanager
def staying(code: str, directory: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that has run `code` and stays; killed at the end, if it still lives."""
    command = [sys.executable, "-c", _HEAD + code + "\nprint('done', flush=True)\nsys.stdin.read()", str(directory)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=_environ())
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "done\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def _environ() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(TOP)}
