"""Print the effective configuration: commented YAML, secrets masked.

What it prints is itself a configuration: `onmiss config > onmiss.yaml` is a good beginning of one's own.
"""

from __future__ import annotations

import argparse

from renderer.config import Config
from renderer.config.spelling import spell


def configure(parser: argparse.ArgumentParser) -> None:
    """No options of its own."""


def run(arguments: argparse.Namespace, config: Config) -> int:
    print(spell(config), end="")
    return 0
