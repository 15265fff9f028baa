"""Files beside an original that are no renditions: what somebody stored there, and what is known of the original itself.

They live in the namespace's own store, where image-server kept them, and only where originals are named by MD5. What was never stored is
absent, and never rendered (G-B5). What a name may be is the dialect's business.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from renderer.absences import Absences
from renderer.cache import Cache
from renderer.errors import BadRequest, Gone, NotFound
from renderer.fields import shown
from renderer.formats import FORMATS, HEAD_BYTES, sniff
from renderer.homes import ORIGINAL, Home
from renderer.legacy import PATIENCE
from renderer.limits import Limits
from renderer.originals import Originals
from renderer.picture.jobs import Header
from renderer.recipe import INFO, Beside
from renderer.rendition import Ref, Rendition
from renderer.rests import Rest
from renderer.stores import Facts
from renderer.stores.landing import landing

BLOCK_BYTES = 64 * 1024
MOST_INFO_BYTES = 1000  # several times what we write


class Besides:
    """`wait_seconds`: how long one that is stored waits for who fetches or replaces it just now."""

    def __init__(self, originals: Originals, cache: Cache, limits: Limits, wait_seconds: float = 30) -> None:
        self._originals, self._cache, self._limits, self._wait_seconds = originals, cache, limits, wait_seconds
        self._absent = Absences()
        self._rests: dict[str, Rest] = {}

    def store(self, ref: Ref, name: str, stream: BinaryIO) -> None:
        """Put what `stream` holds beside the original, as `name`; what was there is replaced, and not served from now on.

        NotFound or Gone when there is no such original, BadRequest for no bytes, TooManyBytes, Busy when who fetches it takes long: nothing
        changed then. Or what the store raises: then it has the old or the new, and what it has is served.

        nginx's ETag knows time and length: the time is another than that of what was there. Of what a deletion took away nobody knows it:
        who puts the original again and as long a file beside it, all within seconds, may find its old ETag.
        """
        if name in (ORIGINAL, INFO.name) or not has_files(ref):
            raise BadRequest(f"expected a name for a file beside {ref}, got {shown(name)}")
        home, key = self._home_and_key(ref, name)
        with self._read(stream) as (path, head):
            form = sniff(head)
            length, mime = path.stat().st_size, form.mime if form else "text/plain"
            named = Rendition(ref, Beside(name))
            with self._cache.claim(named, self._wait_seconds), self._originals.alone(ref):
                self._expect_original(ref)
                old = home.store.facts(key)
                own_time = max(int(time.time()), old.time + 1 if old else 0)
                # Before it is put: we may never hear that it was, or be killed. Who asks in between waits for our claim.
                self._absent.discard(named)
                self._cache.drop(named)
                home.store.put(key, path, Facts(length, own_time, mime))

    @contextmanager
    def _read(self, stream: BinaryIO) -> Iterator[tuple[Path, bytes]]:
        """A file of our own with what the stream holds, and its first bytes."""
        path, head = self._cache.temporary(), b""
        try:
            with landing(path, self._limits.max_original_bytes) as ground:
                while block := stream.read(BLOCK_BYTES):
                    head = head or block
                    ground.write(block)
                if not ground.length:
                    raise BadRequest("expected bytes for a file, got none")
                ground.settle(int(time.time()))
            yield path, head[:HEAD_BYTES]
        finally:
            path.unlink(missing_ok=True)

    def _expect_original(self, ref: Ref) -> None:
        if self._originals.is_being_deleted(ref):
            raise Gone(ref)
        if self._originals.facts(ref) is None:
            with self._originals.local(ref):  # a legacy source may have it; or it says what is the matter
                pass

    def fetch(self, rendition: Rendition, target: Path) -> Facts:
        """The file that a `Beside` names, into `target`; the caller has the claim on it.

        NotFound when nobody stored it, Gone when the original was deleted, or what the store raises: one that hangs is left alone.
        """
        ref, name = rendition.ref, rendition.recipe.spell()[1:]
        absent = NotFound(f"{ref}/{name}")
        if not has_files(ref):
            raise absent
        self._expect_undeleted(rendition)
        if self._absent.knows(rendition) is NotFound:
            raise absent
        home, key = self._home_and_key(ref, name)
        with self._rests.setdefault(home.store.name, Rest(home.store.name, PATIENCE)).asking(target):
            facts = home.store.get(key, target, self._limits.max_original_bytes)
        if not facts or not facts.length:
            self._absent.add(rendition)
            raise absent
        return facts

    def _expect_undeleted(self, rendition: Rendition) -> None:
        """Gone when the original was deleted, and no machine put it again: another one may have put this file later."""
        try:
            self._originals.check_deleted(rendition.ref)
        except Gone:
            if self._absent.knows(rendition) is Gone:
                raise
            try:
                self._expect_original(rendition.ref)
            except Gone:
                self._absent.add(rendition, Gone)
                raise

    def drop(self, ref: Ref) -> None:
        """Remove all of an original that was deleted."""
        if has_files(ref):
            home, directory = self._home_and_key(ref, "")
            for key in list(home.store.names(directory)):
                if key != directory + ORIGINAL:
                    home.store.delete(key)

    def _home_and_key(self, ref: Ref, name: str) -> tuple[Home, str]:
        home = self._originals.homes[ref.namespace.name]
        return home, home.beside_key(ref.name, name)


def has_files(ref: Ref) -> bool:
    """Whether there can be files beside it."""
    return ref.namespace.naming.kind == "md5"


def info_of(ref: Ref, header: Header) -> Mapping[str, str | int]:
    """What image-server tells of an original, in its order; sides in pixels, of the upright picture."""
    return {"hash": ref.name, "height": header.height, "width": header.width, "content_type": header.format.mime}


def write_info(ref: Ref, header: Header, target: Path) -> int:
    """`info_of` as the compact JSON of info.json; how many bytes. NoSpace when the disk is full."""
    content = _spell_info(info_of(ref, header))
    with landing(target, len(content)) as ground:
        ground.write(content)
        ground.settle(0)
    return len(content)


def _spell_info(info: Mapping[str, str | int]) -> bytes:
    return json.dumps(info, separators=(",", ":")).encode()


def is_info(ref: Ref, path: Path) -> bool:
    """Whether a file is what `write_info` could have written of `ref`."""
    if path.stat().st_size > MOST_INFO_BYTES:
        return False
    content = path.read_bytes()
    try:
        info = json.loads(content)
    except (ValueError, RecursionError):
        return False
    mimes = {form.mime for form in FORMATS}
    if not isinstance(info, dict) or info.get("hash") != ref.name or info.get("content_type") not in mimes:
        return False
    height, width = info.get("height"), info.get("width")
    return type(height) is type(width) is int and min(height, width) > 0 and content == _spell_info(info)
