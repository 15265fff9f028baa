"""huImages' functions as methods of one object: a configuration, opened on first use, for all threads of a process.

It never raises while a page is made only because the catalog does not answer: then URLs end in the ID and tags have no size. What writes,
or was asked for nothing else, says that it could not.
"""

from __future__ import annotations

import io
import logging
import os
import threading
import time
import urllib.error
import urllib.request
import weakref
from collections.abc import Callable, Sequence
from dataclasses import replace
from multiprocessing.util import Finalize
from typing import Any, BinaryIO, TypeVar

from renderer import markup
from renderer.catalog import Catalog, Entry
from renderer.catalog.document import stamp, written
from renderer.client import settings
from renderer.client.moments import Moment, seconds_of
from renderer.client.opened import Opened
from renderer.client.said import References, check_texts, references_of
from renderer.config import Config
from renderer.errors import BadRequest, ConfigError, NotFound, StoreUnavailable
from renderer.formats import AVIF, WEBP, Format
from renderer.ingest import About
from renderer.markup import Described, Site, Value
from renderer.rendition import Ref
from renderer.wiring import Wiring

Content = bytes | bytearray | memoryview | BinaryIO

CLOSE_PRIORITY = 100  # of a process's end: before multiprocessing's own, which are at most 15
FETCH_SECONDS = 60.0  # twice what the renderer lets a miss wait (serve.wait_seconds)

log = logging.getLogger(__name__)

T = TypeVar("T")
_all: weakref.WeakSet[Library] = weakref.WeakSet()


