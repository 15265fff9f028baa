"""Signatures of URLs: HMAC-SHA-256 over the parsed request, so that what is checked is what is made (R13).

A signature covers namespace, name and the alias or recipe as the URL spells it; not the installation's default quality, so that signed
pages survive a change of it. It is cut to 128 bits (22 characters of base64url): forging one takes 2^127 misses, and URLs stay short.
Comparison is of the spelled text, in constant time: another spelling of the same bits is another signature, and refused.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence

from renderer.errors import NotAllowed
from renderer.rendition import Ref

SIGNATURE = r"[A-Za-z0-9_-]{22}"
_BYTES = 16


def sign(key: bytes, ref: Ref, wish: str) -> str:
    """The signature of `wish` (an alias or a recipe with extension, as the URL spells it) for the original `ref`."""
    message = "\0".join((ref.namespace.name, ref.name, wish)).encode("utf-8")
    return base64.urlsafe_b64encode(hmac.digest(key, message, hashlib.sha256)[:_BYTES]).rstrip(b"=").decode("ascii")


def check(keys: Sequence[bytes], ref: Ref, wish: str, signature: str) -> None:
    """NotAllowed unless one of `keys` made `signature`; with no keys nothing needs one. Several keys make rotation possible."""
    if not keys:
        return
    matches = [hmac.compare_digest(sign(key, ref, wish).encode(), signature.encode("ascii", "replace")) for key in keys]
    if not any(matches):
        raise NotAllowed("expected a valid signature for this URL, got " + ("another" if signature else "none"))
