"""Sequence strings as CouchDB gives them out since 2.0: nobody but the server that made them can read or order them."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import secrets

_STRING = re.compile(r"[0-9]+-g1AAAA([\w-]+)", re.ASCII)
_NONCE_BYTES, _NUMBER_BYTES, _SEAL_BYTES = 48, 8, 8  # 94 characters: a short one of a real server
_DECOY = 1000  # the number in front may run backwards by so much


class Sequences:
    """`spell` and `parse` are inverse, though a number is spelled differently each time."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(16)

    def spell(self, number: int) -> str:
        nonce = secrets.token_bytes(_NONCE_BYTES)
        hidden = _mixed(number.to_bytes(_NUMBER_BYTES, "big"), self._digest(nonce))
        opaque = base64.urlsafe_b64encode(nonce + hidden + self._digest(nonce + hidden)[:_SEAL_BYTES])
        return f"{number + secrets.randbelow(_DECOY)}-g1AAAA{opaque.decode().rstrip('=')}"

    def parse(self, text: str) -> int | None:
        """None for what was not spelled here."""
        match = _STRING.fullmatch(text)
        try:
            opaque = base64.urlsafe_b64decode(match[1] + "==") if match else b""
        except binascii.Error:
            return None
        nonce, hidden, seal = opaque[:_NONCE_BYTES], opaque[_NONCE_BYTES:-_SEAL_BYTES], opaque[-_SEAL_BYTES:]
        if seal != self._digest(nonce + hidden)[:_SEAL_BYTES] or len(hidden) != _NUMBER_BYTES:
            return None
        return int.from_bytes(_mixed(hidden, self._digest(nonce)), "big")

    def _digest(self, content: bytes) -> bytes:
        return hashlib.sha256(self._secret + content).digest()


def _mixed(number: bytes, mask: bytes) -> bytes:
    return bytes(left ^ right for left, right in zip(number, mask, strict=False))
