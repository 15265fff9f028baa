"""What pages say: huImages' examples to the letter, sizes that are true, and nothing that a title could smuggle in."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from renderer import box, signing
from renderer.box import Box, Size
from renderer.dialects import huimages
from renderer.errors import BadRequest
from renderer.formats import AVIF, GIF, JPEG, PNG, WEBP, Format
from renderer.limits import Limits
from renderer.markup import (
    MOST_STEM,
    SIZE_NAMES,
    Described,
    Site,
    alt_text,
    dimensions,
    file_stem,
    image_url,
    operation_of,
    picture,
    srcset,
    tag,
)
from renderer.messages import Request, Show, Terms
from renderer.recipe import Recipe
from renderer.rendition import NAMINGS, Namespace
from tests.picture.pictures import quarters, rendered, saved
from tests.strategies import full_boxes, sizes

ID = "VGMT4NSHA2AWVOR6EVYXQUGCNSONBWE501"
SITE = Site("http://i.hdimg.net/")
KEY = b"a key of at least 16 characters"
SPACE = Namespace("huimages", NAMINGS["sha1"])
TERMS = Terms({"huimages": SPACE})

SAVED = Described(filename="test.jpeg", width=640, height=480)
SKATE = Described(("The skate picture",), width=640, height=480)

size_names = st.sampled_from(sorted(SIZE_NAMES))
any_sizes = full_boxes.map(Box.spell) | full_boxes.map(lambda wish: wish.spell() + "!") | size_names
texts = st.text(max_size=30)
descriptions = st.builds(Described, st.lists(texts, max_size=3), texts, st.integers(0, 9000), st.integers(0, 9000))


class Elements(HTMLParser):
    """The tags that a browser would see, with their attributes, and whether it would see anything else."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.seen: list[tuple[str, list[tuple[str, str | None]]]] = []
        self.others: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, attrs))

    def handle_data(self, data: str) -> None:
        self.others.append(data)

    def handle_comment(self, data: str) -> None:
        self.others.append(data)


def only_tag(text: str) -> dict[str, str | None]:
    found = Elements(text)
    assert found.others == []
    [(name, attributes)] = found.seen
    assert name == "img"
    assert len(dict(attributes)) == len(attributes)
    return dict(attributes)


def understood(url: str) -> Show:
    path = unquote(urlsplit(url).path)
    shown = huimages.read(Request("GET", path), TERMS)
    assert isinstance(shown, Show)
    return shown


@pytest.mark.feature(64)
@pytest.mark.parametrize(
    ("described", "stem"),
    [
        pytest.param(Described(("The skate picture",)), "The-skate-picture", id="spaces"),
        pytest.param(Described(('Käse & "Wurst"',)), "K_se-_-_Wurst_", id="quotes and foreign letters"),
        pytest.param(Described(("foo.jpg",)), "foo_jpg", id="a title keeps its extension"),
        pytest.param(Described(("../x",)), "_x", id="dots and slashes"),
        pytest.param(Described(("Nr: 5=6, ok",)), "Nr:-5=6,-ok", id="what may stay"),
        pytest.param(Described(("old", "new"), "file.jpeg"), "old", id="the oldest title"),
        pytest.param(Described((), "test.jpeg"), "test", id="a file"),
        pytest.param(Described((), "my test.JPG"), "my-test", id="a file of a camera"),
        pytest.param(Described((), "test.jpeg.jpg"), "test", id="first jpg, then jpeg"),
        pytest.param(Described((), "test.jpg.jpeg"), "test_jpg", id="not the other way round"),
        pytest.param(Described((), "a/b.png"), "a_b_png", id="another extension"),
        pytest.param(Described((), "größe_1\n.jpg"), "gr_e_1_", id="one _ for a run"),
        pytest.param(Described((), ".jpeg"), "", id="nothing left"),
        pytest.param(Described(("x" * 5000,)), "x" * MOST_STEM, id="no longer than a request line allows"),
        pytest.param(Described(), "", id="nothing known"),
    ],
)
def test_a_file_name_is_the_oldest_title_or_the_file_of_plain_characters(described: Described, stem: str) -> None:
    assert file_stem(described) == stem


def test_the_url_of_an_original_ends_in_its_file_name() -> None:
    assert image_url(SITE, ID, described=SAVED) == f"http://i.hdimg.net/o/{ID}/test.jpeg"


