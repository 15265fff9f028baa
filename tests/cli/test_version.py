"""`onmiss version`: number, git hash and time of build, of a checkout, of a build and of a source archive."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

import renderer

TOP = Path(__file__).resolve().parents[2]
EPOCH, TIME = "1800000000", "2027-01-15T08:00:00Z"
AUTHOR = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}


def run(where: Path, *command: str, **environ: str) -> str:
    """What it prints. It sees what stands in `where`, and its own git."""
    known = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environ = {**known, "PYTHONPATH": str(where), "PYTHONDONTWRITEBYTECODE": "1", **environ}
    done = subprocess.run(command, cwd=where, env=environ, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A copy of what is built, without git."""
    source = tmp_path / "source"
    source.mkdir()
    for name in ("setup.py", "pyproject.toml", "README.md", "huimages.py"):
        shutil.copy(TOP / name, source)
    shutil.copytree(TOP / "renderer", source / "renderer", ignore=shutil.ignore_patterns("__pycache__", "_build.json"))
    return source


def commit(source: Path) -> str:
    """Make it a checkout; the hash, as short as we show it."""
    run(source, "git", "init", "-q")
    run(source, "git", "add", "setup.py")
    run(source, "git", "commit", "-q", "-m", "x", GIT_COMMITTER_DATE=f"{EPOCH} +0300", GIT_AUTHOR_DATE=f"{EPOCH} +0300", **AUTHOR)
    return run(source, "git", "rev-parse", "HEAD")[:7]


def said(where: Path) -> str:
    """What the code in `where` says of itself."""
    return run(where, sys.executable, "-m", "renderer", "version", "--root", str(where)).strip()


def setup(source: Path, *words: str, **environ: str) -> None:
    run(source, sys.executable, "setup.py", "-q", "egg_info", "--egg-base", str(source.parent), *words, **environ)


def test_a_checkout_says_its_commit_and_needs_no_git(source: Path) -> None:
    version = renderer.__version__
    assert said(source) == f"onmiss {version} (git unknown, built unknown)"
    found = commit(source)
    assert said(source) == f"onmiss {version} (git {found}, built {TIME})"
    (source / "renderer/_build.json").write_text("[]")  # nobody's: as if it were not there
    assert said(source) == f"onmiss {version} (git {found}, built {TIME})"
    nothing = {"PATH": str(source.parent / "nothing")}
    assert "git unknown" in run(source, sys.executable, "-m", "renderer", "version", "--root", str(source), **nothing)


@pytest.mark.feature(136)
def test_a_build_carries_hash_and_time_and_leaves_the_source_alone(source: Path, tmp_path: Path) -> None:
    found, before = commit(source), listed(source)
    built = tmp_path / "built"
    words = "build_py", "--build-lib", str(built)
    setup(source, *words, SOURCE_DATE_EPOCH=EPOCH)
    assert said(built) == f"onmiss {renderer.__version__} (git {found}, built {TIME})"
    assert listed(source) == before
    shutil.rmtree(built)
    setup(source, *words)
    assert re.fullmatch(rf"onmiss \S+ \(git {found}, built 20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ\)", said(built))
    shutil.rmtree(source / ".git")
    setup(source, *words)
    assert "git unknown" in said(built)


def test_a_renderer_asks_when_it_starts(tmp_path: Path) -> None:
    """Later the code beside it may be another."""
    code = f"""
from pathlib import Path
from renderer.build import build
from renderer.config import Config
from renderer.wiring import Wiring
Wiring(Config.load(None, Path({str(tmp_path)!r}), {{}})).count(is_anew=True)
print(build.cache_info().currsize)
"""
    assert run(TOP, sys.executable, "-c", code) == "1\n"


def test_a_source_archive_remembers_where_it_came_from(source: Path, tmp_path: Path) -> None:
    found, before = commit(source), listed(source)
    setup(source, "sdist", "--dist-dir", str(tmp_path / "dist"), SOURCE_DATE_EPOCH=EPOCH)
    assert listed(source) == before
    (archive,) = (tmp_path / "dist").iterdir()
    with tarfile.open(archive) as packed:
        packed.extractall(tmp_path / "unpacked", filter="data")
    (unpacked,) = (tmp_path / "unpacked").iterdir()
    setup(unpacked, "build_py", "--build-lib", str(tmp_path / "built"))
    assert said(tmp_path / "built") == f"onmiss {renderer.__version__} (git {found}, built {TIME})"


def listed(source: Path) -> list[Path]:
    return sorted(path for path in source.rglob("*") if ".git" not in path.parts)
