"""Fit and cover in exact integers: the size tables of huImages as it was meant, and what must hold for every size."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from renderer.box import CENTRE, GRAVITIES, SIDES, Box, Point, Size, cover, cover_around, fit, placed
from renderer.errors import BadRequest
from tests.strategies import free_boxes, full_boxes, points, sizes


def size_of(text: str) -> Size:
    width, height = text.split("x")
    return int(width), int(height)


FITTED = """
    640x480   150x150   150x112
    480x640   150x150   112x150
    1000x1000 320x240   240x240
    640x480   240x160   213x160
    640x480   480x320   426x320
    640x480   50x200    50x37
    480x640   50x200    50x66
    640x480   23x40     23x17
    640x480   179x600   179x134
    640x480   477x800   477x357
    800x600   477x800   477x357
    3000x2000 1024x768  1024x682
    4032x3024 800x600   800x600
    2000x100  320x240   320x16
    641x481   320x240   319x240
    100x75    1024x768  100x75
    5000x1    150x150   150x1
    1x5000    150x150   1x150
    150x150   150x150   150x150
    640x480   300x      300x225
    640x480   x300      400x300
    640x480   1000x     640x480
    640x480   x1000     640x480
    5000x1    x1        5000x1
""".split()


@pytest.mark.parametrize(("size", "box", "result"), [pytest.param(*row, id="-".join(row)) for row in zip(*[iter(FITTED)] * 3, strict=True)])
def test_fit_is_what_huimages_meant(size: str, box: str, result: str) -> None:
    assert fit(size_of(size), Box.parse(box, free=True)) == size_of(result)


@given(sizes, free_boxes)
def test_fit_never_enlarges(size: Size, box: Box) -> None:
    width, height = fit(size, box)
    assert 1 <= width <= size[0]
    assert 1 <= height <= size[1]


@given(sizes, free_boxes, st.booleans())
def test_fit_stays_inside_the_box_and_touches_it_or_leaves_alone(size: Size, box: Box, enlarge: bool) -> None:
    result = fit(size, box, enlarge)
    assert result[0] <= (box.width or result[0])
    assert result[1] <= (box.height or result[1])
    touches = result[0] == box.width or result[1] == box.height
    assert touches or (result == size and not enlarge)


@given(sizes, free_boxes, st.booleans())
@example((10, 90), Box(7, 0), False)  # 90 * (7 / 10) is 62.99… in floats
def test_fit_rounds_the_other_side_down_exactly(size: Size, box: Box, enlarge: bool) -> None:
    width, height = fit(size, box, enlarge)
    by_width, by_height = (box.width, max(1, size[1] * box.width // size[0])), (max(1, size[0] * box.height // size[1]), box.height)
    assert (width, height) in (size, by_width, by_height)


COVERED = """
    640x480   75x75   100x75   12 0
    480x640   75x75   75x100   0 12
    640x480   150x150 200x150  25 0
    3000x2000 75x75   112x75   18 0
    3000x2000 150x150 225x150  37 0
    1000x1000 75x75   75x75    0 0
    281x400   75x75   75x106   0 15
    50x50     75x75   75x75    0 0
    100x50    75x75   150x75   37 0
    1000x60   75x75   1250x75  587 0
    75x480    75x75   75x480   0 202
    1x1       300x200 300x300  0 50
    75x75     75x75   75x75    0 0
