r"""Our own URLs: every original, every operation, one spelling.

    /i/<namespace>/<name>/<recipe>.<ext>

    /i/huimages/EQ53…01/fit-150x150_q75.jpg          the recipe as the cache spells it: the URL names the file itself
    /i/huimages/EQ53…01/fit-150x150.jpg              no quality: the installation's, remembered under this name too
    /i/huimages/EQ53…01/fill-300x200~SIGNATURE.webp  signed, where `signing.keys` are set
    /i/fitter/wallpaper/lion.png/rotate-90_whole.png  refused: `whole` is the spelling of no operation
    /i/huimages/EQ53…01/original-scrubbed.jpg        the original, as its namespace allows it
"""

from __future__ import annotations

import re

from renderer.dialects.hits import Hit
from renderer.dialects.negotiation import MOST_NAME
from renderer.errors import BadRequest, NotAllowed, NotUnderstood
from renderer.fields import shown
from renderer.formats import FORMATS, JPEG, WRITABLE
from renderer.messages import Intent, Request, Show, Terms, plain
from renderer.namespaces import served
from renderer.recipe import Untouched, parse_recipe
from renderer.rendition import Alias, Namespace, Rendition
from renderer.signing import SIGNATURE

NAME = "native"
SHAPE = r"/i/[^/]+/.+/[^/]+"
PREFIX = "i"

_LAST = re.compile(rf"(?P<recipe>[a-z0-9][a-z0-9_,-]{{0,249}})(?:~(?P<signature>{SIGNATURE}))?\.(?P<extension>[a-z0-9]{{3,5}})")

answer = plain


def read(request: Request, terms: Terms) -> Intent | None:
    """The rendition that a native URL names; None for another dialect's."""
    if not re.fullmatch(SHAPE, request.path, re.DOTALL):
        return None
    _, _, name_of_space, rest = request.path.split("/", 3)
    name, _, last = rest.rpartition("/")
    space = terms.namespaces.get(name_of_space)
    if space is None:
        raise NotUnderstood(f"expected a configured namespace, got {shown(name_of_space)}")
    match = _LAST.fullmatch(last)
    if not match:
        raise BadRequest(f"expected RECIPE.EXTENSION for the last part of the path, got {shown(last)}")
    text, extension = match["recipe"], match["extension"]
    recipe = parse_recipe(text, extension, terms.qualities)
    if isinstance(recipe, Untouched):
        judge_untouched(space, recipe)
    alias = None if recipe.spell() == text else Alias(text, extension)
    return Show(Rendition(space.ref(name), recipe), f"{text}.{extension}", alias, match["signature"] or "")


def space_of(path: str, terms: Terms) -> Namespace | None:
    """The namespace that a path of our shape names."""
    return terms.namespaces.get(path.split("/", 3)[2])


def judge_untouched(space: Namespace, wish: Untouched) -> None:
    """NotAllowed where the namespace's policy for originals (decision 7) does not show this much."""
    if space.originals == "forbidden" or (space.originals == "scrubbed" and not wish.scrubbed):
        raise NotAllowed(f"expected a rendition: originals of {space.name} are {space.originals}")


def hits(terms: Terms) -> tuple[Hit, ...]:
    """Recipes, and of originals those that the policy of the day allows: a file from before a change of policy is not found."""
    return tuple(hit for space in served(terms.namespaces) for hit in _hits(space))


def _hits(space: Namespace) -> tuple[Hit, ...]:
    directory = f"{space.folder}/{space.naming.located}"
    start = rf"/i/{space.pattern}/{space.naming.captured}/"
    signed = rf"(?:~{SIGNATURE})?"
    writable = "|".join(form.extension for form in WRITABLE)
    recipe = r"(?P<recipe>(?!original)[a-z0-9][a-z0-9_,-]{0,%d})"
    found = [Hit(f"native {space.name}", space, rf"{start}{recipe % 249}{signed}\.(?P<ext>{writable})", (f"{directory}/$recipe.$ext",))]
    if space.negotiates:
        short = recipe % (MOST_NAME - len(f".{JPEG.extension}") - 1)
        pattern, file = rf"{start}{short}{signed}\.{JPEG.extension}", f"{directory}/$marked$recipe.{JPEG.extension}$accepted"
        found.insert(0, Hit(f"native {space.name} negotiated", space, pattern, (file,), negotiates=space.negotiates))
    if space.originals != "forbidden":
        wish = "original(?:-scrubbed)?" if space.originals == "as-is" else "original-scrubbed"
        readable = "|".join(form.extension for form in FORMATS)
        pattern = rf"{start}(?P<recipe>{wish}){signed}\.(?P<ext>{readable})"
        found.append(Hit(f"native {space.name} originals", space, pattern, (f"{directory}/$recipe.$ext",)))
    return tuple(found)
