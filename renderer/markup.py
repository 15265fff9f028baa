"""What pages say to show a picture: huImages' sizes, URLs, file names, alternative texts and tags, and today's srcset and <picture>.

Pure: from what is known about an original and where the images host is, to text. The sizes that it announces are those of the operations
that the renderer applies, so that a page never states a size that the picture does not have (H-B3). Whatever comes from outside, titles
and file names above all, leaves as a URL of plain characters or as an attribute's escaped value (H-B15).
"""

from __future__ import annotations

import html
import re
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from renderer.box import Box, Size
from renderer.errors import BadRequest
from renderer.fields import shown
from renderer.formats import AVIF, JPEG, WEBP, Format
from renderer.limits import Limits
from renderer.ops import Fill, Fit, Operation
from renderer.recipe import Qualities, Recipe
from renderer.rendition import NAMINGS, Alias, Namespace, Ref, Rendition
from renderer.signing import sign

NAMESPACE = "huimages"
ORIGINAL = "o"  # the size that stands for the original itself

# The client library's size names (huImages 2.2, README); the old server answered them with 501.
SIZE_NAMES = {
    "mini": "23x40", "thumb": "50x200", "sidebar": "179x600", "small": "240x160", "medium": "480x320",
    "full": "477x800", "vga": "640x480", "svga": "800x600", "xvga": "1024x768", "square": "75x75!",
}  # fmt: skip

# A URL with a longer decoration comes near the 8 kB that nginx takes for a request line; no title that means anything is as long.
MOST_STEM = 1000

_UNSAFE = re.compile(r"[^A-Za-z0-9_=,:-]+")
_NAME = r"[A-Za-z_:@][A-Za-z0-9_.:@-]*"  # nothing that would have to be escaped: browsers decode values, not names
_ATTRIBUTE = re.compile(rf"""({_NAME})(?:\s*=\s*("[^"]*"|'[^']*'|[^\s"'=<>`]+))?(?:\s+|$)""")

Value = str | int | None  # of an attribute; True: the name alone, None and False: not there


@dataclass(frozen=True)
class Described:
    """What a page may say of an original. `titles`: oldest first; `width`, `height`: upright, 0 = not known; `placeholder`: a ThumbHash
    in base64."""

    titles: Sequence[str] = ()
    filename: str = ""
    width: int = 0
    height: int = 0
    placeholder: str = ""


UNKNOWN = Described()


@dataclass(frozen=True)
class Site:
    """Where pages find pictures. `base_url`: the images host, with a path if it has one; `alt_addition` ends every alternative text;
    `key` signs, empty = nothing is signed; `limits`: what the host answers."""

    base_url: str
    alt_addition: str = ""
    key: bytes = b""
    limits: Limits = Limits()


def operation_of(size: str) -> Operation:
    """`300x200` is Fit, `300x200!` is Fill, a size name is what it stands for."""
    spelled = SIZE_NAMES.get(size, size)
    try:
        if spelled.endswith("!"):
            return Fill(Box.parse(spelled[:-1]))
        return Fit(Box.parse(spelled))
    except BadRequest as error:
        wishes = "o, WIDTHxHEIGHT, WIDTHxHEIGHT! or a size name"
        raise BadRequest(f"expected {wishes} for a size, got {shown(size)}") from error


def alias_of(size: str, form: Format) -> Alias:
    """What a URL of `size` says, as it may be remembered and as a signature covers it: `~300x200!.jpeg`."""
    return Alias(f"~{size}", _extension(form))


def _extension(form: Format) -> str:
    return "jpeg" if form is JPEG else form.extension


def dimensions(original: Size, size: str) -> Size | None:
    """Width and height of the picture at `size`; None where they follow from the original's and these are not known (0)."""
    if size == ORIGINAL:
        return original if all(original) else None
    operation = operation_of(size)
    if isinstance(operation, Fill):
        return operation.box.width, operation.box.height
    return operation.outline(original) if all(original) else None


def file_stem(described: Described) -> str:
    """The decoration in a URL, without its extension: the oldest title, which stays when others are added, else the file's name."""
    if described.titles:
        said = described.titles[0].replace(" ", "-")
    else:
        said = described.filename.replace(" ", "-")
        for extension in (".jpg", ".jpeg"):
            said = said[: -len(extension)] if said.lower().endswith(extension) else said
    return _UNSAFE.sub("_", said)[:MOST_STEM]


def image_url(site: Site, name: str, size: str = ORIGINAL, described: Described = UNKNOWN, form: Format = JPEG) -> str:
    """The URL of the original `name` at `size`; what is no size is used as it is, and the host will say so."""
    spelled = SIZE_NAMES.get(size, size)
    if site.key:
        wish = ORIGINAL if spelled == ORIGINAL else str(alias_of(spelled, form))
        spelled += "~" + sign(site.key, _ref(name), wish)
    place = "/".join((urllib.parse.quote(spelled, safe="!~,=:"), urllib.parse.quote(name, safe="")))
    stem = file_stem(described)
    return f"{site.base_url.rstrip('/')}/{place}{'/' if stem else ''}{stem}.{_extension(form)}"


