"""What pages are told: URLs and tags from the documents, with and without a catalog that answers."""

from __future__ import annotations

import time
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

import huimages
from renderer import client
from renderer.catalog import Entry
from renderer.client import Library
from renderer.client.documents import LEAST_PAUSE_SECONDS, LIFETIME_SECONDS, MOST, Documents
from renderer.errors import BadRequest, ConfigError, StoreUnavailable
from renderer.rendition import NAMINGS, Namespace, Ref
from tests.client.conftest import BASE, MakeLibrary
from tests.e2e.conftest import make_site
from tests.e2e.site import Site, jpeg
from tests.servers import unused_port

__all__ = ["make_site"]

SPACE = Namespace("huimages", NAMINGS["sha1"])
ID = "VGMT4NSHA2AWVOR6EVYXQUGCNSONBWE501"
KEY = "a key of at least 16 characters"


class Attributes(HTMLParser):
    """Of the tags in a text, as a browser reads them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, list[tuple[str, str | None]]]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, attrs))


def only(text: str) -> dict[str, str | None]:
    [(name, attributes)] = Attributes(text).tags
    assert name == "img"
    assert len(dict(attributes)) == len(attributes)
    return dict(attributes)


# --- URLs -------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.feature(62, 63)
def test_a_URL_ends_in_the_name_of_the_file(library: Library) -> None:
    imageid = library.save_image(jpeg(), filename="test.jpeg")
    assert library.imageurl(imageid) == f"http://i.hdimg.net/o/{imageid}/test.jpeg"
    assert library.scaled_imageurl(imageid, "150x150!") == f"http://i.hdimg.net/150x150!/{imageid}/test.jpeg"
    assert library.scaled_imageurl(imageid) == f"http://i.hdimg.net/150x150/{imageid}/test.jpeg"


@pytest.mark.feature(64)
def test_a_URL_ends_in_the_oldest_title(library: Library) -> None:
    imageid = library.save_image(jpeg(), title='Käse & "Wurst"')
    library.set_title(imageid, "Another")
    assert library.scaled_imageurl(imageid, "thumb") == f"http://i.hdimg.net/50x200/{imageid}/K_se-_-_Wurst_.jpeg"


@pytest.mark.feature(66)
@pytest.mark.parametrize("name", list(client.SIZE_NAMES))
def test_a_size_name_is_its_size(plain: Library, name: str) -> None:
    assert plain.scaled_imageurl(ID, name) == f"{BASE}{client.SIZE_NAMES[name]}/{ID}.jpeg"


def test_a_URL_is_signed_where_a_key_is_set(make: MakeLibrary) -> None:
    library = make({"signing": {"keys": [KEY]}})
    assert library.scaled_imageurl(ID, "square").startswith(f"{BASE}75x75!~")


def test_what_cannot_be_an_ID_is_a_URL_all_the_same(plain: Library) -> None:
    assert plain.imageurl("a/../b") == f"{BASE}o/a%2F..%2Fb.jpeg"


# --- sizes ------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.feature(67)
def test_the_size_is_that_of_the_rendition(library: Library) -> None:
    square = library.save_image(jpeg(1000, 1000))
    assert library.scaled_dimensions(square, "320x240") == (240, 240)
    assert library.scaled_dimensions(square) == (150, 150)
    assert library.scaled_dimensions(square, "thumb") == (50, 50)


@pytest.mark.feature(68)
def test_the_size_of_o_is_that_of_the_original(library: Library) -> None:
    assert library.scaled_dimensions(library.save_image(jpeg()), "o") == (640, 480)


def test_H_B3_an_exact_size_is_what_it_says_of_small_and_odd_originals_too(plain: Library) -> None:
    for size in ((50, 50), (281, 400), (1000, 60)):
        assert plain.scaled_dimensions(plain.save_image(jpeg(*size)), "75x75!") == (75, 75)


@pytest.mark.parametrize("size", ["", "huge", "0x0", "150", "150x150!!", "-1x5"], ids=repr)
def test_what_is_no_size_has_none(plain: Library, size: str) -> None:
    assert plain.scaled_dimensions(plain.save_image(jpeg()), size) == (None, None)


def test_the_size_of_what_is_not_known_is_not_known(plain: Library) -> None:
    assert plain.scaled_dimensions(ID) == (None, None)
    assert plain.scaled_dimensions(ID, "o") == (None, None)


# --- tags -------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.feature(69)
def test_a_tag_has_URL_size_and_text(library: Library) -> None:
    imageid = library.save_image(jpeg(), filename="test_picture.jpeg")
    url = f"http://i.hdimg.net/150x150/{imageid}/test_picture.jpeg"
    assert library.scaled_tag(imageid) == f'<img src="{url}" width="150" height="112" alt="test picture.jpeg" />'


@pytest.mark.feature(70)
def test_the_text_is_the_newest_title_with_the_addition_of_the_moment(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    imageid = library.save_image(jpeg(), title="one", filename="test_picture.jpeg")
    library.set_title(imageid, "two")
    assert only(library.scaled_tag(imageid))["alt"] == "two"
    monkeypatch.setenv("HUIMAGESALTADDITION", " by us")
    assert only(library.scaled_tag(imageid))["alt"] == "two by us"
    assert only(library.scaled_tag(ID))["alt"] == "by us"
    monkeypatch.delenv("HUIMAGESALTADDITION")
    assert only(library.scaled_tag(imageid))["alt"] == "two"


@pytest.mark.feature(71)
@pytest.mark.parametrize("evil", ['" onload="alert(1)', "'><script>", "</img>", "&quot;"], ids=repr)
def test_H_B15_nothing_breaks_out_of_an_attribute(plain: Library, monkeypatch: pytest.MonkeyPatch, evil: str) -> None:
    titled = plain.save_image(jpeg(), title=evil)
    named = plain.save_image(jpeg(seed=2), filename=evil)
    monkeypatch.setenv("HUIMAGESALTADDITION", evil)
    for imageid in (titled, named):
        assert only(plain.scaled_tag(imageid, "thumb", title=evil)).keys() == {"src", "width", "height", "title", "alt"}
    assert only(plain.scaled_tag(titled, title=evil)) | {"src": ""} == {
        "src": "", "width": "150", "height": "112", "title": evil, "alt": evil + evil,
    }  # fmt: skip
    assert [name for name, _ in Attributes(plain.picture_tag(titled, ["thumb"], title=evil)).tags] == ["picture", "source", "source", "img"]


@pytest.mark.parametrize("argument", ["><script>", 'a="b', "a b>"], ids=repr)
def test_H_B15_an_argument_that_is_no_attribute_is_refused(plain: Library, argument: str) -> None:
    with pytest.raises(BadRequest, match="expected NAME"):
        plain.scaled_tag(ID, "square", argument)


@pytest.mark.feature(72)
def test_an_attribute_that_is_given_stands_there_once(plain: Library) -> None:
    imageid = plain.save_image(jpeg())
    tag = plain.scaled_tag(imageid, "thumb", 'class="photo"', "ismap", alt="neu", id_="x")
    assert tag.count('alt="neu"') == 1
    assert only(tag) | {"src": ""} == {
        "src": "", "width": "50", "height": "37", "class": "photo", "ismap": None, "alt": "neu", "id": "x",
    }  # fmt: skip


def test_the_size_of_a_tag_may_be_a_keyword(plain: Library) -> None:
    assert plain.scaled_tag(imageid=ID, size="square").startswith(f'<img src="{BASE}75x75!/{ID}.jpeg" width="75" height="75"')


def test_a_page_may_offer_several_sizes_and_formats(plain: Library) -> None:
    imageid = plain.save_image(jpeg(), filename="x.jpeg")
    assert plain.srcset(imageid, ["vga", "320x320", "9999x9999"]) == (
        f"{BASE}320x320/{imageid}/x.jpeg 320w, {BASE}640x480/{imageid}/x.jpeg 640w"
    )
    sources = Attributes(plain.picture_tag(imageid, ["320x320", "vga"], class_="photo", sizes_="50vw")).tags
    assert [dict(attributes).get("type") for name, attributes in sources if name == "source"] == ["image/avif", "image/webp"]
    image = dict(sources[-1][1])
    assert (image["class"], image["sizes"], image["loading"], image["width"]) == ("photo", "50vw", "lazy", "640")


# --- a catalog that does not answer, or that is none ------------------------------------------------------------------------------------


@pytest.fixture
def deserted(make: MakeLibrary) -> Library:
    """Its CouchDB is not there."""
    return make({"catalog": {"kind": "couchdb", "url": f"http://127.0.0.1:{unused_port()}", "timeout_seconds": 2}})


@pytest.mark.feature(65)
def test_without_an_answer_URLs_end_in_the_ID_and_tags_say_what_they_can(deserted: Library) -> None:
    assert deserted.scaled_imageurl(ID) == f"{BASE}150x150/{ID}.jpeg"
    assert deserted.scaled_tag(ID) == f'<img src="{BASE}150x150/{ID}.jpeg" alt="" />'
    assert deserted.scaled_dimensions(ID) == (None, None)
    assert deserted.scaled_dimensions(ID, "square") == (75, 75)
    assert deserted.get_imagedoc(ID) is None
    assert deserted.srcset(ID, ["vga"]) == ""


def test_without_an_answer_what_needs_one_says_so(deserted: Library) -> None:
    for asked in (deserted.get_next_imageid, deserted.get_previous_imageid, deserted.update_metadata):
        with pytest.raises(StoreUnavailable):
            asked(ID)  # type: ignore[operator]
    with pytest.raises(StoreUnavailable):
        deserted.set_title(ID, "new")
    with pytest.raises(StoreUnavailable):
        deserted.get_random_imageid()


def test_an_original_is_stored_before_its_catalog_fails_and_its_length_is_known(deserted: Library) -> None:
    with pytest.raises(StoreUnavailable):
        deserted.save_image(jpeg())
    opened, originals = deserted._part(lambda wiring: wiring.originals)
    [ref] = originals.names(opened.space)
    assert deserted.get_length(ref.name) == len(jpeg())


def test_without_a_catalog_there_are_URLs_and_sizes_that_need_none(make: MakeLibrary) -> None:
    library = make({"catalog": {"kind": "none"}})
    imageid = library.save_image(jpeg())
    assert library.scaled_imageurl(imageid) == f"{BASE}150x150/{imageid}.jpeg"
    assert library.get_imagedoc(imageid) == {}
    assert library.get_length(imageid) == len(jpeg())
    for asked in (library.get_next_imageid, library.update_metadata):
        with pytest.raises(ConfigError, match="expected a catalog"):
            asked(imageid)  # type: ignore[operator]
    with pytest.raises(ConfigError, match="expected a catalog"):
        library.get_random_imageid()
    library.delete_image(imageid)
    assert not library.has_image(imageid)


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


class Answers:
    """A catalog's answers, counted; `failing` for so many seconds each."""

    def __init__(self, clock: Clock) -> None:
        self.clock, self.asked = clock, 0
        self.failing: float | None = None
        self.entry: Entry | None = Entry(titles=("one",))
        self.meanwhile: Callable[[], None] = lambda: None

    def __call__(self, ref: Ref) -> Entry | None:
        self.asked += 1
        found = self.entry
        self.meanwhile()
        if self.failing is not None:
            self.clock.seconds += self.failing
            raise StoreUnavailable("catalog", "it is down")
        return found


