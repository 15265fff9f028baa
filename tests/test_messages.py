"""Request, Reply and Intent: what dialects see and say."""

from __future__ import annotations

import dataclasses

import pytest

from renderer.formats import JPEG
from renderer.messages import Reply, Request, Show, Terms, plain
from renderer.recipe import Output, Recipe
from renderer.rendition import NAMINGS, Namespace, Rendition

SHOW = Show(Rendition(Namespace("p", NAMINGS["md5"]).ref("5eb63bbbe01eeed093cb22bb8f5acdc3"), Recipe((), Output(JPEG, 75))), "whole.jpg")


@pytest.mark.parametrize("message", [Request("GET", "/"), Reply(200), SHOW, Terms()], ids=lambda message: type(message).__name__)
def test_a_message_is_a_value_that_nobody_changes(message: Request | Reply | Show | Terms) -> None:
    field = dataclasses.fields(message)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(message, field, "another")
    assert message == dataclasses.replace(message)


def test_a_plain_answer_is_one_line_of_text() -> None:
    reply = plain(404, "File not found", (("Retry-After", "1"),))
    assert reply == Reply(404, (("Content-Type", "text/plain; charset=utf-8"), ("Retry-After", "1")), b"File not found\n")


def test_a_plain_answer_can_say_anything() -> None:
    assert plain(400, "got \udcff ä").body == b"got ? \xc3\xa4\n"


def test_nothing_is_signed_and_nothing_remembered_unless_said() -> None:
    assert SHOW.alias is None
    assert SHOW.signature == ""
    assert Terms().namespaces == {}
