"""Making renditions ahead: what a line asks for, what is made together, in which order it is told, what is waited for and what is not."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from renderer.cache import Cache
from renderer.crew import GARBLED_TRIES, Crew
from renderer.dialects.links import Links
from renderer.errors import BadRequest, Busy, NotFound, RendererError, StoreMismatch, StoreRefused, StoreUnavailable
from renderer.homes import Home
from renderer.importing import MOST_IN_A_ROW
from renderer.limits import Limits
from renderer.markup import operation_of
from renderer.messages import Show, Terms
from renderer.prerendering import FAILED, MADE, MOST_TOGETHER, THERE, WINDOW, Looking, Outcome, Prerendering, together
from renderer.prerendering.listing import everything
from renderer.prerendering.wishes import Unreadable, Wish, Wishes, sizes_of
from renderer.rendition import NAMINGS, Namespace, Ref
from renderer.service import Bounds, Produced
from renderer.signing import check
from renderer.stores.memory import MemoryStore
from tests.test_service import OTHER, REF, House, show
from tests.waiting import wait_until

IMAGES, SCENES, HIDDEN = Namespace("huimages", NAMINGS["sha1"]), Namespace("scenes", NAMINGS["path"]), "hidden"
SPACES = {"huimages": IMAGES, "scenes": SCENES, HIDDEN: Namespace(HIDDEN, NAMINGS["md5"], "forbidden")}
HOST = "https://cdn.example.net/pictures"  # with a path, which whatever stands before nginx takes off
LINKS = Links(Terms(SPACES), Limits(), HOST)
ID = OTHER.name


def read(line: str, sizes: Sequence[str] = (), namespace: str = "", links: Links = LINKS) -> list[Wish | Unreadable]:
    return list(Wishes(links, namespace, sizes).read([line]))


def wished(line: str, sizes: Sequence[str] = (), namespace: str = "", links: Links = LINKS) -> list[tuple[str, list[str], list[str]]]:
    """Of each wish the rendition, its aliases and the URL's path."""
    wishes = [each for each in read(line, sizes, namespace, links) if isinstance(each, Wish)]
    return [(_named(wish), [str(show.alias) for show in wish.shows], [wish.url.removeprefix(HOST)]) for wish in wishes]


def _named(wish: Wish) -> str:
    (name,) = {str(show.rendition) for show in wish.shows}
    return name


def refusal(line: str, *more: object) -> str:
    (found,) = read(line, *more)  # type: ignore[arg-type]
    assert isinstance(found, Unreadable)
    return found.reason


# what a line asks for

SQUARE = (f"huimages/{ID}/fill-150x150_q75", ["~150x150!.jpeg"])
LINES = {
    "path": (f"/150x150!/{ID}/any-title.jpeg", *SQUARE, f"/150x150!/{ID}/any-title.jpeg"),
    "escaped": (f"/150x150%21/{ID}.jpeg", *SQUARE, f"/150x150%21/{ID}.jpeg"),
    "url": (f"{HOST}/150x150!/{ID}.jpeg", *SQUARE, f"/150x150!/{ID}.jpeg"),
    "another-host": (f"HTTP://i.example.org:81/150x150!/{ID}.jpeg", *SQUARE, f"HTTP://i.example.org:81/150x150!/{ID}.jpeg"),
    "anchor": (f"/150x150!/{ID}.jpeg#top", *SQUARE, f"/150x150!/{ID}.jpeg#top"),
    "tab": (f"{ID}\t150x150!", *SQUARE, f"/150x150!/{ID}.jpeg"),
    "blanks": (f"  {ID}   150x150!\r\n", *SQUARE, f"/150x150!/{ID}.jpeg"),
    "named": (f"huimages/{ID} 150x150!", *SQUARE, f"/150x150!/{ID}.jpeg"),
    "format": (f"{ID} 150x150!.webp", f"huimages/{ID}/fill-150x150_q75", ["~150x150!.webp"], f"/150x150!/{ID}.webp"),
    "size-name": (f"{ID} thumb", f"huimages/{ID}/fit-50x200_q75", ["~thumb.jpeg", "~50x200.jpeg"], f"/thumb/{ID}.jpeg"),
    "original": (f"{ID} o", f"huimages/{ID}/original-scrubbed", ["None"], f"/o/{ID}.jpeg"),
    "recipe": (f"{ID} fit-9x_q60.webp", f"huimages/{ID}/fit-9x_q60", ["None"], f"/i/huimages/{ID}/fit-9x_q60.webp"),
    "native": (f"/i/huimages/{ID}/fit-9x.jpg", f"huimages/{ID}/fit-9x_q75", ["fit-9x.jpg"], f"/i/huimages/{ID}/fit-9x.jpg"),
    "other-namespace": ("scenes/a/Käse 1%.jpg\t9x9", "scenes/a/Käse 1%.jpg/fit-9x9_q75", ["fit-9x9.jpg"],
                        "/i/scenes/a/K%C3%A4se%201%25.jpg/fit-9x9.jpg"),
}  # fmt: skip


