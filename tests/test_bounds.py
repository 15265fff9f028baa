"""No request costs more than it should: patterns that cannot run away, canvases that are judged, and nothing of Pillow that had holes."""

from __future__ import annotations

import ast
import itertools
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from renderer import box, dialects, fields, namespaces, recipe, rendition, signing
from renderer.box import Box, Size
from renderer.dialects import hits, huimages, imageserver, links, native, negotiation
from renderer.errors import Refused
from renderer.formats import JPEG, PNG
from renderer.limits import Limits
from renderer.ops import Crop, Fill, Operation, Pad, Rotate, Stretch, Trim, are_idle, outline
from renderer.recipe import Output, Recipe
from renderer.rendition import NAMINGS, Namespace, Rendition
from renderer.web import app
from tests.backtracking import TooMany, steps
from tests.house import tree
from tests.picture.pictures import outcome, saved
from tests.picture.pictures import recipe as recipe_of
from tests.strategies import recipes, sizes

# R7 --------------------------------------------------------------------------------------------------------------------------------

HOLED = re.compile(r"PIL\.(?:Image(?:Math|Font|Draw|Draw2|Grab|Show|Tk|Qt|File\.Parser)|ExifTags\.eval)\b")


@pytest.mark.parametrize("module", tree.modules("renderer"), ids=str)
def test_R7_no_expressions_fonts_or_text_of_pillow_are_used(module: Path) -> None:
    assert [name for _, name in tree.imports(module) if HOLED.match(name)] == []


def test_R7_the_rule_sees_each_way_to_import_them() -> None:
    for line in ("from PIL import ImageMath", "import PIL.ImageFont", "from PIL.ImageFont import truetype", "import PIL.ImageDraw as d"):
        [node] = ast.parse(line).body
        origin = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
        assert HOLED.match(origin + node.names[0].name)  # type: ignore[attr-defined]


# R9 --------------------------------------------------------------------------------------------------------------------------------

LIMITS = Limits(max_side_out=500, max_pixels_out=100_000, max_pixels_slow=50_000, max_pixels_frames=200_000)
SPACE = Namespace("p", NAMINGS["md5"])


def wish(*operations: Operation) -> Rendition:
    return Rendition(SPACE.ref("5eb63bbbe01eeed093cb22bb8f5acdc3"), Recipe.of(operations, Output(JPEG, 75)))


@pytest.mark.parametrize(
    "operation",
    [Pad(Box(501, 1)), Pad(Box(1, 501), "n"), Pad(Box(400, 400)), Fill(Box(400, 400), "smart"), Stretch(Box(501, 0))],
    ids=Operation.spell,
)
def test_R9_whatever_multiplies_pixels_is_refused_before_a_fetch(operation: Operation) -> None:
    with pytest.raises(Refused, match="expected at most 500 pixels a side and 100000 in all for a size in jpeg"):
        LIMITS.judge(wish(operation))


MULTIPLYING = [
    ((Stretch(Box(100, 0)),), (10, 60)),
    ((Stretch(Box(0, 100)),), (60, 10)),
    ((Stretch(Box(400, 100)), Pad(Box(100, 400))), (10, 10)),
    ((Crop(0, 0, Box(1, 99_999)), Stretch(Box(10, 0))), (900, 900)),
    ((Rotate(90), Stretch(Box(100, 0))), (60, 10)),
]


@pytest.mark.parametrize(
    ("operations", "size"),
    [pytest.param(*row, id=f"{'_'.join(operation.spell() for operation in row[0])} of {row[1]}") for row in MULTIPLYING],
)
def test_R9_what_multiplies_only_with_its_original_is_refused_by_its_canvas(operations: tuple[Operation, ...], size: Size) -> None:
    LIMITS.judge(wish(*operations))
    with pytest.raises(Refused, match="for a rendition in jpeg"):
        LIMITS.judge_canvas(outline(operations, size), JPEG)


@pytest.mark.parametrize("operation", [Stretch(Box(300, 0)), Stretch(Box(0, 300))], ids=Operation.spell)
def test_R9_what_trimming_leaves_is_judged_again(tmp_path: Path, operation: Stretch) -> None:
    """A line 200 pixels long and one wide: stretched to 300 pixels across it would be 60000 long, which no header tells."""
    image = Image.new("L", (200, 200), "white")
    image.paste(0, (100, 0, 101, 200) if operation.box.width else (0, 100, 200, 101))
    result = outcome(saved(image, tmp_path / "line.png"), recipe_of(Trim(0), operation), tmp_path / "made.jpg", LIMITS)
    assert isinstance(result, Refused)
    assert "expected at most 500 pixels a side" in str(result)


def test_R9_frames_multiply_too() -> None:
    assert LIMITS.animates((100, 100), 20)
    assert not LIMITS.animates((100, 100), 21)
    assert not LIMITS.animates(outline((Pad(Box(400, 250)),), (10, 10)), 3)


