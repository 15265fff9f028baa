"""Equal wishes are equal recipes, and one recipe has one spelling."""

from __future__ import annotations

import contextlib
import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from renderer.box import Box
from renderer.errors import BadRequest
from renderer.formats import AVIF, BY_EXTENSION, FORMATS, GIF, JPEG, PNG, WEBP, WRITABLE, Format
from renderer.ops import Fill, Fit, Flip, Rotate, Stretch
from renderer.recipe import Output, Qualities, Recipe, Untouched, parse_recipe
from tests.strategies import outputs, recipes

USUAL = Qualities()
PROGRESSIVE = Qualities(progressive=True)

SPELLED = [
    ("fit-150x150_q75", "jpg", Recipe((Fit(Box(150, 150)),), Output(JPEG, 75))),
    ("fit-150x_q75", "jpg", Recipe((Fit(Box(150, 0)),), Output(JPEG, 75))),
    ("fill-300x200_q80p", "jpg", Recipe((Fill(Box(300, 200)),), Output(JPEG, 80, True))),
    ("rotate-90_flip-h_fit-x20_q1", "webp", Recipe((Rotate(90), Flip("h"), Fit(Box(0, 20))), Output(WEBP, 1))),
    ("whole_q60", "avif", Recipe((), Output(AVIF, 60))),
    ("whole", "png", Recipe((), Output(PNG))),
    ("stretch-1x1", "gif", Recipe((Stretch(Box(1, 1)),), Output(GIF))),
]


@pytest.mark.parametrize(("text", "extension", "recipe"), [pytest.param(*row, id=f"{row[0]}.{row[1]}") for row in SPELLED])
def test_a_recipe_is_spelled_for_people(text: str, extension: str, recipe: Recipe) -> None:
    assert recipe.spell() == text
    assert recipe.extension == extension
    assert parse_recipe(text, extension, USUAL) == recipe


@given(recipes(), st.booleans())
def test_a_recipe_is_parsed_as_it_is_spelled(recipe: Recipe, progressive: bool) -> None:
    assert parse_recipe(recipe.spell(), recipe.extension, Qualities(progressive=progressive)) == recipe


@given(outputs.filter(lambda output: output.format.has_quality))
def test_an_output_is_parsed_as_it_is_spelled(output: Output) -> None:
    assert Output.parse(output.spell(), output.format) == output


@given(recipes(), st.randoms(use_true_random=False))
def test_the_order_of_a_wish_does_not_matter(recipe: Recipe, dice: random.Random) -> None:
    shuffled = list(recipe.operations)
    dice.shuffle(shuffled)
    assert Recipe.of(shuffled, recipe.output) == recipe


WORDS = ["fit-3x4", "fill-3x4", "rotate-90", "whole", "q75", "q75p", "q0", "original", "p", "", "fit-", "fit"]
WISHES = ["_".join(parts) for count in range(4) for parts in itertools.product(WORDS, repeat=count)]


@pytest.mark.parametrize("extension", ["jpg", "webp", "png", "jpeg", "tif", ""])
def test_what_is_read_is_the_spelling_or_leaves_out_only_the_output(extension: str) -> None:
    read = 0
    for text in WISHES:
        with contextlib.suppress(BadRequest):
            recipe = parse_recipe(text, extension, USUAL)
            output = recipe.output.spell() if isinstance(recipe, Recipe) else ""
            assert text in (recipe.spell(), recipe.spell().removesuffix(f"_{output}"))
            read += 1
    assert bool(read) == (extension not in ("jpeg", ""))


def test_quality_0_means_nothing() -> None:
    with pytest.raises(BadRequest, match="expected a whole number from 1 to 100 for quality, got '0'"):
        Output.parse("q0", JPEG)


@pytest.mark.parametrize(
    ("text", "extension", "spelled"),
    [
        pytest.param("fit-10x10", "jpg", "fit-10x10_q75", id="jpeg"),
        pytest.param("fit-10x10", "avif", "fit-10x10_q60", id="avif"),
        pytest.param("whole", "webp", "whole_q75", id="nothing but the output"),
        pytest.param("fit-10x10", "png", "fit-10x10", id="a format without"),
    ],
)
def test_a_wish_without_quality_gets_the_installations(text: str, extension: str, spelled: str) -> None:
    assert parse_recipe(text, extension, USUAL).spell() == spelled


