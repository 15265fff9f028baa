"""What this installation refuses, before it costs anything."""

from __future__ import annotations

import pytest
from hypothesis import given

from renderer.box import Box
from renderer.errors import BadRequest, NotAllowed, Refused, TooManyBytes
from renderer.formats import AVIF, GIF, JPEG, PNG, Format
from renderer.limits import Limits
from renderer.ops import Crop, Fill, Fit, Operation, Rotate, Stretch, outline
from renderer.recipe import Output, Recipe, Untouched
from renderer.rendition import NAMINGS, Namespace, Rendition
from tests.strategies import recipes, sizes

SPACE, OTHER = Namespace("p", NAMINGS["md5"]), Namespace("q", NAMINGS["md5"])
LIMITS = Limits(max_original_bytes=1000, max_pixels_in=10_000, max_side_out=500, max_pixels_out=40_000)
LISTED = Limits(sizes={"p": frozenset({(Fit(Box(150, 150)),), (Fill(Box(75, 75)),)})})


def wish(*operations: Operation, space: Namespace = SPACE) -> Rendition:
    return Rendition(space.ref("5eb63bbbe01eeed093cb22bb8f5acdc3"), Recipe.of(operations, Output(JPEG, 75)))


@pytest.mark.parametrize(
    "operation",
    [Fit(Box(501, 10)), Fit(Box(10, 501)), Fit(Box(501, 0)), Fill(Box(201, 200)), Stretch(Box(0, 501)), Stretch(Box(201, 200))],
    ids=Operation.spell,
)
def test_a_size_beyond_the_limit_is_refused_before_a_fetch(operation: Operation) -> None:
    said = f"expected at most 500 pixels a side and 40000 in all for a size in jpeg, got {operation.argument()}"
    with pytest.raises(Refused, match=said):
        LIMITS.judge(wish(Rotate(90), operation))


@pytest.mark.parametrize(
    "operation",
    [Fit(Box(500, 80)), Fit(Box(500, 0)), Fill(Box(200, 200)), Stretch(Box(0, 500)), Crop(0, 0, Box(900, 900))],
    ids=Operation.spell,
)
def test_a_size_at_the_limit_is_made(operation: Operation) -> None:
    LIMITS.judge(wish(operation))
    assert LIMITS.max_side_out == 500


@pytest.mark.parametrize(
    "operations",
    [
        pytest.param((Fit(Box(150, 151)),), id="another size"),
        pytest.param((Fill(Box(150, 150)),), id="another operation"),
        pytest.param((), id="full size"),
        pytest.param((Rotate(90), Fit(Box(150, 150))), id="one more operation"),
    ],
)
def test_with_a_list_no_other_size_is_made(operations: tuple[Operation, ...]) -> None:
    with pytest.raises(NotAllowed, match="expected one of the allowed sizes for p, got "):
        LISTED.judge(wish(*operations))


def test_a_list_allows_what_is_on_it_and_holds_for_its_namespace_only() -> None:
    LISTED.judge(wish(Fit(Box(150, 150))))
    LISTED.judge(wish(Fill(Box(75, 75))))
    LISTED.judge(wish(Fit(Box(33, 44)), space=OTHER))
    with pytest.raises(NotAllowed):
        LISTED.judge(wish(Fit(Box(33, 44))))


def test_originals_are_no_matter_of_sizes() -> None:
    untouched = Rendition(SPACE.ref("5eb63bbbe01eeed093cb22bb8f5acdc3"), Untouched(scrubbed=True))
    LISTED.judge(untouched)
    with pytest.raises(NotAllowed):
        LISTED.judge(wish())


def test_R12_an_original_has_at_most_so_many_bytes() -> None:
    LIMITS.judge_bytes(1000)
    with pytest.raises(TooManyBytes, match="expected at most 1000 bytes for an original, got 1001"):
        LIMITS.judge_bytes(1001)


def test_an_original_has_at_most_so_many_pixels() -> None:
    LIMITS.judge_header((100, 100))
    with pytest.raises(Refused, match="expected at most 10000 pixels for an original, got 101x100"):
        LIMITS.judge_header((101, 100))


@pytest.mark.parametrize("size", [(501, 1), (1, 501), (201, 200)], ids=str)
def test_R9_the_canvas_is_judged_whatever_path_led_there(size: tuple[int, int]) -> None:
    LIMITS.judge_canvas((200, 200), JPEG)
    with pytest.raises(Refused, match=f"for a rendition in jpeg, got {size[0]}x{size[1]}"):
        LIMITS.judge_canvas(size, JPEG)


@pytest.mark.parametrize("form", [PNG, GIF, AVIF], ids=lambda form: form.name)
def test_slow_formats_have_a_limit_of_their_own(form: Format) -> None:
    limits = Limits(max_pixels_slow=100)
    limits.judge_canvas((10, 10), form)
    limits.judge_canvas((11, 10), JPEG)
    with pytest.raises(Refused, match=f"100 in all for a rendition in {form.name}, got 11x10"):
        limits.judge_canvas((11, 10), form)
    recipe = Recipe.of([Fill(Box(11, 10))], Output(form, 50 * form.has_quality))
    with pytest.raises(Refused, match="got 11x10"):
        limits.judge(Rendition(SPACE.ref("5eb63bbbe01eeed093cb22bb8f5acdc3"), recipe))


@given(recipes(), sizes)
def test_R9_what_passes_all_judges_is_within_the_limits(recipe: Recipe, size: tuple[int, int]) -> None:
    try:
        LIMITS.judge(Rendition(SPACE.ref("5eb63bbbe01eeed093cb22bb8f5acdc3"), recipe))
        canvas = outline(recipe.operations, size)
        LIMITS.judge_canvas(canvas, recipe.output.format)
    except BadRequest:
        return
    assert max(canvas) <= 500
    assert canvas[0] * canvas[1] <= 40_000
