"""An original's bytes to pixels: which pixels a recipe is made from, and how they are read.

A JPEG is decoded no larger than its recipe needs. Which raster that is, its Source, is a function of the original and the recipe alone,
never of who else waits: so recipes may share a decode, and a picture made in company is the same, byte for byte, as one made alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import JpegImagePlugin, TiffImagePlugin
from PIL.ImageFile import ImageFile

from renderer.box import Size
from renderer.errors import BrokenOriginal
from renderer.formats import Format
from renderer.ops import Orient, Raster, are_idle, detail, outline
from renderer.picture import colour, lighter, metadata, scale
from renderer.picture.engine import Engine
from renderer.picture.opening import opened
from renderer.picture.resample import resampler
from renderer.recipe import Recipe

_UNDONE = {6: 8, 8: 6}  # the orientation that takes back another; the rest take back themselves


@dataclass(frozen=True)
class Facts:
    """What an original's header says, as far as somebody asked.

    `size`: width and height in pixels as Pillow loads them; `tag`: the EXIF orientation, 1 to 8, and `turns_itself` where Pillow follows it
    while loading; `is_graphic`: it is drawn, not photographed; `frames`: 1 for a still; `is_plain`: its pixels need no conversion to be
    shown; `notice`: of its copyright.
    """

    form: Format
    size: Size
    tag: int
    turns_itself: bool
    is_graphic: bool = False
    frames: int = 1
    is_plain: bool = False
    notice: str = ""

    def turn(self, recipe: Recipe | None = None) -> Orient:
        """What is to be done to the loaded pixels before the operations of `recipe`, which may say themselves which way is up."""
        told = recipe is not None and any(isinstance(operation, Orient) for operation in recipe.operations)
        if self.turns_itself:
            return Orient(_UNDONE.get(self.tag, self.tag) if told else 1)
        return Orient(1 if told else self.tag)

    def moves(self, recipe: Recipe, engine: Engine) -> bool:
        """Whether `recipe` shows all frames: when there are several, its format can, and it is not too much."""
        if self.frames == 1 or not recipe.output.format.moves or recipe.output.still:
            return False
        shown = outline(recipe.operations, self.turn(recipe).outline(self.size))
        return engine.limits.animates(self.size, self.frames) and engine.limits.animates(shown, self.frames)

    def is_shown_by(self, recipe: Recipe, engine: Engine) -> bool:
        """Whether `recipe` asks for nothing but the original in its own format, all of it and upright as it is."""
        return self.is_plain and self._keeps(recipe) and (self.frames == 1 or self.moves(recipe, engine))

    def _keeps(self, recipe: Recipe) -> bool:
        upright = self.turn(recipe).is_idle(self.size)
        return upright and recipe.output.format is self.form and are_idle(recipe.operations, self.size)


@dataclass(frozen=True)
class Source:
    """Which raster a recipe is made from: decoded at one by `denominator`, and turned."""

    denominator: int
    turn: Orient


@dataclass(frozen=True)
class Decoded:
    """`raster`: pixels that can be worked on; `profile`: how their colours are meant."""

    raster: Raster
    profile: colour.Profile


def facts_of(form: Format, image: ImageFile, recipes: Sequence[Recipe]) -> Facts:
    """What `recipes` have to know: what takes time and matters to none of them is not looked at."""
    itself = isinstance(image, TiffImagePlugin.TiffImageFile)
    facts = Facts(form, image.size, metadata.orientation(image), itself, is_graphic=image.mode in ("1", "P", "PA"))
    if any(recipe.output.format.moves for recipe in recipes):
        facts = replace(facts, frames=frames_of(form, image))
    if any(recipe.output.keeps_copyright for recipe in recipes):
        facts = replace(facts, notice=metadata.copyright(image))
    if any(facts._keeps(recipe) for recipe in recipes):
        facts = replace(facts, is_plain=lighter.is_plain(form, image))
    return facts


def frames_of(form: Format, image: ImageFile) -> int:
    """How many; a GIF is walked for it. A stereo pair, a gain map, the pages of a fax and the sizes of an icon are no animation."""
    return int(getattr(image, "n_frames", 1)) if form.moves else 1


def source(facts: Facts, recipe: Recipe, engine: Engine) -> Source:
    """The raster that `recipe` is made from; Refused for a canvas beyond the limits."""
    turn = facts.turn(recipe)
    upright = turn.outline(facts.size)
    engine.limits.judge_canvas(outline(recipe.operations, upright), recipe.output.format)
    return Source(scale.denominator(detail(recipe.operations, upright)), turn)


def decode(original: Path, wanted: Source, engine: Engine) -> Decoded:
    """The first frame, upright."""
    with opened(original, engine) as (form, image):
        size = image.size
        _reduce(image, wanted.denominator)
        reduced = image.size
        image.load()
        if image.width * image.height != reduced[0] * reduced[1]:  # an icon's directory may lie about its entries
            raise BrokenOriginal(f"{form.pillow} data whose header says {size[0]}x{size[1]} and whose pixels do not")
        pixels, profile = colour.workable(image)
        if pixels.mode in ("LA", "RGBA") and not colour.is_seen_through(pixels):  # it would cost every later step a third more
            pixels = pixels.convert(pixels.mode.removesuffix("A"))
        nominal = size if reduced != size else image.size
        raster = Raster(pixels, nominal, resampler(engine.resampler), engine.marks)
        return Decoded(wanted.turn.apply(raster), profile)


def _reduce(image: ImageFile, denominator: int) -> None:
    """Let libjpeg leave out what is not shown; all other formats decode whole."""
    if denominator > 1 and isinstance(image, JpegImagePlugin.JpegImageFile):
        image.draft(None, (max(1, image.width // denominator), max(1, image.height // denominator)))
