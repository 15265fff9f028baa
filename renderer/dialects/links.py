"""The other way round: from a wish to the URL that asks for it, signed where keys are set.

What is spelled here is read back by the dialects and judged by the limits before it is handed out, so that nobody is given a URL that we
refuse.
"""

from __future__ import annotations

import math
import urllib.parse
from collections.abc import Sequence
from dataclasses import dataclass

from renderer import dialects
from renderer.dialects import huimages, imageserver
from renderer.errors import BadRequest
from renderer.formats import JPEG
from renderer.limits import Limits
from renderer.messages import Request, Show, Terms
from renderer.recipe import parse_recipe
from renderer.rendition import Namespace, Ref, Rendition
from renderer.signing import sign


@dataclass(frozen=True)
class Links:
    """`base_url`: where the images host is reached, without a slash at the end; the first of `keys` signs."""

    terms: Terms
    limits: Limits
    base_url: str
    keys: Sequence[bytes] = ()

    def url(self, space: Namespace, name: str, size: str, extension: str = "") -> str:
        """The URL of a picture; BadRequest, or what the limits say, when there can be none.

        `size`: WIDTHxHEIGHT, WIDTHxHEIGHT!, a size name, `o`, or a recipe (`fill-300x200_q80`). Images of the namespace `huimages` get
        huImages' URLs where these can say it, all others the native ones; where originals are named by their MD5, a file name of
        image-server's (`x200-q30.webp`) gets a URL of its kind.
        """
        spelled = _spelled(space, name, size, extension, "")
        intent = dialects.read(Request("GET", spelled, asked=urllib.parse.quote(spelled)), self.terms)
        if not isinstance(intent, Show):
            raise BadRequest(f"expected a size of a picture, got {size!r}")
        self.limits.judge(intent.rendition)
        if self.keys:
            spelled = _spelled(space, name, size, extension, "~" + sign(self.keys[0], intent.rendition.ref, intent.wish))
        return self.base_url + urllib.parse.quote(spelled, safe="/!~,=:")

    def sizes(self, space: Namespace, wanted: Sequence[str], listed: Sequence[str] = ()) -> tuple[str, ...]:
        """Sizes to show somebody: those `wanted` that we answer, else as many of those that are `listed`, else the largest we make."""
        side = math.isqrt(min(self.limits.max_side_out**2, self.limits.max_pixels_out, self.limits.max_pixels_slow))
        for sizes in (wanted, listed):
            answered = tuple(size for size in sizes if self._answers(space, size))
            if answered:
                return answered[: len(wanted)]
        return (f"{side}x{side}",)

    def _answers(self, space: Namespace, size: str) -> bool:
        spelled = huimages.operation_of(size).spell() if _is_size(size) else size
        try:
            self.limits.judge(Rendition(Ref(space, ""), parse_recipe(spelled, JPEG.extension, self.terms.qualities)))
        except BadRequest:
            return False
        return True


def _spelled(space: Namespace, name: str, size: str, extension: str, signature: str) -> str:
    if space.naming.kind == "md5" and imageserver.names_a_picture(size):
        stem, _, own = size.rpartition(".")
        return f"{imageserver.place_of(space, name)}/{stem}{signature}.{own}"
    if space.name == huimages.NAMESPACE and (size == "o" or _is_size(size)):
        return f"/{size}{signature}/{name}.{extension or 'jpeg'}"
    recipe = huimages.operation_of(size).spell() if _is_size(size) else size
    return f"/i/{space.name}/{name}/{recipe}{signature}.{extension or 'jpg'}"


def _is_size(size: str) -> bool:
    try:
        huimages.operation_of(size)
    except BadRequest:
        return False
    return True
