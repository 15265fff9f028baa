"""Formats are known by their first bytes, never by their names."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from renderer.formats import (
    AVIF,
    BY_EXTENSION,
    BY_PILLOW,
    FORMATS,
    HEAD_BYTES,
    HEIC,
    JPEG,
    JPEG2000,
    PNG,
    WEBP,
    WRITABLE,
    Format,
    sniff,
)


def encoded(form: Format) -> bytes:
    if form is HEIC:
        pytest.importorskip("pillow_heif", reason="pillow-heif is an extra").register_heif_opener()
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16), (200, 30, 30)).save(buffer, form.pillow)
    return buffer.getvalue()


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
def test_the_first_bytes_tell_the_format(form: Format) -> None:
    assert sniff(encoded(form)[:HEAD_BYTES]) is form


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\xff\xd8", id="too little of a JPEG"),
        pytest.param(b"%!PS-Adobe-3.0 EPSF-3.0", id="EPS"),
        pytest.param(b"%PDF-1.7", id="PDF"),
        pytest.param(b"8BPS\x00\x01", id="PSD"),
        pytest.param(b"SIMPLE  =                    T", id="FITS"),
        pytest.param(b"push graphic-context", id="MVG"),
        pytest.param(b"<svg xmlns=", id="SVG"),
        pytest.param(b"<?xml version=", id="XML"),
        pytest.param(b"RIFF\x00\x00\x00\x00WAVEfmt ", id="a RIFF that is sound"),
        pytest.param(b"\x00\x00\x00\x18ftypmif1\x00\x00\x00\x00mif1miaf", id="HEIF of who knows what"),
        pytest.param(b"\x00\x00\x00\x0cJXL \r\n\x87\n", id="JPEG XL"),
        pytest.param(b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00isommp42", id="a film"),
        pytest.param(b"PK\x03\x04", id="ZIP"),
    ],
)
def test_R1_what_we_do_not_read_is_no_format(head: bytes) -> None:
    assert sniff(head) is None


@pytest.mark.parametrize(
    "brands",
    [
        pytest.param(b"avif\x00\x00\x00\x00avifmif1miaf", id="a picture"),
        pytest.param(b"avis\x00\x00\x00\x00avismsf1miaf", id="a sequence"),
        pytest.param(b"mif1\x00\x00\x00\x00mif1avifmiaf", id="one that says so second"),
    ],
)
def test_avif_is_known_by_any_of_its_brands(brands: bytes) -> None:
    assert sniff(b"\x00\x00\x00\x1cftyp" + brands) is AVIF


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic", id="a telephone's"),
        pytest.param(b"\x00\x00\x00\x18ftypmif1\x00\x00\x00\x00mif1heic", id="one that says so second"),
        pytest.param(b"\x00\x00\x00\x18ftypheix\x00\x00\x00\x00mif1heix", id="ten bits"),
        pytest.param(b"\x00\x00\x00\x18ftyphevc\x00\x00\x00\x00msf1hevc", id="a sequence"),
    ],
)
def test_heic_is_known_by_any_of_its_brands(head: bytes) -> None:
    assert sniff(head) is HEIC


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"\x00\x00\x00\x0cjP  \r\n\x87\n\x00\x00\x00\x14ftypjp2 ", id="a file"),
        pytest.param(b"\xff\x4f\xff\x51\x00\x29", id="a codestream"),
    ],
)
def test_jpeg_2000_is_known_with_and_without_a_file_around_it(head: bytes) -> None:
    assert sniff(head) is JPEG2000


def test_the_corpus_is_sniffed_as_it_is_named(corpus: Path) -> None:
    known = [file for file in sorted((corpus / "formats").iterdir()) if file.suffix[1:] in BY_EXTENSION]
    wrong = [file.name for file in known if sniff(file.read_bytes()[:HEAD_BYTES]) is not BY_EXTENSION[file.suffix[1:]]]
    assert len(known) > 20
    assert wrong == []


def test_no_name_stands_for_two_formats() -> None:
    for names in zip(*((form.name, form.mime, form.pillow) for form in FORMATS), strict=True):
        assert len(names) == len(set(names))
    extensions = [extension for form in FORMATS for extension in form.extensions]
    assert len(extensions) == len(set(extensions))


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
def test_what_we_write_is_among_what_a_name_may_carry(form: Format) -> None:
    assert form.extension in form.extensions
    assert BY_EXTENSION[form.extension] is form
    assert BY_PILLOW[form.pillow] is form


def test_only_lossy_formats_have_a_quality() -> None:
    assert {form for form in FORMATS if form.has_quality} == {JPEG, WEBP, AVIF}
    assert PNG in WRITABLE
