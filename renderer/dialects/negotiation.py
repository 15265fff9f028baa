"""One URL, another format for who accepts it: of a picture that is asked for as a JPEG, in a namespace that negotiates.

Everybody is in one of few buckets: a JPEG, or one of the namespace's formats. What a bucket other than JPEG's gets is remembered under the
name that the URL has in JPEG's, and the format's extension:

    ~150x150.jpeg      ~150x150.jpeg.webp
    ~=x200.jpg         ~=x200.jpg.avif
    fit-75x75_q75.jpg  ~n.fit-75x75_q75.jpg.webp      a native URL names the file itself; an alias begins with a tilde
    ~150x150.jpeg      ~150x150.jpeg.avif.jpg         AVIF was refused, this is the JPEG

The recipe changes, what is asked for does not: a signature covers the same in all buckets.
"""

from __future__ import annotations

from dataclasses import replace

from renderer.formats import BY_NAME, JPEG, Format
from renderer.messages import Show
from renderer.recipe import Output, Qualities, Recipe
from renderer.rendition import Alias, Rendition

MARK = "~n."  # neither a size of huImages' nor image-server's `~=`
MOST_NAME = 240  # bytes of what a URL says; with the mark and two extensions it is still the name of a file (255)


def negotiated(show: Show, accepts: str, qualities: Qualities) -> Show:
    """What `show` is for who accepts the format called `accepts`, '' for none."""
    rendition = show.rendition
    recipe, formats, name = rendition.recipe, rendition.ref.namespace.negotiates, _name(show)
    if not formats or not isinstance(recipe, Recipe) or recipe.output.format is not JPEG or len(show.wish) > MOST_NAME:
        return show
    if accepts not in formats:
        return replace(show, varies=True)
    form = BY_NAME[accepts]
    other = Recipe(recipe.operations, _output(form, recipe.output, qualities))
    return replace(show, rendition=Rendition(rendition.ref, other), alias=Alias(name, form.extension), archived="", varies=True)


def remembered(jpeg: Show, refused: Show) -> Show:
    """`jpeg`, under a name of its own in the bucket of `refused`.

    A limit refuses the same picture again and again. Should that change, the JPEG is a right answer still, until it is evicted or purged.
    """
    return replace(jpeg, alias=Alias(str(refused.alias), JPEG.extension))


def _name(show: Show) -> str:
    alias = str(show.alias or "")
    return alias if alias.startswith("~") else MARK + show.wish


def _output(form: Format, jpeg: Output, qualities: Qualities) -> Output:
    """A quality that was left to the installation is so again, a number is taken as it is. A still stays one: a JPEG shows no animation."""
    output = qualities.output(form)
    is_default = jpeg.quality == qualities.output(JPEG).quality
    quality = output.quality if is_default else jpeg.quality
    return replace(output, quality=quality, still=True, keeps_copyright=jpeg.keeps_copyright)
