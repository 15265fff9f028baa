"""Orders: one future per rendition, one maker per original, bounds on who may wait."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from renderer.box import Box
from renderer.desk import Desk
from renderer.errors import Busy, NotFound
from renderer.formats import JPEG
from renderer.ops import Fit
from renderer.recipe import Beside, Output, Recipe
from renderer.rendition import NAMINGS, Namespace, Ref, Rendition

SPACE = Namespace("huimages", NAMINGS["sha1"])
REF = SPACE.ref("VGMT4NSHA2AWVOR6EVYXQUGCNSONBWE501")
OTHER = SPACE.ref("FKXGYNOJJ7H3IFO35FPUBC445EPOQRXN01")


def rendition(side: int, ref: Ref = REF) -> Rendition:
    return Rendition(ref, Recipe.of([Fit(Box(side, side))], Output(JPEG, 75)))


def test_equal_wishes_share_one_order_and_one_maker() -> None:
    desk = Desk(10, 5)
    first, is_new, needs_maker = desk.place(rendition(1))
    second, is_new_again, needs_another = desk.place(rendition(1))
    third, _, needs_third = desk.place(rendition(2))
    assert first is second
    assert third is not first
    assert (is_new, is_new_again) == (True, False)
    assert (needs_maker, needs_another, needs_third) == (True, False, False)


def test_each_file_beside_an_original_finds_a_maker_of_its_own() -> None:
    desk = Desk(10, 5)
    files = [Rendition(REF, Beside(name)) for name in ("one.txt", "two.txt")]
    assert [desk.place(each)[2] for each in (rendition(1), files[0], files[1], files[0])] == [True, True, True, False]
    assert desk.load()["originals"] == 1
    assert [order.rendition for order in desk.take(files[0], 8)] == files[:1]
    assert [order.rendition for order in desk.take(REF, 8)] == [rendition(1)]
    assert desk.take(files[0], 8) == []
    assert desk.place(rendition(2))[2] is False


def test_who_waits_for_files_beside_an_original_takes_no_seat_of_who_waits_for_it() -> None:
    desk = Desk(32, 1)  # of which 8 may wait for files, 2 for those of one original
    with ExitStack() as seats:
        for _ in range(2):
            seats.enter_context(desk.seat(REF, far=True, beside=True))
        with pytest.raises(Busy, match="files beside huimages"), desk.seat(REF, far=True, beside=True):
            pass
        seats.enter_context(desk.seat(REF, far=True))
        for number in range(6):
            seats.enter_context(desk.seat(Ref(SPACE, str(number)), far=True, beside=True))
        with pytest.raises(Busy, match="beside originals"), desk.seat(OTHER, far=True, beside=True):
            pass
        seats.enter_context(desk.seat(OTHER, far=True))
    assert desk.load()["waiting"] == 0
    with desk.seat(REF, far=True, beside=True):
        assert desk.load()["waiting"] == 1


def test_other_originals_find_makers_of_their_own() -> None:
    desk = Desk(10, 5)
    desk.place(rendition(1))
    assert desk.place(rendition(1, OTHER))[2]


def test_a_maker_takes_what_came_meanwhile_and_then_may_go() -> None:
    desk = Desk(10, 5)
    for side in (1, 2, 3):
        desk.place(rendition(side))
    assert [len(desk.take(REF, 2)), len(desk.take(REF, 2)), len(desk.take(REF, 2))] == [2, 1, 0]
    assert desk.place(rendition(4))[2]


def test_an_order_in_work_is_joined_not_placed_again() -> None:
    desk = Desk(10, 5)
    order, *_ = desk.place(rendition(1))
    (taken,) = desk.take(REF, 8)
    joined, _, needs_maker = desk.place(rendition(1))
    desk.settle(taken, Path("/made"))
    assert joined is order
    assert not needs_maker
    assert order.made.result(0) == Path("/made")


def test_when_a_maker_fails_so_do_the_orders_it_had_not_taken() -> None:
    desk = Desk(10, 5)
    order, *_ = desk.place(rendition(1))
    desk.give_up(REF, NotFound(REF))
    with pytest.raises(NotFound):
        order.made.result(0)
    assert desk.place(rendition(1))[2]


def test_too_many_for_one_original_are_sent_away_others_are_not() -> None:
    desk = Desk(10, 1)
    with desk.seat(REF, far=False), desk.seat(OTHER, far=False):
        with pytest.raises(Busy), desk.seat(REF, far=False):
            pass
        assert desk.load()["waiting"] == 2
    with desk.seat(REF, far=False):
        assert desk.load()["waiting"] == 1


def test_too_many_in_all_are_sent_away() -> None:
    desk = Desk(1, 1)
    with desk.seat(REF, far=False), pytest.raises(Busy), desk.seat(OTHER, far=False):
        pass


def test_an_order_knows_every_name_that_it_shall_be_kept_under() -> None:
    desk = Desk(10, 5)
    for name in ("w20.jpg", "", "w20-q75.jpg", "w20.jpg"):
        order, *_ = desk.place(rendition(1), name)
    assert order.archived == ("w20.jpg", "w20-q75.jpg")
    assert desk.place(rendition(2))[0].archived == ()


def test_what_was_put_back_and_settled_is_not_taken_again() -> None:
    desk = Desk(10, 5)
    for side in (1, 2):
        desk.place(rendition(side))
    taken = desk.take(REF, 8)
    desk.put_back(REF, taken)
    desk.settle(taken[0], NotFound(REF))
    assert desk.take(REF, 8) == taken[1:]


def test_what_was_put_back_comes_first_again() -> None:
    desk = Desk(10, 5)
    for side in (1, 2, 3):
        desk.place(rendition(side))
    first, second = desk.take(REF, 2)
    desk.put_back(REF, [second])
    desk.settle(first, Path("/made"))
    assert [order.rendition for order in desk.take(REF, 8)] == [rendition(2), rendition(3)]


def test_a_hanging_store_leaves_seats_for_what_is_near() -> None:
    desk = Desk(3, 3)
    with desk.seat(REF, far=True), desk.seat(REF, far=True):
        with pytest.raises(Busy, match="remote"), desk.seat(OTHER, far=True):
            pass
        with desk.seat(OTHER, far=False):
            assert desk.load()["waiting"] == 3
    with desk.seat(OTHER, far=True):
        assert desk.load()["waiting"] == 1
