"""Print the version."""

from __future__ import annotations

import argparse

import renderer
from renderer.config import Config


def configure(parser: argparse.ArgumentParser) -> None:
    """No options of its own."""


def run(arguments: argparse.Namespace, config: Config) -> int:
    print(f"onmiss {renderer.__version__}")
    return 0