def _ref(name: str) -> Ref:
    return Ref(Namespace(NAMESPACE, NAMINGS["sha1"]), name)


def alt_text(described: Described, addition: str = "") -> str:
    """The newest title, else the file's name in words, with `addition` right behind it; else `addition` alone."""
    if described.titles:
        return described.titles[-1] + addition
    if described.filename:
        return described.filename.replace("_", " ") + addition
    return addition.strip()


def tag(site: Site, name: str, size: str, described: Described, /, *arguments: str, **attributes: Value) -> str:
    """An <img>; `arguments` are attributes as HTML has them (`class="photo"`), `attributes` are names and values.

    What is given twice stands there once, the last wins; `alt` is made up unless given. A final underscore of a name is dropped: `class_`.
    """
    said: dict[str, Value] = {"src": image_url(site, name, size, described)}
    said |= zip(("width", "height"), dimensions((described.width, described.height), size) or (), strict=False)
    for argument in arguments:
        said |= _read(argument)
    said |= {_attribute_name(key): value for key, value in attributes.items()}
    said.setdefault("alt", alt_text(described, site.alt_addition))
    return _element("img", said)


def _read(text: str) -> Iterator[tuple[str, Value]]:
    """The attributes that `text` spells in HTML; they are written anew, so that nothing of it ends the tag."""
    position, text = 0, text.strip()
    while position < len(text):
        match = _ATTRIBUTE.match(text, position)
        if not match:
            raise BadRequest(f'expected NAME or NAME="VALUE" for an attribute, got {shown(text[position:])}')
        value = match[2]
        quoted = value is not None and value[0] in "\"'"
        yield _attribute_name(match[1]), True if value is None else html.unescape(value[1:-1] if quoted else value)
        position = match.end()


def _attribute_name(text: str) -> str:
    if not re.fullmatch(_NAME, text):
        raise BadRequest(f"expected the name of an attribute, got {shown(text)}")
    return (text.removesuffix("_") or text).lower()


def _element(kind: str, attributes: Mapping[str, Value]) -> str:
    parts = [kind]
    for name, value in attributes.items():
        if value is True:
            parts.append(name)
        elif value is not None and value is not False:
            parts.append(f'{name}="{_escaped(value)}"')
    return f"<{' '.join(parts)} />"


def _escaped(value: object) -> str:
    """What a template has escaped already, and marked so (Jinja's Markup, Django's SafeString), is not escaped twice, but surely once."""
    spell = getattr(value, "__html__", None)
    return html.escape(html.unescape(spell()) if spell else str(value))


def srcset(site: Site, name: str, sizes: Sequence[str], described: Described, form: Format = JPEG) -> str:
    """`URL 320w, URL 640w`: each width once and as it really is, narrow ones first; '' where no width is known."""
    widths = _widths(site, sizes, described, form)
    return ", ".join(f"{image_url(site, name, size, described, form)} {width}w" for width, size in widths.items())


def _widths(site: Site, sizes: Sequence[str], described: Described, form: Format) -> dict[int, str]:
    """Width to the first of `sizes` that has it, of those that the host answers in `form`."""
    found: dict[int, str] = {}
    for size in sizes:
        made = dimensions((described.width, described.height), size)
        if made and _answers(site, size, form):
            found.setdefault(made[0], size)
    return dict(sorted(found.items()))


def _answers(site: Site, size: str, form: Format) -> bool:
    if size == ORIGINAL:
        return form is JPEG  # it comes in the format that it has
    try:
        site.limits.judge(Rendition(_ref(""), Recipe.of((operation_of(size),), Qualities().output(form))))
    except BadRequest:
        return False
    return True


def picture(
    site: Site, name: str, sizes: Sequence[str], described: Described, /, formats: Sequence[Format] = (AVIF, WEBP), **attributes: Value
) -> str:
    """A <picture>: an <img> in JPEG at the largest of `sizes`, all of them in its srcset, and the same in `formats`, the best first.

    Loaded when it comes near, decoded aside, with the ThumbHash in `data-thumbhash`; `attributes` are the <img>'s and win, its `sizes`
    (how wide the page shows it; as wide as it is, if the window lets it) holds for all formats.
    """
    if not sizes:
        raise BadRequest("expected at least one size for a picture, got none")
    widths = _widths(site, sizes, described, JPEG)
    widest = max(widths, default=0)
    largest = widths.get(widest, sizes[-1])
    said: dict[str, Value] = {"loading": "lazy", "decoding": "async", "data-thumbhash": described.placeholder or None}
    if widths:
        said = {"srcset": srcset(site, name, sizes, described), "sizes": f"(max-width: {widest}px) 100vw, {widest}px", **said}
    said |= {_attribute_name(key): value for key, value in attributes.items()}
    sources = []
    for form in formats:
        if _answers(site, largest, form):  # a browser takes the first format that it knows: without the largest it would show less
            offered = srcset(site, name, sizes, described, form) or image_url(site, name, largest, described, form)
            sources.append(_element("source", {"type": form.mime, "srcset": offered, "sizes": said.get("sizes")}))
    return f"<picture>{''.join(sources)}{tag(site, name, largest, described, **said)}</picture>"
