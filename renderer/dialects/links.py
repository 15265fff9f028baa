"""The other way round: from a wish to the URL that asks for it, signed where keys are set.

What is spelled here is read back by the dialects and judged by the limits before it is handed out, so that nobody is given a URL that we
refuse.
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Sequence
from dataclasses import dataclass

from renderer import dialects
from renderer.dialects import huimages
from renderer.errors import BadRequest
from renderer.limits import Limits
from renderer.messages import Request, Show, Terms
from renderer.rendition import Namespace
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
        huImages' URLs where these can say it, all others the native ones.
        """
        spelled = _spelled(space, name, size, extension, "")
        intent = dialects.read(Request("GET", spelled, asked=urllib.parse.quote(spelled)), self.terms)
        if not isinstance(intent, Show):
            raise BadRequest(f"expected a size of a picture, got {size!r}")
        self.limits.judge(intent.rendition)
        if self.keys:
            spelled = _spelled(space, name, size, extension, "~" + sign(self.keys[0], intent.rendition.ref, intent.wish))
        return self.base_url + urllib.parse.quote(spelled, safe="/!~,=:")


def shown_sizes(wanted: Sequence[str], allowed: Sequence[str] | None) -> tuple[str, ...]:
    """Sizes to show somebody: those `wanted` that are `allowed`, or as many others; None allows all."""
    if allowed is None:
        return tuple(wanted)
    return tuple(size for size in wanted if size in allowed) or tuple(allowed[: len(wanted)])


def _spelled(space: Namespace, name: str, size: str, extension: str, signature: str) -> str:
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
