"""What a picture says about itself: whose it is, and the block that we say it with."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from PIL.ImageFile import ImageFile

from renderer.formats import AVIF, BY_NAME, JPEG, PNG, WEBP, Format
from renderer.picture.metadata import copyright as notice_of
from renderer.picture.metadata import has_gps, minimal_exif, orientation
from tests.picture.pictures import quarters
from tests.picture.telling import encoded, telling_exif

PLACES = ("jpeg", "png", "webp", "avif", "tiff")


def opened(content: bytes, form: Format) -> ImageFile:
    """As Pillow opens an original."""
    image = Image.open(io.BytesIO(content), formats=[form.pillow])
    assert isinstance(image, ImageFile)
    return image


def with_exif(exif: bytes, name: str = "jpeg") -> ImageFile:
    return opened(encoded(quarters((20, 10)), BY_NAME[name], exif=exif), BY_NAME[name])


def saying(text: str | bytes) -> bytes:
    """EXIF with a notice as anybody may have written it."""
    exif = Image.Exif()
    exif[0x8298] = text
    return exif.tobytes()


@pytest.mark.parametrize("name", PLACES)
def test_a_notice_is_found_in_every_format_that_has_a_place_for_it(name: str) -> None:
    assert notice_of(with_exif(saying("2024 Somebody (an agency)"), name)) == "2024 Somebody (an agency)"
    assert notice_of(with_exif(b"", name)) == ""


@pytest.mark.parametrize(
    ("written", "read"),
    [
        pytest.param("© Jürgen Müller".encode(), "© Jürgen Müller", id="UTF-8"),
        pytest.param("© Jürgen Müller".encode("latin-1"), "© Jürgen Müller", id="Latin-1"),
        pytest.param(b"Somebody\0An Editor\0", "Somebody", id="photographer and editor"),
        pytest.param(b"  some \r\n body\x07 ", "some body", id="spaces"),
        pytest.param(b"<?php system('x'); ?><b>me</b> ${HOME} `id`", "php system('x'); b me /b HOME id", id="no code"),
        pytest.param(b"me" * 5000, "me" * 100, id="no novel"),
        pytest.param(b"GPSLatitude 51", "", id="no position"),
        pytest.param(b"\0\0\0", "", id="nothing"),
    ],
)
def test_a_notice_is_short_plain_text(written: bytes, read: str) -> None:
    assert notice_of(with_exif(saying(written))) == read


@pytest.mark.filterwarnings("ignore")  # Pillow's remark about it
def test_exif_that_cannot_be_read_has_no_notice() -> None:
    assert notice_of(with_exif(b"Exif\0\0II*\0\xff\xff\xff\xff nonsense")) == ""


def test_nothing_to_say_is_no_block() -> None:
    assert minimal_exif() == b""


@pytest.mark.parametrize("form", [JPEG, PNG, WEBP, AVIF], ids=lambda form: form.name)
def test_a_block_of_ours_is_what_encoders_take(form: Format) -> None:
    image = opened(encoded(quarters((20, 10)), form, exif=minimal_exif(1, "© Somebody")), form)
    assert notice_of(image) == "© Somebody"
    assert not has_gps(image)


texts = st.text(st.sampled_from("abc ÄÖß©®™–.,;:&'/()@+-_éλж0123"), max_size=200)


@given(st.integers(1, 8), texts.map(lambda text: " ".join(text.split())))
def test_what_a_block_says_is_read_back(tag: int, text: str) -> None:
    exif = minimal_exif(tag, text)
    image = with_exif(exif)
    assert (orientation(image), notice_of(image)) == (tag, text)
    assert set(image.getexif()) == ({0x0112} if tag > 1 else set()) | ({0x8298} if text else set())


def test_a_position_is_found_in_bytes_as_in_a_file(tmp_path: Path) -> None:
    content = encoded(quarters((20, 10)), JPEG)
    for told, found in ((content, False), (content + b"<a exif:GPSLatitude='7'/>", True), (content + telling_exif(), True)):
        (tmp_path / "original.jpg").write_bytes(told)
        with Image.open(tmp_path / "original.jpg") as image:
            assert isinstance(image, ImageFile)
            assert has_gps(image) is found
        assert has_gps(opened(told, JPEG)) is found
