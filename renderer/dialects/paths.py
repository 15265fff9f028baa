"""The other way round: from a wish to the URL path that asks for it, signed where keys are set.

What is spelled here is read back by the dialects before it is handed out, so that nobody is given a URL that we refuse.
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Sequence

from renderer import dialects
from renderer.dialects import huimages
from renderer.errors import BadRequest
from renderer.messages import Request, Show, Terms
from renderer.rendition import Namespace
from renderer.signing import sign


def path_of(terms: Terms, space: Namespace, name: str, size: str, extension: str = "", keys: Sequence[bytes] = ()) -> str:
    """The percent-encoded path of a picture; BadRequest when there can be none.

    `size`: WIDTHxHEIGHT, WIDTHxHEIGHT!, a size name, `o`, or a recipe (`fill-300x200_q80`). Images of the namespace `huimages` get
    huImages' URLs where these can say it, all others the native ones.
    """
    spelled = _spelled(space, name, size, extension, "")
    intent = dialects.read(Request("GET", spelled, asked=urllib.parse.quote(spelled)), terms)
    if not isinstance(intent, Show):
        raise BadRequest(f"expected a size of a picture, got {size!r}")
    if keys:
        spelled = _spelled(space, name, size, extension, "~" + sign(keys[0], intent.rendition.ref, intent.wish))
    return urllib.parse.quote(spelled, safe="/!~,=:")


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