@pytest.mark.feature(63)
def test_the_url_of_a_size_keeps_its_exclamation_mark() -> None:
    assert image_url(SITE, ID, "150x150!", SAVED) == f"http://i.hdimg.net/150x150!/{ID}/test.jpeg"


def test_without_a_document_the_url_ends_in_the_name_alone() -> None:
    assert image_url(SITE, ID, "150x150") == f"http://i.hdimg.net/150x150/{ID}.jpeg"


@pytest.mark.feature(66)
@pytest.mark.parametrize(
    ("name", "spelled"),
    [
        pytest.param(*pair, id=pair[0])
        for pair in zip(
            "mini thumb sidebar small medium full vga svga xvga square".split(),
            "23x40 50x200 179x600 240x160 480x320 477x800 640x480 800x600 1024x768 75x75!".split(),
            strict=True,
        )
    ],
)
def test_a_size_name_stands_for_its_size(name: str, spelled: str) -> None:
    assert image_url(SITE, ID, name) == f"http://i.hdimg.net/{spelled}/{ID}.jpeg"
    assert operation_of(name) == operation_of(spelled)


def test_there_are_ten_size_names() -> None:
    assert len(SIZE_NAMES) == 10


@pytest.mark.parametrize(
    ("base_url", "start"),
    [
        pytest.param("http://i.hdimg.net", "http://i.hdimg.net/", id="no slash"),
        pytest.param("https://cdn.example.net/img", "https://cdn.example.net/img/", id="a path without slash"),
        pytest.param("https://cdn.example.net/img/", "https://cdn.example.net/img/", id="a path with slash"),
        pytest.param("//i.example.net", "//i.example.net/", id="the page's scheme"),
        pytest.param("/pictures", "/pictures/", id="the page's host"),
    ],
)
def test_no_part_of_the_base_url_is_lost(base_url: str, start: str) -> None:
    assert image_url(Site(base_url), ID, "vga", SKATE) == f"{start}640x480/{ID}/The-skate-picture.jpeg"


def test_what_is_no_size_is_used_as_it_is_but_leaves_its_place_in_the_path() -> None:
    assert image_url(SITE, ID, "huge") == f"http://i.hdimg.net/huge/{ID}.jpeg"
    assert image_url(SITE, "a/b", 'x/y?"z#') == "http://i.hdimg.net/x%2Fy%3F%22z%23/a%2Fb.jpeg"


@pytest.mark.parametrize("form", [pytest.param(form, id=form.name) for form in (JPEG, PNG, WEBP, GIF, AVIF)])
@given(any_sizes, descriptions)
def test_the_huimages_dialect_reads_what_is_written_here(form: Format, size: str, described: Described) -> None:
    shown = understood(image_url(SITE, ID, size, described, form))
    assert shown.rendition.ref == SPACE.ref(ID)
    assert isinstance(shown.rendition.recipe, Recipe)
    assert shown.rendition.recipe.operations == (operation_of(size),)
    assert shown.rendition.recipe.output.format is form


@given(any_sizes | st.just("o"), descriptions, st.sampled_from((JPEG, WEBP)))
def test_what_is_signed_here_is_accepted(size: str, described: Described, form: Format) -> None:
    shown = understood(image_url(Site("https://i.example.net", key=KEY), ID, size, described, form))
    signing.check([KEY], shown.rendition.ref, shown.wish, shown.signature)
    assert len(shown.signature) == 22


@pytest.mark.feature(67)
@pytest.mark.parametrize(
    ("original", "size", "made"),
    [
        pytest.param((1000, 1000), "320x240", (240, 240), id="the old README's example"),
        pytest.param((800, 600), "full", (477, 357), id="where floats misfire"),
        pytest.param((640, 480), "150x150", (150, 112), id="landscape"),
        pytest.param((480, 640), "150x150", (112, 150), id="portrait"),
        pytest.param((100, 75), "1024x768", (100, 75), id="never enlarged"),
        pytest.param((5000, 1), "150x150", (150, 1), id="a line"),
        pytest.param((3000, 2000), "square", (75, 75), id="an odd surplus"),
        pytest.param((50, 50), "75x75!", (75, 75), id="cropped sizes are enlarged"),
        pytest.param((1000, 60), "75x75!", (75, 75), id="cropped of a strip"),
    ],
)
def test_dimensions_are_those_of_what_is_rendered(original: Size, size: str, made: Size, tmp_path: Path) -> None:
    assert dimensions(original, size) == made
    assert rendered(saved(quarters(original), tmp_path / "a.png"), operation_of(size)).size == made


