"""What every catalog promises: the same cases for memory, a file, and a CouchDB server."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from renderer.catalog import Catalog, Entry, Note
from renderer.rendition import Namespace, Ref
from tests.catalog.conftest import IMAGES, PATHS, PICTURES, Putter, ordered, ref

FULL = Entry(
    ctime="20080102T030405.000006",
    mtime="20090102T030405.000006",
    width=640,
    height=480,
    titles=("Käse & \"Wurst\"", "zweiter"),
    types=("product_image",),
    references={"artnr": ("10106", "10107"), "path": ("/tank/Bilder",)},
    filename="test.jpeg",
    length=12345,
    content_type="image/jpeg",
    placeholder="3OcRJYB4d3h/iIeHeEh3eIhw+j2w",
)
PATH_NAMES = [  # in byte order
    pytest.param("100%/a%2Fb+c&d=e?f#g;h.jpg", id="what-urls-escape"),
    pytest.param("A-b/B.png", id="upper"),
    pytest.param("_design/all", id="like-a-design-document"),
    pytest.param("_id.jpg", id="reserved"),
    pytest.param("a-b.jpg", id="hyphen"),
    pytest.param("a/\"quoted\" it's.jpg", id="quotes"),
    pytest.param("a/b~.jpg", id="tilde"),
    pytest.param("e\u0301.jpg", id="decomposed"),
    pytest.param("\u00e9.jpg", id="composed"),
    pytest.param("\ufb01.jpg", id="ligature"),
    pytest.param("🦁.jpg", id="beyond-the-first-plane"),
]


def test_what_was_put_is_got_again(catalog: Catalog) -> None:
    one = ref("one")
    assert catalog.get(one) is None
    assert catalog.change(one, lambda _: FULL) == FULL
    assert catalog.get(one) == FULL


@pytest.mark.parametrize("name", PATH_NAMES)
def test_every_name_is_its_own_entry(catalog: Catalog, put: Putter, name: str) -> None:
    one = PATHS.ref(name)
    put(one, titles=("a title",))
    catalog.note(one, "u", lambda _: Note(("ski",)))
    assert catalog.get(one) == Entry(titles=("a title",))
    assert catalog.get(PATHS.ref("other")) is None
    assert list(catalog.refs(PATHS)) == list(catalog.tagged(PATHS, "ski")) == [one]
    assert catalog.random(PATHS) == one


def test_a_change_sees_what_is_known_and_replaces_it(catalog: Catalog, put: Putter) -> None:
    put(ref("one"), width=640, titles=("first",), deleted=True)

    def change(entry: Entry | None) -> Entry:
        assert entry is not None
        return replace(entry.adding(title="second"), width=480, deleted=False)

    assert catalog.change(ref("one"), change) == Entry(width=480, titles=("first", "second"))
    assert catalog.get(ref("one")) == Entry(width=480, titles=("first", "second"))


def test_a_change_that_fails_changes_nothing(catalog: Catalog, put: Putter) -> None:
    put(ref("one"), width=640)

    def change(_: Entry | None) -> Entry:
        raise KeyError("no")

    with pytest.raises(KeyError):
        catalog.change(ref("one"), change)
    assert catalog.get(ref("one")) == Entry(width=640)
    assert put(ref("one"), width=480) == Entry(width=480)


def test_the_original_time_stays_whatever_is_written_later(catalog: Catalog, put: Putter) -> None:
    put(ref("one"), ctime="20080102T030405.000006", mtime="20080102T030405.000006")
    changed = put(ref("one"), ctime="20200102T030405.000006", mtime="20200102T030405.000006")
    assert (changed.ctime, changed.mtime) == ("20080102T030405.000006", "20200102T030405.000006")
    assert catalog.get(ref("one")) == changed


def test_nothing_is_lost_when_many_change_one_entry(catalog: Catalog) -> None:
    def add(number: int) -> None:
        catalog.change(ref("one"), lambda entry: (entry or Entry()).adding(title=f"title {number}"))
        catalog.note(ref("one"), "u", lambda note: replace(note, tags=(*note.tags, f"tag {number}")))

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(add, range(24)))
    entry = catalog.get(ref("one"))
    assert entry is not None
    assert sorted(entry.titles) == sorted(f"title {number}" for number in range(24))
    assert set(catalog.tags(IMAGES)) == {f"tag {number}" for number in range(24)}


def test_what_is_deleted_is_gone(catalog: Catalog, put: Putter) -> None:
    put(ref("one"), width=640)
    assert catalog.delete(ref("one"))
    assert not catalog.delete(ref("one"))
    assert catalog.get(ref("one")) is None
    assert list(catalog.refs(IMAGES)) == []
    assert put(ref("one"), width=480) == Entry(width=480)


def test_HB25_what_users_noted_goes_with_the_entry(catalog: Catalog, put: Putter) -> None:
    for one in (ref("one"), ref("two"), PATHS.ref("a"), PATHS.ref("a-b")):
        put(one)
        for user in ("u", "user-with-hyphen", "ü/ö"):
            catalog.note(one, user, lambda _: Note(("ski",), favorite=True, rating=5))
    catalog.delete(ref("one"))
    catalog.delete(PATHS.ref("a"))
    assert catalog.notes(ref("one")) == catalog.notes(PATHS.ref("a")) == {}
    assert list(catalog.tagged(IMAGES, "ski")) == list(catalog.favorites(IMAGES, "u")) == [ref("two")]
    assert list(catalog.tagged(PATHS, "ski")) == list(catalog.favorites(PATHS, "ü/ö")) == [PATHS.ref("a-b")]
    assert catalog.tags(IMAGES) == {"ski": 3}


def test_notes_without_an_entry_are_deleted_too(catalog: Catalog) -> None:
    catalog.note(ref("one"), "u", lambda _: Note(("ski",)))
    assert not catalog.delete(ref("one"))
    assert catalog.notes(ref("one")) == {}


@pytest.mark.feature(76)
@pytest.mark.parametrize("namespace", [pytest.param(IMAGES, id="huimages"), pytest.param(PICTURES, id="md5")])
def test_neighbours_stand_in_byte_order_and_the_last_has_none(catalog: Catalog, put: Putter, namespace: Namespace) -> None:
    refs = ordered(8, namespace)
    for one in refs:
        put(one)
    assert [catalog.next(one) for one in refs] == [*refs[1:], refs[-1]]
    assert [catalog.previous(one) for one in refs] == [refs[0], *refs[:-1]]


@pytest.mark.feature(76)
def test_HB23_neighbours_are_never_deleted_and_nothing_is_skipped(catalog: Catalog, put: Putter) -> None:
    refs = ordered(12)
    shown = {2, 7, 9}
    for place, one in enumerate(refs):
        if place != 8:  # of this one nothing is known
            put(one, deleted=place not in shown)
    catalog.note(refs[2], "u", lambda _: Note(("ski",)))
    list(catalog.tagged(IMAGES, "ski"))  # a design document is there now, if there are such things
    assert [catalog.next(refs[place]) for place in (0, 2, 7, 8, 9)] == [refs[place] for place in (2, 7, 9, 9, 9)]
    assert [catalog.previous(refs[place]) for place in (11, 9, 8, 7, 2)] == [refs[place] for place in (9, 7, 7, 2, 2)]
    assert list(catalog.refs(IMAGES)) == [refs[place] for place in sorted(shown)]


def test_neighbours_in_an_empty_catalog_are_the_original_itself(catalog: Catalog) -> None:
    assert catalog.next(ref("one")) == catalog.previous(ref("one")) == ref("one")


@pytest.mark.feature(75)
def test_HB23_random_is_none_when_there_is_nothing(catalog: Catalog, put: Putter) -> None:
    assert catalog.random(IMAGES) is None
    put(ref("one"), deleted=True)
    put(ref("two"), automatic=True)
    assert catalog.random(IMAGES) is None
    assert catalog.random(PATHS) is None


@pytest.mark.feature(75)
@pytest.mark.parametrize("count", [pytest.param(1, id="one"), pytest.param(9, id="nine")])
def test_random_finds_all_but_what_is_deleted_or_automatic(catalog: Catalog, put: Putter, count: int) -> None:
    refs = ordered(count * 3)
    for place, one in enumerate(refs):
        put(one, deleted=place % 3 == 1, types=("automatic",) if place % 3 == 2 else ())
    wanted, found = set(refs[::3]), set()
    for _ in range(2000):
        one = catalog.random(IMAGES)
        assert one in wanted
        found.add(one)
        if found == wanted:
            break
    assert found == wanted


def test_random_follows_what_becomes_of_an_entry(catalog: Catalog, put: Putter) -> None:
    put(ref("one"))
    assert catalog.random(IMAGES) == ref("one")
    put(ref("one"), automatic=True)
    assert catalog.random(IMAGES) is None
    put(ref("one"))
    assert catalog.random(IMAGES) == ref("one")


def test_names_come_in_byte_order_from_where_one_stopped(catalog: Catalog, put: Putter) -> None:
    names = [str(param.values[0]) for param in PATH_NAMES]
    for name in reversed(names):
        put(PATHS.ref(name))
    assert names == sorted(names, key=str.encode)
    assert [one.name for one in catalog.refs(PATHS)] == names
    assert [one.name for one in catalog.refs(PATHS, after=names[4])] == names[5:]
    assert [one.name for one in catalog.refs(PATHS, after="a-c")] == names[5:]
    assert [catalog.next(PATHS.ref(name)).name for name in names] == [*names[1:], names[-1]]
    assert [catalog.previous(PATHS.ref(name)).name for name in names] == [names[0], *names[:-1]]


def test_namespaces_do_not_see_one_another(catalog: Catalog, put: Putter) -> None:
    for one in (ref("one"), ref("one", PICTURES), PATHS.ref("a")):
        put(one, titles=(one.namespace.name,))
        catalog.note(one, "u", lambda _: Note(("ski",), favorite=True))
    assert list(catalog.refs(PICTURES)) == list(catalog.tagged(PICTURES, "ski")) == [ref("one", PICTURES)]
    assert list(catalog.favorites(PATHS, "u")) == [PATHS.ref("a")]
    assert catalog.next(ref("one")) == ref("one")
    assert catalog.tags(PATHS) == {"ski": 1}
    catalog.delete(ref("one"))
    assert list(catalog.refs(PATHS)) == [PATHS.ref("a")]


def test_a_note_is_kept_for_each_user(catalog: Catalog) -> None:
    first = catalog.note(ref("one"), "u", lambda note: replace(note, tags=("Ski", "ÄRGER", "ski"), rating=7))
    assert first == Note(("ski", "ärger"), favorite=False, rating=7)
    second = catalog.note(ref("one"), "u", lambda note: replace(note, favorite=True))
    catalog.note(ref("one"), "w", lambda note: note)
    assert second == Note(("ski", "ärger"), favorite=True, rating=7)
    assert catalog.notes(ref("one")) == {"u": second, "w": Note()}
    assert catalog.notes(ref("two")) == {}


def test_HB29_tags_are_found_exactly_and_each_original_once(catalog: Catalog) -> None:
    refs = ordered(5)
    for one in refs:
        catalog.note(one, "u", lambda _: Note(("Ski", "rot")))
        catalog.note(one, "w", lambda _: Note(("ski",)))
    catalog.note(ref("other"), "u", lambda _: Note(("skiing",)))
    assert list(catalog.tagged(IMAGES, "ski")) == list(catalog.tagged(IMAGES, "SKI")) == refs
    assert list(catalog.tagged(IMAGES, "sk")) == []
    assert list(catalog.tags(IMAGES).items()) == [("rot", 5), ("ski", 10), ("skiing", 1)]


def test_favorites_are_those_of_one_user(catalog: Catalog) -> None:
    refs = ordered(5)
    for one in refs:
        catalog.note(one, "u", lambda _: Note(favorite=True))
    catalog.note(refs[0], "u", lambda _: Note(favorite=False))
    catalog.note(refs[0], "w", lambda _: Note(favorite=True))
    assert list(catalog.favorites(IMAGES, "u")) == refs[1:]
    assert list(catalog.favorites(IMAGES, "w")) == refs[:1]
    assert list(catalog.favorites(IMAGES, "nobody")) == []


def test_what_is_marked_deleted_turns_up_nowhere(catalog: Catalog, put: Putter) -> None:
    for one in (ref("one"), ref("two")):
        put(one, deleted=one == ref("one"))
        catalog.note(one, "u", lambda _: Note(("ski",), favorite=True))
    assert list(catalog.tagged(IMAGES, "ski")) == list(catalog.favorites(IMAGES, "u")) == [ref("two")]


def test_refs_may_be_changed_while_they_are_listed(catalog: Catalog, put: Putter) -> None:
    refs = ordered(7)
    for one in refs:
        put(one)
    seen: list[Ref] = []
    for one in catalog.refs(IMAGES):
        seen.append(one)
        catalog.delete(one)
    assert seen == refs
    assert list(catalog.refs(IMAGES)) == []


def test_a_check_is_well(catalog: Catalog) -> None:
    catalog.get(ref("one"))
    assert all(well for _, well in catalog.check())
    assert any(catalog.name in sentence for sentence, _ in catalog.check())