@pytest.mark.parametrize("kind", list(LINES))
def test_a_line_asks_for_a_rendition_and_for_the_names_under_which_nginx_looks(kind: str) -> None:
    line, rendition, aliases, url = LINES[kind]
    assert wished(line) == [(rendition, aliases, [url])]


def test_a_name_alone_is_wished_in_all_sizes() -> None:
    assert renditions(ID, ["9x9", "thumb"]) == [f"huimages/{ID}/fit-9x9_q75", f"huimages/{ID}/fit-50x200_q75"]
    assert renditions("a b.jpg", ["9x9"], "scenes") == ["scenes/a b.jpg/fit-9x9_q75"]
    assert renditions(f"{ID}\t8x8", ["9x9"]) == [f"huimages/{ID}/fit-8x8_q75"]


def renditions(line: str, sizes: Sequence[str] = (), namespace: str = "") -> list[str]:
    return [rendition for rendition, _, _ in wished(line, sizes, namespace)]


def test_what_an_import_prints_is_wished_in_the_sizes_given_or_as_its_url_says() -> None:
    line = f"{ID}\thttp://127.0.0.1:8080/640x480/{ID}.jpeg"
    assert renditions(line) == [f"huimages/{ID}/fit-640x480_q75"]
    assert renditions(line, ["9x9"]) == [f"huimages/{ID}/fit-9x9_q75"]


UNREADABLE = {
    "name-alone": (ID, "--sizes"),
    "no-id": ("abc 9x9", "a sha1 name"),
    "no-size": (f"{ID} huge", "for a part of the recipe"),
    "no-namespace": (f"nowhere/{ID} 9x9", "NAMESPACE/NAME"),
    "too-large": (f"{ID} 9999x9999", "at most 8192"),
    "query": (f"/150x150/{ID}.jpeg?v=1", "no query"),
    "nobody-s": ("/a/b/c/d/e", "nobody reads"),
    "host-only": ("https://i.example.org", "nobody reads"),
    "dots": (f"/x/../150x150/{ID}.jpeg", "dot segments"),
    "no-utf-8": ("scenes/\udcff.jpg\t9x9", "a path name"),
    "forbidden": (f"{HIDDEN}/{'0' * 32} original-scrubbed", "are forbidden"),
}


@pytest.mark.parametrize("kind", list(UNREADABLE))
def test_a_line_that_asks_for_nothing_says_why(kind: str) -> None:
    line, reason = UNREADABLE[kind]
    assert reason in refusal(line)


def test_empty_lines_are_no_lines() -> None:
    assert read("\n") == read(" \t \r\n") == []


def test_only_the_sizes_that_an_installation_allows_are_wished_by_url_too() -> None:
    limits = Limits(sizes={"huimages": frozenset({(operation_of("75x75!"),)})})
    links = replace(LINKS, limits=limits)
    assert wished(f"{ID} 75x75!", links=links)
    for line in (f"{ID} 76x76!", f"/76x76!/{ID}.jpeg"):
        assert "allowed sizes" in refusal(line, (), "", links)
    Wishes(links, sizes=["75x75!"]).check_sizes(IMAGES)
    with pytest.raises(BadRequest, match="allowed sizes"):
        Wishes(links, sizes=["75x75!", "76x76"]).check_sizes(IMAGES)
    Wishes(links, sizes=["76x76"]).check_sizes(SCENES)


@pytest.mark.parametrize("line", [f"/150x150/{ID}.jpeg", f"/150x150~{'x' * 22}/{ID}.jpeg", f"{ID} 150x150"])
def test_no_signature_is_needed_and_none_is_looked_at(line: str) -> None:
    key = b"the operator's own key"
    ((wish,),) = [read(line, links=replace(LINKS, keys=[key]))]
    assert isinstance(wish, Wish)
    for asked in wish.shows:
        check([key], asked.rendition.ref, asked.wish, asked.signature)
    assert str(wish.shows[0].alias) == "~150x150.jpeg"


