"""All frames of an animation, as they are seen one after the other, each through the operations.

Pillow composes them: each comes whole, whatever it changed of the one before and whatever becomes of it after. Frames are worked on one at
a time, so that of the original only one is in memory; what the recipe makes of them is kept, within the same budget (`Facts.moves`).
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

from PIL import GifImagePlugin, Image, PngImagePlugin, WebPImagePlugin
from PIL.ImageFile import ImageFile

from renderer.box import Size
from renderer.errors import BrokenOriginal, Refused
from renderer.ops import Operation, Orient, Raster
from renderer.picture import colour
from renderer.picture.border import reading
from renderer.picture.decode import Decoded, Facts, source
from renderer.picture.engine import Engine
from renderer.picture.opening import opened
from renderer.picture.resample import resampler
from renderer.picture.working import worked
from renderer.recipe import Recipe


@dataclass(frozen=True)
class Frames:
    """`images`: all of one mode and size; `durations`: of each, in milliseconds; `plays`: how often it is shown in all, 0 is forever."""

    images: Sequence[Image.Image]
    durations: Sequence[int]
    plays: int

    @property
    def size(self) -> Size:
        return self.images[0].size


def read(original: Path, facts: Facts, recipe: Recipe, engine: Engine) -> Frames:
    """Refused where a later frame cannot be read: it is this recipe that cannot be made, all others show the first."""
    turn = source(facts, recipe, engine).turn
    images: list[Image.Image] = []
    ends: list[float] = [0.0]
    operations: Sequence[Operation] = recipe.operations
    judge = partial(engine.limits.judge_canvas, form=recipe.output.format, frames=facts.frames)
    plays = 0
    with closing(_frames(original, facts, turn, engine)) as frames:
        for decoded, duration, plays in frames:  # noqa: B007  # the same for all, and wanted after the last
            made, operations = worked(decoded, operations, judge)
            images.append(made)
            ends.append(ends[-1] + duration)
    return Frames(_alike(images), [round(end) - round(start) for start, end in pairwise(ends)], plays)


def _frames(original: Path, facts: Facts, turn: Orient, engine: Engine) -> Generator[tuple[Decoded, float, int], None, None]:
    """Each frame, whole, as pixels of its own, for the next one is painted over it; its duration, and how often all are played.

    Nothing but reading happens in here: what an operation raises must not be held against the original.
    """
    with opened(original, engine) as (_, image):
        plays = _plays(image)
        for number in range(_first(image), facts.frames):
            try:
                with reading(facts.form, engine.limits):
                    _show(image, number, facts, engine)
            except BrokenOriginal as error:
                if number == 0:
                    raise
                raise Refused(f"expected {facts.frames} frames that can be read, got a broken one at {number + 1}") from error
            decoded = _decoded(image.crop((0, 0, *facts.size)), turn, facts.size, engine)
            yield decoded, float(image.info.get("duration") or 0), plays


def _show(image: ImageFile, number: int, facts: Facts, engine: Engine) -> None:
    image.seek(number)
    if image.size != facts.size and not engine.limits.animates(image.size, facts.frames):  # a GIF grows with its frames
        raise Refused(f"expected frames within {facts.size[0]}x{facts.size[1]}, got one that reaches to {image.width}x{image.height}")
    image.load()


def _first(image: ImageFile) -> int:
    """A PNG may hold, before its animation, a picture for those who cannot show it."""
    return int(isinstance(image, PngImagePlugin.PngImageFile) and bool(image.default_image))


def _decoded(frame: Image.Image, turn: Orient, size: Size, engine: Engine) -> Decoded:
    pixels, profile = colour.workable(frame)
    return Decoded(turn.apply(Raster(pixels, size, resampler(engine.resampler), engine.marks)), profile)


def _plays(image: ImageFile) -> int:
    """Each format counts in its own way. Of an AVIF Pillow does not say: browsers show it forever."""
    loop = image.info.get("loop")
    if isinstance(image, GifImagePlugin.GifImageFile):
        return 1 if loop is None else loop and loop + 1  # repetitions after the first time; not said is once
    known = isinstance(image, PngImagePlugin.PngImageFile | WebPImagePlugin.WebPImageFile)
    return int(loop or 0) if known else 0


def _alike(images: Sequence[Image.Image]) -> Sequence[Image.Image]:
    """The first frame of a GIF may be gray, or opaque, where others are not. A WebP says that it has alpha where no pixel has: that goes,
    and with it a quarter of the work of most encoders."""
    colours = "RGB" if any(image.mode in ("RGB", "RGBA") for image in images) else "L"
    alpha = "A" if any(map(colour.is_seen_through, images)) else ""
    return [image.convert(colours + alpha) for image in images]
