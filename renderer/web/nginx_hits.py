"""The images host's locations: one for everything that nginx answers alone, and those where its misses end.

Which URLs those are the dialects say (`hits`), and only they: what is in the templates is how nginx goes about it. Neither knows what a
picture is. A regular expression captures, `set` puts the file's name together, `alias` opens it: no `rewrite` and no `map` with captures
anywhere (R25).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from renderer.dialects import DIALECTS, REFUSED_URI, Dialect, Hit
from renderer.formats import FORMATS, JPEG
from renderer.messages import Terms
from renderer.rendition import JSON_EXTENSION, TEXT_EXTENSION, Namespace
from renderer.web import nginx_accept
from renderer.web.nginx_errors import refusals
from renderer.web.nginx_text import fill, quoted_regex

IMMUTABLE = "public, max-age=31536000, immutable"
CHANGING = "public, max-age=60, stale-while-revalidate=600"  # path-named originals may be overwritten
SANDBOX = "sandbox; default-src 'none'"  # what somebody stored is shown, and does nothing

TYPES = {form.mime: form.extensions for form in FORMATS}
TYPES |= {"application/json": (JSON_EXTENSION,), "text/plain; charset=utf-8": (TEXT_EXTENSION,)}
MIMES = {extension: mime for mime, extensions in TYPES.items() for extension in extensions}
REMEMBER = "set $asked $uri;"  # before `try_files`, which may make another of $uri and lose the file a moment later


@dataclass(frozen=True)
class Manner:
    """How what is found is sent: whether it may be kept for ever, whether it is no rendition of ours, and the header that it varies by."""

    is_immutable: bool
    is_foreign: bool = False
    vary: str = ""


Way = tuple[str, Manner]  # what a miss looks for once more, and how that is sent


@dataclass(frozen=True)
class Places:
    """`files`: the directory of the generation, as it stands inside quotes; `renders`: the named location for each way of a miss."""

    files: str
    renders: dict[Way, str]


def places(found: Sequence[Hit], files: str) -> Places:
    return Places(files, {way: f"render_{number}" for number, way in enumerate(dict.fromkeys(map(_way, found)), start=1)})


def dialects(terms: Terms, places: Places) -> str:
    return "\n".join(filter(None, (_dialect(dialect, terms, places) for dialect in DIALECTS)))


def _dialect(dialect: Dialect, terms: Terms, places: Places) -> str:
    """What a dialect says of itself. Where all its URLs begin alike, nobody else's are held against its regular expressions."""
    hits = "\n".join(_hit(hit, places) for hit in dialect.hits(terms))
    if not hits:
        return ""  # nobody's namespace has such URLs
    shape = fill("shape.conf", pattern=quoted_regex(dialect.SHAPE), refusals=refusals())
    prefix = re.match(r"[a-z/]*", dialect.SHAPE)[0]  # type: ignore[index]  # it matches the empty text
    if prefix == "/":
        return f"{hits}\n{shape}"
    return fill("dialect.conf", prefix=prefix, hits=hits, shape=shape, methods=fill("methods.conf"))


def _hit(hit: Hit, places: Places) -> str:
    lookups, manner = _way(hit)
    is_one = " " not in lookups
    render = places.renders[lookups, manner]
    tried = f'root "{places.files}";\ntry_files {lookups} @{render};'
    return fill(
        "hit.conf",
        name=hit.name,
        pattern=quoted_regex(hit.pattern),
        accepted=f"set $vary Accept;\nset $accepted {nginx_accept.variable(hit.negotiates)};" if hit.negotiates else "",
        refused=quoted_regex(REFUSED_URI),
        file=hit.files[0] if hit.negotiates or is_one else _parts(hit)[0],
        lookup=f'alias "{places.files}/$file";\n{_type(hit.files[0])}'.rstrip() if is_one else tried,
        remember="" if is_one else REMEMBER,
        picture=_picture(manner),
        render=render,
    )


def _way(hit: Hit) -> Way:
    """How a miss of `hit` looks once more, and whether what it finds may be kept for ever.

    The type follows the file that `try_files` found. Where a format was accepted and refused, a JPEG is in its place.
    """
    if hit.negotiates:
        return f"/$file /$file.{JPEG.extension}", _manner(hit)
    stem, extensions = _parts(hit)
    return " ".join(f"/$file{extension}" for extension in extensions) if stem else "/$file", _manner(hit)


def _manner(hit: Hit) -> Manner:
    return Manner(hit.namespace.naming.immutable and not hit.is_foreign, hit.is_foreign, "Accept" if hit.negotiates else "")


def _parts(hit: Hit) -> tuple[str, tuple[str, ...]]:
    """Where several files are possible, which differ in their extensions only: what is common, and the extensions with their dots."""
    if len(hit.files) == 1:
        return "", ()
    stems = {file.rpartition(".")[0] for file in hit.files}
    if len(stems) > 1:
        raise ValueError(f"expected files that differ in their extensions only for the hit {hit.name}, got {sorted(stems)}")
    return stems.pop(), tuple("." + file.rpartition(".")[2] for file in hit.files)


def _type(file: str) -> str:
    """nginx takes the type from the URL's extension; where that is decoration, the file's is said here."""
    extension = file.rpartition(".")[2]
    return "" if "$" in extension else f"types {{ }}\ndefault_type {MIMES[extension]};"


def renders(places: Places, limits: str) -> str:
    """Where misses wait and look once more, within `limits`."""
    return "\n".join(_render(way, name, places.files, limits) for way, name in places.renders.items())


def _render(way: Way, name: str, files: str, limits: str) -> str:
    lookups, manner = way
    return fill(
        "render.conf",
        render=name,
        methods=fill("methods.conf"),
        remember="" if " " in lookups else REMEMBER,
        limits=limits,
        files=files,
        lookups=lookups,
        picture=_picture(manner),
    )


def done(space: Namespace, files: str, generation: str) -> str:
    """Below one namespace; what is behind all of those is of one that was made on first use."""
    place = generation if space.element else f"{generation}/{space.name}"
    folder = files if space.element else f"{files}/{space.name}"
    manner = Manner(space.naming.immutable, vary="$upstream_http_vary" if space.negotiates else "")
    return fill("done.conf", place=f"_done/{place}", folder=folder, picture=_picture(manner))


def beside(files: str, generation: str) -> str:
    return fill("done.conf", place=f"_beside/{generation}", folder=files, picture=_picture(Manner(False, is_foreign=True)))


def _picture(manner: Manner) -> str:
    policy = f'add_header Content-Security-Policy "{SANDBOX}";' if manner.is_foreign else ""
    vary = f"add_header Vary {manner.vary};" if manner.vary else ""
    return fill("picture.conf", caching=IMMUTABLE if manner.is_immutable else CHANGING, policy=policy, vary=vary, refusals=refusals())