def test_sizes_are_divided_by_commas_but_for_those_of_a_focal_point() -> None:
    assert sizes_of("150x150!, thumb,,fill-300x200-33,50,o,fill-9x9-1,2_q80.webp,75x75") == [
        "150x150!", "thumb", "fill-300x200-33,50", "o", "fill-9x9-1,2_q80.webp", "75x75",
    ]  # fmt: skip


@given(st.text(max_size=60) | st.tuples(st.text(max_size=30), st.sampled_from("\t /"), st.text(max_size=30)).map("".join))
def test_no_line_stops_the_reading(line: str) -> None:
    assert all(isinstance(each, Wish | Unreadable) for sizes in ((), ("9x9",)) for each in read(line, sizes))


@given(st.text(max_size=40))
def test_a_name_and_the_url_that_it_stands_for_ask_for_the_same(name: str) -> None:
    for wish in read(f"scenes/{name}\t9x9"):
        if isinstance(wish, Wish):
            assert [again.shows for again in read(wish.url) if isinstance(again, Wish)] == [wish.shows]


# what is made together


def wish(number: int = 0, side: int = 9) -> Wish:
    """Of the original with this number."""
    (found,) = read(f"{_id(number)} {side}x{side}")
    assert isinstance(found, Wish)
    return found


def _id(number: int) -> str:
    return f"{number:032d}".translate(str.maketrans("0189", "ABCD")) + "01"


def test_sizes_of_one_original_in_a_row_are_one_group_as_large_as_a_render_process_takes() -> None:
    row = [wish(1, side) for side in range(1, MOST_TOGETHER + 3)]
    unreadable = Unreadable("x", "y")
    found = [wish(0), *row, wish(2, 1), unreadable, wish(2, 2)]
    assert list(together(found)) == [[wish(0)], row[:MOST_TOGETHER], row[MOST_TOGETHER:], [wish(2, 1)], unreadable, [wish(2, 2)]]


def test_all_sizes_of_an_original_are_one_fetch_and_one_call_of_a_render_process(tmp_path: Path) -> None:
    house = House(tmp_path, bounds=Bounds(8, 1, 5))  # one seat for an original: they need no more
    shows = [show(side) for side in (1, 2, 3)]
    outcomes = house.service.produce_all([*shows, shows[0]])
    assert [each.path.read_text() for each in outcomes if isinstance(each, Produced)] == [
        "fit-1x1_q75", "fit-2x2_q75", "fit-3x3_q75", "fit-1x1_q75",
    ]  # fmt: skip
    assert (house.store.gets, [len(call) for call in house.workers.calls]) == (1, [3])
    assert len(list(house.cache.files.rglob("~?x?.jpeg"))) == 3
    again = house.service.produce_all([*shows, show(4)])
    assert [bool(each.milliseconds) for each in again if isinstance(each, Produced)] == [False, False, False, True]


def test_of_several_renditions_what_cannot_be_fails_alone(tmp_path: Path) -> None:
    house = House(tmp_path, limits=Limits(max_side_out=100))
    good, bad = house.service.produce_all([show(1), show(101)])
    assert (isinstance(good, Produced), type(bad).__name__) == (True, "Refused")
    absent = IMAGES.ref("A" * 32 + "01")
    assert [type(each) for each in house.service.produce_all([show(side, absent) for side in (1, 2)])] == [NotFound, NotFound]


def test_renditions_that_find_no_seat_are_all_busy(tmp_path: Path) -> None:
    house, go = House(tmp_path, bounds=Bounds(8, 1, 5)), threading.Event()
    house.store.gate = lambda key: go.wait(5) and None  # type: ignore[method-assign]
    sitting = threading.Thread(target=house.service.produce, args=[show(1)])
    sitting.start()
    wait_until(lambda: house.service.load()["waiting"] == 1, what="a waiter")
    outcomes = house.service.produce_all([show(2), show(3)])
    go.set()
    sitting.join(5)
    assert [type(each) for each in outcomes] == [Busy, Busy]


# how it is told


