"""onmiss: derived pictures at static URLs, made on a miss and served by nginx ever after.

The modules import strictly downhill, in the reading order that `tests/house/` enforces; begin with `errors` and end with `cli`.
"""

__version__ = "0.1.0"
