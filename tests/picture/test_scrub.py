"""Filters of segments: all that is not the picture goes, and the picture stays, bit by bit."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image, ImageCms

from renderer.errors import BrokenOriginal
from renderer.formats import AVIF, GIF, HEAD_BYTES, JPEG, PNG, WEBP, Format, sniff
from renderer.picture.metadata import minimal_exif
from renderer.picture.scrub import FILTERS, scrubbed
from tests.picture.pictures import png_chunk, shades
from tests.picture.telling import (
    ADDED,
    CLEAN,
    IN_JPEG,
    XMP,
    chunk_at,
    encoded,
    in_front,
    in_riff,
    moving,
    opened,
    riff_chunk,
    segment,
    telling_exif,
)

MOVING = CLEAN["moving.webp"][1]
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def shown(content: bytes, form: Format) -> list[tuple[object, ...]]:
    """Everything that a viewer sees: of each frame size, pixels, profile, time."""
    with opened(content, form) as image:
        count = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
        return [frame(image, number) for number in range(count)]


def frame(image: Image.Image, number: int) -> tuple[object, ...]:
    image.seek(number)
    facts = tuple(image.info.get(name) for name in ("icc_profile", "transparency", "duration", "loop"))
    return image.size, image.mode, image.tobytes(), facts


@pytest.mark.feature(16, 33)
@pytest.mark.parametrize(
    ("name", "what"), [pytest.param(name, what, id=f"{what} in {name}") for name, (form, _) in CLEAN.items() for what in ADDED[form.name]]
)
def test_R18_what_stands_around_a_picture_goes_and_the_picture_stays(name: str, what: str) -> None:
    form, clean = CLEAN[name]
    telling = ADDED[form.name][what](clean)
    assert telling != clean or (what == "thumbnail of JFIF" and b"JFIF" not in clean)
    assert scrubbed(telling, form, profile=False) == clean


@pytest.mark.feature(33)
@pytest.mark.parametrize("name", CLEAN)
def test_R19_nothing_is_left_of_all_that_can_be_told_at_once(name: str) -> None:
    form, clean = CLEAN[name]
    telling = clean
    for add in ADDED[form.name].values():
        telling = add(telling)
    left = scrubbed(telling, form, profile=False)
    assert b"secret" in telling
    assert left == clean


@pytest.mark.parametrize("name", CLEAN)
def test_a_block_of_ours_stands_where_decoders_find_it(name: str) -> None:
    form, clean = CLEAN[name]
    exif = minimal_exif(6, "© Somebody")
    told = scrubbed(clean, form, exif)
    assert told is not None
    if form is GIF:  # has no place for it
        assert told == clean
        return
    assert shown(told, form) == shown(clean, form)
    with opened(told, form) as image:
        image.load()  # a PNG's is read with its pixels
        assert dict(image.getexif()) == {0x0112: 6, 0x8298: "© Somebody".encode().decode("latin-1")}
    assert scrubbed(told, form, exif) == told
    assert b"JFIF" not in clean or told[:20] == clean[:20]  # JFIF wants to be the first
    if name not in ("lossy.webp", "lossless.webp", "lossless-alpha.webp"):  # which have an extended header now
        assert scrubbed(told, form) == clean


@pytest.mark.parametrize("form", [JPEG, PNG, WEBP], ids=lambda form: form.name)
def test_a_profile_stays_where_it_is_wanted(form: Format) -> None:
    exif = telling_exif()
    content = encoded(shades((70, 50)), form, icc_profile=SRGB, exif=exif)
    kept, dropped = scrubbed(content, form), scrubbed(content, form, profile=False)
    assert kept is not None
    assert dropped is not None
    assert shown(kept, form) == shown(content, form)
    assert b"secret" in content
    assert b"secret" not in kept
    with opened(kept, form) as with_profile, opened(dropped, form) as without:
        assert with_profile.info["icc_profile"] == SRGB
        assert "icc_profile" not in without.info
        assert with_profile.tobytes() == without.tobytes()


def test_what_else_a_png_says_of_its_colours_stays_with_the_profile() -> None:
    _, clean = CLEAN["colour.png"]
    gamma, intent = png_chunk(b"gAMA", (45455).to_bytes(4, "big")), png_chunk(b"sRGB", b"\0")
    content = clean[:33] + gamma + intent + clean[33:]
    assert scrubbed(content, PNG) == content
    assert scrubbed(content, PNG, profile=False) == clean


def test_a_checksum_that_is_wrong_stays_wrong() -> None:
    """A chunk that decoders pass over must not come to life."""
    _, clean = CLEAN["colour.png"]
    wrong = png_chunk(b"tRNS", bytes(6))[:-1] + b"!"
    content = clean[:33] + wrong + clean[33:]
    assert scrubbed(content, PNG) == content


def test_a_png_without_its_end_gets_one() -> None:
    _, clean = CLEAN["colour.png"]
    assert scrubbed(clean[:-12], PNG) == clean


def test_a_jpeg_that_ends_too_early_ends_as_early_afterwards() -> None:
    _, clean = CLEAN["progressive.jpg"]
    cut = clean[: len(clean) - 40]
    assert scrubbed(IN_JPEG["EXIF"](cut), JPEG) == cut


def test_a_jpeg_cut_between_two_scans_ends_with_the_first_of_them() -> None:
    _, clean = CLEAN["progressive.jpg"]
    at = clean.rindex(b"\xff\xc4")
    assert scrubbed(clean[: at + 6], JPEG) == clean[:at]


def test_a_profile_counts_only_in_front_of_the_pixels() -> None:
    _, clean = CLEAN["progressive.jpg"]
    assert scrubbed(IN_JPEG["profile behind a scan"](clean), JPEG) == clean


def test_fill_bytes_and_a_marker_that_no_scan_can_have_change_nothing() -> None:
    """libjpeg passes over a false marker inside a scan to find the next restart, so all behind it is still the picture."""
    _, clean = CLEAN["restarts.jpg"]
    at = clean.rindex(b"\xff\xd4")
    content = clean[: at - 2] + b"\xff\x3c" + clean[at:-2] + b"\xff\xff\xff\xff\xd9"
    assert scrubbed(content, JPEG) == content
    before_tables = clean.replace(b"\xff\xdb", b"\xff\xff\xff\xdb")
    assert scrubbed(before_tables, JPEG) == clean


def test_the_mark_of_the_colour_transform_is_kept_without_what_follows_it() -> None:
    _, clean = CLEAN["cmyk.jpg"]
    mark = segment(0xEE, b"Adobe\0\x64\0\0\0\0\0")
    assert mark in clean
    assert scrubbed(clean.replace(mark, segment(0xEE, b"Adobe\0\x64\0\0\0\0\0secret")), JPEG) == clean


def test_flags_of_a_webp_say_what_is_there() -> None:
    content = encoded(shades((70, 50)), WEBP, icc_profile=SRGB, exif=telling_exif(), xmp=XMP)
    assert [scrubbed(content, WEBP, exif, profile)[20] for exif in (b"", minimal_exif(6)) for profile in (False, True)] == [  # type: ignore[index]  # never None here
        0x00, 0x20, 0x08, 0x28,
    ]  # fmt: skip


@pytest.mark.parametrize(("name", "flags"), [("lossy", 0x08), ("lossless", 0x08), ("lossless-alpha", 0x18), ("alpha", 0x18)])
def test_a_header_made_for_a_block_says_whether_there_is_alpha(name: str, flags: int) -> None:
    _, clean = CLEAN[f"{name}.webp"]
    told = scrubbed(clean, WEBP, minimal_exif(6))
    assert told is not None
    assert (told[12:16], told[20]) == (b"VP8X", flags)


@pytest.mark.parametrize("content", [bytes(9), bytes(10)], ids=["no size", "a size of nothing"])
def test_a_webp_without_a_size_gets_no_header(content: bytes) -> None:
    with pytest.raises(BrokenOriginal, match="size"):
        scrubbed(in_riff(riff_chunk(b"VP8 ", content))(b"RIFF\0\0\0\0WEBP"), WEBP, minimal_exif(6))


def test_what_is_hidden_in_a_frame_of_a_webp_goes_too() -> None:
    clean = moving(WEBP, lossless=True)
    at, hidden = clean.index(b"ANMF"), riff_chunk(b"SECR", b"secret")
    length = int.from_bytes(clean[at + 4 : at + 8], "little")
    frame = riff_chunk(b"ANMF", clean[at + 8 : at + 8 + length] + hidden)
    telling = in_riff(b"")(clean[:at] + frame + clean[at + 8 + length :])
    assert shown(telling, WEBP) == shown(clean, WEBP)
    assert scrubbed(telling, WEBP) == clean


def test_a_webp_whose_last_padding_is_missing_gets_it() -> None:
    _, clean = CLEAN["alpha.webp"]
    odd = riff_chunk(b"VP8L", b"\x2f" + bytes(10))
    whole = in_riff(odd)(b"RIFF\0\0\0\0WEBP")
    assert scrubbed(whole[:-1], WEBP) == whole
    assert scrubbed(clean, WEBP) == clean


@pytest.mark.parametrize(
    ("form", "content"),
    [
        pytest.param(JPEG, b"\xff\xd8\xff\xd9", id="empty JPEG"),
        pytest.param(JPEG, b"\xff\xd8" + segment(0xDA, b"") + b"\xff\xd9", id="JPEG without a frame"),
        pytest.param(JPEG, CLEAN["baseline.jpg"][1][:200], id="JPEG cut in its tables"),
        pytest.param(JPEG, b"\xff\xd8\xff\xe0\0\x01" + CLEAN["baseline.jpg"][1][2:], id="JPEG segment shorter than its length"),
        pytest.param(JPEG, b"\xff\xd8\xff\x10\0\x04ab" + CLEAN["baseline.jpg"][1][2:], id="JPEG marker that is none"),
        pytest.param(PNG, CLEAN["colour.png"][1][:-20], id="PNG cut in its pixels"),
        pytest.param(PNG, CLEAN["colour.png"][1][:33], id="PNG without pixels"),
        pytest.param(PNG, CLEAN["colour.png"][1][:8] + CLEAN["colour.png"][1][33:], id="PNG without a header"),
        pytest.param(PNG, chunk_at(33, b"s\0Cr", b"")(CLEAN["colour.png"][1]), id="PNG chunk without a name"),
        pytest.param(WEBP, CLEAN["lossy.webp"][1][:-20], id="WebP cut"),
        pytest.param(WEBP, MOVING[: MOVING.rindex(b"ANMF")], id="WebP cut between two frames"),
        pytest.param(WEBP, b"RIFF\x04\0\0\0WEBP", id="empty WebP"),
        pytest.param(WEBP, in_riff(riff_chunk(b"VP8X", b"short") + MOVING[30:])(b"RIFF\0\0\0\0WEBP"), id="WebP with a short header"),
        pytest.param(WEBP, in_riff(b"VP8 \xff\xff\0\0secret")(b"RIFF\0\0\0\0WEBP"), id="WebP chunk beyond the end"),
        pytest.param(WEBP, in_riff(riff_chunk(b"ANMF", b"short"))(MOVING), id="WebP with a short frame"),
        pytest.param(GIF, CLEAN["moving.gif"][1][:10], id="GIF cut in its screen"),
        pytest.param(GIF, CLEAN["moving.gif"][1][:-9], id="GIF cut in its pixels"),
        pytest.param(GIF, CLEAN["moving.gif"][1][:781] + b"\x3b", id="GIF without a picture"),
        pytest.param(GIF, CLEAN["moving.gif"][1][:-1] + b"\x55\xfe\x01a\0;", id="GIF block of no kind"),
    ],
)
def test_what_cannot_be_walked_is_broken(form: Format, content: bytes) -> None:
    with pytest.raises(BrokenOriginal, match=form.pillow):
        scrubbed(content, form)


def test_a_format_without_a_filter_has_no_answer() -> None:
    assert scrubbed(encoded(shades((20, 20)), AVIF), AVIF) is None


def test_an_unknown_segment_does_not_hide_behind_an_allowed_name() -> None:
    _, clean = CLEAN["baseline.jpg"]
    assert scrubbed(in_front(0xE2, b"ICC_PROFILE")(clean), JPEG) == clean
    assert scrubbed(in_front(0xE0, b"JFIF")(clean), JPEG) == clean


def originals(corpus: Path) -> Iterator[tuple[dict[str, str], bytes, Format]]:
    """Those of the corpus that have a filter and can be decoded in a moment."""
    with (corpus / "MANIFEST.tsv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    for row in rows:
        content = (corpus / row["path"]).read_bytes()
        form = sniff(content[:HEAD_BYTES])
        small = row["expected"] == "ok" and int(row["width"]) * int(row["height"]) < 10_000_000
        if small and form is not None and form.name in FILTERS:
            yield row, content, form


def same_picture(content: bytes, left: bytes, form: Format) -> bool:
    """Pixels are compared; a file that Pillow reads only in part, or only with a remark, is compared as far as it goes."""
    with opened(content, form) as before, opened(left, form) as after:
        return all(frame(before, number) == frame(after, number) for number in range(min(3, getattr(after, "n_frames", 1))))


@pytest.mark.filterwarnings("ignore")  # Pillow's remarks about odd metadata
def test_pictures_of_the_corpus_look_as_before_and_are_scrubbed_once_for_all(corpus: Path) -> None:
    wrong, seen = [], 0
    for row, content, form in originals(corpus):
        try:
            left = scrubbed(content, form)
            assert left is not None
            if scrubbed(left, form) != left or not same_picture(content, left, form):
                wrong.append(row["path"])
        except (BrokenOriginal, OSError) as error:
            if "[either]" not in row["note"]:
                wrong.append(f"{row['path']}: {error}")
        seen += 1
    assert seen > 100
    assert not wrong


def test_coded_pixels_of_the_corpus_are_those_of_the_original(corpus: Path) -> None:
    """Each scan of a JPEG, each chunk of pixels of a PNG, stands in the original just so."""
    coded = {JPEG.name: rb"\xff\xda.*?(?=\xff[\xc0-\xcf\xd8-\xef\xfe])", PNG.name: rb"(?:IDAT|fdAT).*?(?=....(?:IDAT|fdAT|fcTL|IEND))"}
    for row, content, form in originals(corpus):
        if form.name in coded and "hostile" not in row["path"]:
            pieces = re.findall(coded[form.name], scrubbed(content, form) or b"", re.DOTALL)
            assert pieces, row["path"]
            assert all(piece in content for piece in pieces), row["path"]
