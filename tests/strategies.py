"""What hypothesis draws: every value of the core that a recipe can hold."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import strategies as st

from renderer.box import CENTRE, MOST_SIDE, SIDES, Box
from renderer.formats import JPEG, WRITABLE, Format
from renderer.ops import (
    PIPELINE,
    Background,
    Blur,
    Brightness,
    Contrast,
    Crop,
    Fill,
    Fit,
    Flip,
    Grayscale,
    Operation,
    Orient,
    Pad,
    Rotate,
    Saturation,
    Scale,
    Sharpen,
    Stretch,
    Trim,
    Watermark,
)
from renderer.recipe import Output, Recipe

sides = st.integers(1, MOST_SIDE)
sizes = st.tuples(st.integers(1, 20_000), st.integers(1, 20_000))
full_boxes = st.builds(Box, sides, sides)
open_boxes = st.builds(Box, sides, st.just(0)) | st.builds(Box, st.just(0), sides)
free_boxes = full_boxes | open_boxes
points = st.tuples(*[st.integers(0, 100).map(lambda percent: Fraction(percent, 100))] * 2)
own_points = points.filter(lambda point: not {*point} <= {Fraction(0), Fraction(1, 2), Fraction(1)})  # the others have a name
places = st.sampled_from((CENTRE, *SIDES))
levels = st.integers(1, 300).filter(lambda percent: percent != 100)

OPERATIONS: dict[type[Operation], st.SearchStrategy[Operation]] = {
    Orient: st.builds(Orient, st.integers(1, 8)),
    Trim: st.builds(Trim, st.integers(0, 100)),
    Crop: st.builds(Crop, st.integers(0, MOST_SIDE), st.integers(0, MOST_SIDE), full_boxes),
    Rotate: st.builds(Rotate, st.sampled_from((90, 180, 270))),
    Flip: st.builds(Flip, st.sampled_from(("h", "v"))),
    Fit: st.builds(Fit, free_boxes),
    Fill: st.builds(Fill, full_boxes, places | st.just("smart") | own_points),
    Stretch: st.builds(Stretch, free_boxes),
    Scale: st.builds(Scale, open_boxes),
    Grayscale: st.just(Grayscale()),
    Brightness: st.builds(Brightness, levels),
    Contrast: st.builds(Contrast, levels),
    Saturation: st.builds(Saturation, levels),
    Blur: st.builds(Blur, st.integers(1, 500)),
    Sharpen: st.builds(Sharpen, st.integers(1, 300)),
    Pad: st.builds(Pad, full_boxes, places),
    Background: st.builds(Background, st.tuples(*[st.integers(0, 255)] * 3)),
    Watermark: st.builds(Watermark, st.text(st.sampled_from("abcxyz0189"), min_size=1, max_size=30)),
}

qualities = st.integers(1, 100)


def _outputs(form: Format) -> st.SearchStrategy[Output]:
    yes_or_no, no = st.booleans(), st.just(False)
    return st.builds(
        Output,
        st.just(form),
        qualities if form.has_quality else st.just(0),
        progressive=yes_or_no if form is JPEG else no,
        still=yes_or_no if form.moves else no,
        keeps_copyright=no if form.is_mute else yes_or_no,
    )


outputs = st.one_of(*map(_outputs, WRITABLE))


@st.composite
def recipes(draw: st.DrawFn) -> Recipe:
    """At most one operation of each group, in any order."""
    by_group: dict[str, Operation] = {}
    for kind in draw(st.lists(st.sampled_from(PIPELINE), unique=True)):
        by_group[kind.group] = draw(OPERATIONS[kind])
    return Recipe.of(list(by_group.values()), draw(outputs))