class Making:
    """A service that keeps what was ordered together; `first` may raise or wait before anything else. Nothing is there at first."""

    def __init__(self, first: Callable[[Ref], None] = lambda ref: None) -> None:
        self._first = first
        self.ordered: list[tuple[str, int]] = []

    def produce_all(self, shows: Sequence[Show]) -> list[Produced | Exception]:
        self.ordered.append((shows[0].rendition.ref.name, len(shows)))
        try:
            self._first(shows[0].rendition.ref)
        except RendererError as error:
            return [error for _ in shows]
        return [Produced(Path(), {"publish": 1.0}) for _ in shows]

    def asked(self) -> list[str]:
        return [name for name, _ in self.ordered]


def outcomes(service: Making, found: Iterable[Wish | Unreadable], jobs: int = 1, crew: Crew | None = None) -> list[Outcome]:
    return list(Prerendering(service, crew or Crew(jobs)).outcomes(found))


def test_outcomes_come_in_the_order_of_the_lines_whoever_is_done_first() -> None:
    def first_is_last(ref: Ref) -> None:
        if ref.name == _id(0):
            wait_until(lambda: len(service.ordered) == 10, 20, "the others to be ordered")

    service, broken = Making(first_is_last), Unreadable("nothing", "because")
    results = outcomes(service, [*(wish(number) for number in range(9)), broken, wish(9, 7)], jobs=3)
    assert [outcome.shown for outcome in results] == [*(f"{_id(number)} 9x9" for number in range(9)), "nothing", f"{_id(9)} 7x7"]
    assert [outcome.what for outcome in results] == [MADE] * 9 + [FAILED, MADE]


def test_memory_does_not_grow_with_the_lines() -> None:
    found, go = [0], threading.Event()

    def endless() -> Iterator[Wish]:
        for number in count():
            found[0] = number
            yield wish(number)

    results = Prerendering(Making(lambda ref: go.wait(20) and None), Crew(2)).outcomes(endless())
    reader = threading.Thread(target=next, args=[results])
    reader.start()
    wait_until(lambda: found[0] >= WINDOW, 20, "a full window")
    go.set()
    reader.join(20)
    results.close()
    assert found[0] <= WINDOW + 8


def test_a_list_that_breaks_off_is_a_failure_and_what_came_before_is_made() -> None:
    def broken() -> Iterator[Wish]:
        yield wish(1)
        yield wish(2)
        raise StoreRefused("archive", "403")

    results = outcomes(Making(), broken())
    assert [outcome.what for outcome in results] == [MADE, FAILED]
    assert results[1].reason == "could not be read to its end: store archive: 403"


def test_a_bug_in_one_original_is_no_end_of_the_others() -> None:
    def bug(ref: Ref) -> None:
        if ref.name == _id(1):
            raise ZeroDivisionError

    results = outcomes(Making(bug), map(wish, range(3)))
    assert [outcome.what for outcome in results] == [MADE, FAILED, MADE]
    assert "ZeroDivisionError" in results[1].reason


