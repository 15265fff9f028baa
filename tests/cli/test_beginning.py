"""What a process that stays does first, before anything that takes time."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
# When the configuration is about to be imported, or at the end: whether it can be read by others, and whether SIGHUP waits.
WATCHED = """
import ctypes, json, signal, sys
seen = []
class Watch:
    def find_spec(self, name, *_):
        if name == "renderer.config":
            is_open = ctypes.CDLL(None).prctl(3, 0, 0, 0, 0) == 1
            seen.append((is_open, signal.SIGHUP in signal.pthread_sigmask(signal.SIG_BLOCK, ())))
sys.meta_path.insert(0, Watch())
from renderer.cli import main
try:
    main()
except SystemExit:
    print(json.dumps(seen[0]), file=sys.stderr)
"""


def run(*words: str, cwd: Path = TOP) -> subprocess.CompletedProcess[str]:
    environ = {"PYTHONPATH": f"{TOP}:{cwd}"}
    return subprocess.run([sys.executable, *words], env=environ, capture_output=True, text=True, check=True, timeout=60)


@pytest.mark.parametrize(
    ("command", "is_open", "waits"), [("up", False, True), ("serve", False, True), ("prune", False, False), ("url", True, False)]
)
def test_it_hides_and_lets_a_reload_wait_before_heavy_imports(command: str, is_open: bool, waits: bool) -> None:
    assert json.loads(run("-c", WATCHED, command, "--help").stderr) == [is_open, waits]


def test_another_module_runs_hidden(tmp_path: Path) -> None:
    (tmp_path / "asked.py").write_text("import ctypes, sys\nprint(__name__, sys.argv[1:], ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))")
    assert run("-m", "renderer.hiding", "asked", "a", "b", cwd=tmp_path).stdout == "__main__ ['a', 'b'] 0\n"