@pytest.fixture
def answers() -> Answers:
    return Answers(Clock())


@pytest.fixture
def documents(answers: Answers) -> Documents:
    return Documents(answers, answers.clock)


def test_H_B22_a_document_is_asked_for_again_after_a_while(answers: Answers, documents: Documents) -> None:
    assert documents.get(SPACE.ref(ID)) == answers.entry
    answers.entry, answers.clock.seconds = None, LIFETIME_SECONDS - 1
    assert documents.get(SPACE.ref(ID)) == Entry(titles=("one",))
    assert answers.asked == 1
    answers.clock.seconds = LIFETIME_SECONDS + 1
    assert documents.get(SPACE.ref(ID)) is None
    assert documents.get(SPACE.ref(ID)) is None  # that there is none is remembered too
    assert answers.asked == 2


def test_H_B22_what_was_asked_before_a_change_is_not_kept(answers: Answers, documents: Documents) -> None:
    answers.meanwhile = lambda: documents.forget(SPACE.ref(ID))
    documents.get(SPACE.ref(ID))
    answers.entry, answers.meanwhile = Entry(titles=("two",)), lambda: None
    assert documents.get(SPACE.ref(ID)) == Entry(titles=("two",))


def test_a_catalog_that_is_down_is_left_alone_for_a_while(answers: Answers, documents: Documents) -> None:
    answers.failing = 3
    for _ in range(100):
        with pytest.raises(StoreUnavailable, match="it is down"):
            documents.get(SPACE.ref(ID))
    assert answers.asked == 1
    answers.clock.seconds += 9 * 3 + 0.1
    with pytest.raises(StoreUnavailable):
        documents.get(SPACE.ref(ID))
    assert answers.asked == 2
    answers.failing, answers.clock.seconds = None, answers.clock.seconds + 28
    assert documents.get(SPACE.ref(ID)) == answers.entry


