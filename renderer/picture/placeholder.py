"""A ThumbHash: a blurred shadow of a picture in some 30 characters, for a page to show while the rendition is on its way.

Of the upright first frame in sRGB, on white as in a JPEG (the library stumbles over alpha).
"""

from __future__ import annotations

import base64
from pathlib import Path

import thumbhash

from renderer.box import Box
from renderer.formats import PNG
from renderer.ops import Background, Fit
from renderer.picture.border import within_memory
from renderer.picture.engine import Engine
from renderer.picture.sharing import Shared
from renderer.picture.working import worked
from renderer.recipe import Output, Recipe

# The finest that a ThumbHash holds are seven half waves a side: 32 pixels are more than four for each. The library is plain Python and
# takes 2.8 ms for 32x32 and 26 ms for 100x100, its most.
SIDE = 32
_RECIPE = Recipe.of((Fit(Box(SIDE, SIDE)), Background((255, 255, 255))), Output(PNG))


def placeholder(original: Path, engine: Engine) -> str:
    """In base64. Raises what rendering raises."""
    with Shared(original, engine, [_RECIPE]).decoded(_RECIPE) as decoded, within_memory():
        image, _ = worked(decoded, _RECIPE.operations, lambda size: None)
        shades = list(image.convert("RGBA").tobytes())
    return base64.b64encode(bytes(thumbhash.rgba_to_thumb_hash(*image.size, shades))).decode("ascii")
