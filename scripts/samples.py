"""Makes a few sample pictures, so that the first start has something to show: `scripts/samples.py DIRECTORY`.

Between them they hold what a renderer has to get right: both shapes, a turned camera, transparency, one channel, four inks, a palette.
Drawn by code from a fixed seed: no picture of anybody's in the repository. What is already there is left alone, so that a second start
imports the same bytes.
"""

from __future__ import annotations

import itertools
import random
import sys
from collections.abc import Callable
from pathlib import Path

from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageOps

Colour = tuple[int, int, int]
Size = tuple[int, int]

_ORIENTATION = 0x0112  # EXIF 2.3


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print("usage: scripts/samples.py DIRECTORY", file=sys.stderr)
        return 2
    directory = Path(arguments[0])
    directory.mkdir(parents=True, exist_ok=True)
    for name, make in SAMPLES.items():
        target = directory / name
        if not target.exists():
            half = target.with_name(f".{name}")  # hidden: an import that looks now does not see half a picture
            make(half)
            half.replace(target)
    return 0


def lake(target: Path) -> None:
    mountains((1600, 1067), seed=1).save(target, "JPEG", quality=90)


def tower(target: Path) -> None:
    picture = mountains((1000, 1500), seed=2)
    draw = ImageDraw.Draw(picture)
    draw.polygon([(430, 1500), (470, 420), (530, 420), (570, 1500)], fill=(58, 42, 48))
    draw.polygon([(450, 420), (500, 300), (550, 420)], fill=(150, 54, 44))
    for height in range(520, 1400, 160):
        draw.rectangle((488, height, 512, height + 50), fill=(255, 214, 130))
    picture.save(target, "JPEG", quality=90)


def turned(target: Path) -> None:
    """Upright 900x1200, stored lying on its side, as a phone does."""
    tags = Image.Exif()
    tags[_ORIENTATION] = 6
    mountains((900, 1200), seed=3).transpose(Image.Transpose.ROTATE_90).save(target, "JPEG", quality=90, exif=tags)


def badge(target: Path) -> None:
    picture = Image.new("RGBA", (640, 480), (255, 0, 255, 0))  # what is transparent is magenta: it must never be seen
    draw = ImageDraw.Draw(picture)
    draw.ellipse((90, 10, 550, 470), fill=(20, 110, 140, 255))
    draw.ellipse((140, 60, 500, 420), fill=(240, 246, 248, 160))
    draw.polygon([(320, 90), (470, 360), (170, 360)], fill=(226, 120, 40, 255))
    picture.save(target, "PNG")


def fog(target: Path) -> None:
    mountains((1200, 800), seed=4).convert("L").save(target, "JPEG", quality=90)


def poster(target: Path) -> None:
    """Four inks; Pillow writes them inverted, with Adobe's marker, as print shops do."""
    mountains((1200, 900), seed=5).convert("CMYK").save(target, "JPEG", quality=90)


def flag(target: Path) -> None:
    picture = Image.new("RGB", (480, 320), (250, 250, 246))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 0, 480, 106), fill=(20, 60, 130))
    draw.rectangle((0, 213, 480, 320), fill=(190, 40, 50))
    draw.ellipse((190, 110, 290, 210), fill=(236, 190, 60))
    picture.quantize(16).save(target, "GIF")


def night(target: Path) -> None:
    ImageOps.invert(mountains((1400, 900), seed=6)).save(target, "WEBP", quality=85)


SAMPLES: dict[str, Callable[[Path], None]] = {
    "lake.jpg": lake,
    "tower.jpg": tower,
    "turned.jpg": turned,
    "badge.png": badge,
    "fog.jpg": fog,
    "poster.jpg": poster,
    "flag.gif": flag,
    "night.webp": night,
}


def mountains(size: Size, seed: int) -> Image.Image:
    """A sky, ranges that darken towards us, and the grain of a photograph: as much detail as a JPEG of that size usually has."""
    dice = random.Random(seed)
    high, low = (dice.randrange(20, 110), dice.randrange(80, 150), dice.randrange(170, 230)), (250, dice.randrange(190, 230), 180)
    picture = sky(size, high, low)
    picture = Image.blend(picture, Image.merge("RGB", [clouds(size, dice)] * 3), 0.18)
    draw = ImageDraw.Draw(picture)
    for depth in range(4):
        shade = [round(channel * (0.62 - 0.15 * depth)) for channel in (low[0] * 0.6, high[1], high[2])]
        draw.polygon(ridge(size, depth, dice), fill=(shade[0], shade[1], shade[2]))
    return ImageChops.add(picture, Image.merge("RGB", [grain(size, dice)] * 3), offset=-8)


def sky(size: Size, high: Colour, low: Colour) -> Image.Image:
    mask = Image.linear_gradient("L").resize(size)
    return Image.composite(Image.new("RGB", size, low), Image.new("RGB", size, high), mask)


def clouds(size: Size, dice: random.Random) -> Image.Image:
    """Noise of several grain sizes, the coarse the strongest."""
    total = Image.new("L", size, 128)
    for step in (3, 6, 12, 24):
        noise = Image.frombytes("L", (step * 2, step), dice.randbytes(step * step * 2))
        total = Image.blend(total, noise.resize(size, Image.Resampling.BICUBIC), 0.4)
    return total


def ridge(size: Size, depth: int, dice: random.Random) -> list[tuple[float, float]]:
    """The outline of one range by midpoint displacement; nearer ranges (greater `depth`) stand lower."""
    width, height = size
    heights, rough = [dice.uniform(0, 1), dice.uniform(0, 1)], 0.5
    while len(heights) < 200:
        between = [(left + right) / 2 + dice.uniform(-rough, rough) for left, right in itertools.pairwise(heights)]
        heights = [value for pair in zip(heights, [*between, 0.0], strict=True) for value in pair][:-1]
        rough *= 0.52
    top = height * (0.34 + 0.15 * depth)
    points = [(index * width / (len(heights) - 1), top + value * height * 0.14) for index, value in enumerate(heights)]
    return [(0, height), *points, (width, height)]


def grain(size: Size, dice: random.Random) -> Image.Image:
    """Faint noise around 8, one channel."""
    noise = Image.frombytes("L", (size[0] // 2, size[1] // 2), dice.randbytes((size[0] // 2) * (size[1] // 2)))
    return noise.point([value // 16 for value in range(256)]).resize(size).filter(ImageFilter.SMOOTH)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