def test_only_one_looks_whether_the_catalog_is_back(answers: Answers, documents: Documents) -> None:
    answers.failing = 0
    with pytest.raises(StoreUnavailable):
        documents.get(SPACE.ref(ID))
    answers.clock.seconds += LEAST_PAUSE_SECONDS + 1

    def another_asks() -> None:
        answers.meanwhile = lambda: None
        with pytest.raises(StoreUnavailable):
            documents.get(SPACE.ref(ID))

    answers.meanwhile = another_asks
    with pytest.raises(StoreUnavailable):
        documents.get(SPACE.ref(ID))
    assert answers.asked == 2


def test_while_the_catalog_is_down_what_was_known_is_known(answers: Answers, documents: Documents) -> None:
    documents.get(SPACE.ref(ID))
    answers.failing, answers.clock.seconds = 0, LIFETIME_SECONDS + 1
    assert documents.get(SPACE.ref(ID)) == answers.entry


def test_a_bug_is_no_reason_to_leave_the_catalog_alone(answers: Answers, documents: Documents) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    answers.failing = 0
    with pytest.raises(StoreUnavailable):
        documents.get(SPACE.ref(ID))
    answers.failing, answers.meanwhile, answers.clock.seconds = None, fail, LEAST_PAUSE_SECONDS + 1
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            documents.get(SPACE.ref(ID))
    assert answers.asked == 3