""".split()


@pytest.mark.parametrize(
    ("size", "box", "scaled", "left", "top"), [pytest.param(*row, id="-".join(row[:2])) for row in zip(*[iter(COVERED)] * 5, strict=True)]
)
def test_cover_is_what_huimages_meant(size: str, box: str, scaled: str, left: str, top: str) -> None:
    covered = cover(size_of(size), Box.parse(box))
    assert covered.scaled == size_of(scaled)
    assert covered.offset == (int(left), int(top))


@given(sizes, full_boxes, st.tuples(st.fractions(0, 1), st.fractions(0, 1)))
def test_what_is_cut_out_stays_inside_the_picture(size: Size, box: Box, point: Point) -> None:
    for covered in (cover(size, box, point), cover_around(size, box, point)):
        left, top, right, bottom = covered.region
        assert 0 <= left < right <= size[0]
        assert 0 <= top < bottom <= size[1]


@given(sizes, full_boxes)
def test_what_is_cut_out_has_exactly_the_shape_of_the_box(size: Size, box: Box) -> None:
    left, top, right, bottom = cover(size, box).region
    assert (right - left) * box.height == (bottom - top) * box.width


@given(sizes, full_boxes)
def test_cover_cuts_one_axis_only_and_in_the_middle(size: Size, box: Box) -> None:
    covered = cover(size, box)
    surplus = covered.scaled[0] - box.width, covered.scaled[1] - box.height
    assert min(surplus) == 0
    assert covered.offset == (surplus[0] // 2, surplus[1] // 2)  # the odd pixel comes off right or bottom


def test_gravity_moves_the_cut() -> None:
    offsets = [cover((300, 100), Box(100, 100), (Fraction(part, 2), Fraction(1))).offset for part in (0, 1, 2)]
    assert offsets == [(0, 0), (100, 0), (200, 0)]


@given(sizes, full_boxes, st.sampled_from(sorted(GRAVITIES)))
def test_a_focal_point_at_a_side_a_corner_or_the_middle_is_that_gravity(size: Size, box: Box, name: str) -> None:
    """Which is why a recipe may say it in one way only."""
    assert cover_around(size, box, GRAVITIES[name]) == cover(size, box, GRAVITIES[name])


@given(sizes, full_boxes, points)
def test_a_focal_point_is_as_near_to_the_middle_as_the_edges_let_it_be(size: Size, box: Box, focus: Point) -> None:
    covered = cover_around(size, box, focus)
    for axis, kept in enumerate((box.width, box.height)):
        surplus, offset = covered.scaled[axis] - kept, covered.offset[axis]
        wished = focus[axis] * size[axis] * max(Fraction(box.width, size[0]), Fraction(box.height, size[1])) - Fraction(kept, 2)
        assert 0 <= offset <= surplus
        assert offset <= wished < offset + 1 or (wished < 0 and offset == 0) or (wished > surplus and offset == surplus)


AROUND = [
    ((300, 100), (100, 100), (50, 50), (100, 0)),
    ((300, 100), (100, 100), (33, 0), (49, 0)),
    ((300, 100), (100, 100), (10, 100), (0, 0)),
    ((300, 100), (100, 100), (90, 50), (200, 0)),
    ((100, 400), (50, 50), (1, 40), (0, 55)),
    ((50, 50), (100, 200), (60, 50), (70, 0)),
]


@pytest.mark.parametrize(("size", "box", "percent", "offset"), [pytest.param(*row, id=f"{row[1]} at {row[2]}") for row in AROUND])
def test_a_focal_point_moves_the_cut(size: Size, box: Size, percent: Size, offset: Size) -> None:
    assert cover_around(size, Box(*box), (Fraction(percent[0], 100), Fraction(percent[1], 100))).offset == offset


PLACED = {"nw": (0, 0), "n": (3, 0), "ne": (7, 0), "w": (0, 2), "c": (3, 2), "e": (7, 2), "sw": (0, 5), "s": (3, 5), "se": (7, 5)}


@pytest.mark.parametrize("name", GRAVITIES)
def test_a_gravity_places_a_small_thing_in_a_large_one(name: str) -> None:
    assert placed((3, 5), (10, 10), GRAVITIES[name]) == PLACED[name]


def test_the_centre_is_no_side() -> None:
    assert {*SIDES, CENTRE} == set(GRAVITIES)
    assert len(SIDES) == 8


@given(free_boxes)
def test_a_box_is_read_as_it_is_spelled(box: Box) -> None:
    assert Box.parse(box.spell(), free=True) == box


@given(st.text(st.sampled_from("0123456789x!-+ \n٣"), max_size=9), st.booleans())
def test_a_box_has_one_spelling(text: str, free: bool) -> None:
    try:
        box = Box.parse(text, free)
    except BadRequest:
        return
    assert box.spell() == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "150",
        "150x",
        "x150",
        "0x150",
        "150x0",
        "0150x150",
        "150x0150",
        "150X150",
        "150×150",
        "150x150!",
        "150x150\n",
        "-1x1",
        "100000x1",
    ],
    ids=repr,
)
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(BadRequest, match="expected"):
        Box.parse(text)


@pytest.mark.parametrize("text", ["", "x", "0x", "x0", "0x0", "00x", "150x150x", "x150x"], ids=repr)
def test_what_is_no_size_is_refused_with_free_sides_too(text: str) -> None:
    with pytest.raises(BadRequest, match="expected"):
        Box.parse(text, free=True)
