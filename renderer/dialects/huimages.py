r"""huImages' URLs: a size, an ID, and a decorative file name.

    /150x150/EQ53…01.jpeg                    fit into 150x150 (the old form)
    /150x150!/EQ53…01/any-title.jpeg         exactly 150x150, cropped (`%21` is the same)
    /square/EQ53…01                          a size by its name
    /640x480/EQ53…01/any-title.webp          the last extension selects png, webp, gif or avif; all else is JPEG
    /o/EQ53…01/any-title.jpeg                the original, as its namespace allows it; the extension selects nothing
    /300x200!~SIGNATURE/EQ53…01.jpeg         signed, where `signing.keys` are set

Fewer than two elements or more than three are nobody's URL (404); a size or an ID that cannot be is 400.
"""

from __future__ import annotations

import re

from renderer import markup
from renderer.dialects import native
from renderer.dialects.hits import Hit
from renderer.errors import BadRequest
from renderer.fields import shown
from renderer.formats import BY_EXTENSION, FORMATS, JPEG
from renderer.messages import Intent, Request, Show, Terms, plain
from renderer.recipe import Recipe, Untouched
from renderer.rendition import Namespace, Rendition
from renderer.signing import SIGNATURE

NAME = "huimages"
NAMESPACE, SIZE_NAMES, operation_of = markup.NAMESPACE, markup.SIZE_NAMES, markup.operation_of  # pages say them too
SHAPE = rf"/(?!{native.PREFIX}/)[^/]+/[^/]+(?:/[^/]*)?"

SELECTING = ("png", "webp", "gif", "avif")  # extensions that choose a format; jpg and jpeg are the default anyway

_SIGNED = re.compile(rf"(?P<size>[^~]+)(?:~(?P<signature>{SIGNATURE}))?")

answer = plain


def read(request: Request, terms: Terms) -> Intent | None:
    """The rendition that a huImages URL names; None for another dialect's."""
    space = terms.namespaces.get(NAMESPACE)
    if space is None or not re.fullmatch(SHAPE, request.path, re.DOTALL):
        return None
    size, document, *decoration = request.path[1:].split("/")
    match = _SIGNED.fullmatch(size)
    if not match:
        raise BadRequest(f"expected SIZE or SIZE~SIGNATURE for the first part of the path, got {shown(size)}")
    size, signature = match["size"], match["signature"] or ""
    ref_name, _, extension = document.partition(".")
    if decoration == [""]:
        raise BadRequest("expected a file name after the ID, got none")  # nginx takes what ends in a slash for a directory
    if size == markup.ORIGINAL:
        _check_extension(document, extension, ("jpg", "jpeg", *SELECTING))
        return Show(Rendition(space.ref(ref_name), _untouched(space)), size, None, signature)
    _check_extension(document, extension, ("jpg", "jpeg") if decoration else ("jpg", "jpeg", *SELECTING))
    stem, _, last = (decoration or [document])[0].rpartition(".")
    # a title that begins with a dot has no extension: nginx, which takes the type from the URL, sees none in `.png` and `..png`
    form = BY_EXTENSION[last] if last in SELECTING and stem[:1] not in ("", ".") else JPEG
    recipe = Recipe.of((operation_of(size),), terms.qualities.output(form))
    alias = markup.alias_of(size, form)
    return Show(Rendition(space.ref(ref_name), recipe), str(alias), alias, signature)


def space_of(path: str, terms: Terms) -> Namespace | None:
    """The namespace of a path of our shape."""
    return terms.namespaces.get(NAMESPACE)


def _untouched(space: Namespace) -> Untouched:
    recipe = Untouched(scrubbed=space.originals != "as-is")
    native.judge_untouched(space, recipe)
    return recipe


def _check_extension(document: str, extension: str, allowed: tuple[str, ...]) -> None:
    if document.endswith(".") or (extension and extension not in allowed):
        raise BadRequest(f"expected ID, ID.jpg or ID.jpeg for a document, got {shown(document)}")


def hits(terms: Terms) -> tuple[Hit, ...]:
    """Sizes in JPEG as pages spell them, with a selecting extension, all others; and originals.

    The first match wins, and nginx tries them in this order: what is asked most stands first.
    """
    space = terms.namespaces.get(NAMESPACE)
    if space is None:
        return ()
    directory = f"{space.name}/{space.naming.located}"
    number = "[1-9][0-9]{0,4}"
    size = rf"/(?P<size>{number}x{number}!?|{'|'.join(SIZE_NAMES)})(?:~{SIGNATURE})?/{space.naming.captured}"
    selecting = "|".join(SELECTING)
    jpeg, formats = (f"{directory}/~$size.jpeg{'$accepted' if space.negotiates else ''}",), space.negotiates
    found = (
        Hit("huimages", space, rf"{size}(?:(?:\.jpe?g)?/[^/]+)?\.jpe?g", jpeg, negotiates=formats),
        Hit("huimages formats", space, rf"{size}(?:(?:\.jpe?g)?/[^/.][^/]*)?\.(?P<ext>{selecting})", (f"{directory}/~$size.$ext",)),
        Hit("huimages", space, rf"{size}(?:\.jpe?g)?(?:/[^/]+)?", jpeg, negotiates=formats),
    )
    if space.originals == "forbidden":
        return found
    stem = Untouched(scrubbed=space.originals != "as-is").spell()
    pattern = rf"/o(?:~{SIGNATURE})?/{space.naming.captured}(?:\.(?:jpe?g|{selecting}))?(?:/[^/]+)?"
    files = tuple(f"{directory}/{stem}.{form.extension}" for form in FORMATS)
    return (*found, Hit("huimages originals", space, pattern, files))
