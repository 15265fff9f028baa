"""What a tool that is not ours finds in all that we show: ExifTool knows more of what cameras and editors write than we do."""

from __future__ import annotations

import csv
import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from renderer.box import Box
from renderer.formats import AVIF, GIF, HEAD_BYTES, JPEG, PNG, WEBP, WRITABLE, sniff
from renderer.ops import Fit
from renderer.picture.engine import Engine
from renderer.picture.jobs import Job, Made
from renderer.picture.render import render_all
from renderer.recipe import UNTOUCHED, Output, Recipe
from tests.picture.pictures import shades
from tests.picture.telling import ADDED, CLEAN, NOT_OPENED, encoded, moving, telling_exif
from tests.servers import find_program

# Group and name, in ExifTool's words, of what a picture cannot be without, and of what it only computes or asks the file system for.
IN_A_PICTURE = re.compile(
    r"""
    SourceFile | ExifTool:ExifToolVersion | System:.* | Composite:(?:ImageSize|Megapixels)
    | File:(?:FileType|FileTypeExtension|MIMEType|ImageWidth|ImageHeight|EncodingProcess|BitsPerSample|ColorComponents|YCbCrSubSampling)
    | JFIF:(?:JFIFVersion|ResolutionUnit|XResolution|YResolution)
    | Adobe:(?:DCTEncodeVersion|APP14Flags0|APP14Flags1|ColorTransform)
    | PNG:(?:ImageWidth|ImageHeight|BitDepth|ColorType|Compression|Filter|Interlace|Palette|Transparency
        |AnimationFrames|AnimationPlays)
    | RIFF:(?:WebP_Flags|ImageWidth|ImageHeight|VP8Version|HorizontalScale|VerticalScale|AlphaIsUsed|Alpha\w+
        |BackgroundColor|AnimationLoopCount|Duration)
    | GIF:(?:GIFVersion|ImageWidth|ImageHeight|HasColorMap|ColorResolutionDepth|BitsPerPixel|BackgroundColor|AnimationIterations
        |TransparentColor|FrameCount|Duration)
    | QuickTime:(?:MajorBrand|MinorVersion|CompatibleBrands|HandlerType|HandlerDescription|ImageSpatialExtent|ColorProfiles
        |ColorPrimaries|TransferCharacteristics|MatrixCoefficients|VideoFullRangeFlag|ImagePixelDepth|AV1ConfigurationVersion|Seq\w+
        |HighBitDepth|TwelveBit|ChromaFormat|ChromaSamplePosition|InitialDelaySamples|AuxiliaryImageType|MediaData\w*
        |MatrixStructure|MovieHeaderVersion|NextTrackID|\w+Time|\w*Duration|TimeScale|Preferred(?:Rate|Volume))
    | Meta:PrimaryItemReference | Track\d:(?!\w+Date)\w+ | Composite:AvgBitrate
    """,
    re.VERBOSE,
)
NO_DATE = "0000:00:00 00:00:00"
# And of what an original may say besides. A profile that is none is passed over by decoders: that it stays does no harm.
AS_AN_ORIGINAL = re.compile(
    r"(?:File:ExifByteOrder|IFD0:Orientation|ICC[-_]\w+:[\w-]+): .*"
    r"|PNG:(?:SRGBRendering|Gamma|ProfileName|(?:WhitePoint|Red|Green|Blue)[XY]): .*"
    r"|ExifTool:Warning: Bad length ICC_Profile.*",
    re.DOTALL,
)


@pytest.fixture(scope="module")
def found_in() -> Callable[[Path], Iterator[dict[str, object]]]:
    """What ExifTool says of each file of a directory."""
    tool = find_program("exiftool", "apt-get install libimage-exiftool-perl")

    def run(directory: Path) -> Iterator[dict[str, object]]:
        command = [tool, "-config", "", "-json", "-G1", "-a", "-u", "-ee", str(directory)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
        assert done.stdout, done.stderr
        yield from json.loads(done.stdout)

    return run


Found = Callable[[Path], Iterator[dict[str, object]]]


def told(file: dict[str, object], original: bool) -> list[str]:
    """What it tells besides its picture."""
    return [
        f"{file['SourceFile']} {name}: {value}"
        for name, value in file.items()
        if value != NO_DATE and not IN_A_PICTURE.fullmatch(name) and not (original and AS_AN_ORIGINAL.fullmatch(f"{name}: {value}"))
    ]


def render(original: Path, number: int, made: Path, originals: Path) -> int:
    """A small and a whole rendition in each format, and the scrubbed original; how many there are."""
    is_large = original.stat().st_size > 50_000
    jobs = [
        Job(Recipe.of(steps, Output(form, 80 if form.has_quality else 0)), made / f"{number}-{len(steps)}.{form.extension}")
        for form in WRITABLE
        for steps in ([Fit(Box(48, 48))], [])[: 1 if is_large or form is AVIF else 2]
    ]
    head = sniff(original.read_bytes()[:HEAD_BYTES])
    if head in (JPEG, PNG, WEBP, GIF):  # of other formats an original is shown as it is, if it says nothing of a place
        jobs.append(Job(UNTOUCHED["original-scrubbed"], originals / f"{number}.{head.extension}"))
    return sum(isinstance(result, Made) for result in render_all(original, jobs, Engine()))


@pytest.fixture
def shown(tmp_path: Path) -> tuple[Path, Path]:
    directories = tmp_path / "made", tmp_path / "originals"
    for directory in directories:
        directory.mkdir()
    return directories


def assert_silent(found_in: Found, shown: tuple[Path, Path], count: int) -> None:
    made, originals = ([*found_in(directory)] for directory in shown)
    assert len(made) + len(originals) == count
    assert [line for file in made for line in told(file, original=False)] == []
    assert [line for file in originals for line in told(file, original=True)] == []


def originals() -> dict[str, bytes]:
    """Pictures with all that is known to us around them."""
    pictures = {name: clean for name, (_, clean) in CLEAN.items()}
    for name, (form, _) in CLEAN.items():
        for what, add in ADDED[form.name].items():
            if what not in NOT_OPENED:
                pictures[name] = add(pictures[name])
    for form in (JPEG, PNG, WEBP, AVIF):
        pictures[f"turned.{form.extension}"] = encoded(shades((40, 30)), form, exif=telling_exif(6), xmp=b"<x:xmpmeta>secret</x:xmpmeta>")
    pictures["moving.avif"] = moving(AVIF, exif=telling_exif())
    return pictures


@pytest.mark.feature(33)
def test_R19_nothing_told_by_generated_originals_is_told_by_what_we_show(tmp_path: Path, shown: tuple[Path, Path], found_in: Found) -> None:
    sources = tmp_path / "sources"
    sources.mkdir()
    count = 0
    for number, (name, content) in enumerate(originals().items()):
        (sources / name).write_bytes(content)
        count += render(sources / name, number, *shown)
    telling = [file for file in found_in(sources) if told(file, original=True)]
    assert len(telling) > 15  # the tool sees it where it is
    assert count > 100
    assert_silent(found_in, shown, count)


@pytest.mark.feature(33)
def test_R19_nothing_told_by_the_corpus_is_told_by_what_we_show(corpus: Path, shown: tuple[Path, Path], found_in: Found) -> None:
    with (corpus / "MANIFEST.tsv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["expected"] == "ok" and "/" in row["path"]]
    count = 0
    for number, row in enumerate(rows):
        if int(row["width"]) * int(row["height"]) * int(row["frames"]) < 1_000_000:
            count += render(corpus / row["path"], number, *shown)
    assert count > 400
    assert_silent(found_in, shown, count)
