"""Both resamplers: the same sizes, the same looks, for any geometry; and the same bytes twice."""

from __future__ import annotations

import io
import random
import subprocess
import sys
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import pytest
from PIL import Image, ImageChops

from bench.pictures import corpus
from bench.ssim import ssim
from renderer.box import Box, Region, Size, cover, fit
from renderer.ops.raster import Raster
from renderer.picture import resample
from renderer.picture.resample import missing, prepare, resampler
from scripts.samples import mountains
from tests.picture.pictures import shades

pytestmark = pytest.mark.skipif(bool(missing("vips")), reason="pyvips is not installed")

TOP = Path(__file__).resolve().parent.parent.parent
LIKE = 0.995  # SSIM from which nobody tells two pictures apart

ENGINES = [pytest.param(name, id=name) for name in ("pillow", "vips")]
MODES = [pytest.param(mode, id=mode) for mode in ("L", "LA", "RGB", "RGBA")]
SIZES = [
    pytest.param((1, 1), (1, 1), id="a pixel"),
    pytest.param((1, 1), (40, 30), id="a pixel enlarged"),
    pytest.param((1, 500), (1, 7), id="a column"),
    pytest.param((500, 1), (7, 1), id="a row"),
    pytest.param((65_500, 1), (1000, 1), id="the longest row of a JPEG"),
    pytest.param((65_500, 1), (1, 1), id="the longest row to a pixel"),
    pytest.param((3000, 2), (100, 1), id="thin"),
    pytest.param((100, 100), (33, 100), id="in width only"),
    pytest.param((100, 100), (300, 50), id="wider and lower"),
    pytest.param((999, 3), (998, 2), id="by a hair"),
    pytest.param((1200, 900), (40, 30), id="thirty times smaller"),
    pytest.param((40, 30), (400, 300), id="enlarged"),
]
BOXES = [pytest.param(Box(*box), id=Box(*box).spell()) for box in ((75, 75), (300, 200), (200, 300), (640, 480), (800, 250), (2400, 600))]


def picture(size: Size, mode: str = "RGB") -> Image.Image:
    image = shades(size).convert(mode)
    if mode in ("LA", "RGBA"):
        image.putalpha(Image.radial_gradient("L").resize(size))
    return image


def whole(image: Image.Image) -> tuple[float, float, float, float]:
    return 0.0, 0.0, float(image.width), float(image.height)


def digest(image: Image.Image) -> str:
    """Bytes compared as text of a line: the difference of two pictures would take pytest minutes to show."""
    return sha256(image.tobytes()).hexdigest()


