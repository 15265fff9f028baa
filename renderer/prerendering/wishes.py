"""What is to be made: lines that name renditions, each read as a request for it would be.

    /150x150!/EQ53…01/any-title.jpeg        a URL, or its path, of any dialect
    EQ53…01<TAB>150x150!                    an original and a size; a blank will do
    scenes/hall/lamp.jpg 640x480.webp       of another namespace, in another format than JPEG
    EQ53…01 rotate-90_fit-800x              a recipe, as native URLs spell it
    EQ53…01                                 in each of the sizes that are given for all
    EQ53…01<TAB>http://…                    the same, as `onmiss import` prints it; the URL where no sizes are given

An original and a size stand for the URL by which `onmiss url` would ask for it. Signatures are not looked at: whoever may give this command
needs none. Sizes that are refused to visitors are refused here, or the files would only be in the way.
"""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from renderer import dialects, markup
from renderer.dialects.links import Links
from renderer.errors import BadRequest, NotUnderstood
from renderer.messages import Request, Show
from renderer.removal import ref_of
from renderer.rendition import Namespace, Ref
from renderer.signing import sign

_URL = re.compile(r"https?://[^/?#]*|(?=/)", re.IGNORECASE)
# Between sizes, not between the two numbers of a focal point: `fill-300x200-33,50`
_BETWEEN = re.compile(r",(?![0-9]{1,3}(?:[_.,]|$))")


@dataclass(frozen=True)
class Wish:
    """One rendition. `shown`: a line that asks for it; `url`: under which it is found; `shows`: every way to ask for it that shall be
    remembered, all of the same original."""

    shown: str
    url: str
    shows: tuple[Show, ...]

    @property
    def ref(self) -> Ref:
        return self.shows[0].rendition.ref


@dataclass(frozen=True)
class Unreadable:
    """A line that is no wish, and why."""

    shown: str
    reason: str


class Wishes:
    """Reads lines. `namespace`: whose names they are, '' = the first's or NAMESPACE/NAME; `sizes`: of names that come without one."""

    def __init__(self, links: Links, namespace: str = "", sizes: Sequence[str] = ()) -> None:
        self._links, self._namespace, self._sizes = links, namespace, tuple(sizes)

    def read(self, lines: Iterable[str]) -> Iterator[Wish | Unreadable]:
        """Empty lines are none."""
        for line in lines:
            text = line.rstrip("\r\n")
            if text.strip():
                yield from self._read(text)

    def of(self, refs: Iterable[Ref]) -> Iterator[Wish | Unreadable]:
        """Each original in all sizes."""
        for ref in refs:
            for size in self._sizes:
                yield self._sized(f"{ref} {size}", ref, size)

    def check_sizes(self, space: Namespace) -> None:
        """What `of` would refuse for every original of `space`: BadRequest at once, before thousands of them are looked at."""
        naming = space.naming
        ref = space.ref(naming.name_of(naming.hasher().digest()) if naming.immutable else "any")
        for size in self._sizes:
            self._wish(size, ref, size)

    def _read(self, text: str) -> Iterator[Wish | Unreadable]:
        name, size = self._split(text)
        shown = text.strip().replace("\t", " ")
        try:
            if not size and _URL.match(name):
                yield self._asked(name)
                return
            if not size and not self._sizes:
                raise BadRequest("expected a URL, or a size behind the name, or --sizes for all names; got a name alone")
            ref = ref_of(self._links.terms.namespaces, name, self._namespace)
        except BadRequest as error:
            yield Unreadable(shown, str(error))
            return
        if size:
            yield self._sized(shown, ref, size)
        else:
            yield from self.of([ref])

    def _split(self, text: str) -> tuple[str, str]:
        """A name and its size; a URL or a name alone, and ''."""
        name, tab, rest = text.partition("\t")
        if tab:
            size = rest.strip()
            if not _URL.match(size):
                return name, size
            return (name, "") if self._sizes else (size, "")
        whole = text.strip()
        if self._sizes or _URL.match(whole):  # names may have blanks in them
            return whole, ""
        *names, size = whole.rsplit(None, 1)
        return (names[0], size) if names else (whole, "")

    def _asked(self, url: str) -> Wish:
        """What a visitor would get by this URL."""
        show = self._show(url)
        self._links.limits.judge(show.rendition)
        return Wish(url, url if url[0] != "/" else self._links.base_url + url, (show,))

    def _sized(self, shown: str, ref: Ref, size: str) -> Wish | Unreadable:
        try:
            return self._wish(shown, ref, size)
        except BadRequest as error:
            return Unreadable(shown, str(error))

    def _wish(self, shown: str, ref: Ref, size: str) -> Wish:
        """Under the size's name, and as the client library spells that, for the library says 50x200 for `thumb`."""
        stem, _, extension = size.partition(".")
        spellings = dict.fromkeys((stem, markup.SIZE_NAMES.get(stem, stem)))
        urls = [self._links.url(ref.namespace, ref.name, spelled, extension) for spelled in spellings]
        return Wish(shown, urls[0], tuple(map(self._show, urls)))

    def _show(self, url: str) -> Show:
        try:
            intent = dialects.read(request_of(url, self._links.base_url), self._links.terms)
        except NotUnderstood as error:
            raise BadRequest(f"expected the URL of a picture, got one that nobody reads: {error}") from error
        if not isinstance(intent, Show):
            raise BadRequest(intent.body.decode("utf-8", "replace").strip() or "expected the URL of a picture")
        keys = self._links.keys
        return replace(intent, signature=sign(keys[0], intent.rendition.ref, intent.wish)) if keys else intent


def request_of(url: str, base_url: str = "") -> Request:
    """The request by which a browser asks for `url`, of any host: it may be one of our names. Our own `base_url` may have a path, which
    whatever stands before us takes off."""
    host = base_url if base_url and url.startswith(f"{base_url}/") else (_URL.match(url) or [""])[0]
    asked, _, query = url.removeprefix(host).partition("#")[0].partition("?")
    return Request("GET", urllib.parse.unquote(asked, errors="surrogateescape"), query, asked)


def sizes_of(text: str) -> list[str]:
    """`150x150!,thumb,fill-300x200-33,50`: three sizes."""
    return [size for size in map(str.strip, _BETWEEN.split(text)) if size]
