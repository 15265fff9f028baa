"""Originals as `scrubbed` shows them: the same picture, the same way up, in the same colours, and nothing else."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from PIL import Image, ImageCms
from PIL.ImageFile import ImageFile

from renderer.errors import BrokenOriginal, NotAllowed, RendererError
from renderer.formats import BY_NAME, GIF, JPEG, PNG, WEBP, Format
from renderer.picture import metadata
from renderer.picture.engine import Engine
from renderer.picture.untouched import copy
from tests.picture.pictures import quarters, shades
from tests.picture.telling import ADDED, CLEAN, IN_JPEG, NOT_OPENED, encoded, in_front, opened, telling_exif


def scrubbed(directory: Path, content: bytes) -> bytes:
    """What is shown of an original of these bytes; its name says nothing."""
    number = len(list(directory.iterdir()))
    original, target = directory / f"{number}.exe", directory / f"{number}.target"
    original.write_bytes(content)
    _, length = copy(original, target, True, Engine())
    shown = target.read_bytes()
    assert len(shown) == length
    return shown


@pytest.mark.feature(16, 33)
@pytest.mark.parametrize("form", [JPEG, PNG, WEBP], ids=lambda form: form.name)
@pytest.mark.parametrize("tag", range(1, 9))
def test_R19_a_scrubbed_original_tells_which_way_is_up_and_no_more(tmp_path: Path, form: Format, tag: int) -> None:
    original = encoded(quarters((64, 48)), form, exif=telling_exif(tag))
    shown = scrubbed(tmp_path, original)
    with opened(original, form) as before, opened(shown, form) as after:
        assert isinstance(after, ImageFile)
        assert metadata.orientation(after) == tag
        assert not metadata.has_gps(after)
        assert before.tobytes() == after.tobytes()
        assert set(after.getexif()) == ({0x0112} if tag > 1 else set())
    assert b"secret" in original
    assert b"secret" not in shown


@pytest.mark.feature(16)
@pytest.mark.parametrize("form", [JPEG, PNG, WEBP], ids=lambda form: form.name)
def test_a_scrubbed_original_keeps_its_colours(tmp_path: Path, form: Format) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    with opened(scrubbed(tmp_path, encoded(shades((64, 48)), form, icc_profile=profile, exif=telling_exif())), form) as after:
        assert after.info["icc_profile"] == profile


@pytest.mark.feature(16)
@pytest.mark.parametrize("name", CLEAN)
def test_R18_a_scrubbed_original_is_no_other_file_at_the_same_time(tmp_path: Path, name: str) -> None:
    form, clean = CLEAN[name]
    for what, add in ADDED[form.name].items():
        if what not in NOT_OPENED:
            assert scrubbed(tmp_path, add(clean)) == clean, what


@pytest.mark.feature(16)
@pytest.mark.parametrize("name", ["tiff", "avif"])
def test_a_format_without_a_filter_is_shown_only_without_a_position(tmp_path: Path, name: str) -> None:
    clean, located = (encoded(quarters((64, 48)), BY_NAME[name], exif=exif) for exif in (b"", telling_exif()))
    assert scrubbed(tmp_path, clean) == clean
    with pytest.raises(NotAllowed, match="GPS"):
        scrubbed(tmp_path, located)


def test_a_position_that_hides_in_what_is_kept_is_not_shown(tmp_path: Path) -> None:
    """The last look is at what would be shown, and not at where the filter believes that it cannot be."""
    profile = b"ICC_PROFILE\0\x01\x01<exif:GPSLatitude='7'/>"
    with pytest.raises(NotAllowed, match="GPS"):
        scrubbed(tmp_path, in_front(0xE2, profile)(CLEAN["baseline.jpg"][1]))


@pytest.mark.parametrize(
    ("form", "content"),
    [
        pytest.param(JPEG, CLEAN["baseline.jpg"][1].replace(b"\xff\xdb", b"\xff\xfe\xff\xff\xff\xdb"), id="JPEG"),
        pytest.param(PNG, CLEAN["colour.png"][1][:-30], id="PNG"),
        pytest.param(WEBP, CLEAN["lossy.webp"][1][:-30], id="WebP"),
        pytest.param(GIF, CLEAN["moving.gif"][1][:-30], id="GIF"),
    ],
)
def test_what_cannot_be_walked_is_not_shown_unfiltered(tmp_path: Path, form: Format, content: bytes) -> None:
    with pytest.raises(BrokenOriginal):
        scrubbed(tmp_path, content)
    assert [file.suffix for file in tmp_path.iterdir()] == [".exe"]


def test_a_jpeg_with_800_segments_is_scrubbed(tmp_path: Path) -> None:
    _, clean = CLEAN["progressive.jpg"]
    assert scrubbed(tmp_path, IN_JPEG["800 segments"](clean)) == clean


@pytest.mark.filterwarnings("ignore")  # Pillow's remarks about odd metadata
def test_scrubbed_originals_of_the_corpus_are_upright_and_nowhere(corpus: Path, tmp_path: Path) -> None:
    with (corpus / "MANIFEST.tsv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["path"].startswith(("exif/", "photos/", "formats/"))]
    filtered = [row for row in rows if row["format"] in ("JPEG", "MPO", "PNG", "WEBP", "GIF")]
    wrong = []
    for row in filtered:
        try:
            copy(corpus / row["path"], tmp_path / "shown", True, Engine())
        except RendererError as error:
            wrong.append((row["path"], str(error)))
            continue
        with Image.open(tmp_path / "shown") as after:
            assert isinstance(after, ImageFile)
            tag = int(row["exif_orientation"]) if row["exif_orientation"].isdigit() else 1
            if (metadata.orientation(after), metadata.has_gps(after)) != (tag if 1 <= tag <= 8 else 1, False):
                wrong.append((row["path"], f"{metadata.orientation(after)}"))
        (tmp_path / "shown").unlink()
    assert len(filtered) > 100
    assert not wrong
