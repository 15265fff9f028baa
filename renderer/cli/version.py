"""Print the version, the git hash and the time of the build."""

from __future__ import annotations

import argparse

from renderer.build import build
from renderer.config import Config


def configure(parser: argparse.ArgumentParser) -> None:
    """No options of its own."""


def run(arguments: argparse.Namespace, config: Config) -> int:
    print(f"onmiss {build()}")
    return 0
