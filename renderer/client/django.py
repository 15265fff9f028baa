"""Originals as a Django storage: a file that a model keeps is an image here, and its name in the database is the ID.

    STORAGES = {"default": {"BACKEND": "renderer.client.django.ImageStorage"}, …}
    picture = models.ImageField(storage=ImageStorage(typ="product_image"))

It takes pictures only, and is configured as `renderer.client` is. The same bytes are one image, whoever saves them: deleting it takes it
from all models that have it. `width_field` and `height_field` are Django's, which reads the sides as they lie in the file, whichever way is
up: for a page ask `scaled_dimensions(name, "o")`.
"""

from __future__ import annotations

import posixpath
from typing import Any, BinaryIO, cast

from django.core.files import File
from django.core.files.storage import Storage
from django.utils.deconstruct import deconstructible

from renderer import client
from renderer.errors import NotFound


@deconstructible(path="renderer.client.django.ImageStorage")
class ImageStorage(Storage):  # type: ignore[misc]
    """`typ`: what each image is noted as, among its types."""

    def __init__(self, typ: str = "product_image") -> None:
        self.typ = typ

    def get_available_name(self, name: str, max_length: int | None = None) -> str:
        """Any: the name that was uploaded is only noted, so that no two meet."""
        return name

    def exists(self, name: str) -> bool:
        """Whether the store has it."""
        return client.library.has_image(name)

    def size(self, name: str) -> int:
        """Bytes of the original; NotFound."""
        return client.get_length(name)

    def url(self, name: str | None) -> str:
        """The URL of the original; `scaled_imageurl` and `scaled_tag` take the same name."""
        return client.imageurl(name or "")

    def delete(self, name: str) -> None:
        """With all that was made and is known of it; one that is not there is fine."""
        client.delete_image(name)

    def _open(self, name: str, mode: str = "rb") -> Any:
        if mode != "rb":
            raise ValueError(f"expected rb for the mode of an original, which never changes, got {mode}")
        try:
            return _Original(client.library.open_image(name), name)
        except NotFound as error:
            raise FileNotFoundError(str(error)) from error

    def _save(self, name: str, content: Any) -> str:
        content.seek(0)
        stream = cast(BinaryIO, content)  # Django's files read as files do
        return client.save_image(stream, filename=posixpath.basename(name), typ=self.typ)


class _Original(File):  # type: ignore[misc]
    """Can be opened again after it was closed: Django does both while it looks for width and height."""

    def open(self, mode: str | None = None, *args: Any, **kwargs: Any) -> Any:
        if self.closed:
            self.file = client.library.open_image(self.name)
        return super().open(mode, *args, **kwargs)