@pytest.mark.feature(67)
@given(sizes, full_boxes)
def test_dimensions_are_fit_and_cover(original: Size, wish: Box) -> None:
    assert dimensions(original, wish.spell()) == box.fit(original, wish)
    assert dimensions(original, wish.spell() + "!") == (wish.width, wish.height)
    scaled = box.cover(original, wish).scaled
    assert scaled[0] >= wish.width
    assert scaled[1] >= wish.height


@pytest.mark.feature(68)
def test_the_original_has_its_own_dimensions() -> None:
    assert dimensions((640, 480), "o") == (640, 480)


@pytest.mark.parametrize(("size", "made"), [pytest.param("150x150", None, id="fit"), pytest.param("o", None, id="original")])
def test_dimensions_that_follow_from_unknown_ones_are_unknown(size: str, made: Size | None) -> None:
    assert dimensions((0, 0), size) is made


def test_an_exact_size_is_known_of_anything() -> None:
    assert dimensions((0, 0), "75x75!") == (75, 75)


@pytest.mark.parametrize(
    "size", [pytest.param(text, id=text or "nothing") for text in ("huge", "", "0x5", "0150x150", "150x", "150x150!!", "1x1\n")]
)
def test_there_are_no_dimensions_of_what_is_no_size(size: str) -> None:
    with pytest.raises(BadRequest, match="expected o, WIDTHxHEIGHT"):
        dimensions((640, 480), size)


@pytest.mark.feature(70)
@pytest.mark.parametrize(
    ("described", "addition", "text"),
    [
        pytest.param(Described(("old", "new"), "a_b.jpeg"), "", "new", id="the newest title"),
        pytest.param(Described(("old", "new"), "a_b.jpeg"), " - HUDORA", "new - HUDORA", id="with the addition"),
        pytest.param(Described((), "a_b c.jpeg"), "", "a b c.jpeg", id="the file in words"),
        pytest.param(Described((), "a_b.jpeg"), "!", "a b.jpeg!", id="and the addition right behind it"),
        pytest.param(Described(), " by HUDORA ", "by HUDORA", id="the addition alone"),
        pytest.param(Described(), "", "", id="nothing"),
    ],
)
def test_the_alternative_text_is_the_newest_title_or_the_file(described: Described, addition: str, text: str) -> None:
    assert alt_text(described, addition) == text


@pytest.mark.feature(69)
def test_a_tag_is_what_it_was() -> None:
    assert tag(SITE, ID, "150x150", SKATE) == (
        f'<img src="http://i.hdimg.net/150x150/{ID}/The-skate-picture.jpeg" width="150" height="112" alt="The skate picture" />'
    )


def test_a_tag_of_something_unknown_has_no_dimensions() -> None:
    assert tag(Site(SITE.base_url, " HUDORA"), ID, "vga", Described()) == f'<img src="http://i.hdimg.net/640x480/{ID}.jpeg" alt="HUDORA" />'


@pytest.mark.feature(72)
def test_attributes_stand_in_order_and_alt_only_once() -> None:
    made = tag(SITE, ID, "square", SAVED, "ismap", 'class="photo"', alt="neu", title='5 > "4"', class_="x", tabindex=3, hidden=None)
    assert made == (
        f'<img src="http://i.hdimg.net/75x75!/{ID}/test.jpeg" width="75" height="75" ismap class="x" alt="neu" '
        'title="5 &gt; &quot;4&quot;" tabindex="3" />'
    )


@pytest.mark.parametrize(
    ("argument", "read"),
    [
        pytest.param('class="a b" id="c"', {"class": "a b", "id": "c"}, id="two at once"),
        pytest.param("class='a \"b\"'", {"class": 'a "b"'}, id="single quotes"),
        pytest.param("border=0 ismap", {"border": "0", "ismap": None}, id="no quotes"),
        pytest.param(' title = "R&amp;D" ', {"title": "R&D"}, id="escaped already"),
        pytest.param('ALT="mine"', {"alt": "mine"}, id="alt in capitals"),
        pytest.param("", {}, id="nothing"),
    ],
)
def test_a_positional_argument_is_attributes_as_html_has_them(argument: str, read: dict[str, str | None]) -> None:
    usual = only_tag(tag(SITE, ID, "square", SKATE))
    assert only_tag(tag(SITE, ID, "square", SKATE, argument)) == usual | read