def test_documents_are_remembered_in_bounded_memory(answers: Answers, documents: Documents) -> None:
    for number in range(MOST + 50):
        documents.get(Ref(SPACE, str(number)))
    assert len(documents._known) == MOST


# --- the whole --------------------------------------------------------------------------------------------------------------------------


@pytest.mark.feature(74)
def test_the_bytes_of_a_size_come_from_the_site(make_site: Callable[..., Site], monkeypatch: pytest.MonkeyPatch) -> None:
    site = make_site()
    site.start()
    library = Library(site.config)
    try:
        imageid = library.save_image(jpeg(), title="The skate picture")
        made = library.scaled_imagedata(imageid, "150x150")
        assert made
        assert made == site.get(f"/150x150/{imageid}/any.jpeg").body
        assert library.scaled_imagedata(imageid, "99999x99999") is None
        assert library.scaled_imagedata(ID) is None
        library.delete_image(imageid)
        assert site.get(f"/100x100/{imageid}.jpeg").status in (404, 410)
    finally:
        library.close()
    site.stop_nginx()
    assert library.scaled_imagedata(imageid) is None
    library.close()


def test_bytes_are_fetched_from_a_web_server_only(make: MakeLibrary, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected http"):
        make(base_url=tmp_path.as_uri()).scaled_imagedata(ID)


def test_all_old_names_are_there(installed: Path) -> None:
    from huimages import scaled_tag

    imageid = huimages.save_image(jpeg(), title="The skate picture")
    assert only(scaled_tag(imageid, "thumb"))["src"] == f"{BASE}50x200/{imageid}/The-skate-picture.jpeg"
    names = """
        save_image delete_image get_imagedoc get_length imageurl scaled_imageurl scaled_imagedata scaled_dimensions scaled_tag
        get_random_imageid get_next_imageid get_previous_imageid update_metadata set_title
    """.split()
    assert [name for name in names if not (getattr(huimages, name).__doc__ or "").strip()] == []
    assert huimages.scaled_dimensions(imageid) == (150, 112)
    assert huimages.get_length(imageid) == len(jpeg())
    assert huimages.update_metadata(imageid, typ="product_image") == imageid
    huimages.set_title(imageid, "new")
    doc = huimages.get_imagedoc(imageid)
    assert doc
    assert (doc["title"], doc["types"]) == (["The skate picture", "new"], ["product_image"])
    assert huimages.get_random_imageid() == huimages.get_next_imageid(imageid) == huimages.get_previous_imageid(imageid) == imageid
    assert "/75x75!/" in huimages.imageurl(imageid, "square")
    assert huimages.srcset(imageid, ["thumb"]).endswith(" 50w")
    assert huimages.picture_tag(imageid, ["thumb"]).startswith("<picture>")
    huimages.delete_image(imageid)
    assert huimages.get_imagedoc(imageid) == {}


def test_a_tag_of_a_known_image_asks_nobody(plain: Library) -> None:
    imageid = plain.save_image(jpeg(), title="one")
    plain.scaled_tag(imageid)
    opened, _ = plain._part(lambda wiring: wiring.catalog)
    opened.wiring.__dict__["catalog"] = None  # whoever asked it now would learn nothing
    began = time.perf_counter()
    assert 'width="150"' in plain.scaled_tag(imageid)
    assert time.perf_counter() - began < LIFETIME_SECONDS
