"""What hypothesis draws: every value of the core that a recipe can hold."""

from __future__ import annotations

from hypothesis import strategies as st

from renderer.box import MOST_SIDE, Box
from renderer.formats import WRITABLE
from renderer.ops import PIPELINE, Crop, Fill, Fit, Flip, Operation, Orient, Rotate, Stretch
from renderer.recipe import Output, Recipe

sides = st.integers(1, MOST_SIDE)
sizes = st.tuples(st.integers(1, 20_000), st.integers(1, 20_000))
full_boxes = st.builds(Box, sides, sides)
free_boxes = full_boxes | st.builds(Box, sides, st.just(0)) | st.builds(Box, st.just(0), sides)

OPERATIONS: dict[type[Operation], st.SearchStrategy[Operation]] = {
    Orient: st.builds(Orient, st.integers(1, 8)),
    Crop: st.builds(Crop, st.integers(0, MOST_SIDE), st.integers(0, MOST_SIDE), full_boxes),
    Rotate: st.builds(Rotate, st.sampled_from((90, 180, 270))),
    Flip: st.builds(Flip, st.sampled_from(("h", "v"))),
    Fit: st.builds(Fit, free_boxes),
    Fill: st.builds(Fill, full_boxes),
    Stretch: st.builds(Stretch, free_boxes),
}

qualities = st.integers(1, 100)
outputs = st.one_of(
    *(
        st.builds(Output, st.just(form), qualities, st.booleans() if form.name == "jpeg" else st.just(False))
        if form.has_quality
        else st.just(Output(form))
        for form in WRITABLE
    )
)


@st.composite
def recipes(draw: st.DrawFn) -> Recipe:
    """At most one operation of each group, in any order."""
    by_group: dict[str, Operation] = {}
    for kind in draw(st.lists(st.sampled_from(PIPELINE), unique=True)):
        by_group[kind.group] = draw(OPERATIONS[kind])
    return Recipe.of(list(by_group.values()), draw(outputs))
