"""Sweeps over a cache again and again, as the resident pruner would if it never rested; started by `bench/sweeping.py`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from renderer.config import Config
from renderer.pruning.recency import Breath, be_nice
from renderer.wiring import Wiring


def main(file: str, root: str) -> None:
    be_nice(19)
    pruner = Wiring(Config.load(Path(file), Path(root), os.environ)).pruner_within({}, breathe=Breath())
    print("sweeping", flush=True)
    while True:
        pruner.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