def test_progressive_is_filled_in_for_jpeg_only_and_only_where_the_wish_is_silent() -> None:
    assert parse_recipe("fit-10x10", "jpg", PROGRESSIVE).spell() == "fit-10x10_q75p"
    assert parse_recipe("fit-10x10_q75", "jpg", PROGRESSIVE).spell() == "fit-10x10_q75"
    assert parse_recipe("fit-10x10", "webp", PROGRESSIVE).spell() == "fit-10x10_q75"


@pytest.mark.parametrize("form", WRITABLE, ids=lambda form: form.name)
def test_the_installations_output_is_complete(form: Format) -> None:
    for qualities in (USUAL, PROGRESSIVE):
        output = qualities.output(form)
        assert bool(output.quality) == form.has_quality
        assert output.progressive == (qualities.progressive and form is JPEG)


@pytest.mark.parametrize(
    ("text", "extension"),
    [
        pytest.param("", "jpg", id="nothing"),
        pytest.param("q75", "jpg", id="whole left out"),
        pytest.param("whole_fit-10x10", "jpg", id="whole before an operation"),
        pytest.param("fit-10x10_whole", "jpg", id="whole after an operation"),
        pytest.param("whole_whole", "jpg", id="whole twice"),
        pytest.param("fit-10x10_q75_q75", "jpg", id="two outputs"),
        pytest.param("q75_fit-10x10", "jpg", id="output first"),
        pytest.param("fit-10x10_q0", "jpg", id="quality 0"),
        pytest.param("fit-10x10_q101", "jpg", id="quality 101"),
        pytest.param("fit-10x10_q075", "jpg", id="leading zero"),
        pytest.param("fit-10x10_q", "jpg", id="no number"),
        pytest.param("fit-10x10_p", "jpg", id="progressive alone"),
        pytest.param("fit-10x10_q75p", "webp", id="progressive webp"),
        pytest.param("fit-10x10_q75", "png", id="quality of a png"),
        pytest.param("fit-10x10_rotate-90", "jpg", id="another order"),
        pytest.param("fit-10x10_fit-20x20", "jpg", id="twice"),
        pytest.param("fit-10x10_fill-20x20", "jpg", id="two sizes"),
        pytest.param("fit-10x10__q75", "jpg", id="empty part"),
        pytest.param("_fit-10x10", "jpg", id="empty part first"),
        pytest.param("fit-10x10_", "jpg", id="empty part last"),
        pytest.param("fit", "jpg", id="no argument"),
        pytest.param("smear-5", "jpg", id="no such operation"),
        pytest.param("FIT-10x10", "jpg", id="upper case"),
        pytest.param("fit-10x10\n", "jpg", id="line end"),
        pytest.param("fit-10x10", "jpeg", id="another name of the format"),
        pytest.param("fit-10x10", "JPG", id="upper case extension"),
        pytest.param("fit-10x10", "tif", id="a format that is not written"),
        pytest.param("fit-10x10", "svg", id="a format that is not read"),
        pytest.param("fit-10x10", "", id="no extension"),
        pytest.param("original", "jpeg", id="another name of the original's format"),
        pytest.param("original", "svg", id="an original that there is not"),
        pytest.param("original_q75", "jpg", id="an original with a quality"),
    ],
)
def test_another_spelling_is_refused(text: str, extension: str) -> None:
    with pytest.raises(BadRequest, match="expected"):
        parse_recipe(text, extension, USUAL)


def test_a_refusal_says_what_was_expected() -> None:
    with pytest.raises(BadRequest, match=r"expected 'rotate-90_fit-10x10' for this recipe, got 'fit-10x10_rotate-90'"):
        parse_recipe("fit-10x10_rotate-90", "jpg", USUAL)
    with pytest.raises(BadRequest, match="expected at most one resize operation for a recipe, got 2"):
        parse_recipe("fit-10x10_fill-20x20", "jpg", USUAL)


@pytest.mark.parametrize("extension", [form.extension for form in FORMATS])
def test_an_original_may_have_any_format_that_is_read(extension: str) -> None:
    assert parse_recipe("original", extension, USUAL) == Untouched(scrubbed=False)
    assert parse_recipe("original-scrubbed", extension, USUAL) == Untouched(scrubbed=True)


def test_the_default_of_a_setting_is_a_value_and_not_a_hole() -> None:
    assert all(1 <= quality <= 100 for _, quality in USUAL.by_format)
    assert {name for name, _ in USUAL.by_format} == {form.name for form in BY_EXTENSION.values() if form.has_quality}
