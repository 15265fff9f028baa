"""Files that are no pictures, or half of one, or not meant well: a clear refusal, and never anything else."""

from __future__ import annotations

import csv
import random
import warnings
import zlib
from pathlib import Path

import pytest
from PIL import Image

from renderer.box import Box
from renderer.errors import BrokenOriginal, Refused, RendererError
from renderer.formats import FORMATS, Format
from renderer.limits import Limits
from renderer.ops import Fit
from renderer.picture.border import reading
from renderer.picture.engine import Engine
from renderer.picture.jobs import Made
from renderer.picture.render import read_header
from tests.picture.pictures import header_of_png, outcome, png_chunk, quarters, recipe, saved, shades

ALWAYS = [form for form in FORMATS if not form.optional]

FOREIGN = {
    "EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n(%pipe%id) (r) file\n",
    "PSD": b"8BPS\x00\x01" + bytes(100),
    "FITS": b"SIMPLE  =                    T" + bytes(100),
    "PDF": b"%PDF-1.4\n1 0 obj\n",
    "MVG": b"push graphic-context\nviewbox 0 0 640 480\nimage over 0,0 0,0 'https://127.0.0.1/x.php?x=`id`'\n",
    "SVG": b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
    "HTML": b"<!DOCTYPE html><script>alert(1)</script>",
    "nothing": b"",
    "one byte": b"\xff",
}


@pytest.mark.parametrize("content", FOREIGN.values(), ids=FOREIGN)
def test_R1_only_listed_formats_are_opened_whatever_the_name(tmp_path: Path, content: bytes) -> None:
    original = tmp_path / "original.jpg"
    original.write_bytes(content)
    assert isinstance(outcome(original, recipe(), tmp_path / "t.jpg"), BrokenOriginal)


def test_R1_a_magic_number_opens_no_other_format(tmp_path: Path) -> None:
    """Bytes that begin like an icon and are a film of Autodesk's, which Pillow would show: it may try the icon only."""
    header = b"\x00\x00\x01\x00\x11\xaf\x01\x00\x04\x00\x04\x00" + bytes(116)
    frame = (16).to_bytes(4, "little") + b"\xfa\xf1" + bytes(10)
    original = tmp_path / "original.ico"
    original.write_bytes(header + frame)
    with Image.open(original) as image:
        image.load()
        assert (image.format, image.size) == ("FLI", (4, 4))
    assert isinstance(outcome(original, recipe(), tmp_path / "t.jpg"), BrokenOriginal)


@pytest.mark.parametrize("form", ALWAYS, ids=lambda form: form.name)
@pytest.mark.parametrize("part", [0.05, 0.5, 0.9], ids=lambda part: f"{part:.0%}")
def test_a_file_that_is_cut_is_a_broken_original(tmp_path: Path, form: Format, part: float) -> None:
    whole = saved(shades((200, 150)), tmp_path / f"whole.{form.extension}").read_bytes()
    original = tmp_path / "original"
    original.write_bytes(whole[: int(len(whole) * part)])
    result = outcome(original, recipe(Fit(Box(50, 50))), tmp_path / "t.jpg")
    assert isinstance(result, BrokenOriginal), result
    assert str(tmp_path) not in str(result)


@pytest.mark.parametrize("form", ALWAYS, ids=lambda form: form.name)
def test_bytes_changed_at_random_give_a_picture_or_a_refusal(tmp_path: Path, form: Format) -> None:
    """A fixed seed: the border is to let nothing through but our own errors."""
    whole = saved(shades((60, 40)), tmp_path / f"whole.{form.extension}").read_bytes()
    chance = random.Random(form.name)
    for number in range(60):
        changed = bytearray(whole)
        for _ in range(chance.randint(1, 12)):
            changed[chance.randrange(12, min(len(changed), 400))] = chance.randrange(256)
        original = tmp_path / f"{number}"
        original.write_bytes(changed)
        assert isinstance(outcome(original, recipe(), tmp_path / f"{number}.jpg"), Made | BrokenOriginal | Refused)


@pytest.mark.parametrize("size", [(0, 10), (10, 0)], ids=str)
def test_a_picture_without_pixels_is_a_broken_original(tmp_path: Path, size: tuple[int, int]) -> None:
    original = tmp_path / "original"
    original.write_bytes(header_of_png(size))
    assert isinstance(outcome(original, recipe(), tmp_path / "t.jpg"), BrokenOriginal)


def test_R8_a_bomb_inside_an_icon_is_refused(tmp_path: Path) -> None:
    inner = header_of_png((50_000, 50_000))
    entry = bytes([0, 0, 0, 0]) + (1).to_bytes(2, "little") + (32).to_bytes(2, "little")
    directory = b"\x00\x00\x01\x00\x01\x00" + entry + len(inner).to_bytes(4, "little") + (22).to_bytes(4, "little")
    original = tmp_path / "original.ico"
    original.write_bytes(directory + inner)
    assert isinstance(outcome(original, recipe(), tmp_path / "t.jpg"), Refused)


def test_R8_text_that_inflates_without_end_is_not_inflated(tmp_path: Path) -> None:
    png = saved(quarters((20, 20)), tmp_path / "plain.png").read_bytes()
    bomb = png_chunk(b"zTXt", b"Comment\x00\x00" + zlib.compress(bytes(80_000_000)))
    original = tmp_path / "original.png"
    original.write_bytes(png[:33] + bomb + png[33:])
    assert isinstance(outcome(original, recipe(), tmp_path / "t.jpg"), BrokenOriginal)


