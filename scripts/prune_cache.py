"""Keeps the cache within its bounds: `scripts/prune_cache.py --root /srv/onmiss --max-bytes 200GB`.

The same as `onmiss prune`, for a checkout. Runs with the Python of the checkout's `.venv` where the one that was called lacks the
libraries.
"""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
VENV = TOP / ".venv/bin/python"


def main(arguments: list[str]) -> int:
    if find_spec("pydantic") is None and VENV.exists() and Path(sys.prefix) != VENV.parent.parent:
        os.execv(VENV, [str(VENV), __file__, *arguments])
    sys.path.insert(0, str(TOP))
    from renderer import cli

    return cli.main(["prune", *arguments])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