@pytest.fixture(autouse=True)
def _all_by_libvips(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it may do, it does, however small: small pictures are quick to look at."""
    monkeypatch.setattr(resample, "_FEW", 0)


@pytest.fixture(scope="module")
def photographs() -> Sequence[tuple[Image.Image, Size]]:
    """As they come to a resampler: at about a quarter of their nominal size."""
    contents = [path.read_bytes() for path in corpus("*.jpg")]
    if not contents:
        drawn = io.BytesIO()
        mountains((1600, 1067), 1).save(drawn, "JPEG", quality=90)
        contents = [drawn.getvalue()]
    found = []
    for content in contents:
        with Image.open(io.BytesIO(content)) as image:
            size = image.size
            image.draft(None, (size[0] // 4, size[1] // 4))
            found.append((image.convert("RGB"), size))
    return found


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("size", "target"), SIZES)
def test_any_size_becomes_any_other_in_the_same_mode(engine: str, mode: str, size: Size, target: Size) -> None:
    image = picture(size, mode)
    made = resampler(engine)(image, target, whole(image))
    assert (made.size, made.mode) == (target, mode)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("size", "target"), SIZES)
def test_both_make_the_same_of_what_is_smooth(mode: str, size: Size, target: Size) -> None:
    """Beyond the edge libvips repeats the outermost pixels and Pillow sees nothing; a target of a single pixel is all edge."""
    image = picture(size, mode)
    one, other = (resampler(engine)(image, target, whole(image)) for engine in ("pillow", "vips"))
    assert farthest(one, other) <= (16 if target == (1, 1) else 4)


def farthest(one: Image.Image, other: Image.Image) -> int:
    """By how many levels the most different pixel differs, as seen on black."""
    flat = [Image.alpha_composite(Image.new("RGBA", image.size, "black"), image.convert("RGBA")).convert("RGB") for image in (one, other)]
    return max(high for _, high in ImageChops.difference(*flat).getextrema())


@pytest.mark.parametrize("box", BOXES)
def test_nobody_tells_apart_what_both_make_of_a_photograph_that_fits(photographs: Sequence[tuple[Image.Image, Size]], box: Box) -> None:
    assert min(ssim(*of_both(image, size, fit(size, box))) for image, size in photographs) >= LIKE


@pytest.mark.parametrize("box", BOXES)
def test_nobody_tells_apart_what_both_make_of_a_photograph_that_fills(photographs: Sequence[tuple[Image.Image, Size]], box: Box) -> None:
    """A reduced decode cuts at fractions of its pixels, and libvips knows none."""
    target = box.width, box.height
    assert min(ssim(*of_both(image, size, target, cover(size, box).region)) for image, size in photographs) >= LIKE


def of_both(image: Image.Image, size: Size, target: Size, region: Region | None = None) -> tuple[Image.Image, Image.Image]:
    one, other = (Raster(image, size, resampler(engine)).resized(target, region).image for engine in ("pillow", "vips"))
    return one, other


def test_nobody_tells_apart_what_both_cut_out_anywhere(photographs: Sequence[tuple[Image.Image, Size]]) -> None:
    chance = random.Random(7)
    for image, _ in photographs:
        for _ in range(6):
            pitch, target = chance.uniform(1, 4), (chance.randint(40, 90), chance.randint(40, 90))
            width, height = target[0] * pitch, target[1] * pitch
            if width > image.width or height > image.height:
                continue
            left, top = chance.uniform(0, image.width - width), chance.uniform(0, image.height - height)
            box = left, top, min(left + width, image.width), min(top + height, image.height)
            one, other = (resampler(engine)(image, target, box) for engine in ("pillow", "vips"))
            assert ssim(one, other) >= LIKE, box


@pytest.mark.parametrize("engine", ENGINES)
def test_colours_that_nobody_sees_do_not_bleed(engine: str) -> None:
    image = Image.new("RGBA", (400, 400), (255, 0, 0, 0))
    image.paste((0, 0, 255, 255), (201, 0, 400, 400))
    made = resampler(engine)(image, (133, 133), whole(image))
    seen = [pixel for _, pixel in made.getcolors(1 << 16) or [] if isinstance(pixel, tuple) and pixel[3] > 8]
    assert max(pixel[0] for pixel in seen) <= 8


@pytest.mark.parametrize("engine", ENGINES)
def test_a_box_is_taken_where_it_lies(engine: str) -> None:
    """A step of light in the middle of a box at fractions of pixels stays in the middle."""
    image = Image.new("L", (1000, 40))
    image.paste(255, (500, 0, 1000, 40))
    made = resampler(engine)(image, (100, 4), (333.4, 0.0, 666.6, 40.0))
    row = [made.getpixel((across, 2)) for across in range(100)]
    assert all(value < 30 for value in row[:49])
    assert all(value > 225 for value in row[51:])


@pytest.mark.parametrize("mode", MODES)
def test_pixels_in_several_pieces_of_memory_are_the_same_pixels(mode: str) -> None:
    """Pillow keeps a picture of more than 16 MB in blocks; what is cut out of one is in a single block again."""
    image = picture((2600, 2000), mode)
    whole_box, part_box = (0.0, 1500.0, 2600.0, 1900.0), (0.0, 30.0, 2600.0, 430.0)
    made = [
        resampler("vips")(image, (1300, 200), whole_box),
        resampler("vips")(image.crop((0, 1470, 2600, 1930)), (1300, 200), part_box),
    ]
    assert farthest(*made) == 0


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("side", [40, 80, 200])
def test_what_is_much_smaller_is_still_lanczos(photographs: Sequence[tuple[Image.Image, Size]], engine: str, side: int) -> None:
    """A box filter goes before, and nobody sees it."""
    for image, _ in photographs:
        plain = image.resize((side, side), Image.Resampling.LANCZOS)
        assert ssim(resampler(engine)(image, (side, side), whole(image)), plain) >= LIKE


@pytest.mark.parametrize("engine", ENGINES)
def test_what_lies_beside_a_box_is_seen_at_its_edge(engine: str) -> None:
    image = Image.new("L", (900, 900), 255)
    image.paste(60, (101, 101, 801, 801))
    box = 101.0, 101.0, 801.0, 801.0
    made = resampler(engine)(image, (100, 100), box)
    plain = image.resize((100, 100), Image.Resampling.LANCZOS, box=box)
    assert farthest(made, plain) <= 6


def test_a_grid_that_libvips_does_not_have_is_left_to_pillow() -> None:
    """Every second pixel, beginning with a quarter of one: half a pixel is as fine as libvips can."""
    image = picture((640, 480))
    box = 20.25, 20.0, 420.25, 420.0
    left, done = (digest(resampler(engine)(image, (200, 200), box)) for engine in ("vips", "pillow"))
    assert left == done


def test_what_is_small_is_left_to_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    image = picture((200, 150))
    monkeypatch.undo()
    left, done = (digest(resampler(engine)(image, (66, 50), whole(image))) for engine in ("vips", "pillow"))
    assert left == done


@pytest.mark.parametrize("engine", ENGINES)
def test_the_original_pixels_are_left_as_they_were(engine: str) -> None:
    image = picture((300, 200), "RGBA")
    before = digest(image)
    resampler(engine)(image, (100, 60), (10.5, 3.0, 290.0, 190.0))
    assert digest(image) == before


SHOW = """
import sys
from renderer.picture.resample import resampler
from tests.picture.test_resample import digest, picture, whole
for mode in ("L", "LA", "RGB", "RGBA"):
    image = picture((700, 500), mode)
    print(digest(resampler(sys.argv[1])(image, (311, 222), whole(image))))
"""


@pytest.mark.parametrize("engine", ENGINES)
def test_the_same_bytes_twice_and_in_another_process(engine: str) -> None:
    digests = []
    for mode in ("L", "LA", "RGB", "RGBA"):
        image = picture((700, 500), mode)
        twice = {digest(resampler(engine)(image, (311, 222), whole(image))) for _ in range(2)}
        digests.append(twice.pop())
        assert not twice
    found = subprocess.run([sys.executable, "-c", SHOW, engine], cwd=TOP, capture_output=True, text=True, check=True)
    assert found.stdout.split() == digests


LOCKED = """
import resource, sys
from renderer.picture.resample import prepare, resampler
resource.setrlimit(resource.RLIMIT_AS, (2_000_000_000, 2_000_000_000))
prepare("vips")
import pyvips
from PIL import Image
resampler("vips")(Image.new("RGB", (3000, 3000)), (900, 900), (0, 0, 3000, 3000))
print(pyvips.concurrency_get(), pyvips.cache_get_max())
for load in (pyvips.Image.new_from_file, lambda name: pyvips.Image.new_from_buffer(open(name, "rb").read(), "")):
    try:
        load(sys.argv[1])
        print("loaded")
    except pyvips.Error:
        print("refused")
"""


def test_libvips_has_one_thread_and_no_memory_and_reads_no_file(tmp_path: Path) -> None:
    picture((30, 20)).save(tmp_path / "picture.jpg")
    command = [sys.executable, "-c", LOCKED, str(tmp_path / "picture.jpg")]
    found = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["1", "0", "refused", "refused"]


def test_it_is_known_without_loading_anything_what_is_there() -> None:
    code = "import sys; from renderer.picture.resample import missing; print(missing('vips'), missing('pillow'), 'pyvips' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], cwd=TOP, capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["False"]


@pytest.mark.parametrize("engine", ENGINES)
def test_preparing_twice_is_preparing_once(engine: str) -> None:
    prepare(engine)
    prepare(engine)
    assert resampler(engine)(picture((4, 4)), (2, 2), (0.0, 0.0, 4.0, 4.0)).size == (2, 2)
