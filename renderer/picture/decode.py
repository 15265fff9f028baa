"""An original's bytes to pixels: which pixels a recipe is made from, and how they are read.

A JPEG is decoded no larger than its recipe needs. Which raster that is, its Source, is a function of the original and the recipe alone,
never of who else waits: so recipes may share a decode, and a picture made in company is the same, byte for byte, as one made alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from PIL import Image, JpegImagePlugin, TiffImagePlugin
from PIL.ImageFile import ImageFile

from renderer.box import Region, Size
from renderer.errors import BrokenOriginal
from renderer.formats import GIF, WEBP, Format
from renderer.ops import Orient, Raster, are_idle, detail, outline
from renderer.picture import colour, lighter, metadata, reduced, scale
from renderer.picture.engine import Engine
from renderer.picture.opening import opened
from renderer.picture.resample import resampler
from renderer.picture.scrub.gif import count_frames
from renderer.recipe import Recipe

_UNDONE = {6: 8, 8: 6}  # the orientation that takes back another; the rest take back themselves


MOST_FRAMES = 100_000  # that are counted, in a tenth of a second


@dataclass(frozen=True)
class Facts:
    """What an original's header says, as far as somebody asked.

    `size`: width and height in pixels as Pillow loads them; `tag`: the EXIF orientation, 1 to 8, and `turns_itself` where Pillow follows it
    while loading; `is_graphic`: it is drawn, not photographed; `is_reducible`: it can be decoded smaller than it is; `frames`: 1 for a
    still; `is_plain`: its pixels need no conversion to be shown; `notice`: of its copyright.
    """

    form: Format
    size: Size
    tag: int
    turns_itself: bool
    is_graphic: bool = False
    is_reducible: bool = False
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
        return engine.limits.animates(self.size, self.frames) and engine.limits.animates(shown, self.frames, recipe.output.format)

    def is_shown_by(self, recipe: Recipe, engine: Engine) -> bool:
        """Whether `recipe` asks for nothing but the original in its own format, all of it and upright as it is."""
        return self.is_plain and self._keeps(recipe) and (self.frames == 1 or self.moves(recipe, engine))

    def _keeps(self, recipe: Recipe) -> bool:
        upright = self.turn(recipe).is_idle(self.size)
        return upright and recipe.output.format is self.form and are_idle(recipe.operations, self.size)


@dataclass(frozen=True)
class Source:
    """Which raster a recipe is made from: decoded at one by `denominator`, and turned."""

    denominator: Fraction
    turn: Orient


@dataclass(frozen=True)
class Decoded:
    """`raster`: pixels that can be worked on; `profile`: how their colours are meant."""

    raster: Raster
    profile: colour.Profile


def facts_of(form: Format, image: ImageFile, recipes: Sequence[Recipe], engine: Engine) -> Facts:
    """What `recipes` have to know: what takes time and matters to none of them is not looked at."""
    itself = isinstance(image, TiffImagePlugin.TiffImageFile)
    facts = Facts(form, image.size, metadata.orientation(image), itself, image.mode in ("1", "P", "PA"), _is_reducible(form, image, engine))
    if any(recipe.output.format.moves for recipe in recipes):
        facts = replace(facts, frames=frames_of(form, image))
    if any(recipe.output.keeps_copyright for recipe in recipes):
        facts = replace(facts, notice=metadata.copyright(image))
    if any(facts._keeps(recipe) for recipe in recipes):
        facts = replace(facts, is_plain=lighter.is_plain(form, image))
    return facts


def _is_reducible(form: Format, image: ImageFile, engine: Engine) -> bool:
    return isinstance(image, JpegImagePlugin.JpegImageFile) or (engine.resampler == "vips" and reduced.is_reducible(form, image))


def frames_of(form: Format, image: ImageFile) -> int:
    """How many. A stereo pair, a gain map, the pages of a fax and the sizes of an icon are no animation.

    Pillow walks a GIF for it, in seconds where there are millions; so these are counted before, up to what nobody shows.
    """
    if form is GIF and image.fp is not None and (found := count_frames(image.fp, MOST_FRAMES)) >= MOST_FRAMES:
        return found
    return int(getattr(image, "n_frames", 1)) if form.moves else 1


def source(facts: Facts, recipe: Recipe, engine: Engine) -> Source:
    """The raster that `recipe` is made from; Refused for a canvas beyond the limits."""
    turn = facts.turn(recipe)
    upright = turn.outline(facts.size)
    shown = outline(recipe.operations, upright)
    engine.limits.judge_canvas(shown, recipe.output.format)
    wanted = detail(recipe.operations, upright)
    is_all = all(abs(there - here * wanted) < 1 for here, there in zip(upright, shown, strict=True))
    return Source(scale.denominator(facts.form, wanted, is_all) if facts.is_reducible else Fraction(1), turn)


def decode(original: Path, wanted: Source, engine: Engine) -> Decoded:
    """The first frame, upright. There are JPEGs (lossless ones) that can only be decoded whole."""
    try:
        return _decode(original, wanted, engine)
    except BrokenOriginal:
        if wanted.denominator == 1:
            raise
        return _decode(original, replace(wanted, denominator=Fraction(1)), engine)


def _decode(original: Path, wanted: Source, engine: Engine) -> Decoded:
    with opened(original, engine) as (form, image):
        size = image.size
        pixels, profile = colour.workable(_loaded(original, form, image, wanted.denominator))
        if pixels.mode in ("LA", "RGBA") and not colour.is_seen_through(pixels):  # it would cost every later step a third more
            pixels = pixels.convert(pixels.mode.removesuffix("A"))
        if pixels.format:  # without the plugin: an encoder must not seek in an original
            pixels = pixels._new(pixels.im)
        nominal = size if wanted.denominator > 1 else pixels.size
        area = _area(form, size, pixels.size, wanted.denominator)
        raster = Raster(pixels, nominal, resampler(engine.resampler), engine.marks, area)
        return Decoded(wanted.turn.apply(raster), profile)


def _area(form: Format, size: Size, reduced: Size, denominator: Fraction) -> Region | None:
    """What of `reduced` stands for `size`: a JPEG or PNG has a last column and row for what is left over, a WebP is scaled to fit."""
    if form is WEBP or reduced == size:
        return None
    return Fraction(0), Fraction(0), min(size[0] / denominator, Fraction(reduced[0])), min(size[1] / denominator, Fraction(reduced[1]))


def _loaded(original: Path, form: Format, image: ImageFile, denominator: Fraction) -> Image.Image:
    """The pixels of the first frame, at one by `denominator` or, where a decoder leaves that, larger."""
    if denominator > 1 and not isinstance(image, JpegImagePlugin.JpegImageFile):
        made = reduced.read(original, form, image, denominator)
        if made is not None:
            return made
    elif denominator > 1:
        image.draft(None, (max(1, int(image.width / denominator)), max(1, int(image.height / denominator))))
    promised = image.size
    image.load()
    if image.width * image.height != promised[0] * promised[1]:  # an icon's directory may lie about its entries
        raise BrokenOriginal(f"{form.pillow} data whose header says {promised[0]}x{promised[1]} and whose pixels do not")
    return image