def test_a_file_that_is_not_there_is_not_the_pictures_fault(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        outcome(tmp_path / "missing.jpg", recipe(), tmp_path / "t.jpg")


def test_an_error_of_the_disk_passes_the_border_as_it_is() -> None:
    with pytest.raises(OSError, match="Input/output error"), reading(FORMATS[0], Limits()):
        raise OSError(5, "Input/output error")


def test_memory_that_runs_out_is_a_refusal_whatever_the_codec_calls_it() -> None:
    for error in (MemoryError(), OSError("out of memory error when reading image file"), RuntimeError("Out of memory")):
        with pytest.raises(Refused, match="more memory than a render process has"), reading(FORMATS[0], Limits()):
            raise error


def test_R8_the_warning_of_a_bomb_is_an_error() -> None:
    """Pillow only warns up to twice its limit."""
    with pytest.raises(Refused, match="pixels for an original"), reading(FORMATS[0], Limits()):
        warnings.warn("too many pixels", Image.DecompressionBombWarning, stacklevel=1)


def test_pillow_warns_about_metadata_in_vain(tmp_path: Path) -> None:
    """Warnings are errors here; a palette with odd transparency is one that Pillow warns about."""
    original = saved(quarters((20, 20)).quantize(4), tmp_path / "original.png", transparency=b"\x00\xff\xff\xff")
    assert isinstance(outcome(original, recipe(), tmp_path / "t.jpg"), Made)


def hostile(corpus: Path) -> list[dict[str, str]]:
    with (corpus / "MANIFEST.tsv").open(encoding="utf-8") as table:
        return [row for row in csv.DictReader(table, delimiter="\t") if not row["path"].startswith("photos/")]


def test_gps_of_the_corpus_is_found(corpus: Path) -> None:
    """Metadata that cannot be read counts as GPS: some files here say so of themselves."""
    unreadable = {"exif/truncated-exif-dpi.jpg"}
    wrong = []
    for row in hostile(corpus):
        if row["path"].startswith("exif/") and not row["path"].endswith(".heic"):
            try:
                found = read_header(corpus / row["path"], Engine()).has_gps
            except RendererError as error:
                wrong.append((row["path"], error))
                continue
            if found != (row["has_gps"] == "1" or row["path"] in unreadable):
                wrong.append((row["path"], found))
    assert not wrong


def test_sizes_of_the_corpus_are_those_of_the_upright_picture(corpus: Path) -> None:
    turned = [row for row in hostile(corpus) if row["path"].startswith("exif/") and row["exif_orientation"] in tuple("5678")]
    assert turned
    for row in turned:
        header = read_header(corpus / row["path"], Engine())
        assert (header.height, header.width) == (int(row["width"]), int(row["height"])), row["path"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        pytest.param("xmp.jpg", b'<x:xmpmeta exif:GPSLatitude="50,30N"/>', id="XMP in JPEG"),
        pytest.param("xmp.webp", b'<x:xmpmeta exif:GPSLatitude="50,30N"/>', id="XMP in WebP"),
    ],
)
def test_gps_that_stands_in_xmp_is_found(tmp_path: Path, name: str, text: bytes) -> None:
    assert read_header(saved(quarters((20, 20)), tmp_path / name, xmp=text), Engine()).has_gps
    assert not read_header(saved(quarters((20, 20)), tmp_path / f"plain-{name}"), Engine()).has_gps


def test_gps_that_pillow_does_not_report_is_found(tmp_path: Path) -> None:
    plain = saved(quarters((20, 20)), tmp_path / "plain.jpg").read_bytes()
    exif = Image.Exif()
    exif.get_ifd(0x8825)[1] = "N"
    second = saved(quarters((20, 20)), tmp_path / "second.jpg", exif=exif.tobytes()).read_bytes()
    extended = b"http://ns.adobe.com/xmp/extension/\x00" + bytes(40) + b"<a exif:GPSLongitude='7'/>"
    segment = b"\xff\xe1" + (len(extended) + 2).to_bytes(2, "big") + extended
    for content, found in ((plain, False), (plain + second, True), (plain[:2] + segment + plain[2:], True)):
        (tmp_path / "original.jpg").write_bytes(content)
        assert read_header(tmp_path / "original.jpg", Engine()).has_gps is found


@pytest.mark.parametrize("place", ["before", "behind"])
def test_exif_of_a_png_is_found_before_and_behind_its_pixels(tmp_path: Path, place: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif.get_ifd(0x8825)[1] = "N"
    png = saved(quarters((20, 10)), tmp_path / "plain.png").read_bytes()
    at = 33 if place == "before" else len(png) - 12
    original = tmp_path / "original.png"
    original.write_bytes(png[:at] + png_chunk(b"eXIf", exif.tobytes().removeprefix(b"Exif\x00\x00")) + png[at:])
    header = read_header(original, Engine())
    assert (header.width, header.height, header.has_gps) == (10, 20, True)
    assert isinstance(outcome(original, recipe(), tmp_path / "t.jpg"), Made)
    with Image.open(tmp_path / "t.jpg") as made:
        assert made.size == (10, 20)
