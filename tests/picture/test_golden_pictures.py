"""Golden pictures: drawn here, rendered, looked at once, and compared by SSIM ever since. `ONMISS_GOLDEN=write` writes them anew.

What an encoder does to a byte changes with its version; what a picture looks like does not.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageCms, ImageDraw, ImageSequence

from renderer.box import Box
from renderer.formats import AVIF, GIF, JPEG, PNG, WEBP, Format
from renderer.ops import Fill, Fit
from renderer.picture.jobs import Made
from tests.picture.likeness import farthest, ssim
from tests.picture.minicorpus import see_through
from tests.picture.pictures import outcome, quarters, recipe, rendered, saved
from tests.picture.profiles import ADOBE_RGB, DISPLAY_P3, inks_profile, matrix_profile

GOLDEN = Path(__file__).parent / "golden"
WRITE = os.environ.get("ONMISS_GOLDEN") == "write"
LIKE, FAR = 0.98, 3.0  # what another version of an encoder may differ, and no wrong colour, turn or seam does

GRAYS = ("1", "L", "LA")

SIZE = (384, 288)
SMALL = Fit(Box(96, 96))

Made_ = Callable[[Path], Image.Image]


def scene(size: tuple[int, int] = SIZE) -> Image.Image:
    """A house under a sun: right, left, up and down are told apart, and so are colours; smooth sky, hard edges, fine lines."""
    width, height = size
    sky = Image.linear_gradient("L").resize(size)
    image = Image.merge("RGB", (sky.point(lambda v: 60 + v // 2), sky.point(lambda v: 130 + v // 3), sky.point(lambda v: 250 - v // 8)))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, height * 0.72, width, height), fill=(70, 140, 60))
    draw.ellipse((width * 0.75, height * 0.06, width * 0.93, height * 0.30), fill=(255, 220, 40))
    draw.rectangle((width * 0.15, height * 0.45, width * 0.5, height * 0.85), fill=(200, 60, 40))
    draw.polygon([(width * 0.1, height * 0.45), (width * 0.55, height * 0.45), (width * 0.32, height * 0.2)], fill=(90, 50, 40))
    draw.rectangle((width * 0.2, height * 0.55, width * 0.3, height * 0.68), fill=(250, 250, 250))
    for column in range(8):
        left = width * 0.6 + column * width * 0.045
        draw.line((left, height * 0.62, left, height * 0.85), fill=(240, 240, 235), width=max(1, width // 120))
    return image


def with_hole(size: tuple[int, int] = SIZE) -> Image.Image:
    """The scene in a soft round frame over hidden red."""
    image = Image.new("RGB", size, (255, 0, 0))
    mask = Image.radial_gradient("L").resize(size).point(lambda v: max(0, min(255, 640 - v * 5)))
    image.paste(scene(size), mask=mask.point(lambda v: 255 if v else 0))
    image.putalpha(mask)
    return image


def _inks(folder: Path, **settings: bytes) -> Path:
    return saved(scene().convert("CMYK"), folder / "original.jpg", quality=95, **settings)


def _in_lab(folder: Path) -> Path:
    to_lab = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
    converted = ImageCms.applyTransform(scene(), to_lab)
    assert converted
    return saved(converted, folder / "original.tif")


def _deep_gray(folder: Path) -> Path:
    """16 bits whose lower eight are noise: an upper byte that is wrong shows."""
    levels = scene().convert("L").tobytes()
    deep = b"".join(bytes((number * 37 & 255, level)) for number, level in enumerate(levels))
    return saved(Image.frombytes("I;16", SIZE, deep), folder / "original.png")


def _with_profile(folder: Path, profile: bytes) -> Path:
    return saved(scene(), folder / "original.png", icc_profile=profile)


def _palette_with_hole(folder: Path) -> Path:
    indexed = scene().quantize(60)
    indexed.paste(60, (0, 0, SIZE[0] // 3, SIZE[1] // 3))
    return saved(indexed, folder / "original.gif", transparency=60)


STORED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def turned(folder: Path, tag: int, suffix: str) -> Path:
    """The scene as a camera held that way stores it."""
    image = scene()
    if tag in STORED:
        image = image.transpose(STORED[tag])
    exif = Image.Exif()
    exif[0x0112] = tag
    finest = {"jpg": {"quality": 95, "subsampling": 0}, "avif": {"quality": 95}, "webp": {"lossless": True}}.get(suffix, {})
    return saved(image, folder / f"original.{suffix}", exif=exif.tobytes(), **finest)


def moving(folder: Path, suffix: str) -> Path:
    """A ball over a hole, in four frames of different length."""
    frames = []
    for number in range(4):
        frame = Image.new("RGBA", (128, 96), (0, 0, 0, 0))
        draw = ImageDraw.Draw(frame)
        draw.rectangle((0, 64, 127, 95), fill=(70, 140, 60, 255))
        draw.ellipse((4 + 30 * number, 20, 28 + 30 * number, 44), fill=(200, 60, 40, 255))
        frames.append(frame)
    settings = {"save_all": True, "append_images": frames[1:], "duration": [100, 200, 300, 400], "loop": 0, "disposal": 2}
    if suffix == "png":
        settings["disposal"] = 1
    return saved(frames[0], folder / f"original.{suffix}", **settings)


def strip(folder: Path, suffix: str, form: Format) -> Image.Image:
    """All frames of the rendition, side by side."""
    target = folder / f"made.{form.extension}"
    result = outcome(moving(folder, suffix), recipe(Fit(Box(64, 64)), form=form, quality=90), target)
    assert isinstance(result, Made), result
    with Image.open(target) as made:
        frames = [frame.convert("RGBA") for frame in ImageSequence.Iterator(made)]
    sheet = Image.new("RGBA", (64 * len(frames), 48))
    for number, frame in enumerate(frames):
        sheet.paste(frame, (64 * number, 0))
    return sheet


PICTURES: dict[str, Made_] = {
    "display-p3": lambda folder: rendered(_with_profile(folder, matrix_profile(DISPLAY_P3)), SMALL),
    "adobe-rgb": lambda folder: rendered(_with_profile(folder, matrix_profile(ADOBE_RGB, 563 / 256)), SMALL),
    "inks": lambda folder: rendered(_inks(folder), SMALL),
    "inks-of-a-press": lambda folder: rendered(_inks(folder, icc_profile=inks_profile((138, 209, 198))), SMALL),
    "lab": lambda folder: rendered(_in_lab(folder), SMALL),
    "deep-gray": lambda folder: rendered(_deep_gray(folder), SMALL, form=PNG),
    "palette": lambda folder: rendered(saved(scene().quantize(32), folder / "original.png"), SMALL),
    "alpha-on-white": lambda folder: rendered(saved(with_hole(), folder / "original.png"), SMALL),
    "alpha": lambda folder: rendered(saved(with_hole(), folder / "original.webp", lossless=True), SMALL, form=PNG),
    "alpha-in-gray": lambda folder: rendered(saved(with_hole().convert("LA"), folder / "original.png"), SMALL, form=WEBP),
    "hole-in-a-palette": lambda folder: rendered(_palette_with_hole(folder), SMALL, form=WEBP),
    "fill": lambda folder: rendered(saved(scene(), folder / "original.jpg"), Fill(Box(64, 96))),
    "enlarged": lambda folder: rendered(saved(quarters((12, 9)), folder / "original.png"), Fill(Box(96, 72)), form=PNG),
    "fade": lambda folder: rendered(saved(see_through(SIZE), folder / "original.avif"), SMALL, form=AVIF),
}


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_looks_as_it_did_when_it_was_looked_at(tmp_path: Path, name: str) -> None:
    assert differences(PICTURES[name](tmp_path), name) == []


@pytest.mark.feature(32)
@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif", "avif"])  # what is written is lossless, and comes first
@pytest.mark.parametrize("tag", range(1, 9))
def test_every_orientation_looks_the_same_upright(tmp_path: Path, tag: int, suffix: str) -> None:
    made = rendered(turned(tmp_path, tag, suffix), SMALL, form=PNG)
    assert differences(made, "upright", write=WRITE and (tag, suffix) == (1, "png")) == []


@pytest.mark.parametrize("form", [PNG, GIF, WEBP], ids=lambda form: form.name)
@pytest.mark.parametrize("suffix", ["png", "gif", "webp"])
def test_an_animation_shows_its_frames_whatever_it_comes_from(tmp_path: Path, suffix: str, form: Format) -> None:
    sheet = strip(tmp_path, suffix, form)
    name = "moving-with-hard-edges" if form is GIF or suffix == "gif" else "moving"
    assert differences(sheet, name, write=WRITE and suffix == "png" and form is not WEBP) == []


def test_a_still_format_shows_the_first_frame(tmp_path: Path) -> None:
    assert differences(rendered(moving(tmp_path, "webp"), Fit(Box(64, 64)), form=JPEG, quality=90), "first-frame") == []


def differences(made: Image.Image, name: str, write: bool = WRITE) -> list[str]:
    """In what `made` is not like the golden picture of this name."""
    file = GOLDEN / f"{name}.png"
    if write:
        GOLDEN.mkdir(exist_ok=True)
        made.save(file, optimize=True)
    with Image.open(file) as golden:
        if made.size != golden.size:
            return [f"its size, {made.size} instead of {golden.size}"]
        like, far = ssim(on_gray(made), on_gray(golden)), farthest(on_gray(made), on_gray(golden))
        checks = {
            f"its likeness, {like:.4f}": like >= LIKE,
            f"its colours, by {far:.1f}": far <= FAR,
            f"its mode, {made.mode} for {golden.mode}": (made.mode in GRAYS) == (golden.mode in GRAYS),
        }
        return [name for name, is_well in checks.items() if not is_well]


def on_gray(image: Image.Image) -> Image.Image:
    """What is seen: colours of pixels that nobody sees do not count."""
    below = Image.new("RGBA", image.size, (128, 128, 128, 255))
    return Image.alpha_composite(below, image.convert("RGBA"))


def test_a_golden_picture_that_is_turned_tinted_or_blurred_is_not_like() -> None:
    """The measure itself: what would have to fail does."""
    picture = scene((96, 72))
    tinted = Image.blend(picture, Image.new("RGB", picture.size, (255, 0, 0)), 0.06)
    assert ssim(picture, picture) > 0.9999
    assert ssim(picture, picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)) < LIKE
    assert farthest(picture, tinted) > FAR
    assert ssim(picture, picture.resize((48, 36)).resize((96, 72))) < LIKE


def test_a_picture_that_is_another_is_told_from_the_golden_one() -> None:
    other = scene((96, 72)).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    assert [text.partition(",")[0] for text in differences(other, "upright", write=False)] == ["its likeness", "its colours"]
    assert differences(other.resize((9, 9)), "upright", write=False) == ["its size, (9, 9) instead of (96, 72)"]
