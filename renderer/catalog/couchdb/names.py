"""Names of originals as names of documents, and back.

Names by hash are themselves. A path is put behind a colon, because CouchDB keeps a leading `_` for itself, and spelled in ASCII, because
servers differ in how they order the rest. Byte order survives: what is escaped sorts where it did.
"""

from __future__ import annotations

import re

from renderer.errors import BadRequest
from renderer.rendition import Namespace, Ref

_BEGIN = ":"
_ESCAPED = re.compile(r",([01])|~([0-9A-F]{2})")


def image_id(ref: Ref) -> str:
    return encoded(ref.namespace, ref.name)


def note_id(ref: Ref, user: str) -> str:
    """As huImages called it. The name of an image holds no hyphen, so it ends at the first."""
    return f"{image_id(ref)}-{user}"


def image_of_note(key: str) -> str:
    return key.partition("-")[0]


def encoded(namespace: Namespace, name: str) -> str:
    return name if namespace.naming.immutable else _BEGIN + "".join(map(_escaped, name.encode()))


def decoded(namespace: Namespace, key: str) -> str:
    """The inverse; '' for a document that is none of an original."""
    try:
        name = key if namespace.naming.immutable else _ESCAPED.sub(_unescaped, key[len(_BEGIN) :]).encode("latin-1").decode("utf-8")
        ref = namespace.ref(name)
    except (BadRequest, UnicodeError):
        return ""
    return name if image_id(ref) == key else ""  # one spelling for each


def _escaped(byte: int) -> str:
    """`,0` and `,1` for the comma and the hyphen, which follow one another; a tilde, the last sign of all, before what is no ASCII."""
    if byte in b",-":
        return f",{b',-'.index(byte)}"
    return chr(byte) if 0x20 <= byte < 0x7E else f"~{byte:02X}"


def _unescaped(match: re.Match[str]) -> str:
    return ",-"[int(match[1])] if match[1] else chr(int(match[2], 16))