@pytest.mark.parametrize(
    "argument", [pytest.param(text, id=text) for text in ("/><script>", 'a="b"c', 'a="b', "<b>", "a=b>c", '"', "=", "a==b", "a='b\"")]
)
def test_H_B15_a_positional_argument_that_is_no_attribute_is_refused(argument: str) -> None:
    with pytest.raises(BadRequest, match="expected NAME"):
        tag(SITE, ID, "square", SKATE, argument)


@pytest.mark.parametrize("name", [pytest.param(text, id=repr(text)) for text in ("", "a b", 'a"', "a>", "a=b", "a/b", "a\0")])
def test_H_B15_a_keyword_that_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(BadRequest, match="name of an attribute"):
        tag(SITE, ID, "square", SKATE, **{name: "x"})


@pytest.mark.feature(71)
@given(descriptions, texts, texts, any_sizes | st.just("o"))
@example(Described(('"><script>alert(1)</script>',)), "", "", "thumb")
@example(Described((), '" onerror="alert(1).jpeg'), '" onload="', "' x='&quot;", "o")
def test_H_B15_nothing_in_a_tag_leaves_its_attribute(described: Described, addition: str, value: str, size: str) -> None:
    site = Site(SITE.base_url, addition)
    found = only_tag(tag(site, ID, size, described, title=value))
    assert found["alt"] == alt_text(described, addition)
    assert found["title"] == value
    assert found["src"] == image_url(site, ID, size, described)
    assert found.keys() - {"width", "height"} == {"src", "title", "alt"}


@given(st.text(max_size=40))
@example('a="b" c')
def test_H_B15_a_positional_argument_never_ends_the_tag(argument: str) -> None:
    try:
        made = tag(SITE, ID, "square", SKATE, argument)
    except BadRequest:
        return
    own, found = only_tag(tag(SITE, ID, "square", SKATE)), only_tag(made)
    said = only_tag(f"<img {argument}>")  # the argument as a browser reads it, where it is nothing but attributes
    assert found == own | said


@given(st.dictionaries(st.text(min_size=1, max_size=5), st.text(max_size=10), max_size=3))
def test_H_B15_no_keyword_ends_the_tag(attributes: dict[str, str]) -> None:
    try:
        made = tag(SITE, ID, "square", SKATE, **attributes)
    except BadRequest:
        return
    own, found = only_tag(tag(SITE, ID, "square", SKATE)), only_tag(made)
    assert found == own | {(name.removesuffix("_") or name).lower(): value for name, value in attributes.items()}


def listed(text: str | None) -> list[tuple[str, int]]:
    """URL and width of each candidate."""
    candidates = [candidate.split(" ") for candidate in (text or "").split(", ")]
    return [(url, int(width.removesuffix("w"))) for url, width in candidates]


def test_a_srcset_has_each_true_width_once_and_in_order() -> None:
    made = srcset(SITE, ID, ["vga", "1024x768", "320x240", "small"], Described(width=640, height=480))
    true = {"240x160": 213, "320x240": 320, "640x480": 640}
    assert made == ", ".join(f"http://i.hdimg.net/{size}/{ID}.jpeg {width}w" for size, width in true.items())


def test_a_srcset_of_unknown_widths_is_empty() -> None:
    assert srcset(SITE, ID, ["vga", "small"], Described()) == ""


def test_a_srcset_of_exact_sizes_needs_no_document() -> None:
    assert srcset(SITE, ID, ["75x75!", "150x150!"], Described(), WEBP) == (
        f"http://i.hdimg.net/75x75!/{ID}.webp 75w, http://i.hdimg.net/150x150!/{ID}.webp 150w"
    )


@pytest.mark.parametrize(
    ("limits", "widths"),
    [
        pytest.param(Limits(max_side_out=700), [320, 640], id="too wide"),
        pytest.param(Limits(max_pixels_out=100_000), [320], id="too many pixels"),
        pytest.param(Limits(sizes={"huimages": frozenset([(operation_of("vga"),)])}), [640], id="a list of sizes"),
        pytest.param(Limits(sizes={"elsewhere": frozenset()}), [320, 640, 800], id="another's list"),
    ],
)
def test_a_srcset_offers_only_what_the_host_answers(limits: Limits, widths: list[int]) -> None:
    made = srcset(Site(SITE.base_url, limits=limits), ID, ["320x240", "vga", "svga"], Described(width=4000, height=3000))
    assert [width for _, width in listed(made)] == widths


