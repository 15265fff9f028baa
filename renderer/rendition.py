"""Ref, Rendition and its cache path; the alias rule.

One directory per original, below shards that nginx can compute from the name alone:

    huimages/EQ/5/EQ53…01/fill-300x200_q75.jpg       a rendition
    huimages/EQ/5/EQ53…01/~300x200!.jpeg             an alias of it: a hard link named by what a URL says
    fitter/wallpaper/lion.png/~/fit-300x_q75.jpg     a path-named original is its own directory, its renditions stand in `~`

Paths are built from parsed values, never from a URL.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from renderer.errors import BadRequest
from renderer.fields import shown
from renderer.formats import FORMATS
from renderer.recipe import INFO, Beside, Recipe, Untouched

# A part of a path-named original: nothing hidden, nothing that means something to a file system or to us (`~`).
PATH_PART = r"[^/~.\\\x00-\x1f\x7f][^/\\\x00-\x1f\x7f]*"


@dataclass(frozen=True)
class Naming:
    """How the originals of a namespace are named.

    `pattern` matches a name, in Python's `re` and in nginx's PCRE alike; `captured` matches the same in pieces, of which nginx puts
    together `located`, the directory below that of the namespace; `shards` are the lengths of the leading pieces; `algorithm` is the
    hash that the name is made of, '' where a name is given and its bytes may change.
    """

    kind: str
    pattern: str
    captured: str
    located: str
    shards: tuple[int, ...] = ()
    algorithm: str = ""

    @property
    def immutable(self) -> bool:
        return bool(self.algorithm)

    def name_of(self, digest: bytes) -> str:
        """The name of bytes with this `algorithm` digest."""
        if self.kind == "sha1":
            return base64.b32encode(digest).decode("ascii") + "01"  # the cluster that huImages stored an image on; only 01 ever existed
        return digest.hex()

    def hasher(self) -> hashlib._Hash:
        return hashlib.new(self.algorithm, usedforsecurity=False)


_PATH = rf"{PATH_PART}(?:/{PATH_PART})*"

NAMINGS = {
    # 32 characters of base32, two digits of a cluster: 2 + 1 shards are 32768 leaves
    "sha1": Naming(
        "sha1",
        r"[A-Z2-7]{32}[0-9]{2}",
        captured=r"(?P<a>[A-Z2-7]{2})(?P<b>[A-Z2-7])(?P<c>[A-Z2-7]{29}[0-9]{2})",
        located="$a/$b/$a$b$c",
        shards=(2, 1),
        algorithm="sha1",
    ),
    "md5": Naming(
        "md5",
        r"[0-9a-f]{32}",
        captured=r"(?P<a>[0-9a-f]{2})(?P<b>[0-9a-f]{2})(?P<c>[0-9a-f]{28})",
        located="$a/$b/$a$b$c",
        shards=(2, 2),
        algorithm="md5",
    ),
    "path": Naming("path", _PATH, captured=rf"(?P<a>{_PATH})", located="$a/~"),
}

TEXT_EXTENSION, JSON_EXTENSION = "txt", "json"  # of what stands beside an original and is no picture
MOST_NAME_BYTES, MOST_PART_BYTES = 800, 200  # below PATH_MAX 4096 and NAME_MAX 255 with all that we add


@dataclass(frozen=True)
class Namespace:
    """A family of originals named alike. `originals`: what `/o/` may show: as-is, scrubbed or forbidden (decision 7).

    `extensions`: those that image-server's URLs may have, empty = all that can be made; `negotiates`: formats, by name, that who accepts
    them gets instead of a JPEG, the best first; `outputs`: what a batch makes that names nothing. `element`: the regular expression of the
    name in a URL, where it stands for many namespaces.
    """

    name: str
    naming: Naming
    originals: str = "scrubbed"
    extensions: tuple[str, ...] = ()
    negotiates: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    element: str = ""

    @property
    def pattern(self) -> str:
        """What stands for it in a URL, as a regular expression."""
        return self.element or re.escape(self.name)

    @property
    def folder(self) -> str:
        """Its directory below the cache's generation, as nginx puts it together from what `pattern` captures."""
        return "$space" if self.element else self.name

    def ref(self, name: str) -> Ref:
        """The original called `name`; BadRequest when none can be called so."""
        encoded = name.encode("utf-8", "surrogatepass")  # bytes that were no UTF-8, and halves of characters, fail below
        parts = encoded.split(b"/")
        fits = len(encoded) <= MOST_NAME_BYTES and max(map(len, parts)) <= MOST_PART_BYTES
        if not fits or not re.fullmatch(self.naming.pattern, name) or not _is_utf8(encoded):
            raise BadRequest(f"expected a {self.naming.kind} name for an original in {self.name}, got {shown(name)}")
        return Ref(self, name)


def _is_utf8(encoded: bytes) -> bool:
    try:
        encoded.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


@dataclass(frozen=True)
class Ref:
    """Names one original; build it with `Namespace.ref`, which checks the name."""

    namespace: Namespace
    name: str

    def __str__(self) -> str:
        return f"{self.namespace.name}/{self.name}"

    @property
    def sharded(self) -> PurePosixPath:
        """The name below its shards, without the namespace: `EQ/5/EQ53…01`, `wallpaper/lion.png`."""
        path, start = PurePosixPath(), 0
        for length in self.namespace.naming.shards:
            path, start = path / self.name[start : start + length], start + length
        return path / self.name

    @property
    def directory(self) -> PurePosixPath:
        """Where all renditions and aliases of this original live, relative to the cache's generation."""
        own = PurePosixPath(self.namespace.name) / self.sharded
        return own if self.namespace.naming.shards else own / "~"


@dataclass(frozen=True)
class Rendition:
    """A ref and a recipe. It knows its cache path."""

    ref: Ref
    recipe: Recipe | Untouched | Beside

    def __str__(self) -> str:
        return f"{self.ref}/{self.recipe.spell()}"

    def file_name(self, extension: str = "") -> str:
        """The rendition's name in the original's directory; others than a Recipe need the extension that their bytes turned out to have."""
        known = self.recipe.extension if isinstance(self.recipe, Recipe) else extension
        return f"{self.recipe.spell()}.{known}"

    def file_names(self) -> tuple[str, ...]:
        """Every name that this rendition can have: one, but where only the bytes tell the extension."""
        return tuple(map(self.file_name, extensions_of(self.recipe)))


def extensions_of(recipe: Recipe | Untouched | Beside) -> tuple[str, ...]:
    """The extensions that a file made by `recipe` can have, the likely ones first."""
    if isinstance(recipe, Recipe):
        return (recipe.extension,)
    if recipe == INFO:
        return (JSON_EXTENSION,)
    pictures = tuple(form.extension for form in FORMATS)
    return (TEXT_EXTENSION, *pictures) if isinstance(recipe, Beside) else pictures


@dataclass(frozen=True)
class Alias:
    """A second name of a rendition, as a URL spells it: `~300x200!.jpeg`. Only ever from a finite spelling.

    An alias without a suffix (`~o`) gets the true extension of the file that it names.
    """

    stem: str
    suffix: str = ""

    def file_name(self, true_extension: str) -> str:
        return f"{self.stem}.{self.suffix or true_extension}"

    def __str__(self) -> str:
        return f"{self.stem}.{self.suffix}" if self.suffix else self.stem