class Library:
    """`config`: None is what ONMISS_CONFIG, ONMISS_ROOT and huImages' variables say at the first use. `base_url`: where pages find
    pictures, if not where the configuration says.

    Safe to share between threads. A process that is forked from one that used it opens everything anew; its render process is its own.
    """

    def __init__(self, config: Config | None = None, base_url: str = "") -> None:
        self._given, self._base_url = config, base_url
        self._lock = threading.RLock()
        self._opened: Opened | None = None
        self._left: list[Opened | None] = []  # by the process that we were forked from: never touched, never closed
        _all.add(self)

    def save_image(
        self,
        imagedata: Content,
        contenttype: str | None = None,
        timestamp: Moment | None = None,
        title: str = "",
        references: References | None = None,
        filename: str = "image.jpeg",
        typ: str = "",
    ) -> str:
        check_texts(title=title, filename=filename, typ=typ)
        stream = io.BytesIO(imagedata) if isinstance(imagedata, bytes | bytearray | memoryview) else imagedata
        own_time = time.time() if timestamp is None else seconds_of(timestamp)
        about = About(title, (typ,) if typ else (), references_of(references), filename)
        opened, ingest = self._part(lambda wiring: wiring.ingest)
        taken = ingest.take(opened.space, stream, int(own_time), about=about)
        opened.documents.forget(taken.ref)
        if contenttype and contenttype != taken.header.format.mime:
            log.info("%s was called %s and is %s", taken.ref, contenttype, taken.header.format.mime)
        return taken.ref.name

    def delete_image(self, imageid: str) -> None:
        opened, removal = self._part(lambda wiring: wiring.removal)
        ref = opened.space.ref(imageid)
        try:
            removal.delete(ref)
        finally:
            opened.documents.forget(ref)

    def open_image(self, imageid: str) -> BinaryIO:
        """The original's bytes; NotFound, or what the store raises."""
        opened, originals = self._part(lambda wiring: wiring.originals)
        ref = opened.space.ref(imageid)
        with originals.local(ref) as local:
            try:
                return local.path.open("rb")
            except FileNotFoundError as error:  # deleted at this moment
                raise NotFound(ref) from error

    def has_image(self, imageid: str) -> bool:
        """Whether the store has it."""
        opened, originals = self._part(lambda wiring: wiring.originals)
        try:
            return originals.facts(opened.space.ref(imageid)) is not None
        except (BadRequest, NotFound):
            return False

    def get_imagedoc(self, imageid: str) -> dict[str, Any] | None:
        try:
            entry = self._entry(imageid)
        except StoreUnavailable:
            return None
        return {"_id": imageid, **written(entry, None), "types": list(entry.types)} if entry else {}

    def get_length(self, imageid: str) -> int:
        try:
            entry = self._entry(imageid)
        except StoreUnavailable:
            entry = None
        if entry and entry.length:
            return entry.length
        opened, originals = self._part(lambda wiring: wiring.originals)
        facts = originals.facts(opened.space.ref(imageid))
        if facts is None:
            raise NotFound(opened.space.ref(imageid))
        return facts.length

    def imageurl(self, imageid: str, size: str = markup.ORIGINAL) -> str:
        return self.scaled_imageurl(imageid, size)

    def scaled_imageurl(self, imageid: str, size: str = "150x150") -> str:
        return markup.image_url(self._site(), imageid, size, self._described(imageid))

    def scaled_imagedata(self, imageid: str, size: str = "150x150") -> bytes | None:
        url = self.scaled_imageurl(imageid, size)
        if not url.startswith(("http://", "https://")):
            raise ConfigError(settings.IMAGES_HOST, f"expected http:// or https:// to fetch a picture from, got {url}")
        try:
            with urllib.request.urlopen(url, timeout=FETCH_SECONDS) as answer:  # noqa: S310  # looked at above
                content: bytes = answer.read()
                return content if answer.status == 200 else None
        except (OSError, ValueError, urllib.error.HTTPError) as error:
            log.info("no picture from %s: %s", url, error)
            return None

    def scaled_dimensions(self, imageid: str, size: str = "150x150") -> tuple[int, int] | tuple[None, None]:
        described = self._described(imageid)
        try:
            return markup.dimensions((described.width, described.height), size) or (None, None)
        except BadRequest:
            return None, None

    def scaled_tag(self, imageid: str, size: str = "150x150", *args: str, **kwargs: Value) -> str:
        return markup.tag(self._site(), imageid, size, self._described(imageid), *args, **kwargs)

    def srcset(self, imageid: str, sizes: Sequence[str]) -> str:
        return markup.srcset(self._site(), imageid, sizes, self._described(imageid))

    def picture_tag(self, imageid: str, sizes: Sequence[str], formats: Sequence[Format] = (AVIF, WEBP), **kwargs: Value) -> str:
        return markup.picture(self._site(), imageid, sizes, self._described(imageid), formats, **kwargs)

    def get_random_imageid(self) -> str:
        opened, catalog = self._catalog()
        found = catalog.random(opened.space)
        if found is None:
            raise NotFound(f"a random one of {opened.space.name}")
        return found.name

    def get_next_imageid(self, imageid: str) -> str:
        opened, catalog = self._catalog()
        return catalog.next(opened.space.ref(imageid)).name

    def get_previous_imageid(self, imageid: str) -> str:
        opened, catalog = self._catalog()
        return catalog.previous(opened.space.ref(imageid)).name

    def update_metadata(
        self, imageid: str, timestamp: Moment | None = None, title: str = "", references: References | None = None, typ: str = ""
    ) -> str:
        check_texts(title=title, typ=typ)
        mtime = stamp(time.time() if timestamp is None else seconds_of(timestamp))
        said = references_of(references)

        def changed(known: Entry) -> Entry:
            return replace(known.adding(title, (typ,) if typ else (), said), mtime=mtime)

        return self._change(imageid, changed, lambda ref: None)

    def set_title(self, imageid: str, newtitle: str) -> None:
        """Of an image that the catalog does not know, an entry is made only when the store has it: it may be older than the catalog."""
        check_texts(newtitle=newtitle)
        if newtitle:
            self._change(imageid, lambda known: known.adding(newtitle), self._found)

    def close(self) -> None:
        """End the render process and forget what was read; the next use opens everything anew, and reads the environment again."""
        with self._lock:
            opened, self._opened = self._opened, None
        if opened:
            opened.close()

    def _begin_anew(self) -> None:
        """In a process that was forked from one that used it."""
        self._left.append(self._opened)
        self._opened, self._lock = None, threading.RLock()

    # --- what is opened -----------------------------------------------------------------------------------------------------------------

    def _open(self) -> Opened:
        if self._opened is None:
            with self._lock:
                if self._opened is None:
                    config = self._given or settings.config_of(os.environ)
                    self._opened = Opened(config, self._base_url or settings.base_url(config, os.environ))
                    # The children of multiprocessing end without atexit, and would wait for a render process that is still there.
                    Finalize(None, _close, (weakref.ref(self),), exitpriority=CLOSE_PRIORITY)
        return self._opened

    def _part(self, part: Callable[[Wiring], T]) -> tuple[Opened, T]:
        opened = self._open()
        with self._lock:  # whatever is made at first use is made once
            return opened, part(opened.wiring)

    def _catalog(self) -> tuple[Opened, Catalog]:
        opened, catalog = self._part(lambda wiring: wiring.catalog)
        if catalog is None:
            raise ConfigError("catalog.kind", "expected a catalog for titles and neighbours, got none", "sqlite needs nothing else")
        return opened, catalog

    def _site(self) -> Site:
        return self._open().site(os.environ.get(settings.ALT_ADDITION, ""))

    def _entry(self, imageid: str) -> Entry | None:
        """None where there is no entry, or can be none; StoreUnavailable."""
        opened = self._open()
        try:
            return opened.documents.get(opened.space.ref(imageid))
        except BadRequest:
            return None

    def _described(self, imageid: str) -> Described:
        try:
            entry = self._entry(imageid)
        except StoreUnavailable:
            entry = None
        if entry is None:
            return markup.UNKNOWN
        return Described(entry.titles, entry.filename, entry.width, entry.height, entry.placeholder)

    def _change(self, imageid: str, change: Callable[[Entry], Entry], found: Callable[[Ref], Entry | None]) -> str:
        """`found`: what to begin with where there is no entry; NotFound when that is nothing."""
        opened, catalog = self._catalog()
        ref = opened.space.ref(imageid)

        def changed(known: Entry | None) -> Entry:
            begun = known or found(ref)
            if begun is None:
                raise NotFound(ref)
            return change(begun)

        try:
            catalog.change(ref, changed)
        finally:
            opened.documents.forget(ref)
        return ref.name

    def _found(self, ref: Ref) -> Entry | None:
        """What the store tells. Not the sides: huImages wrote those of the picture as it lay; they are read with the first rendition."""
        facts = self._part(lambda wiring: wiring.originals)[1].facts(ref)
        if facts is None:
            return None
        return Entry(ctime=stamp(facts.time), mtime=stamp(time.time()), length=facts.length, content_type=facts.content_type)


def _close(library: weakref.ref[Library]) -> None:
    known = library()
    if known:
        known.close()


def _begin_anew() -> None:
    for library in _all:
        library._begin_anew()


os.register_at_fork(after_in_child=_begin_anew)
