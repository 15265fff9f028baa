"""`python -m renderer` is `onmiss`."""

import sys

from renderer.cli import main

if __name__ == "__main__":  # render processes import this file again
    sys.exit(main())