@given(recipes(), sizes)
def test_R9_no_path_leads_round_the_last_check(made: Recipe, size: Size) -> None:
    """Every operation is bounded by what it was asked for or by what it got: nothing multiplies by itself."""
    limits = Limits(max_side_out=10**9, max_pixels_out=10**18, max_pixels_slow=10**18)
    try:
        width, height = outline(made.operations, size)
    except Refused:
        return
    limits.judge_canvas((width, height), PNG)
    wished = [found for operation in made.operations if (found := operation.wish()) is not None]
    most = max([*size, *(side for found in wished for side in (found.width, found.height))])
    assert min(width, height) <= most
    assert min(width, height) >= 1
    if are_idle(made.operations, size):
        assert (width, height) == size


# R10 -------------------------------------------------------------------------------------------------------------------------------

READERS = (  # all that see a URL's text
    fields, box, recipe, rendition, namespaces, signing, dialects, hits, huimages, imageserver, negotiation, links, native, app
)  # fmt: skip
SEARCHED = {"_REFUSED_PATH", "REFUSED_URI", "_CONTROL"}

# What is not compiled in advance: each a text in these modules, used with re.fullmatch or re.search.
WRITTEN = {
    "REFUSED_URI": re.compile(dialects.REFUSED_URI),
    "native.SHAPE": re.compile(native.SHAPE, re.DOTALL),
    "huimages.SHAPE": re.compile(huimages.SHAPE, re.DOTALL),
    "imageserver.SHAPE": re.compile(imageserver.SHAPE, re.DOTALL),
    "imageserver.TAKES": re.compile(imageserver.TAKES, re.DOTALL),
    **{f"naming {kind}": re.compile(naming.pattern) for kind, naming in NAMINGS.items()},
}
PATTERNS = WRITTEN | {
    f"{module.__name__}.{name}": value for module in READERS for name, value in vars(module).items() if isinstance(value, re.Pattern)
}


def test_R10_every_pattern_that_sees_a_url_is_known_here() -> None:
    """A pattern is compiled where its module begins, or is one of those in WRITTEN."""
    files = [Path(str(module.__file__)).relative_to(tree.TOP) for module in READERS]
    calls = [node for file in files for node in ast.walk(tree.tree(file)) if isinstance(node, ast.Call)]
    used = [node for node in calls if isinstance(node.func, ast.Attribute) and ast.unparse(node.func.value) == "re"]
    compiled = [node for node in used if ast.unparse(node.func) == "re.compile"]
    assert {ast.unparse(node.args[0]) for node in used if node not in compiled and ast.unparse(node.func) != "re.escape"} == {
        "SHAPE",
        "dialect.SHAPE",
        "dialect.TAKES",
        "REFUSED_URI",
        "self.naming.pattern",
    }
    assert len({(value.pattern, value.flags) for value in PATTERNS.values() if value not in WRITTEN.values()}) == len(compiled)


def test_R10_no_operation_has_a_pattern_of_its_own() -> None:
    operations = [module for module in tree.modules("renderer") if module.parts[1] == "ops"]
    assert [str(module) for module in operations if any(name == "re" for _, name in tree.imports(module))] == []
    assert operations


STARTS = ("", "/i/a/b/", "/150x150/", "/i/", "A", "0", "q75", "a/", "150x")
ENDS = ("", "\n", "!", "~", "/", ".jpg", "/a.jpg", "x")
PUMPS = [*"a0/~.-_x%2Aé", *map("".join, itertools.product("a/.~", repeat=2)), "a/a.", "~0x", "%2e"]
PUMPED = 24  # times; a recipe is bounded by its length, and what is bounded may cost more at its bound than twice before


@pytest.mark.parametrize("name", sorted(PATTERNS))
def test_R10_twice_the_text_takes_about_twice_the_steps(name: str) -> None:
    """Counted, not timed. What backtracks too much takes four times the steps, or runs out of them."""
    searched = name.rpartition(".")[2] in SEARCHED
    for start, pump, end in itertools.product(STARTS, PUMPS, ENDS):
        few, many = (steps(PATTERNS[name], start + pump * times + end, searched) for times in (PUMPED, 2 * PUMPED))
        assert many <= 2.5 * few + 40, f"{pump!r} after {start!r} before {end!r}"


@pytest.mark.parametrize(
    "pattern",
    [r"(?:a+)+", r"(?:a|a)*b", r"[^/]+/.*a.*b", r"a*a*b", r"(?:[a-z]+/?)+x", r"a[0-9a]*a[0-9a]*!"],
)
def test_R10_the_count_tells_what_runs_away(pattern: str) -> None:
    def is_bounded(start: str, pump: str, end: str) -> bool:
        try:
            few, many = (steps(re.compile(pattern), start + pump * times + end) for times in (PUMPED, 2 * PUMPED))
        except TooMany:
            return False
        return many <= 2.5 * few + 40

    assert not all(is_bounded(*attack) for attack in itertools.product(STARTS, PUMPS, ENDS))


@given(st.sampled_from(sorted(PATTERNS)), st.text(st.sampled_from("ai0/~.-_x%2eA!\n"), max_size=12))
def test_R10_the_count_is_of_the_engine_that_python_has(name: str, text: str) -> None:
    """`steps` compares what it finds with what `re` finds."""
    assert steps(PATTERNS[name], text) >= 0
    assert steps(PATTERNS[name], text, searched=True) >= 0
