"""libvips, loaded when it is wanted: one thread, no memory of what was, and of all its loaders the two that are used."""

from __future__ import annotations

import functools
import os
from typing import Any

_LOADERS = ("VipsForeignLoadPng", "VipsForeignLoadWebp")


@functools.cache
def library() -> Any:
    """The module `pyvips`. Not at import: the front, and who resamples with Pillow, need none of it."""
    os.environ["VIPS_CONCURRENCY"] = "1"  # it counts the cores while it is loaded; a render process is one of as many
    import pyvips

    pyvips.cache_set_max(0)
    pyvips.block_untrusted_set(True)
    for family in ("VipsForeignLoad", "VipsForeignSave"):
        pyvips.operation_block_set(family, True)
    for loader in _LOADERS:
        pyvips.operation_block_set(loader, False)
    return pyvips
