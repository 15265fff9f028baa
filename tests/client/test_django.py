"""A Django model keeps its pictures here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import django
import pytest
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, models
from django.db.migrations.writer import MigrationWriter

from renderer import client
from renderer.client.django import ImageStorage
from renderer.errors import BrokenOriginal
from tests.e2e.site import jpeg

BACKEND = "renderer.client.django.ImageStorage"
UNKNOWN = "VGMT4NSHA2AWVOR6EVYXQUGCNSONBWE501"


@pytest.fixture(scope="module")
def product() -> Iterator[Any]:
    """A model with a picture, and its table in memory."""
    settings.configure(
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        INSTALLED_APPS=[],
        STORAGES={"default": {"BACKEND": BACKEND}},
    )
    django.setup()

    class Product(models.Model):
        picture = models.ImageField(upload_to="products/%Y", storage=ImageStorage(typ="photo"), width_field="width", height_field="height")
        file = models.FileField(blank=True)
        width = models.IntegerField(null=True)
        height = models.IntegerField(null=True)

        class Meta:
            app_label = "shop"

    with connection.schema_editor() as editor:
        editor.create_model(Product)
    yield Product
    connection.close()


@pytest.fixture(autouse=True)
def _installed(installed: Path) -> None:
    """Every test has a library of its own."""


def test_a_model_keeps_an_image_by_its_ID(product: Any) -> None:
    made = product.objects.create(picture=SimpleUploadedFile("the skate.jpg", jpeg(), "image/jpeg"))
    found = product.objects.get(pk=made.pk)
    imageid = found.picture.name
    assert imageid == client.save_image(jpeg())
    assert found.picture.url == f"http://i.hdimg.net/o/{imageid}/the_skate.jpeg"
    assert (found.width, found.height) == (found.picture.width, found.picture.height) == (640, 480)
    assert found.picture.size == len(jpeg())
    with found.picture.open() as file:
        assert file.read() == jpeg()
    doc = client.get_imagedoc(imageid)
    assert doc
    assert (doc["types"], doc["filename"]) == (["photo"], "the_skate.jpg")
    found.picture.delete()
    assert client.get_imagedoc(imageid) == {}
    assert not ImageStorage().exists(imageid)


def test_it_may_be_the_default_storage(product: Any) -> None:
    made = product(picture=None)
    made.file.save("x.jpg", ContentFile(jpeg()), save=True)
    assert product.objects.get(pk=made.pk).file.name == client.save_image(jpeg())
    assert isinstance(storages["default"], ImageStorage)
    doc = client.get_imagedoc(made.file.name)
    assert doc
    assert doc["types"] == ["product_image"]


def test_what_is_no_picture_is_not_kept(product: Any) -> None:
    with pytest.raises(BrokenOriginal):
        product.objects.create(picture=SimpleUploadedFile("x.jpg", b"no picture"))


def test_a_name_that_is_taken_stays_and_one_that_is_none_is_nothing() -> None:
    storage = ImageStorage()
    looked_at = ContentFile(jpeg())
    looked_at.read()  # as a form does
    first = storage.save("a.jpg", looked_at)
    assert storage.save(first, ContentFile(jpeg())) == first
    assert [storage.exists(name) for name in (first, UNKNOWN, "products/a.jpg", "")] == [True, False, False, False]
    assert storage.size(first) == len(jpeg())


def test_what_is_not_there_is_not_opened_and_nothing_is_opened_for_writing() -> None:
    storage = ImageStorage()
    with pytest.raises(FileNotFoundError):
        storage.open(UNKNOWN)
    with pytest.raises(ValueError, match="expected rb"):
        storage.open(storage.save("a.jpg", ContentFile(jpeg())), "wb")


def test_a_migration_can_spell_it() -> None:
    spelled, imports = MigrationWriter.serialize(ImageStorage(typ="photo"))
    assert spelled == "renderer.client.django.ImageStorage(typ='photo')"
    assert imports == {"import renderer.client.django"}