def test_what_would_be_made_is_told_and_not_made(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache", "1")
    cache.prepare()
    there = cache.files / REF.directory / wish_of(REF, 1).shows[0].rendition.file_name()
    there.parent.mkdir(parents=True)
    there.write_bytes(b"picture")
    results = list(Prerendering(Looking(cache), Crew(1)).outcomes([wish_of(REF, 1), wish_of(REF, 2)]))
    assert [(outcome.what, outcome.length) for outcome in results] == [(THERE, 0), (MADE, 0)]
    assert list(there.parent.iterdir()) == [there]


def wish_of(ref: Ref, side: int) -> Wish:
    (found,) = read(f"{ref.name} {side}x{side}")
    assert isinstance(found, Wish)
    return found


# what is waited for


class Failing(Making):
    """`errors` come first, one after the other, for whom they are meant."""

    def __init__(self, errors: Sequence[RendererError], name: str = "") -> None:
        self._left = list(errors)
        super().__init__(lambda ref: self._fail(ref, name))

    def _fail(self, ref: Ref, name: str) -> None:
        if self._left and name in ("", ref.name):
            raise self._left.pop(0)


DOWN = StoreUnavailable("archive", "expected an answer")


def patient(pauses: list[float], jobs: int = 1) -> Crew:
    """It waits for nothing, and notes for how long it would have."""
    return Crew(jobs, 3.0, lambda seconds: pauses.append(seconds) or True)


def test_a_store_that_is_down_is_waited_for(tmp_path: Path) -> None:
    pauses: list[float] = []
    service = Failing([DOWN, Busy("full")])
    results = outcomes(service, [wish(1, 1), wish(1, 2)], crew=patient(pauses))
    assert [outcome.what for outcome in results] == [MADE, MADE]
    assert (len(pauses), service.ordered) == (2, [(_id(1), 2)] * 3)


def test_only_what_failed_is_asked_again() -> None:
    class Half(Making):
        def produce_all(self, shows: Sequence[Show]) -> list[Produced | Exception]:
            made = super().produce_all(shows)
            return [*made[:-1], DOWN] if len(shows) > 1 else made

    service = Half()
    results = outcomes(service, [wish(1, side) for side in (1, 2, 3)], crew=patient([]))
    assert ([outcome.what for outcome in results], service.ordered) == ([MADE] * 3, [(_id(1), 3), (_id(1), 1)])


@pytest.mark.parametrize(
    ("error", "asked"),
    [(NotFound(REF), 1), (StoreRefused("archive", "403"), 1), (StoreMismatch("archive", "other bytes"), GARBLED_TRIES)],
    ids=["missing", "refused", "garbled"],
)
def test_what_no_patience_mends_is_a_failure_of_that_line(error: RendererError, asked: int) -> None:
    service = Failing([error] * 20, _id(1))
    results = outcomes(service, map(wish, range(3)), crew=Crew(1, 1000, lambda seconds: True))
    assert [(outcome.what, outcome.reason) for outcome in results] == [(MADE, ""), (FAILED, str(error)), (MADE, "")]
    assert service.asked().count(_id(1)) == asked


def test_when_patience_ends_for_many_in_a_row_nothing_more_is_tried() -> None:
    prerendering = Prerendering(Failing([DOWN] * 10_000), patient([]))
    results = list(prerendering.outcomes(wish(number) for number in range(WINDOW * 2)))
    assert {outcome.reason for outcome in results} == {str(DOWN)}
    assert MOST_IN_A_ROW <= len(results) < WINDOW * 2
    assert prerendering.tally.halted == (
        f"{MOST_IN_A_ROW} originals in a row failed through no fault of theirs, and so would all others: store archive: expected an answer"
    )


def test_missing_originals_are_no_reason_to_stop() -> None:
    prerendering = Prerendering(Failing([NotFound(REF)] * 30), Crew(1))
    assert [outcome.what for outcome in prerendering.outcomes(map(wish, range(40)))] == [FAILED] * 30 + [MADE] * 10
    assert not prerendering.tally.halted


def test_an_interrupt_finishes_what_is_in_work_and_waits_for_nothing_that_is_down() -> None:
    def hold(ref: Ref) -> None:
        if ref.name == _id(1):
            prerendering.interrupt()
            wait_until(lambda: prerendering.tally.halted, 20, "the interrupt")
        if ref.name == _id(0):
            wait_until(lambda: _id(1) in service.asked(), 20, "the other")
            raise DOWN

    service = Making(hold)
    prerendering = Prerendering(service, Crew(2, 1000))
    results = list(prerendering.outcomes(wish(number) for number in range(100)))
    assert [outcome.what for outcome in results[:2]] == [FAILED, MADE]
    assert (len(results), prerendering.tally.halted) == (2, "interrupted")


# all originals of a namespace


class Breaking(MemoryStore):
    """Its listing breaks off before these keys, once each."""

    breaks: frozenset[str] = frozenset()
    added: tuple[str, ...] = ()

    def names(self, prefix: str = "") -> Iterator[str]:
        for key in sorted({*self.added, *"abcdef"}):
            if key in self.breaks:
                self.breaks -= {key}
                raise DOWN
            yield key


def test_a_listing_that_breaks_off_goes_on_behind_the_last_name() -> None:
    store, pauses = Breaking(name="archive"), list[float]()
    store.breaks = frozenset("acf")
    names = []
    for ref in everything(Shelf(store), SCENES, patient(pauses)):  # type: ignore[arg-type]
        names.append(ref.name)
        store.added = ("aa", "f")  # behind us: it comes another time
    assert (names, len(pauses)) == (["a", "b", "c", "d", "e", "f"], 3)


class Shelf:
    """Originals of one namespace, as far as a listing knows them."""

    def __init__(self, store: MemoryStore) -> None:
        self.homes = {"scenes": Home(SCENES, store)}

    def names(self, namespace: Namespace) -> Iterator[Ref]:
        return (namespace.ref(key) for key in self.homes[namespace.name].store.names())
