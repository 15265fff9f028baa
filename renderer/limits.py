"""What this installation refuses to render: judged from the recipe before a byte is fetched, and from the header before a pixel is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from renderer.box import Size
from renderer.errors import BadRequest, NotAllowed, Refused, TooManyBytes
from renderer.fields import shown
from renderer.formats import Format
from renderer.ops import Operation, Watermark
from renderer.recipe import Recipe
from renderer.rendition import Rendition

LEAST_FRAME_PIXELS = 4096  # a frame costs a tenth of a millisecond however small it is


@dataclass(frozen=True)
class Limits:
    """`sizes`: namespace name to the only operations allowed there; a namespace that is not in it allows all. `marks`: the watermarks.

    `max_pixels_slow` holds for the formats that are slow to encode, so that nobody occupies the render processes with a few requests.
    `max_pixels_frames`: frames times pixels of an animation, in and out; of a larger one only the first frame is shown.
    """

    max_original_bytes: int = 64_000_000
    max_pixels_in: int = 100_000_000
    max_side_out: int = 8192
    max_pixels_out: int = 40_000_000
    max_pixels_slow: int = 12_000_000
    max_pixels_frames: int = 20_000_000
    sizes: Mapping[str, frozenset[tuple[Operation, ...]]] = field(default_factory=dict)
    marks: frozenset[str] = frozenset()

    def judge(self, rendition: Rendition) -> None:
        """Refused for a size beyond the limits, NotAllowed for one that is not listed, BadRequest for an unknown watermark."""
        recipe = rendition.recipe
        if not isinstance(recipe, Recipe):
            return
        for operation in recipe.operations:
            box, form = operation.wish(), recipe.output.format
            if box is not None and not self._fits((box.width, box.height), form):
                raise Refused(f"expected at most {self._most_out(form)} for a size in {form.name}, got {box.spell()}")
            if isinstance(operation, Watermark) and operation.name not in self.marks:
                raise BadRequest(f"expected a configured watermark, got {shown(operation.name)}")
        allowed = self.sizes.get(rendition.ref.namespace.name)
        if allowed is not None and recipe.operations not in allowed:
            raise NotAllowed(f"expected one of the allowed sizes for {rendition.ref.namespace.name}, got {recipe.spell()}")

    def judge_bytes(self, length: int) -> None:
        if length > self.max_original_bytes:
            raise TooManyBytes(f"expected at most {self.max_original_bytes} bytes for an original, got {length}")

    def judge_header(self, size: Size) -> None:
        """`size`: width and height in pixels, as the header says."""
        if size[0] * size[1] > self.max_pixels_in:
            raise Refused(f"expected at most {self.max_pixels_in} pixels for an original, got {size[0]}x{size[1]}")

    def judge_canvas(self, size: Size, form: Format, frames: int = 1) -> None:
        """The one final check on what is about to be made, whatever path led there (R9)."""
        if not self._fits(size, form):
            raise Refused(f"expected at most {self._most_out(form)} for a rendition in {form.name}, got {size[0]}x{size[1]}")
        if frames > 1 and not self.animates(size, frames, form):
            raise Refused(f"expected fewer pixels for all frames of an animation in {form.name}, got {frames} of {size[0]}x{size[1]}")

    def animates(self, size: Size, frames: int, form: Format | None = None) -> bool:
        """Whether an animation of `frames` of `size` is worth its cost: to read it, or to write it in `form`."""
        most = min(self.max_pixels_frames, self.max_pixels_slow) if form and form.slow else self.max_pixels_frames
        return max(size[0] * size[1], LEAST_FRAME_PIXELS) * frames <= most

    def _fits(self, size: Size, form: Format) -> bool:
        return max(size) <= self.max_side_out and size[0] * size[1] <= self._pixels(form)

    def _pixels(self, form: Format) -> int:
        return min(self.max_pixels_out, self.max_pixels_slow) if form.slow else self.max_pixels_out

    def _most_out(self, form: Format) -> str:
        return f"{self.max_side_out} pixels a side and {self._pixels(form)} in all"
