"""Who may write over HTTP: bearer tokens, for all namespaces or for one.

A token is compared with all of them in a time that tells neither which one fits nor how far. A browser sends none by itself, so that no
page of somebody else can make it write anything.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from renderer.errors import NotAllowed, TokenNeeded

EVERYWHERE = ""  # instead of a namespace: all of them
MADE = "*"  # those that were made on first use


@dataclass(frozen=True)
class Holder:
    """Who sent a token. `name`: for the log, which never tells the token; `scope`: the namespace that he may write to."""

    name: str
    scope: str
    configured: frozenset[str]

    def expect(self, namespace: str = EVERYWHERE) -> None:
        """NotAllowed when he may not write to `namespace`, or not to all of them where none is given."""
        fits = self.scope in (EVERYWHERE, namespace) or (self.scope == MADE and namespace and namespace not in self.configured)
        if not fits:
            raise NotAllowed("expected a token for this namespace" if namespace else "expected a token for all namespaces, got that of one")


class Tokens:
    """`general`: tokens for all namespaces; `own`: by namespace, those that are for it alone; under MADE those of all that are made."""

    def __init__(self, general: Sequence[bytes], own: Mapping[str, Sequence[bytes]]) -> None:
        configured = frozenset(own) - {MADE}
        self._known = [(_digest(token), Holder(f"token {number}", EVERYWHERE, configured)) for number, token in enumerate(general, start=1)]
        self._known += [
            (_digest(token), Holder(f"token {number} of {space}", space, configured))
            for space, tokens in own.items()
            for number, token in enumerate(tokens, start=1)
        ]

    def holder(self, authorization: str) -> Holder:
        """Who sent this header, `Bearer TOKEN`; TokenNeeded for a stranger, NotAllowed where there are no tokens."""
        if not self._known:
            raise NotAllowed("nobody may write over HTTP until hosts.service.tokens is configured")
        scheme, _, given = authorization.partition(" ")
        digest = _digest(given.strip().encode("latin-1", "replace"))
        fits = [holder for known, holder in self._known if hmac.compare_digest(known, digest)]
        if scheme.lower() != "bearer" or not fits:
            raise TokenNeeded("expected the header Authorization: Bearer with a token of hosts.service.tokens")
        return fits[0]


def _digest(token: bytes) -> bytes:
    """Of one length, so that not even the length of a token shows."""
    return hashlib.sha256(token).digest()
