"""Filters of Jinja over the client library: `{{ product.image | image_tag("thumb", class_="photo") }}`.

    environment = Environment(autoescape=True, extensions=["renderer.client.jinja.Images"])
    app.jinja_env.add_extension("renderer.client.jinja.Images")      # Flask

What is HTML is marked as such, and so is not escaped again; an ID that is empty or None shows nothing. A Django file is its name, the ID.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from jinja2 import Environment
from jinja2.ext import Extension
from markupsafe import Markup

from renderer import client
from renderer.formats import AVIF, WEBP
from renderer.markup import Value

FORMATS = (AVIF, WEBP)  # besides JPEG, the best first


def image_url(imageid: object, size: str = "o") -> str:
    """`scaled_imageurl`; of the original, unless a size is given."""
    return client.scaled_imageurl(str(imageid), size) if imageid else ""


def image_tag(imageid: object, size: str = "150x150", *args: str, **kwargs: Value) -> Markup:
    """`scaled_tag`."""
    return _html(client.scaled_tag(str(imageid), size, *args, **kwargs) if imageid else "")


def image_srcset(imageid: object, *sizes: str) -> str:
    """`srcset` of the sizes."""
    return client.srcset(str(imageid), sizes) if imageid else ""


def picture_tag(imageid: object, sizes: Sequence[str], **kwargs: Value) -> Markup:
    """`picture_tag`."""
    return _html(client.picture_tag(str(imageid), sizes, FORMATS, **kwargs) if imageid else "")


def _html(text: str) -> Markup:
    return Markup(text)  # written by renderer.markup, which escapes each value


FILTERS: dict[str, Callable[..., str]] = {
    "image_url": image_url, "image_tag": image_tag, "image_srcset": image_srcset, "picture_tag": picture_tag,
}  # fmt: skip


class Images(Extension):
    """Adds the filters to an environment."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        environment.filters.update(FILTERS)