@given(st.lists(any_sizes, max_size=5), descriptions)
def test_each_width_in_a_srcset_is_that_of_its_url(sizes_asked: list[str], described: Described) -> None:
    made = srcset(SITE, ID, sizes_asked, described)
    found = listed(made) if made else []
    assert [width for _, width in found] == sorted({width for _, width in found})
    for url, width in found:
        recipe = understood(url).rendition.recipe
        assert isinstance(recipe, Recipe)
        [operation] = recipe.operations
        assert operation.outline((described.width or 1, described.height or 1))[0] == width


def test_a_picture_offers_modern_formats_first_and_a_jpeg_to_all() -> None:
    described = Described(("Skate",), width=1000, height=800, placeholder="3OcRJYB4d3h/iIeHeEh3eIhw+j3A")
    made = picture(SITE, ID, ["320x320", "640x640"], described, class_="hero")
    host, windows = "http://i.hdimg.net", 'sizes="(max-width: 640px) 100vw, 640px"'

    def offered(extension: str) -> str:
        return ", ".join(f"{host}/{width}x{width}/{ID}/Skate.{extension} {width}w" for width in (320, 640))

    assert made == (
        f'<picture><source type="image/avif" srcset="{offered("avif")}" {windows} />'
        f'<source type="image/webp" srcset="{offered("webp")}" {windows} />'
        f'<img src="{host}/640x640/{ID}/Skate.jpeg" width="640" height="512" srcset="{offered("jpeg")}" {windows} '
        'loading="lazy" decoding="async" data-thumbhash="3OcRJYB4d3h/iIeHeEh3eIhw+j3A" class="hero" alt="Skate" /></picture>'
    )


def test_what_a_page_says_of_a_picture_wins() -> None:
    made = picture(SITE, ID, ["75x75!"], SKATE, formats=[WEBP], sizes="50vw", loading="eager", decoding=None, alt="neu")
    (_, outer), (_, source), (_, img) = Elements(made).seen
    assert (outer, dict(source)["sizes"], dict(img)["sizes"]) == ([], "50vw", "50vw")
    assert (dict(img)["loading"], dict(img)["alt"], "decoding" in dict(img)) == ("eager", "neu", False)


def test_a_picture_of_something_unknown_has_the_last_size_in_each_format() -> None:
    assert picture(SITE, ID, ["small", "vga"], Described(), formats=[AVIF]) == (
        f'<picture><source type="image/avif" srcset="http://i.hdimg.net/640x480/{ID}.avif" />'
        f'<img src="http://i.hdimg.net/640x480/{ID}.jpeg" loading="lazy" decoding="async" alt="" /></picture>'
    )


@pytest.mark.parametrize(
    ("described", "wish"),
    [
        pytest.param(Described(width=9000, height=6000), "5000x5000", id="more pixels than a slow format may have"),
        pytest.param(Described(), "5000x5000", id="perhaps more"),
        pytest.param(Described(width=9000, height=6000), "o", id="the original"),
        pytest.param(Described(), "o", id="the original of unknown size"),
    ],
)
def test_a_format_that_lacks_the_largest_is_not_offered(described: Described, wish: str) -> None:
    made = picture(SITE, ID, ["640x480", wish], described, formats=[AVIF])
    assert [name for name, _ in Elements(made).seen] == ["picture", "img"]
    assert re.search(rf'<img src="[^"]*/{wish}/', made)


def test_a_picture_needs_a_size() -> None:
    with pytest.raises(BadRequest, match="at least one size"):
        picture(SITE, ID, [], SKATE)


@given(st.lists(any_sizes | st.just("o"), min_size=1, max_size=4), descriptions, st.text(max_size=20))
def test_H_B15_nothing_in_a_picture_leaves_its_attribute(sizes_asked: list[str], described: Described, windows: str) -> None:
    found = Elements(picture(SITE, ID, sizes_asked, described, sizes=windows))
    assert found.others == []
    names = [name for name, _ in found.seen]
    assert names == ["picture", *["source"] * (len(names) - 2), "img"]
    assert dict(found.seen[-1][1])["alt"] == alt_text(described)
    assert {dict(attributes)["sizes"] for _, attributes in found.seen[1:]} == {windows}
